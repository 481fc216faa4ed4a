"""Does `.venv` hold what this workspace needs? If not, make it so, and say what is being done.

Invariant: when this returns 0, the stamp in `.venv` describes the workspace as it is now.
"""

import argparse
import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tools.bootstrap.inputs import (
    environment_fingerprint,
    find_distributions,
    fingerprint,
    native_fingerprint,
)
from tools.bootstrap.machine import missing, this_machine
from tools.bootstrap.stamp import Stamp, Work, read_stamp, remove_stamp, work_left, write_stamp
from tools.bootstrap.steps import LOG_NAME, Installer, StepError

ROOT = Path(__file__).resolve().parents[2]


def say(text: str) -> None:
    """Tell the person who waits; flushed, because the next line can take minutes."""
    print(text, file=sys.stderr, flush=True)


def wanted_stamp(installer: Installer) -> Stamp:
    """Return the stamp of an environment that is set up for the workspace as it is now."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    distributions = list(installer.distributions)
    return Stamp(
        # An environment holds absolute paths, so a moved clone needs a new one.
        python=fingerprint([installer.python, version, str(installer.root)]),
        environment=environment_fingerprint(installer.root, distributions),
        native=native_fingerprint(installer.root, distributions),
    )


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Let one set-up run at a time in this workspace; a second one waits for the first."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up of this clone is running; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def work_for(installer: Installer, wanted: Stamp) -> Work:
    """Return what is left to do. Starts no process when the stamp fits."""
    stamp = read_stamp(installer.venv)
    fits = stamp == wanted and (installer.venv / "bin" / "python").exists()
    return work_left(stamp, wanted, usable=fits or installer.usable())


def perform(installer: Installer, work: Work, wanted: Stamp) -> None:
    """Do ``work`` and leave the stamp that tells of it."""
    installer.log.unlink(missing_ok=True)
    started = time.monotonic()
    if work is Work.BUILD:
        say("Native sources changed: building the extension (about a minute) ...")
        write_stamp(installer.venv, replace(wanted, native=""))
        installer.build_native()
    else:
        say(f"Setting up .venv with {installer.python}; this takes a few minutes, once.")
        remove_stamp(installer.venv)
        if work is Work.CREATE:
            anew = " anew" if installer.venv.exists() else ""
            say(f"  [1/4] creating .venv{anew} ...")
            installer.create()
        say("  [2/4] installing PyTorch (the largest download; up to a few minutes) ...")
        installer.install_torch()
        say("  [3/4] installing the other packages (about a minute) ...")
        installer.install_third_party()
        say("  [4/4] building elanus and its extension (about a minute) ...")
        installer.install_workspace()
    write_stamp(installer.venv, wanted)
    say(f"Set-up finished in {time.monotonic() - started:.0f} s.")


def set_up(installer: Installer) -> int:
    """Bring `.venv` up to date; return the exit status."""
    if work_for(installer, wanted_stamp(installer)) is Work.NOTHING:
        return 0
    problem = missing(this_machine(), installer.python)
    if problem is not None:
        say(problem)
        return 1
    try:
        with exclusive(installer.root / ".stamps"):
            wanted = wanted_stamp(installer)
            work = work_for(installer, wanted)
            if work is not Work.NOTHING:
                perform(installer, work, wanted)
    except StepError as error:
        say(error.output)
        say(f"Set-up failed while {error.step}. The whole output is in {LOG_NAME}.")
        return 1
    except KeyboardInterrupt:
        say("Set-up interrupted; the next run continues it.")
        return 130
    return 0


def main() -> int:
    """Set the workspace up that this file lies in."""
    argparse.ArgumentParser(prog="tools.bootstrap", description=__doc__).parse_args()
    return set_up(Installer(ROOT, sys.executable, find_distributions(ROOT)))


if __name__ == "__main__":
    sys.exit(main())
