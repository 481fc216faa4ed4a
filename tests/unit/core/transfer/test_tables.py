"""DataFrames, arrays and NumPy files, read column by column."""

import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import elanus
from elanus.errors import CorruptionError, EntityError, InvalidArgumentError
from elanus.transfer.chunks import Output, Position
from elanus.transfer.conversion import Converter
from elanus.transfer.numpy_files import NpyFormat, NpzFormat, NpzWriter
from elanus.transfer.tables import ColumnsReader, PandasReader

F = elanus.Field


def converted(reader, field, batch_rows=2):
    """Return the values of one field, read in small chunks."""
    schema = elanus.Schema([F("id", elanus.INT64, primary=True, auto_id=True), field])
    converter = Converter(schema, {}, keeps_keys=False)
    found = []
    for chunk in reader.chunks(Position(), batch_rows):
        result = converter.convert(chunk)
        if result.faults:
            raise EntityError(result.faults[0].message, row=result.faults[0].row)
        found += result.batch.columns[field.name].to_pylist()
    return found


def frame(values, dtype=None):
    return PandasReader(pd.DataFrame({"f": pd.Series(values, dtype=dtype)}))


NAN = float("nan")
NULL_INT, NULL_TEXT = (
    F("f", elanus.INT64, nullable=True),
    F("f", elanus.VARCHAR, nullable=True),
)


@pytest.mark.parametrize(
    ("values", "dtype", "field", "expected"),
    [
        ([1, 2, 3], None, F("f", elanus.INT8), [1, 2, 3]),
        ([1.0, NAN, 3.0], None, NULL_INT, [1, None, 3]),
        ([1.0, 2.0, 3.0], None, F("f", elanus.INT64), [1, 2, 3]),
        ([1.0, NAN, 3.0], None, F("f", elanus.INT64, default=7), [1, 7, 3]),
        ([2**63 - 1, None, 3], "Int64", NULL_INT, [2**63 - 1, None, 3]),
        ([True, None, False], "boolean", F("f", elanus.BOOL, nullable=True), [True, None, False]),
        ([0.5, NAN, 1.5], None, F("f", elanus.DOUBLE, nullable=True), [0.5, None, 1.5]),
        ([0.5, None, 1.5], "Float32", F("f", elanus.FLOAT, nullable=True), [0.5, None, 1.5]),
        (["a", None, "ü"], None, NULL_TEXT, ["a", None, "ü"]),
        (["a", NAN, "ü"], "object", NULL_TEXT, ["a", None, "ü"]),
        (["a", pd.NA, "ü"], "string", NULL_TEXT, ["a", None, "ü"]),
        (["a", "b", "a"], "category", NULL_TEXT, ["a", "b", "a"]),
        (
            [[1, 2], np.array([3, 4])],
            "object",
            F("f", elanus.FLOAT_VECTOR, dim=2),
            [[1, 2], [3, 4]],
        ),
        (["[1, 2]", "[3, 4]"], None, F("f", elanus.FLOAT_VECTOR, dim=2), [[1, 2], [3, 4]]),
        (
            [{"a": 1}, None, [2]],
            "object",
            F("f", elanus.JSON, nullable=True),
            ['{"a":1}', None, "[2]"],
        ),
        (['{"a": 1}', None, "2"], None, F("f", elanus.JSON, nullable=True), ['{"a":1}', None, "2"]),
        (
            [["x"], None, []],
            "object",
            F("f", elanus.ARRAY, element_type="VARCHAR", nullable=True),
            [["x"], None, []],
        ),
        ([{1: 0.5}, {}], "object", F("f", elanus.SPARSE_FLOAT_VECTOR), [{1: 0.5}, {}]),
    ],
)
def test_columns_of_pandas(values, dtype, field, expected):
    assert converted(frame(values, dtype), field) == expected


