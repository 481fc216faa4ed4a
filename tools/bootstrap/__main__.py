"""Start the set-up with a Python that is new enough. Keeps to the syntax of Python 3.6."""

import os
import sys

from tools.bootstrap.interpreter import choose, command_line, too_old


def main() -> int:
    """Replace this process by the set-up, or say in one sentence why that cannot be."""
    version = (sys.version_info[0], sys.version_info[1])
    python = choose(sys.executable, version)
    if python is None:
        sys.stderr.write(too_old(sys.executable, version) + "\n")
        return 1
    sys.stdout.flush()
    os.execv(python, command_line(python, sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
