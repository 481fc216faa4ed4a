"""Parquet, and Arrow's own file and stream formats (Feather version 2 is the file format)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from elanus.errors import CorruptionError
from elanus.schema.batches import ColumnBatch
from elanus.transfer.arrow_columns import ArrowValues, arrow_schema, to_record_batch
from elanus.transfer.chunks import Chunk, Output, Position

ROW_GROUP_BYTES = 32 << 20
"""About how large a row group of a written Parquet file gets: readers hold one in memory."""

READ_BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read at once: without it a column of a row group is read whole."""


class ParquetFormat:
    """Reads Parquet. Positions are a row group and rows of it."""

    def num_rows(self, path: Path) -> int | None:
        with _opened(path, "Parquet") as file:
            rows: int = file.metadata.num_rows
            return rows

    def chunks(self, path: Path, start: Position, batch_rows: int) -> Iterator[Chunk]:
        first_group, done = start.offset or (0, 0)
        row = start.row
        with _opened(path, "Parquet") as file:
            for group in range(first_group, file.num_row_groups):
                skip = done if group == first_group else 0
                group_rows = file.metadata.row_group(group).num_rows
                size = file.metadata.row_group(group).total_byte_size
                taken = 0
                for batch in _iterated(path, file, group, batch_rows):
                    taken += len(batch)
                    if taken <= skip:
                        continue
                    kept = batch.slice(max(0, skip - (taken - len(batch))))
                    row += len(kept)
                    ended = taken == group_rows
                    after = Position(start.file, row, [group + ended, 0 if ended else taken])
                    size_bytes = size * len(kept) // max(group_rows, 1)
                    yield batch_chunk(str(path), kept, after, size_bytes)


class ArrowFormat:
    """Reads Arrow's file format through a map. Positions are a record batch and rows of it."""

    def num_rows(self, path: Path) -> int | None:
        return None

    def chunks(self, path: Path, start: Position, batch_rows: int) -> Iterator[Chunk]:
        first, done = start.offset or (0, 0)
        row = start.row
        with pa.memory_map(str(path)) as source:
            file = _checked(path, "Arrow", lambda: pa.ipc.open_file(source))
            for number in range(first, file.num_record_batches):
                batch = _checked(path, "Arrow", lambda n=number: file.get_batch(n))
                skip = done if number == first else 0
                for at, part in _parts(batch, skip, batch_rows):
                    row += len(part)
                    ended = at + len(part) == len(batch)
                    offset = [number + 1, 0] if ended else [number, at + len(part)]
                    yield batch_chunk(
                        str(path), part, Position(start.file, row, offset), part.nbytes
                    )


class ArrowStreamFormat:
    """Reads Arrow's stream format. Positions are rows; finding one reads what lies before it."""

    def num_rows(self, path: Path) -> int | None:
        return None

    def chunks(self, path: Path, start: Position, batch_rows: int) -> Iterator[Chunk]:
        with pa.memory_map(str(path)) as source:
            stream = _checked(path, "Arrow", lambda: pa.ipc.open_stream(source))
            batches = _stream_batches(path, stream)
            yield from stream_chunks(str(path), batches, start, batch_rows)


def stream_chunks(
    source: str, batches: Iterator[Any], start: Position, batch_rows: int
) -> Iterator[Chunk]:
    """Yield record batches as chunks, leaving out the rows before ``start``."""
    row = 0
    for batch in batches:
        skip = max(0, start.row - row)
        if skip >= len(batch):
            row += len(batch)
            continue
        for at, part in _parts(batch, skip, batch_rows):
            yield batch_chunk(source, part, Position(start.file, row + at + len(part)), part.nbytes)
        row += len(batch)


def batch_chunk(source: str, batch: Any, after: Position, size_bytes: int) -> Chunk:
    """Return a record batch as a chunk that ends at ``after``."""
    columns = {
        name: ArrowValues(array)
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
    }
    rows = np.arange(after.row - len(batch), after.row, dtype=np.int64)
    return Chunk(source, rows, after, columns=columns, size_bytes=size_bytes)


def _parts(batch: Any, skip: int, batch_rows: int) -> Iterator[tuple[int, Any]]:
    for at in range(skip, len(batch), batch_rows):
        yield at, batch.slice(at, batch_rows)


def _opened(path: Path, what: str) -> Any:
    return _checked(path, what, lambda: pq.ParquetFile(path, buffer_size=READ_BUFFER_BYTES))


def _iterated(path: Path, file: Any, group: int, batch_rows: int) -> Iterator[Any]:
    batches = file.iter_batches(batch_size=batch_rows, row_groups=[group])
    while (batch := _checked(path, "Parquet", lambda: next(batches, None))) is not None:
        yield batch


def _stream_batches(path: Path, stream: Any) -> Iterator[Any]:
    while (batch := _checked(path, "Arrow", lambda: next(stream, None))) is not None:
        yield batch


def _checked(path: Path, what: str, call: Any) -> Any:
    """Return what pyarrow reads.

    Raises:
        CorruptionError: It cannot be read.
    """
    try:
        return call()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowSerializationError) as error:
        raise CorruptionError(
            f"{path}: cannot be read as {what}: {error}; pass format= when it is another format",
            path=str(path),
        ) from error


class _ArrowWriter:
    """What the writers share."""

    def __init__(self, file: IO[bytes], output: Output) -> None:
        self._file = file
        self._fields = output.fields
        self._writer = self._open(arrow_schema(output.fields))

    def _open(self, schema: Any) -> Any:
        raise NotImplementedError

    def write(self, batch: ColumnBatch) -> None:
        self._writer.write_batch(to_record_batch(self._fields, batch))

    def close(self) -> None:
        if not self._file.closed:
            self._writer.close()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class ParquetWriter(_ArrowWriter):
    """Writes Parquet, compressed with zstd."""

    def __init__(self, file: IO[bytes], output: Output) -> None:
        super().__init__(file, output)
        self._pending: list[Any] = []
        self._pending_bytes = 0

    def _open(self, schema: Any) -> Any:
        return pq.ParquetWriter(self._file, schema, compression="zstd")

    def write(self, batch: ColumnBatch) -> None:
        made = to_record_batch(self._fields, batch)
        self._pending.append(made)
        self._pending_bytes += made.nbytes
        if self._pending_bytes >= ROW_GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        if not self._file.closed:
            self._write_group()
        super().close()

    def _write_group(self) -> None:
        if self._pending:
            table = pa.Table.from_batches(self._pending)
            self._writer.write_table(table, row_group_size=len(table))
        self._pending, self._pending_bytes = [], 0


class ArrowWriter(_ArrowWriter):
    """Writes Arrow's file format, uncompressed, so that readers map it."""

    def _open(self, schema: Any) -> Any:
        return pa.ipc.new_file(self._file, schema)


class ArrowStreamWriter(_ArrowWriter):
    """Writes Arrow's stream format."""

    def _open(self, schema: Any) -> Any:
        return pa.ipc.new_stream(self._file, schema)
