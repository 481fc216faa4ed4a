"""JSON files that hold all rows in one list, as pymilvus and Milvus' own export write them.

The file is a list of objects, or an object whose ``rows`` are one. It is read in blocks and parsed
object by object, so its size does not matter.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from elanus.errors import CorruptionError
from elanus.schema.batches import ColumnBatch
from elanus.transfer.chunks import CHUNK_BYTES, Chunk, Output, Position, RowFault
from elanus.transfer.files import open_text
from elanus.transfer.jsonl import SHOWN_CHARACTERS, JsonlWriter

BLOCK_BYTES = 1 << 20
"""Bytes that are read at once; an object that is longer takes twice as many, and so on."""
_MAX_TOKEN = 64
"""Characters that a number or a name of JSON may be cut by at the end of a block: an error further
in front is a fault of the text."""
_HEAD = re.compile(r'\s*(?:\{\s*"rows"\s*:\s*)?\[')
_GAP = re.compile(r"[\s,]*")


class JsonFormat:
    """Reads JSON files. Positions are bytes of the text."""

    def num_rows(self, path: Path) -> int | None:
        return None

    def chunks(self, path: Path, start: Position, batch_rows: int) -> Iterator[Chunk]:
        text, raw = open_text(path)
        with text, raw:
            rows = _Rows(path, text, start)
            while True:
                before = raw.tell()
                first, entities = rows.row, rows.take(batch_rows)
                if not entities:
                    return
                yield _chunk(str(path), first, entities, rows.settle(), raw.tell() - before)


class _Rows:
    """The objects of one file, one after the other."""

    def __init__(self, path: Path, file: IO[bytes], start: Position) -> None:
        self._path = path
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._ended = False
        self._file_number = start.file
        self.row = start.row
        self._offset = start.offset or _bom_bytes(file)
        file.seek(self._offset)
        if not start.offset:
            self._skip_head()

    def settle(self) -> Position:
        """Forget what was taken; return where the next object begins."""
        self._offset += len(self._text[: self._at].encode())
        self._text, self._at = self._text[self._at :], 0
        return Position(self._file_number, self.row, self._offset)

    def take(self, count: int) -> list[Any]:
        """Return the next values, at most ``count``; none at the end."""
        taken: list[Any] = []
        budget = CHUNK_BYTES
        while len(taken) < count and budget > 0:
            found, size = self._next()
            if not size:
                break
            taken.append(found)
            self.row += 1
            budget -= size
        return taken

    def _next(self) -> tuple[Any, int]:
        """Return the next value and its characters; 0 of them at the end of the list."""
        self._skip_gap()
        if self._text[self._at : self._at + 1] in ("]", ""):
            if self._at == len(self._text):
                self._fail("the file is cut: its list of rows has no end")
            return None, 0
        block = BLOCK_BYTES
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if self._is_fault(error) or not self._read(block):
                    self._fail(f"row {self.row} cannot be read as JSON: {error}")
                block *= 2
                continue
            if end == len(self._text) and self._read(block):
                continue  # a number may go on in the next block
            size, self._at = end - self._at, end
            return value, size

    def _is_fault(self, error: Exception) -> bool:
        """Return whether more text does not help."""
        if not isinstance(error, json.JSONDecodeError):
            return True
        is_cut = error.msg.startswith("Unterminated string")
        return not is_cut and error.pos < len(self._text) - _MAX_TOKEN

    def _skip_head(self) -> None:
        self._read(BLOCK_BYTES)
        # An export for people may begin with much white space, but not with a megabyte.
        head = _HEAD.match(self._text)
        if head is None:
            self._fail(
                'expected a list of objects or {"rows": [...]}; a file of one object a line is '
                "format='jsonl'"
            )
        self._at = head.end()

    def _skip_gap(self) -> None:
        while True:
            match = _GAP.match(self._text, self._at)
            self._at = self._at if match is None else match.end()
            if self._at < len(self._text) or not self._read(BLOCK_BYTES):
                return

    def _read(self, size: int) -> bool:
        if self._ended:
            return False
        raw = self._file.read(size)
        self._ended = not raw
        try:
            self._text += self._decoder.decode(raw, final=self._ended)
        except UnicodeDecodeError as error:
            self._fail(f"not UTF-8 behind row {self.row}: {error.reason}")
        return not self._ended

    def _fail(self, message: str) -> NoReturn:
        raise CorruptionError(f"{self._path}: {message}", path=str(self._path))


def _bom_bytes(file: IO[bytes]) -> int:
    return len(codecs.BOM_UTF8) if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0


def _chunk(source: str, first: int, values: list[Any], after: Position, size_bytes: int) -> Chunk:
    faults = tuple(
        RowFault(
            source,
            first + place,
            None,
            None,
            f"expected a JSON object, got {type(value).__name__}",
            json.dumps(value)[:SHOWN_CHARACTERS],
        )
        for place, value in enumerate(values)
        if not isinstance(value, dict)
    )
    places = [place for place, value in enumerate(values) if isinstance(value, dict)]
    return Chunk(
        source,
        np.array(places, dtype=np.int64) + first,
        after,
        entities=[values[place] for place in places],
        faults=faults,
        size_bytes=size_bytes,
    )


class JsonWriter(JsonlWriter):
    """Writes ``{"rows": [...]}``, one object a line."""

    def __init__(self, file: IO[bytes], output: Output) -> None:
        super().__init__(file, output)
        self._between = '{"rows": [\n'

    def write(self, batch: ColumnBatch) -> None:
        for line in self.lines(batch):
            self.write_text(self._between + line)
            self._between = ",\n"

    def close(self) -> None:
        if not self._file.closed:
            self.write_text(("\n" if self._between == ",\n" else self._between) + "]}\n")
        super().close()
