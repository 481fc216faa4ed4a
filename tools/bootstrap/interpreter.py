"""Which Python on this machine is new enough?

This file and `__main__.py` are read by whatever `python3` happens to be, so they keep to the
syntax of Python 3.6: a Python that is too old must reach the sentence that says so.
"""

import os
import subprocess
from typing import Callable, List, Optional, Tuple

Version = Tuple[int, int]

MINIMUM = (3, 11)  # type: Version
OTHER_NAMES = ("python3.11", "python3.12", "python3.13", "python3.14")

_PROBE = "import os, sys; print(sys.version_info[0], sys.version_info[1], sys.executable)"


def probe(command: str) -> Optional[Tuple[Version, str]]:
    """Return the version and path of the Python behind ``command``, or None when it does not run.

    Being on PATH is not enough: version managers put names there that only print an error.
    """
    try:
        answer = subprocess.run(
            [command, "-c", _PROBE],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            universal_newlines=True,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    words = answer.stdout.strip().split(" ", 2)
    if answer.returncode != 0 or len(words) != 3:
        return None
    return (int(words[0]), int(words[1])), words[2]


def choose(
    executable: str,
    version: Version,
    look: Callable[[str], Optional[Tuple[Version, str]]] = probe,
) -> Optional[str]:
    """Return the Python to use: ``executable`` if new enough, else a newer one by name, else None.

    Links are resolved, so that a Python inside a virtual environment gives the one it came from
    and setting up never deletes the Python it runs on.
    """
    if version >= MINIMUM:
        return os.path.realpath(executable)
    for name in OTHER_NAMES:
        found = look(name)
        if found is not None and found[0] >= MINIMUM:
            return os.path.realpath(found[1])
    return None


def too_old(executable: str, version: Version) -> str:
    """Return the one sentence for a machine without a usable Python."""
    return (
        "elanus needs Python {}.{} or newer, but {} is Python {}.{}: install a newer one "
        "(on Debian: apt install python3 python3-dev python3-pip) or name one with "
        "PYTHON=/path/to/python3.11."
    ).format(MINIMUM[0], MINIMUM[1], executable, version[0], version[1])


def command_line(python: str, arguments: List[str]) -> List[str]:
    """Return the command that runs the set-up itself under ``python``."""
    return [python, "-m", "tools.bootstrap.workspace"] + arguments
