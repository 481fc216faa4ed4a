"""Every Arrow type that fits a field gives the same column as the values one by one."""

import numpy as np
import pyarrow as pa
import pytest

import elanus
from elanus.errors import EntityError
from elanus.schema.converters import convert_column
from elanus.transfer.arrow_columns import ArrowValues, to_arrow_array

F = elanus.Field
DENSE = F("v", elanus.FLOAT_VECTOR, dim=2)
SPARSE = F("s", elanus.SPARSE_FLOAT_VECTOR)
TEXT = F("t", elanus.VARCHAR, nullable=True)
INTS = F("a", elanus.ARRAY, element_type=elanus.INT16, nullable=True)
TEXTS = F("a", elanus.ARRAY, element_type=elanus.VARCHAR)
VECTORS = [[1, 2], [3, 4], [5, 6], [7, 8]]
MAPS = [{1: 0.5}, {}, {2: 1.0, 9: -1.0}, {0: 3.0}]
ENTRIES = pa.list_(pa.struct([("index", pa.uint32()), ("value", pa.float32())]))
SWAPPED = pa.large_list(pa.struct([("value", pa.float64()), ("index", pa.int64())]))


def entries(maps):
    return [[{"index": i, "value": v} for i, v in m.items()] for m in maps]


CASES = [
    (F("n", elanus.INT16), pa.array([1, -5, 300, 7], pa.int64()), None),
    (F("n", elanus.INT64), pa.array([1, 2, 3, 2**63 - 1], pa.uint64()), None),
    (F("n", elanus.FLOAT), pa.array([1, 2, 3, 4], pa.int8()), None),
    (F("n", elanus.DOUBLE), pa.array([1.5, 2, 3, 4], pa.float16()), [1.5, 2, 3, 4]),
    (F("b", elanus.BOOL, nullable=True), pa.array([True, None, False, True]), None),
    (F("n", elanus.INT32, nullable=True), pa.array([1, None, None, 4], pa.int32()), None),
    (F("n", elanus.INT32, default=9), pa.array([1, None, 3, 4], pa.int32()), None),
    (F("n", elanus.INT32, nullable=True), pa.nulls(4), None),
    (TEXT, pa.array(["", None, "ü", "x" * 40], pa.string_view()), None),
    (TEXT, pa.array(["a", "b", None, "a"]).dictionary_encode(), None),
    (TEXT, pa.array(["a", None, "b", "c"], pa.large_string()), None),
    (INTS, pa.array([[1], None, [], [2, 3]], pa.list_(pa.int64())), None),
    (INTS, pa.array([[1, 2]] * 4, pa.list_(pa.int16(), 2)), None),
    (TEXTS, pa.array([["a"], [], ["ü", ""], ["b"]], pa.large_list(pa.string())), None),
    (DENSE, pa.array(VECTORS, pa.list_(pa.float32(), 2)), None),
    (DENSE, pa.array(VECTORS, pa.list_(pa.float64())), None),
    (DENSE, pa.array(VECTORS, pa.large_list(pa.float16())), VECTORS),
    (DENSE, pa.array([str(v) for v in VECTORS]), VECTORS),
    (SPARSE, pa.array([list(m.items()) for m in MAPS], pa.map_(pa.int32(), pa.float32())), MAPS),
    (SPARSE, pa.array(entries(MAPS), ENTRIES), MAPS),
    (SPARSE, pa.array(entries(MAPS), SWAPPED), MAPS),
    (SPARSE, pa.array(entries([{9: 1, 2: 5}] * 4), ENTRIES), [{2: 5, 9: 1}] * 4),
    (
        SPARSE,
        pa.array([{"indices": list(m), "values": list(m.values())} for m in MAPS]),
        MAPS,
    ),
    (F("j", elanus.JSON, nullable=True), pa.array(['{"a":1}', None, "5", "[]"]), None),
    (F("j", elanus.JSON), pa.array([{"a": 1}] * 4), ['{"a":1}'] * 4),
]


def expected_column(field, array, values):
    if values is not None and field.dtype is elanus.JSON:
        return values
    given = array.to_pylist() if values is None else values
    if field.dtype is elanus.JSON:
        return given
    return convert_column(field, given, len(given)).to_pylist()


@pytest.mark.parametrize(("field", "array", "values"), CASES)
@pytest.mark.parametrize("sliced", [False, True])
def test_column_equals_the_values_one_by_one(field, array, values, sliced):
    expected = expected_column(field, array, values)
    column = ArrowValues(array)
    if sliced:
        column, expected = column.slice(1, 3), expected[1:3]
    found = column.column(field)
    assert found.to_pylist() == expected
    assert len(found) == len(expected)
    if field.dtype is not elanus.JSON:
        again = ArrowValues(to_arrow_array(field, found)).column(field)
        assert again.to_pylist() == expected


@pytest.mark.parametrize(
    ("field", "array", "row", "message"),
    [
        (F("n", elanus.INT8), pa.array([1, 300]), 1, "300 does not fit into INT8"),
        (F("n", elanus.INT8), pa.array([1, None]), 1, "got None"),
        (F("n", elanus.INT8), pa.array(["1", "2"]), None, "got Arrow's string; cast"),
        (F("n", elanus.INT64), pa.array([1.5, 2]), None, "expected INT64"),
        (F("t", elanus.VARCHAR), pa.array([1, 2]), None, "got Arrow's int64; cast"),
        (F("t", elanus.VARCHAR, max_length=2), pa.array(["a", "üü"]), 1, "4 bytes exceed"),
        (DENSE, pa.array([[1.0, 2.0], [1.0]]), 1, "expected dim 2, got 1"),
        (DENSE, pa.array([[1.0, 2.0], None]), 1, "got None"),
        (DENSE, pa.array([[1.0, 2.0], [1.0, None]]), 1, "NaN or infinity"),
        (DENSE, pa.array([[1.0] * 3] * 2, pa.list_(pa.float32(), 3)), None, "vectors of 3"),
        (INTS, pa.array([[1], [2, 70_000]]), 1, "70000 does not fit into INT16"),
        (SPARSE, pa.array(entries([{1: 1.0}, {2: np.nan}]), ENTRIES), 1, "NaN or infinity"),
        (
            F("a", elanus.ARRAY, element_type=elanus.INT8, max_capacity=1),
            pa.array([[1], [1, 2]]),
            1,
            "2 elements exceed max_capacity=1",
        ),
    ],
)
def test_what_does_not_fit_is_named(field, array, row, message):
    with pytest.raises(EntityError, match=message) as caught:
        ArrowValues(array).column(field)
    assert caught.value.row == row


def test_bytes_that_are_no_text():
    offsets, data = pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff")
    broken = pa.Array.from_buffers(pa.string(), 2, [None, offsets, data])
    with pytest.raises(EntityError, match="not UTF-8") as caught:
        ArrowValues(broken).column(TEXT)
    assert caught.value.row == 1


def test_text_and_vectors_are_not_copied():
    for field, array in ((TEXT, pa.array(["a", "b"], pa.large_string())), (DENSE, CASES[14][1])):
        column = ArrowValues(array).column(field)
        data = column.data if field is TEXT else column.values
        values = array.buffers()[2] if field is TEXT else array.values.buffers()[1]
        assert data.__array_interface__["data"][0] == values.address
