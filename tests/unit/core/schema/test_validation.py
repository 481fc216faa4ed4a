"""Entities become typed columns, or an error that names field and row."""

import numpy as np
import pytest

import elanus
from elanus.errors import EntityError
from elanus.schema.validation import entities_to_batch, primary_keys
from elanus.schema.vectors import query_vector

SCHEMA = elanus.Schema(
    [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("flag", elanus.BOOL, default=False),
        elanus.Field("small", elanus.INT8, nullable=True),
        elanus.Field("ratio", elanus.FLOAT, default=0.5),
        elanus.Field("name", elanus.VARCHAR, nullable=True, max_length=4),
        elanus.Field("extra", elanus.JSON, nullable=True),
        elanus.Field(
            "tags", elanus.ARRAY, element_type=elanus.VARCHAR, nullable=True, max_capacity=2
        ),
        elanus.Field("v", elanus.FLOAT_VECTOR, dim=2),
        elanus.Field("s", elanus.SPARSE_FLOAT_VECTOR),
    ]
)
FULL = {
    "id": 1, "flag": True, "small": -128, "ratio": 0.25, "name": "é", "extra": {"a": [1, None]},
    "tags": ["x", "yy"], "v": [1.0, 2.0], "s": {7: 0.5, 3: 1.0},
}  # fmt: skip
BARE = {"id": 2, "v": [3, 4], "s": {}}


def values(batch):
    return {name: column.to_pylist() for name, column in batch.columns.items()}


def test_rows_become_columns_with_defaults_and_nulls():
    batch = entities_to_batch(SCHEMA, [FULL, BARE])
    assert values(batch) == {
        "id": [1, 2],
        "flag": [True, False],
        "small": [-128, None],
        "ratio": [0.25, 0.5],
        "name": ["é", None],
        "extra": ['{"a":[1,null]}', None],
        "tags": [["x", "yy"], None],
        "v": [[1.0, 2.0], [3.0, 4.0]],
        "s": [{3: 1.0, 7: 0.5}, {}],
    }
    dtypes = {name: batch.columns[name].values.dtype.name for name in ("small", "ratio", "v", "s")}
    assert dtypes == {"small": "int8", "ratio": "float32", "v": "float32", "s": "float32"}


def test_columns_equal_rows():
    as_columns = {name: [FULL[name], FULL[name]] for name in FULL} | {
        "id": np.array([1, 2], dtype=np.int32),
        "v": np.array([[1.0, 2.0], [1.0, 2.0]]),
    }
    by_columns = entities_to_batch(SCHEMA, as_columns)
    by_rows = entities_to_batch(SCHEMA, [FULL, {**FULL, "id": 2}])
    assert values(by_columns) == values(by_rows)


def test_input_is_not_changed():
    row = {**BARE, "small": None}
    entities_to_batch(SCHEMA, [row])
    assert row == {**BARE, "small": None}


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"id": "1"}, "id", "expected INT64, got str '1' (row 1)"),
        ({"id": True}, "id", "expected INT64, got bool True (row 1)"),
        ({"id": 2**63}, "id", "9223372036854775808 does not fit into INT64 (row 1)"),
        ({"id": None}, "id", "expected INT64 (not nullable, no default), got None (row 1)"),
        ({"small": 128}, "small", "128 does not fit into INT8 (row 1)"),
        ({"flag": 1}, "flag", "expected BOOL, got int 1 (row 1)"),
        ({"ratio": "0.5"}, "ratio", "expected FLOAT, got str '0.5' (row 1)"),
        ({"name": "éée"}, "name", "5 bytes exceed max_length=4 (row 1)"),
        ({"name": "\ud800"}, "name", "cannot be written as UTF-8"),
        ({"name": 5}, "name", "expected VARCHAR, got int 5 (row 1)"),
        ({"extra": {"a": {1, 2}}}, "extra", "value is not JSON"),
        ({"tags": ["a", "b", "c"]}, "tags", "3 elements exceed max_capacity=2 (row 1)"),
        ({"tags": ["a", 5]}, "tags", "expected VARCHAR, got int 5 (row 1, element 1)"),
        ({"tags": "ab"}, "tags", "expected a list, got str 'ab' (row 1)"),
        ({"v": [1.0]}, "v", "expected dim 2, got 1 (row 1)"),
        ({"v": [1.0, float("nan")]}, "v", "vector holds NaN or infinity (row 1)"),
        ({"v": "ab"}, "v", "expected a list of 2 floats, got str 'ab' (row 1)"),
        ({"s": {-1: 1.0}}, "s", "dimensions must lie in 0..4294967294 (row 1)"),
        ({"s": [(1, 1.0), (1, 2.0)]}, "s", "sparse vector has a dimension twice (row 1)"),
        ({"s": {1: float("inf")}}, "s", "sparse vector holds NaN or infinity (row 1)"),
        ({"nme": "x"}, "nme", "field 'nme' is not in the schema (row 1); did you mean 'name'?"),
    ],
)
def test_wrong_value_names_field_and_row(change, field, message):
    with pytest.raises(EntityError) as caught:
        entities_to_batch(SCHEMA, [FULL, {**FULL, "id": 2, **change}])
    assert message in str(caught.value)
    assert (caught.value.field, caught.value.row) == (field, 1)


