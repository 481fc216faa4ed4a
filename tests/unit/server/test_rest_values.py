"""Values of JSON, and what comes back as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from elanus import DataType, Field, Schema
from elanus_server.codec.entities import encode_column
from elanus_server.codec.requests import decode_queries, decode_templates
from elanus_server.failures import MilvusError
from elanus_server.rest.bodies import read_json, write_json
from elanus_server.rest.parameters import Parameter, read_all
from elanus_server.rest.queries import keys_filter, placeholder_group, template_values
from elanus_server.rest.results import rows_of, shown_floats
from elanus_server.rest.row_columns import plain_column
from elanus_server.rest.rows import field_columns, read_value, read_vector


@given(arrays.arrays(np.float32, st.integers(0, 20), elements=st.floats(width=32, allow_nan=False)))
def test_numbers_of_32_bits_come_back_as_they_were(values: np.ndarray) -> None:
    shown = shown_floats(values)
    words = {"Infinity": np.inf, "-Infinity": -np.inf}
    back = np.array([words.get(one, one) for one in shown], dtype=np.float32)
    assert back.tolist() == values.tolist()


@pytest.mark.parametrize("number", [0.1, 0.3, 1e-7, 123456.78, 16777216, 1.5e12, -0.25, 0])
def test_numbers_of_32_bits_have_no_more_digits_than_they_need(number: float) -> None:
    (shown,) = shown_floats([number])
    assert repr(shown) == repr(float(str(np.float32(number))))


def test_a_body_without_a_word_for_a_number_gets_a_text() -> None:
    body = {"a": [float("nan"), 1.5], "b": {"c": float("-inf")}}
    assert json.loads(write_json(body)) == {"a": ["NaN", 1.5], "b": {"c": "-Infinity"}}
    assert read_json(write_json({"ü": "🌍"})) == {"ü": "🌍"}


def test_parameters_are_checked_and_filled() -> None:
    declared = (
        Parameter("name", required=True),
        Parameter("size", "integer", default=5),
        Parameter("tags", "strings"),
    )
    assert read_all(declared, {"name": "a", "more": 1}) == {"name": "a", "size": 5, "tags": None}
    for body, code in (({}, 1802), ({"name": ""}, 1802), ({"name": 1}, 1801)):
        with pytest.raises(MilvusError) as refused:
            read_all(declared, body)
        assert refused.value.code == code
    for size in (2**31, -(2**31) - 1, True, 1.0, "1"):
        with pytest.raises(MilvusError, match="size: expected a whole number of 32 bits"):
            read_all(declared, {"name": "a", "size": size})


def test_templates_carry_every_kind_of_value() -> None:
    given = {
        "b": True,
        "i": -(2**63),
        "f": 0.5,
        "s": "x",
        "is": [1, 2],
        "mixed": [1, "a"],
        "lists": [[1], [2, 3]],
        "none": [],
    }
    assert decode_templates(template_values(given)) == given
    for bad in (None, {"a": 1}, 2**63):
        with pytest.raises(MilvusError):
            template_values({"x": bad})


def test_keys_become_a_filter() -> None:
    number, text = Field("k", DataType.INT64, primary=True), Field("k", DataType.VARCHAR)
    assert keys_filter([1, "-2"], number) == "k in [1,-2]"
    assert keys_filter('a"b', text) == 'k in ["a\\"b"]'
    assert keys_filter([1, "b"], text) == 'k in ["1","b"]'
    wrong = (("x", number), (1.0, number), (True, number), (1.5, text), ("9" * 30, number))
    for key, field in wrong:
        with pytest.raises(MilvusError, match="check the primary key"):
            keys_filter(key, field)


def test_queries_are_what_the_client_sends() -> None:
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("f", DataType.FLOAT_VECTOR, dim=2),
            Field("b", DataType.BFLOAT16_VECTOR, dim=2),
            Field("s", DataType.SPARSE_FLOAT_VECTOR),
        ]
    )

    def asked(name: str, data: list) -> list:
        return decode_queries(placeholder_group(data, schema, name), schema.field(name))

    assert [v.tolist() for v in asked("f", [[1, 0.5], [2, 3]])] == [[1.0, 0.5], [2.0, 3.0]]
    assert asked("b", [[1, 2]])[0].tolist() == [0x3F80, 0x4000]
    assert asked("b", ["gD8AQA=="])[0].tolist() == [0x3F80, 0x4000]
    assert asked("s", [{"7": 1}, {"indices": [1], "values": [2]}]) == [{7: 1.0}, {1: 2.0}]
    with pytest.raises(MilvusError, match="dimension: 2, but length of"):
        asked("f", [[1]])


def test_rows_become_columns_and_rows_again() -> None:
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("n", DataType.INT32, nullable=True),
            Field("v", DataType.FLOAT_VECTOR, dim=2),
        ],
        dynamic=True,
    )
    rows = [{"id": 1, "n": None, "v": [1.0, 2.0], "x": "a"}, {"id": 2, "n": 3, "v": [0.1, 0.0]}]
    columns = field_columns(rows, schema)
    assert [c.field_name for c in columns] == ["id", "n", "v", "$meta"]
    assert rows_of(columns, ["id", "n", "v", "$meta"], 2, allow_int64=True) == rows
    assert rows_of(columns, ["id", "x"], 2, allow_int64=False)[0]["id"] == "1"
    assert [c.field_name for c in field_columns([{"id": 1, "n": 2}], schema, partial=True)][:2] == [
        "id",
        "n",
    ]
    with pytest.raises(MilvusError, match="given in some rows and missing in others"):
        field_columns([{"id": 1, "n": 2}, {"id": 2}], schema, partial=True)


def test_vectors_that_are_null_are_left_out_of_the_message() -> None:
    field = Field("v", DataType.FLOAT_VECTOR, dim=1, nullable=True)
    message = encode_column(field, [None, np.array([5.0], np.float32), None])
    assert rows_of([message], ["v"], 3, allow_int64=True) == [
        {"v": None},
        {"v": [5.0]},
        {"v": None},
    ]


@pytest.mark.parametrize("value", [[True, 0.5], ["0.5", 0.5], [None, 0.5], [[1.0], 0.5]])
def test_a_vector_is_of_numbers_alone(value: list[object]) -> None:
    field = Field("v", DataType.FLOAT_VECTOR, dim=2)
    with pytest.raises(MilvusError, match="field v: expected an array of numbers"):
        read_vector(value, field)
    assert read_vector([1, 0.5], field).tolist() == [1.0, 0.5]


_ROWS = st.lists(
    st.one_of(
        st.lists(
            st.one_of(
                st.floats(allow_nan=False, allow_infinity=False),
                st.integers(-3, 3),
                st.sampled_from([True, False, None, "0.5", 10**400, 1e39, []]),
            ),
            min_size=1,
            max_size=3,
        ),
        st.sampled_from([None, "x", 1, {}, [0.5, 1], [1, 0], [0.0, 1.0]]),
    ),
    min_size=1,
    max_size=4,
)


@given(_ROWS)
def test_vectors_of_many_rows_are_what_they_are_one_by_one(values: list[object]) -> None:
    field = Field("v", DataType.FLOAT_VECTOR, dim=2)
    found = plain_column(values, field)
    try:
        one_by_one = [read_vector(value, field) for value in values]
    except (MilvusError, OverflowError):
        assert found is None
        return
    assert found.dtype == np.float32
    assert found.tolist() == [one.tolist() for one in one_by_one]


_SCALARS = st.lists(
    st.one_of(
        st.sampled_from([None, True, "x", "7", 1e39, 2**63, -(2**63), 2**31, 127, 128, 2.0, [1]]),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    min_size=1,
    max_size=3,
)
_SCALAR_TYPES = [
    *(DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64, DataType.BOOL),
    *(DataType.FLOAT, DataType.DOUBLE, DataType.VARCHAR, DataType.JSON),
]


@pytest.mark.parametrize("dtype", _SCALAR_TYPES, ids=str)
@given(values=_SCALARS)
def test_scalars_of_many_rows_are_what_they_are_one_by_one(dtype: DataType, values: list) -> None:
    field = Field("s", dtype)
    found = plain_column(values, field)
    if found is not None:
        one_by_one = [read_value(value, field) for value in values]
        assert [(type(one), one) for one in found] == [(type(one), one) for one in one_by_one]


def test_columns_that_are_plain_are_read_as_such() -> None:
    for dtype, values in (
        (DataType.INT8, [127, -128]),
        (DataType.INT64, [2**63 - 1, -(2**63)]),
        (DataType.BOOL, [True]),
        (DataType.FLOAT, [0.5]),
        (DataType.DOUBLE, [1e300]),
        (DataType.VARCHAR, ["x"]),
        (DataType.FLOAT_VECTOR, [[0, 1], [0.5, 2]]),
    ):
        dim = 2 if dtype is DataType.FLOAT_VECTOR else None
        assert plain_column(values, Field("f", dtype, dim=dim)) is not None


@pytest.mark.parametrize("number", [2**63, 2**64, 2**70, -(2**63), -(2**63) - 1, -(2**80)])
def test_whole_numbers_beyond_64_bits_stay_whole(number: int) -> None:
    body = {"a": number, "b": [{"c": [0.5, number]}], "d": [1.5] * 3, "e": [0.5, "x", number]}
    for name in body:
        raw = json.dumps({name: body[name], "z": [0.25]}).encode()
        found = read_json(raw)
        assert json.dumps(found) == raw.decode()
    assert read_json(b'{"x": 1e300}') == {"x": 1e300}
    assert json.loads(write_json({"a": number, "b": None})) == {"a": number, "b": None}


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b" ", b"[]", b"1", b"null", b"{", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": 01}'),
        *(b'{"a": "\\ud800"}', b'{"a": "\xff"}', b"{} {}", b'{"a":' * 2_000, b"[" * 9_999),
    ],
)
def test_what_is_no_object_of_json_is_refused(raw: bytes) -> None:
    with pytest.raises(MilvusError) as refused:
        read_json(raw)
    assert refused.value.code == 1801
