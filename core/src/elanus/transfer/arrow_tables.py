"""Arrow data in memory: tables, record batches, streams, and whatever exports a C stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from elanus.errors import InvalidArgumentError
from elanus.transfer.arrow_files import stream_chunks
from elanus.transfer.chunks import Chunk, Extent, Position


class ArrowReader:
    """One Arrow object.

    Args:
        data: A table, record batch or reader of record batches of pyarrow, or an object with
            ``__arrow_c_stream__`` or ``__arrow_c_array__``, such as a polars DataFrame.
    """

    def __init__(self, data: Any) -> None:
        self._rows: int | None = None
        if isinstance(data, pa.RecordBatchReader):
            self._stream = data
            return
        if isinstance(data, pa.RecordBatch) or not hasattr(data, "__arrow_c_stream__"):
            batch = pa.record_batch(data)
            self._rows = len(batch)
            self._stream = pa.RecordBatchReader.from_batches(batch.schema, [batch])
            return
        self._rows = len(data) if hasattr(data, "__len__") else None
        self._stream = pa.RecordBatchReader.from_stream(data)

    @property
    def extent(self) -> Extent:
        return Extent(self._rows)

    def chunks(self, start: Position, batch_rows: int) -> Iterator[Chunk]:
        names = self._stream.schema.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidArgumentError(f"the table has two columns {twice[0]!r}; rename one")
        yield from stream_chunks("table", iter(self._stream), start, batch_rows)

    def close(self) -> None:
        """End the stream. Idempotent."""
        self._stream.close()
