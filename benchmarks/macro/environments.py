"""Which interpreter runs which system?

Elanus runs in the interpreter of this workspace. Every other system gets a virtual environment of
its own, made from ``benchmarks/peers/<name>.txt`` in a cache folder outside the repository, and
made again when that file changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).resolve().parents[1] / "peers"


class EnvironmentMissingError(Exception):
    """A peer could not be installed; its rows are reported as missing."""


def cache_folder() -> Path:
    """Return where environments and databases are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "elanus-bench"


def interpreter_for(adapter: str) -> str:
    """Return the interpreter of a system, installing it first if need be.

    Raises:
        EnvironmentMissingError: The installation failed; says why.
    """
    requirements = PEERS / f"{adapter}.txt"
    if not requirements.exists():
        return sys.executable
    folder = cache_folder() / adapter
    interpreter = folder / "bin" / "python"
    stamp = folder / "requirements.sha256"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return str(interpreter)
    print(f"installing {adapter} into {folder} ...", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(requirements)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EnvironmentMissingError(f"{adapter}: {error}") from error
    stamp.write_text(wanted)
    return str(interpreter)
