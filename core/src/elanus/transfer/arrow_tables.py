"""Arrow data in memory: tables, record batches, streams, and whatever exports a C stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from elanus.errors import InvalidArgumentError, PluginNotInstalledError
from elanus.schema.batches import ColumnBatch
from elanus.schema.fields import Field
from elanus.transfer.arrow_columns import arrow_schema, to_record_batch
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


def batch_reader(fields: tuple[Field, ...], batches: Iterator[ColumnBatch]) -> Any:
    """Return column batches as a ``pyarrow.RecordBatchReader``, which takes them one by one."""
    made = (to_record_batch(fields, batch) for batch in batches)
    return pa.RecordBatchReader.from_batches(arrow_schema(fields), made)


def to_pandas(table: Any) -> Any:
    """Return a table as a pandas DataFrame.

    Integers and truth values with nulls get pandas' nullable types: its others have no place for
    a null beside them.

    Raises:
        PluginNotInstalledError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise _missing("pandas") from error
    nullable = {
        pa.bool_(): pd.BooleanDtype(),
        pa.int8(): pd.Int8Dtype(),
        pa.int16(): pd.Int16Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
    }
    columns = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        columns[name] = column.to_pandas(types_mapper=nullable.get if column.null_count else None)
    return pd.DataFrame(columns)


def to_polars(table: Any) -> Any:
    """Return a table as a polars DataFrame.

    Raises:
        PluginNotInstalledError: polars is not installed.
    """
    try:
        import polars as pl
    except ImportError as error:
        raise _missing("polars") from error
    return pl.from_arrow(table)


def _missing(name: str) -> PluginNotInstalledError:
    return PluginNotInstalledError(
        f"{name} is not installed: pip install {name}, or use to_arrow()", name=name, extra=name
    )
