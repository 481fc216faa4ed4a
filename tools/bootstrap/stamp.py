"""What did the last set-up finish, and what is left to do?

The stamp lies inside `.venv`, so deleting the environment deletes it. It is removed before a
step starts and written after the step has finished: a set-up that was interrupted leaves no
stamp, or one that says only what is true.
"""

import json
import os
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

FILE_NAME = "elanus-setup.json"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Digests of what an environment was made from; an empty one stands for "not done"."""

    python: str
    environment: str
    native: str


class Work(Enum):
    """How much a set-up has to do; each kind includes those after it."""

    CREATE = "create the environment"
    INSTALL = "install the packages"
    BUILD = "build the extension"
    NOTHING = "nothing"


def read_stamp(venv: Path) -> Stamp | None:
    """Return the stamp of ``venv``, or None when there is none that can be read."""
    try:
        return Stamp(**json.loads((venv / FILE_NAME).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_stamp(venv: Path, stamp: Stamp) -> None:
    """Put ``stamp`` in place in one step."""
    partial = venv / (FILE_NAME + ".partial")
    partial.write_text(json.dumps(asdict(stamp), indent=2) + "\n", "utf-8")
    os.replace(partial, venv / FILE_NAME)


def remove_stamp(venv: Path) -> None:
    """Forget what was done."""
    (venv / FILE_NAME).unlink(missing_ok=True)


def work_left(stamp: Stamp | None, wanted: Stamp, *, usable: bool) -> Work:
    """Return what must be done to get from ``stamp`` to ``wanted``.

    Args:
        stamp: What the last set-up left; None when it did not finish, or there was none.
        wanted: What the workspace looks like now.
        usable: Whether `.venv` has a Python of the right version with pip.
    """
    if not usable or (stamp is not None and stamp.python != wanted.python):
        return Work.CREATE
    if stamp is None or stamp.environment != wanted.environment:
        return Work.INSTALL
    if stamp.native != wanted.native:
        return Work.BUILD
    return Work.NOTHING
