"""How are several files read one after the other?

A format says how to read one file (``FileFormat.chunks``); ``FilesReader`` goes through the files
and counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from elanus.errors import CorruptionError
from elanus.transfer.chunks import Chunk, Extent, Position
from elanus.transfer.files import plain_files, unreadable


class FileFormat(Protocol):
    """Reads files of one format."""

    def num_rows(self, path: Path) -> int | None:
        """Return how many rows a file holds, when that takes no reading of them."""
        ...

    def chunks(self, path: Path, start: Position, batch_rows: int) -> Iterator[Chunk]:
        """Yield the rows of one file from a position in it on."""
        ...


class FilesReader:
    """Files of one or several formats, as one source."""

    def __init__(self, files: Sequence[tuple[Path, FileFormat]]) -> None:
        self._files = list(files)

    @property
    def extent(self) -> Extent:
        counts = [format_.num_rows(path) for path, format_ in self._files]
        known = [count for count in counts if count is not None]
        rows = sum(known) if len(known) == len(counts) else None
        files = [file for path, _ in self._files for file in plain_files(path)]
        return Extent(rows, sum(file.stat().st_size for file in files))

    def chunks(self, start: Position, batch_rows: int) -> Iterator[Chunk]:
        for number, (path, format_) in enumerate(self._files):
            if number < start.file:
                continue
            first = start if number == start.file else Position(number)
            try:
                yield from format_.chunks(path, first, batch_rows)
            except OSError as error:
                raise unreadable(path, error) from error
            except (EOFError, zlib.error) as error:
                raise CorruptionError(
                    f"{path}: the compressed file is cut or damaged: {error}", path=str(path)
                ) from error

    def close(self) -> None:
        """Nothing stays open between chunks of different files."""
