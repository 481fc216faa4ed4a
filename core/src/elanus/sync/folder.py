"""How is a folder of files a source?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from elanus.errors import InvalidArgumentError, NotFoundError
from elanus.sync.documents import Chunk, DocumentEntry, SourceDocument

Reader: TypeAlias = Callable[[Path], "str | SourceDocument | Sequence[str | Chunk]"]
"""Turns a file into text, chunks, or a document, whose id is that of the file in any case."""

TEXT_PATTERNS = ("*.md", "*.rst", "*.txt")
"""Files that are read when neither patterns nor a reader are given."""

_SETTLED_NS = 2_000_000_000
"""Age from which the time of a change tells changes apart: clocks of file systems may tick only
every two seconds, and a file may change twice within a tick."""


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8."""
    return path.read_text(encoding="utf-8")


def file_fingerprint(path: Path) -> str | None:
    """Return what changes whenever a file does; None if it changed so lately that its next change
    may not show.

    Raises:
        OSError: The file cannot be looked at.
    """
    status = path.stat()
    settled = time.time_ns() - status.st_mtime_ns >= _SETTLED_NS
    return f"{status.st_size}.{status.st_mtime_ns}" if settled else None


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The files below a folder; their ids are relative paths with ``/``.

    A file whose size and time of change are as they were is not read. Hidden files and folders
    are left out, and so are links to folders.

    Attributes:
        folder: Where the files are.
        reader: Turns a file into text, chunks or a document; None reads UTF-8.
        patterns: Names of the files, such as ``("*.html",)``; None takes text files, or with a
            reader all.
        name: Name of the source; "" takes the whole path of the folder.
    """

    folder: str | os.PathLike[str]
    reader: Reader | None = None
    patterns: Sequence[str] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.patterns, str):
            raise InvalidArgumentError(f"patterns: expected a list, got {self.patterns!r}")
        if not self.name:
            object.__setattr__(self, "name", Path(self.folder).expanduser().resolve().as_posix())

    def documents(self) -> Iterator[DocumentEntry]:
        """List the files in the order of their paths.

        Raises:
            NotFoundError: There is no such folder.
            OSError: A folder below it cannot be listed.
        """
        root = Path(self.folder).expanduser()
        if not root.is_dir():
            raise NotFoundError(f"{root}: no such folder; its documents would all be deleted")
        patterns = self.patterns or (TEXT_PATTERNS if self.reader is None else ("*",))
        for path in _files(root):
            if any(path.match(pattern) for pattern in patterns):
                yield self._entry(path, path.relative_to(root).as_posix())

    def _entry(self, path: Path, id_: str) -> DocumentEntry:
        read = partial(_read, path, id_, self.reader or read_text)
        return DocumentEntry(id_, read, file_fingerprint(path))


def _read(path: Path, id_: str, reader: Reader) -> SourceDocument:
    made = reader(path)
    if isinstance(made, SourceDocument):
        return SourceDocument(id_, made.text, made.chunks, made.metadata)
    if isinstance(made, str):
        return SourceDocument(id_, made)
    return SourceDocument(id_, chunks=list(made))


def _files(folder: Path) -> Iterable[Path]:
    with os.scandir(folder) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path)
