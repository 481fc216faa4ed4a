"""Batches with every kind of column, for the tests of storage."""

import numpy as np

from elanus.schema.batches import (
    ArrayColumn,
    Column,
    ColumnBatch,
    DenseVectorColumn,
    FixedColumn,
    SparseVectorColumn,
    strings_to_column,
)
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import NUMPY_DTYPES, BoolArray, DataType

DIM = 5
SCALARS = (*NUMPY_DTYPES,)

SCHEMA = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        *(Field(dtype.name.lower(), dtype, nullable=True) for dtype in SCALARS),
        Field("text", DataType.VARCHAR, nullable=True),
        Field("vector", DataType.FLOAT_VECTOR, dim=DIM),
        Field("terms", DataType.SPARSE_FLOAT_VECTOR),
        Field("years", DataType.ARRAY, element_type=DataType.INT32),
        Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR),
    ],
    dynamic=True,
)
TEXT_KEY_SCHEMA = Schema(
    [
        Field("key", DataType.VARCHAR, primary=True),
        Field("vector", DataType.FLOAT_VECTOR, dim=DIM),
    ]
)


def all_kinds_batch(num_rows: int, *, seed: int = 0, first_pk: int = 0) -> ColumnBatch:
    """Return rows of ``SCHEMA`` with ascending primary keys and nulls here and there."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Column] = {
        "id": FixedColumn(np.arange(first_pk, first_pk + num_rows, dtype=np.int64))
    }
    for dtype in SCALARS:
        validity = rng.random(num_rows) < 0.8
        values = (rng.integers(-100, 100, num_rows) * validity).astype(NUMPY_DTYPES[dtype])
        columns[dtype.name.lower()] = FixedColumn(values, validity)
    columns["text"] = strings_to_column(_texts(rng, num_rows))
    columns["vector"] = DenseVectorColumn(rng.random((num_rows, DIM), dtype=np.float32))
    lengths = rng.integers(0, 4, num_rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(offsets[-1])
    columns["terms"] = SparseVectorColumn(
        offsets,
        np.array([i for n in lengths for i in range(n)], dtype=np.uint32),
        rng.random(total, dtype=np.float32),
    )
    columns["years"] = ArrayColumn(offsets, FixedColumn(np.arange(total, dtype=np.int32)))
    tags = strings_to_column([f"tag {n}" for n in range(total)])
    columns["tags"] = ArrayColumn(offsets, tags)
    columns["$meta"] = strings_to_column(
        [None if n % 3 else f'{{"n": {n}}}' for n in range(num_rows)]
    )
    return ColumnBatch(num_rows, columns)


def text_key_batch(keys: list[str]) -> ColumnBatch:
    """Return rows of ``TEXT_KEY_SCHEMA``; the vector counts the rows."""
    vectors = np.repeat(np.arange(len(keys), dtype=np.float32)[:, None], DIM, axis=1)
    return ColumnBatch(
        len(keys),
        {
            "key": strings_to_column(keys),
            "vector": DenseVectorColumn(np.ascontiguousarray(vectors)),
        },
    )


def rows_of(batch: ColumnBatch) -> dict[str, list[object]]:
    """Return a batch as Python values, to compare as a whole."""
    return {name: column.to_pylist() for name, column in batch.columns.items()}


def validity_of(column: Column) -> BoolArray:
    """Return which rows of a column hold a value."""
    if column.validity is None:
        return np.ones(len(column), dtype=np.bool_)
    return column.validity


def _texts(rng: np.random.Generator, count: int) -> list[str | None]:
    choices = [None, "", "a", "Zürich", "\N{SNOWMAN}" * 3, "plain text"]
    return [choices[n] for n in rng.integers(0, len(choices), count)]
