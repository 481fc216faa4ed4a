"""Columns of every type of dense vectors: as arrays, in logs, in memory, in files, damaged."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from elanus.errors import CorruptionError, FormatVersionError
from elanus.kernels.distance import inverse_norms
from elanus.schema.batches import ColumnBatch, DenseVectorColumn, FixedColumn, concat_columns
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.storage.batch_codec import decode_batch, encode_batch
from elanus.storage.columns import column_to_sections, sections_to_column
from elanus.storage.growing import growing_column
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.segment_reader import SegmentReader
from elanus.storage.segment_writer import segment_path, write_segment
from elanus.storage.stored_vectors import StoredVectors
from elanus.types import VECTOR_DTYPES, DataType, MetricType, vector_width

ROWS = 60
PATH = "c/1"
FIELDS = [
    Field("half", DataType.FLOAT16_VECTOR, dim=5, metric=MetricType.COSINE),
    Field("brain", DataType.BFLOAT16_VECTOR, dim=5, metric=MetricType.COSINE),
    Field("whole", DataType.INT8_VECTOR, dim=5, metric=MetricType.COSINE),
    Field("single", DataType.FLOAT_VECTOR, dim=5, metric=MetricType.COSINE),
    Field("bits", DataType.BINARY_VECTOR, dim=40),
]
SCHEMA = Schema([Field("id", DataType.INT64, primary=True), *FIELDS])
each_field = pytest.mark.parametrize("field", FIELDS, ids=lambda f: f.name)


def column_of(field: Field, rows: int = ROWS, seed: int = 0) -> DenseVectorColumn:
    rng = np.random.default_rng(seed)
    width = vector_width(field.dtype, field.dim or 0)
    if field.dtype in (DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR):
        return DenseVectorColumn(rng.normal(size=(rows, width)).astype(VECTOR_DTYPES[field.dtype]))
    # Below infinity as bfloat16, and of either sign as int8.
    top = 0x7F80 if field.dtype is DataType.BFLOAT16_VECTOR else 256
    values = rng.integers(0, top, (rows, width)).astype(np.uint16)
    return DenseVectorColumn(np.ascontiguousarray(values.astype(VECTOR_DTYPES[field.dtype])))


def batch(rows: int = ROWS) -> ColumnBatch:
    columns = {field.name: column_of(field, rows) for field in FIELDS}
    return ColumnBatch(rows, {"id": FixedColumn(np.arange(rows)), **columns})


def same(found: Any, expected: DenseVectorColumn) -> None:
    assert isinstance(found, DenseVectorColumn)
    assert found.values.dtype == expected.values.dtype
    np.testing.assert_array_equal(found.values, expected.values)


@each_field
def test_sections_come_back(field: Field) -> None:
    column = column_of(field)
    same(sections_to_column(field, ROWS, column_to_sections(column)), column)
    same(sections_to_column(field, 0, column_to_sections(column_of(field, 0))), column_of(field, 0))


@each_field
def test_wrong_sections_are_damage(field: Field) -> None:
    values = column_to_sections(column_of(field))["values"]
    damages: list[tuple[dict[str, Any], str]] = [
        ({}, "values is missing"),
        ({"values": values.reshape(-1)[:-1]}, "elements, expected"),
        ({"values": values[:-1]}, "elements, expected"),
        ({"values": values.astype(np.float64)}, "has dtype float64"),
        ({"values": np.zeros(values.size, np.int64)}, "has dtype int64"),
    ]
    for sections, message in damages:
        with pytest.raises(CorruptionError, match=message):
            sections_to_column(field, ROWS, sections)


def test_batch_passes_through_the_log() -> None:
    given = batch()
    raw = b"".join(bytes(part) for part in encode_batch(given))
    found = decode_batch(memoryview(raw), SCHEMA.stored_fields)
    for field in FIELDS:
        same(found.columns[field.name], column_of(field))


def test_no_damage_of_a_batch_leads_to_anything_but_its_error() -> None:
    raw = bytearray(b"".join(bytes(part) for part in encode_batch(batch(3))))
    rng = np.random.default_rng(1)
    for _ in range(600):
        damaged = bytearray(raw)
        damaged[int(rng.integers(0, 280))] ^= 1 << int(rng.integers(0, 8))
        cut = len(raw) if rng.random() < 0.7 else int(rng.integers(0, len(raw)))
        with contextlib.suppress(CorruptionError, FormatVersionError):
            found = decode_batch(memoryview(bytes(damaged[:cut])), SCHEMA.stored_fields)
            for field in FIELDS:
                values = found.columns[field.name].values  # type: ignore[union-attr]
                assert values.dtype == VECTOR_DTYPES[field.dtype]
                assert values.shape[1] == vector_width(field.dtype, field.dim or 0)


@each_field
def test_growing_column_keeps_its_type(field: Field) -> None:
    growing = growing_column(field)
    parts = [column_of(field, rows, seed) for seed, rows in enumerate((1, 63, 200))]
    for part in parts:
        growing.append(part)
    whole = concat_columns(parts)
    assert isinstance(whole, DenseVectorColumn)
    same(growing.view(264), whole)
    same(growing.view(64), DenseVectorColumn(whole.values[:64]))
    assert growing.size_bytes == whole.values.nbytes


@each_field
def test_segment_gives_the_vectors_back(field: Field) -> None:
    directory = MemoryDirectory()
    info = write_segment(directory, PATH, schema=SCHEMA, batch=batch(), seqs=np.arange(1, ROWS + 1))
    assert info.columns[field.name].endswith(".vec")
    column = SegmentReader.open(directory, PATH, schema=SCHEMA, info=info).column(field.name)
    assert isinstance(column, StoredVectors)
    same(column, column_of(field))
    same(column.take(np.array([5, 3])), column_of(field).take(np.array([5, 3])))
    if field.metric is MetricType.COSINE:
        assert column.inverse_norms is not None
        np.testing.assert_array_equal(column.inverse_norms, inverse_norms(column_of(field).values))
    else:
        assert column.inverse_norms is None


@each_field
def test_damaged_rows_are_found_when_they_are_read(field: Field) -> None:
    rows = 30_000
    directory = MemoryDirectory()
    info = write_segment(
        directory, PATH, schema=SCHEMA, batch=batch(rows), seqs=np.arange(1, rows + 1)
    )
    path = f"{segment_path(PATH, info.uuid)}/{info.columns[field.name]}"
    raw = bytearray(directory.read(path))
    width = column_of(field, 1).values.nbytes
    raw[64 + (rows - 1) * width] ^= 1
    directory.delete(path)
    directory.write_new(path, [bytes(raw)])
    column = SegmentReader.open(directory, PATH, schema=SCHEMA, info=info).column(field.name)
    first = np.arange(4)
    same(column.take(first), column_of(field, rows).take(first))
    touches: list[Callable[[], Any]] = [
        lambda: column.take(np.array([rows - 1])),
        column.to_pylist,
    ]
    for touch in touches:
        with pytest.raises(CorruptionError) as caught:
            touch()
        assert caught.value.path == path


@pytest.mark.parametrize(
    ("field", "kind"),
    list(zip(FIELDS, (np.float16, np.float32, np.int8, None, np.uint8), strict=True)),
)
def test_what_a_user_gets_back(field: Field, kind: Any) -> None:
    found = column_of(field).values_at(np.array([2, 0]))
    if kind is None:
        assert isinstance(found[0], list)
        return
    assert [type(v) for v in found] == [np.ndarray] * 2
    assert [v.dtype for v in found] == [kind] * 2  # type: ignore[attr-defined]
    np.testing.assert_array_equal(np.array(found), column_of(field).to_numbers()[[2, 0]])