def test_missing_vector_is_an_error():
    with pytest.raises(EntityError, match=r"field 'v': expected FLOAT_VECTOR .* got missing"):
        entities_to_batch(SCHEMA, [{"id": 1, "s": {}}])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1, 2], "v": [[1, 2]]}, "columns differ in length: 'id' has 2, 'v' has 1"),
        ({"id": 5}, "expected a column (list or array), got int"),
        ({"id": np.array([1.5])}, "expected INT64, got an array of float64"),
        ({"id": np.array([2**63], dtype=np.uint64)}, "does not fit into INT64 (row 0)"),
        ({"id": [1], "v": np.zeros((1, 3))}, "expected shape (n, 2), got (1, 3)"),
    ],
)
def test_wrong_column_is_named(columns, message):
    with pytest.raises(EntityError) as caught:
        entities_to_batch(SCHEMA, columns)
    assert message in str(caught.value)


def test_function_output_cannot_be_given():
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("t", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("b", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("t")),
        ]
    )
    with pytest.raises(EntityError, match="computed from 't' and cannot be given"):
        entities_to_batch(schema, [{"id": 1, "t": "x", "b": {1: 1.0}}])


def test_undeclared_fields_join_the_dynamic_column():
    schema = elanus.Schema([elanus.Field("id", elanus.INT64, primary=True)], dynamic=True)
    rows = entities_to_batch(schema, [{"id": 1, "a": 1}, {"id": 2}, {"id": 3, "$meta": {"b": 2}}])
    columns = entities_to_batch(schema, {"id": [1, 2], "a": np.array([1, 2])})
    assert rows.columns["$meta"].to_pylist() == ['{"a":1}', None, '{"b":2}']
    assert columns.columns["$meta"].to_pylist() == ['{"a":1}', '{"a":2}']


def test_scipy_rows_are_sparse_vectors():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    matrix = scipy_sparse.csr_matrix(np.array([[0, 2.0, 0], [1.0, 0, 3.0]]))
    batch = entities_to_batch(SCHEMA, {"id": [1, 2], "v": np.zeros((2, 2)), "s": matrix})
    assert batch.columns["s"].to_pylist() == [{1: 2.0}, {0: 1.0, 2: 3.0}]


def test_empty_input_is_an_empty_batch():
    assert len(entities_to_batch(SCHEMA, [])) == 0
    assert len(entities_to_batch(SCHEMA, {})) == 0


def test_query_vector_accepts_one_or_many():
    field = SCHEMA.field("v")
    assert query_vector(field, [1, 2]).tolist() == [[1.0, 2.0]]
    assert query_vector(field, [[1, 2], [3, 4]]).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(EntityError, match=r"expected dim 2, got 3"):
        query_vector(field, [1, 2, 3])


def test_primary_keys_are_checked():
    assert primary_keys(SCHEMA.primary, np.array([3, 1])) == [3, 1]
    with pytest.raises(EntityError):
        primary_keys(SCHEMA.primary, ["a"])
