"""Which files are a source, in which format, and are they still the same?"""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, cast

from elanus.errors import InvalidArgumentError, NotFoundError, StorageError

HEAD_BYTES = 64 << 10
"""Bytes at the start of a file that tell it from another one of the same size and time."""

GZIP_SUFFIX = ".gz"
SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".arrows": "arrow-stream",
    ".npz": "npz",
    ".npy": "npy",
}
"""Format of a file by the end of its name."""
FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))
TEXT_FORMATS = ("jsonl", "json", "csv", "tsv")
"""Formats that may be compressed with gzip."""
NUMPY_FOLDER = "numpy-folder"
"""Format of a folder with one ``.npy`` per column, as pymilvus writes it."""
ERRORS_SUFFIX = ".errors.jsonl"
"""What the file of errors adds to the name of the imported file."""

PathLike = str | os.PathLike[str]


def expand_paths(source: PathLike | Iterable[PathLike]) -> list[Path]:
    """Return the files that a path, a pattern or a list of both names, in that order.

    A folder stands for the files in it and below, numbers in their names by value: what pymilvus'
    ``LocalBulkWriter`` wrote. A folder of ``.npy`` files is one of the results itself.

    Raises:
        InvalidArgumentError: A folder holds files of no known format.
        NotFoundError: There is no such file.
    """
    given = [source] if isinstance(source, str | os.PathLike) else list(source)
    found: list[Path] = []
    for one in given:
        text = os.path.expanduser(os.fspath(one))
        if os.path.isfile(text):
            found.append(Path(text))
        elif os.path.isdir(text):
            found += _folder_files(Path(text))
        elif glob.has_magic(text) and (matches := sorted(glob.glob(text, recursive=True))):
            found += [Path(match) for match in matches if os.path.isfile(match)]
        else:
            raise NotFoundError(f"no file {text}; check the path")
    if not found:
        raise NotFoundError("no files to import; check the path")
    return found


def _folder_files(folder: Path) -> list[Path]:
    names = sorted(os.listdir(folder), key=_by_number)
    entries = [folder / name for name in names if not name.startswith(".")]
    entries = [entry for entry in entries if not entry.name.endswith(ERRORS_SUFFIX)]
    if entries and all(entry.suffix == ".npy" for entry in entries):
        return [folder]
    found: list[Path] = []
    for entry in entries:
        if entry.is_dir():
            found += _folder_files(entry)
        else:
            format_of(entry, None)
            found.append(entry)
    if not found:
        raise NotFoundError(f"{folder} holds no files to import; check the path")
    return found


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return a key that puts ``2.parquet`` before ``10.parquet``."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def format_of(path: PathLike, chosen: str | None) -> str:
    """Return the format of a file.

    Args:
        path: The file; its suffix counts, ``.gz`` aside.
        chosen: What the user says it is, or None.

    Raises:
        InvalidArgumentError: Unknown, or a format that cannot be compressed.
    """
    name = os.path.basename(os.fspath(path)).lower()
    plain = name.removesuffix(GZIP_SUFFIX)
    if os.path.isdir(path):
        return NUMPY_FOLDER
    if chosen is not None:
        if chosen.lower() not in FORMATS:
            raise InvalidArgumentError(
                f"format {chosen!r} is not known; expected one of {', '.join(FORMATS)}"
            )
        found = chosen.lower()
    else:
        suffix = os.path.splitext(plain)[1]
        if suffix not in SUFFIXES:
            raise InvalidArgumentError(
                f"{os.fspath(path)}: the format cannot be told from the name; pass format= one of "
                f"{', '.join(FORMATS)}"
            )
        found = SUFFIXES[suffix]
    if name != plain and found not in TEXT_FORMATS:
        raise InvalidArgumentError(
            f"{os.fspath(path)}: {found} files are not compressed with gzip; only "
            f"{', '.join(TEXT_FORMATS)} may be"
        )
    return found


def identity_of(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what tells these files from others and from later versions of themselves."""
    return [_file_identity(file) for path in paths for file in plain_files(path)]


def plain_files(path: Path) -> list[Path]:
    """Return the files of a folder of one file per column; of anything else itself."""
    return sorted(path.glob("*.npy")) if path.is_dir() else [path]


def _file_identity(path: Path) -> dict[str, Any]:
    try:
        found = path.stat()
        with path.open("rb") as file:
            head = hashlib.sha256(file.read(HEAD_BYTES)).hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error
    return {
        "path": str(path.resolve()),
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "head_sha256": head,
    }


def unreadable(path: PathLike, error: OSError) -> StorageError:
    """Return the error to raise when a source cannot be read."""
    return StorageError(f"cannot read {os.fspath(path)}: {error.strerror or error}")


def open_text(path: Path) -> tuple[IO[bytes], IO[bytes]]:
    """Open a file, through gzip where its name says so.

    Returns:
        What to read from, and the file beneath it, whose position says how far reading is.

    Raises:
        StorageError: It cannot be opened.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error
    if path.name.lower().endswith(GZIP_SUFFIX):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw, mode="rb")), raw
    return raw, raw
