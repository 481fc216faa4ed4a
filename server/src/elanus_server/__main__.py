"""``python -m elanus_server``."""

import sys

from elanus_server.cli import main

sys.exit(main())