def test_nan_in_a_float_field_without_nulls_is_a_value():
    found = converted(frame([1.0, NAN]), F("f", elanus.FLOAT))
    assert found[0] == 1.0
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("values", "dtype", "field", "message"),
    [
        ([1.5, 2], None, F("f", elanus.INT64), "1.5 is no exact integer.*'Int64'"),
        ([2.0**60, NAN], None, NULL_INT, "is no exact integer"),
        ([1.0, NAN], None, F("f", elanus.INT64), "got None"),
        (
            pd.to_datetime(["2020-01-01"]),
            None,
            F("f", elanus.INT64),
            "expected INT64, got Timestamp",
        ),
        (pd.to_timedelta(["1 days"]), None, F("f", elanus.INT64), "holds timedelta64"),
        (["a"], None, F("f", elanus.INT64), "expected INT64"),
    ],
)
def test_columns_of_pandas_that_do_not_fit(values, dtype, field, message):
    with pytest.raises(EntityError, match=message):
        converted(frame(values, dtype), field)


@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array])
def test_sparse_matrix(layout):
    matrix = layout(np.array([[0, 0.5, 0], [0, 0, 0], [1, 0, 2.0]]))
    found = converted(ColumnsReader({"f": matrix}), F("f", elanus.SPARSE_FLOAT_VECTOR))
    assert found == [{1: 0.5}, {}, {0: 1.0, 2: 2.0}]


def test_columns_of_different_lengths():
    with pytest.raises(EntityError, match="'a' has 2, 'b' has 3"):
        ColumnsReader({"a": [1, 2], "b": [1, 2, 3]})


def test_archive_goes_on_from_every_position(tmp_path):
    path = tmp_path / "in.npz"
    values = np.arange(14, dtype=np.float32).reshape(7, 2)
    np.savez_compressed(path, v=values, n=np.arange(7))
    assert NpzFormat().num_rows(path) == 7
    for start in range(8):
        chunks = list(NpzFormat().chunks(path, Position(0, start), 3))
        found = [row for c in chunks for row in c.columns["v"].pylist()]
        assert found == values[start:].tolist()
        assert [n for c in chunks for n in c.rows.tolist()] == list(range(start, 7))


def test_structured_array(tmp_path):
    array = np.array([(1, [1, 2]), (2, [3, 4])], dtype=[("n", "i4"), ("v", "f4", (2,))])
    np.save(tmp_path / "in.npy", array)
    schema = elanus.Schema([F("n", elanus.INT64, primary=True)])
    (chunk,) = NpyFormat(schema).chunks(tmp_path / "in.npy", Position(), 10)
    assert chunk.columns["n"].pylist() == [1, 2]
    assert chunk.columns["v"].pylist() == [[1, 2], [3, 4]]


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_archives_that_cannot_be_read(tmp_path):
    path = tmp_path / "in.npz"
    for arrays, message in (
        ({"a": np.array([{}], dtype=object)}, "pickled objects"),
        ({"a": np.arange(3), "b": np.arange(2)}, "'a' has 3 rows, 'b' has 2"),
        ({"a": np.asfortranarray(np.ones((2, 3)))}, "column by column"),
        ({"a": np.float32(3)}, "a single value"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            list(NpzFormat().chunks(save(path, **arrays), Position(), 10))
    path.write_bytes(b"no archive")
    with pytest.raises(CorruptionError, match="not a NumPy archive"):
        NpzFormat().num_rows(path)
    raw = bytearray(save(path, a=np.arange(1000)).read_bytes())
    raw[4000] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CorruptionError, match="array 'a' is damaged"):
        list(NpzFormat().chunks(path, Position(), 10))


def test_archive_of_no_rows_keeps_types(tmp_path):
    fields = (F("n", elanus.INT16), F("v", elanus.FLOAT_VECTOR, dim=2), F("t", elanus.VARCHAR))
    path = tmp_path / "in.npz"
    with path.open("wb") as file, NpzWriter(file, Output(fields, str(path))) as writer:
        assert isinstance(writer, NpzWriter)
    with np.load(path) as found:
        shapes = {name: (found[name].shape, found[name].dtype.str) for name in found.files}
    assert shapes == {"n": ((0,), "<i2"), "v": ((0, 2), "<f4"), "t": ((0,), "<U1")}
    assert zipfile.is_zipfile(path)
