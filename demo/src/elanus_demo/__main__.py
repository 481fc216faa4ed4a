"""Start the demo: ``python -m elanus_demo``."""

from __future__ import annotations

import sys

from elanus_demo.cli import main

if __name__ == "__main__":
    sys.exit(main())
