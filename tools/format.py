"""Format every source file in place: `ruff` for Python, `clang-format` for C++."""

import subprocess
import sys

from tools.checks.sources import ROOT, native_sources, tool


def main() -> int:
    """Run the formatters; return the first failing status."""
    commands = [
        [tool("ruff"), "check", "--quiet", "--fix", "--select", "I", "."],
        [tool("ruff"), "format", "."],
    ]
    sources = [str(file) for file in native_sources()]
    if sources:
        commands.append([tool("clang-format"), "-i", *sources])
    statuses = [subprocess.run(one, check=False, cwd=ROOT).returncode for one in commands]
    return next((status for status in statuses if status != 0), 0)


if __name__ == "__main__":
    sys.exit(main())
