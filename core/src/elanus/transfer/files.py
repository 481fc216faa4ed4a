"""Which files are a source, in which format, and are they still the same?"""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
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
TEXT_FORMATS = ("jsonl", "csv", "tsv")
"""Formats that may be compressed with gzip."""

PathLike = str | os.PathLike[str]


def expand_paths(source: PathLike | Iterable[PathLike]) -> list[Path]:
    """Return the files that a path, a pattern or a list of both names, in that order.

    Raises:
        NotFoundError: There is no such file.
    """
    given = [source] if isinstance(source, str | os.PathLike) else list(source)
    found: list[Path] = []
    for one in given:
        text = os.path.expanduser(os.fspath(one))
        if os.path.isfile(text):
            found.append(Path(text))
        elif os.path.isdir(text):
            raise InvalidArgumentError(
                f"{text} is a folder; name its files, for example {os.path.join(text, '*.parquet')}"
            )
        elif glob.has_magic(text) and (matches := sorted(glob.glob(text, recursive=True))):
            found += [Path(match) for match in matches if os.path.isfile(match)]
        else:
            raise NotFoundError(f"no file {text}; check the path")
    if not found:
        raise NotFoundError("no files to import; check the path")
    return found


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
    return [_file_identity(path) for path in paths]


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
