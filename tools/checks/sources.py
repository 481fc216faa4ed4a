"""Which files do the checks look at?"""

import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tools.bootstrap.inputs import find_distributions

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "core" / "src" / "elanus"
NATIVE_SUFFIXES = (".cpp", ".h", ".inl")

# Folders of Python programs beside the distributions.
_PROGRAM_FOLDERS = ("tools", "benchmarks", "examples")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return every file that git tracks or would track, sorted."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    files = (ROOT / name for name in sorted(set(listed.split("\0"))) if name)
    return tuple(file for file in files if file.is_file())


def files_with(suffixes: Sequence[str]) -> list[Path]:
    """Return the tracked files whose names end in one of ``suffixes``."""
    return [file for file in tracked_files() if file.suffix in suffixes]


def native_sources() -> list[Path]:
    """Return the tracked C++ files."""
    return files_with(NATIVE_SUFFIXES)


def typed_folders() -> list[str]:
    """Return the folders whose Python is type-checked, relative to the root."""
    folders = [one.folder / "src" for one in find_distributions(ROOT)]
    folders += [ROOT / name for name in _PROGRAM_FOLDERS]
    return [name_of(folder) for folder in folders if any(folder.rglob("*.py"))]


def name_of(file: Path) -> str:
    """Return a file's path as the reports print it."""
    return file.relative_to(ROOT).as_posix()


def tool(name: str) -> str:
    """Return the path of a program that the environment brings."""
    return str(Path(sys.executable).parent / name)
