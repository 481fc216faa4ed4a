"""Write `constraints.txt` from the packages of the environment that runs this program."""

import sys
from importlib.metadata import distributions
from pathlib import Path

from tools.bootstrap.inputs import CONSTRAINTS, canonical, find_distributions

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# The versions that the tests run with. Set-up hands this file to pip, so that two machines get the
# same packages; what a distribution supports stands in its own pyproject.toml.
# Written by `make constraints` from the environment.
"""
# Whatever brings an environment to life chooses its own versions of these.
_NOT_PINNED = frozenset({"pip", "setuptools", "wheel"})


def constraint_lines() -> list[str]:
    """Return one `name==version` per installed package that is not part of the workspace.

    The local part of a version ("+cpu") is dropped: it names a build, not another version.
    """
    own = {one.name for one in find_distributions(ROOT)}
    pins = {}
    for package in distributions():
        name = canonical(package.metadata["Name"])
        if name not in own and name not in _NOT_PINNED:
            pins[name] = package.version.partition("+")[0]
    return [f"{name}=={version}" for name, version in sorted(pins.items())]


def main() -> int:
    """Write the file."""
    lines = constraint_lines()
    (ROOT / CONSTRAINTS).write_text(HEADER + "\n".join(lines) + "\n", "utf-8")
    print(f"{CONSTRAINTS}: {len(lines)} versions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
