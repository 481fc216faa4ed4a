"""CSV and TSV: a header line, then one line a row; cells are typed by the schema.

Vectors, arrays and JSON values are JSON in a cell. An empty cell is an empty text in a VARCHAR
field and no value elsewhere; ``\\N`` is no value everywhere. Layout: RFC 4180.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.schema.batches import ColumnBatch
from elanus.schema.fields import Field
from elanus.schema.structs import struct_rows
from elanus.transfer.chunks import CHUNK_BYTES, Chunk, Output, Position, RowFault
from elanus.transfer.files import open_text
from elanus.transfer.text_writer import TextWriter
from elanus.transfer.values import NULL_CELL, TextCells, plain_values
from elanus.types import DataType

_MAX_CELL = 64 << 20
"""Characters of a cell. The limit of Python's own, 131,072, is less than a long vector takes;
without any, a quote that is never closed would read the rest of the file into memory."""


_AS_IT_IS = (DataType.JSON, DataType.GEOMETRY, DataType.TIMESTAMPTZ)
"""Types whose values are text already, which is never empty."""


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """How the cells of a file are written.

    Attributes:
        delimiter: What stands between them.
        null_cell: What stands for no value, beside ``\\N``.
    """

    delimiter: str = ","
    null_cell: str = NULL_CELL

    @classmethod
    def of(cls, delimiter: str | None, null_cell: str | None) -> CsvLayout:
        """Return the layout that a user asks for; None where nothing is said.

        Raises:
            InvalidArgumentError: No single character separates cells.
        """
        if delimiter is not None and (
            not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n'
        ):
            raise InvalidArgumentError(
                f"delimiter: expected one character, neither a quote nor the end of a line, got "
                f"{delimiter!r}"
            )
        if null_cell is not None and not isinstance(null_cell, str):
            raise InvalidArgumentError(f"null_cell: expected a text, got {null_cell!r}")
        return cls(delimiter or ",", NULL_CELL if null_cell is None else null_cell)


class CsvFormat:
    """Reads CSV files. Positions are bytes of the text and the lines before them.

    Args:
        layout: How cells are written.
    """

    def __init__(self, layout: CsvLayout | None = None) -> None:
        self._layout = layout or CsvLayout()

    def num_rows(self, path: Path) -> int | None:
        return None

    def chunks(self, path: Path, start: Position, batch_rows: int) -> Iterator[Chunk]:
        text, raw = open_text(path)
        with text, raw:
            lines = _Lines(text)
            records = csv.reader(lines, delimiter=self._layout.delimiter, strict=True)
            names = self._header(path, records)
            if start.offset:
                lines.seek(*start.offset)
            row = start.row
            while True:
                found = _Records(str(path), names, self._layout.null_cell, row)
                before, first = raw.tell(), lines.offset
                with _long_cells():
                    while found.count < batch_rows and lines.offset - first < CHUNK_BYTES:
                        if not found.add(records, lines.count + 1):
                            break
                row = found.next_row
                if lines.offset == first:
                    return
                after = Position(start.file, row, [lines.offset, lines.count])
                yield found.chunk(after, raw.tell() - before)

    def _header(self, path: Path, records: Iterator[list[str]]) -> list[str]:
        try:
            with _long_cells():
                names = next(records, None)
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidArgumentError(f"{path}, line 1: not a header of CSV: {error}") from error
        if not names:
            raise InvalidArgumentError(
                f"{path}: the file is empty; expected a first line with the names of the columns"
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidArgumentError(
                f"{path}, line 1: column {twice[0]!r} is there twice; rename one of them"
            )
        return names


class _Lines:
    """Lines of a file as text, with the bytes and lines that were taken so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.offset = 0
        self.count = 0

    def seek(self, offset: int, count: int) -> None:
        self._file.seek(offset)
        self.offset, self.count = offset, count

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        content = self._file.readline()
        if not content:
            raise StopIteration
        self.offset += len(content)
        self.count += 1
        return content.decode("utf-8-sig" if self.count == 1 else "utf-8")


