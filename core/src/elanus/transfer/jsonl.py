"""JSON lines: one JSON object a line, as text or compressed with gzip."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import DYNAMIC_FIELD
from elanus.schema.fields import Field
from elanus.schema.structs import struct_rows
from elanus.transfer.chunks import CHUNK_BYTES, Chunk, Output, Position, RowFault
from elanus.transfer.files import open_text
from elanus.transfer.text_writer import TextWriter
from elanus.transfer.values import plain_values
from elanus.types import DataType

SHOWN_CHARACTERS = 2_000
"""Characters of a line that is no JSON that go into the file of errors."""
_BOM = b"\xef\xbb\xbf"


class JsonlFormat:
    """Reads JSON lines. Positions are bytes of the text and the lines before them."""

    def num_rows(self, path: Path) -> int | None:
        return None

    def chunks(self, path: Path, start: Position, batch_rows: int) -> Iterator[Chunk]:
        text, raw = open_text(path)
        with text, raw:
            offset, line = start.offset or (0, 0)
            text.seek(offset)
            row = start.row
            while True:
                found = _Lines(str(path), row, line)
                before = raw.tell()
                while len(found.rows) + len(found.faults) < batch_rows and found.size < CHUNK_BYTES:
                    content = text.readline()
                    if not content:
                        break
                    found.add(content)
                row, line, offset = found.next_row, found.line, offset + found.size
                if not found.size:
                    return
                yield found.chunk(Position(start.file, row, [offset, line]), raw.tell() - before)


@dataclass(slots=True)
class _Lines:
    """Lines of one chunk."""

    source: str
    next_row: int
    line: int
    size: int = 0
    entities: list[Any] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)

    def add(self, content: bytes) -> None:
        self.size += len(content)
        self.line += 1
        if self.line == 1:
            content = content.removeprefix(_BOM)
        if not content.strip():
            return
        row, self.next_row = self.next_row, self.next_row + 1
        try:
            entity = json.loads(content)
        except (ValueError, RecursionError) as error:
            self._fail(row, f"not JSON: {error}", content)
            return
        if not isinstance(entity, dict):
            self._fail(row, f"expected a JSON object, got {type(entity).__name__}", content)
            return
        self.entities.append(entity)
        self.rows.append(row)
        self.lines.append(self.line)

    def chunk(self, after: Position, size_bytes: int) -> Chunk:
        return Chunk(
            self.source,
            np.array(self.rows, dtype=np.int64),
            after,
            entities=self.entities,
            lines=np.array(self.lines, dtype=np.int64),
            faults=tuple(self.faults),
            size_bytes=size_bytes,
        )

    def _fail(self, row: int, message: str, content: bytes) -> None:
        shown = content.decode("utf-8", "backslashreplace").rstrip("\r\n")[:SHOWN_CHARACTERS]
        self.faults.append(RowFault(self.source, row, self.line, None, message, shown))


class JsonlWriter(TextWriter):
    """Writes one object a line; fields of the dynamic column stand beside the others.

    Nulls of declared fields are written as ``null``. NaN and infinity are written as ``NaN`` and
    ``Infinity``, which Python and JavaScript tools read although JSON has no such numbers.
    """

    def __init__(self, file: IO[bytes], output: Output) -> None:
        super().__init__(file)
        self._fields = output.fields
        # Vectors of other types than FLOAT_VECTOR come as arrays.
        self._encode = json.JSONEncoder(
            ensure_ascii=False, separators=(", ", ": "), default=np.ndarray.tolist
        ).encode

    def write(self, batch: ColumnBatch) -> None:
        self.write_text("\n".join([*self.lines(batch), ""]))

    def lines(self, batch: ColumnBatch) -> list[str]:
        """Return the rows as JSON objects."""
        lists = [json_values(field, batch) for field in self._fields]
        declared = [f.name for f in self._fields if f.name != DYNAMIC_FIELD]
        has_dynamic = len(declared) < len(self._fields)
        lines: list[str] = []
        # One dict per row: the format is one object per row.
        for values in zip(*lists, strict=True):
            entity = dict(zip(declared, values, strict=False))
            if has_dynamic:
                # A field that was added later has taken the name of what was undeclared.
                extra = values[-1] or {}
                entity |= {name: extra[name] for name in extra if name not in entity}
            lines.append(self._encode(entity))
        return lines


def json_values(field: Field, batch: ColumnBatch) -> Sequence[Any]:
    """Return the values of a column as JSON values."""
    if field.struct is not None:
        return struct_rows(field, batch.columns)
    column = batch.columns[field.name]
    values = plain_values(field, column)
    if field.dtype is DataType.JSON:
        return [None if text is None else json.loads(str(text)) for text in values]
    return values