@dataclass(slots=True)
class _Records:
    """Records of one chunk."""

    source: str
    names: list[str]
    null_cell: str
    next_row: int
    records: list[list[str]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.records) + len(self.faults)

    def add(self, records: Iterator[list[str]], line: int) -> bool:
        """Take the next record, which starts at a line; return False at the end of the file."""
        try:
            cells = next(records, None)
        except (csv.Error, UnicodeDecodeError) as error:
            self._fail(line, f"cannot be read as CSV: {error}", None)
            return True
        if cells is None:
            return False
        if not cells:
            return True  # an empty line
        if len(cells) != len(self.names):
            expected = f"expected {len(self.names)} cells as in the header, got {len(cells)}"
            self._fail(line, expected, cells)
            return True
        self.records.append(cells)
        self.rows.append(self.next_row)
        self.lines.append(line)
        self.next_row += 1
        return True

    def chunk(self, after: Position, size_bytes: int) -> Chunk:
        columns = list(zip(*self.records, strict=True)) or [()] * len(self.names)
        return Chunk(
            self.source,
            np.array(self.rows, dtype=np.int64),
            after,
            columns={
                name: TextCells(cells, self.null_cell)
                for name, cells in zip(self.names, columns, strict=True)
            },
            lines=np.array(self.lines, dtype=np.int64),
            faults=tuple(self.faults),
            size_bytes=size_bytes,
        )

    def _fail(self, line: int, message: str, cells: list[str] | None) -> None:
        self.faults.append(RowFault(self.source, self.next_row, line, None, message, cells))
        self.next_row += 1


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let cells be as long as they are; the limit is one for the whole process."""
    before = csv.field_size_limit()
    if before < _MAX_CELL:
        csv.field_size_limit(_MAX_CELL)
    try:
        yield
    finally:
        if before < _MAX_CELL:
            csv.field_size_limit(before)


class CsvWriter(TextWriter):
    """Writes CSV or TSV."""

    def __init__(self, file: IO[bytes], output: Output, delimiter: str = ",") -> None:
        super().__init__(file)
        self._fields = output.fields
        self._location = output.location
        self._buffer = io.StringIO()
        self._csv = csv.writer(self._buffer, delimiter=delimiter, lineterminator="\n")
        self._quoted = csv.writer(
            self._buffer, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL
        )
        self._csv.writerow([f.name for f in self._fields])
        self._drain()

    def write(self, batch: ColumnBatch) -> None:
        lists = [
            self._cells(
                field,
                struct_rows(field, batch.columns)
                if field.struct
                else plain_values(field, batch.columns[field.name]),
            )
            for field in self._fields
        ]
        rows = list(zip(*lists, strict=True))
        self._csv.writerows(rows)
        if "\r" in self._buffer.getvalue():
            # Python's writer quotes only the line ends that it writes itself, and no reader takes
            # another one outside of quotes.
            self._empty()
            for row in rows:
                has_return = any("\r" in cell for cell in row)
                (self._quoted if has_return else self._csv).writerow(row)
        self._drain()

    def _drain(self) -> None:
        self.write_text(self._buffer.getvalue())
        self._empty()

    def _empty(self) -> None:
        self._buffer.seek(0)
        self._buffer.truncate()

    def _cells(self, field: Field, values: Sequence[Any]) -> list[str]:
        if field.dtype is DataType.VARCHAR:
            if NULL_CELL in values:
                raise InvalidArgumentError(
                    f"{self._location}: field {field.name!r} holds the text {NULL_CELL!r}, which "
                    f"stands for a null in CSV; export as jsonl, parquet or arrow"
                )
            return [NULL_CELL if value is None else value for value in values]
        if field.dtype is DataType.BOOL:
            return ["" if value is None else str(value).lower() for value in values]
        if field.dtype.is_number:
            return ["" if value is None else repr(value) for value in values]
        if field.dtype in _AS_IT_IS:
            return ["" if value is None else value for value in values]
        return [
            ""
            if value is None
            else json.dumps(value, ensure_ascii=False, default=np.ndarray.tolist)
            for value in values
        ]
