"""Rows read natively are those that NumPy, ``str`` and ``json`` give."""

import json
import math
from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elanus.errors import InvalidArgumentError
from elanus.kernels.rows import RowReader, order_of_texts

DTYPES = [np.bool_, np.int8, np.int16, np.int32, np.int64, np.float32, np.float64]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["\\", '"', "\u2028", "\x00", "😀", "/", "\\u0041"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def texts_of(texts):
    """Return offsets and bytes of a column of texts."""
    raw = [text if isinstance(text, bytes) else text.encode() for text in texts]
    offsets = np.zeros(len(raw) + 1, dtype=np.int64)
    np.cumsum([len(one) for one in raw], out=offsets[1:])
    return offsets, np.frombuffer(b"".join(raw), dtype=np.uint8)


def json_reader(texts, validity=None):
    reader = RowReader(len(texts))
    reader.add_texts("j", *texts_of(texts), validity, guard=None, is_json=True)
    return reader


def same(left, right):
    """Whether values are equal and of equal types, 1 and 1.0 and True apart, NaN equal to NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return math.copysign(1, left) == math.copysign(1, right) and left == right
    return left == right


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_those_of_numpy(dtype):
    rng = np.random.default_rng(1)
    values = rng.integers(-100, 100, 50).astype(dtype)
    if values.dtype.kind == "i":
        values[:2] = np.iinfo(dtype).min, np.iinfo(dtype).max
    if values.dtype.kind == "f":
        values = (values / 3).astype(dtype)
        values[:3] = np.inf, -0.0, np.finfo(dtype).tiny
    validity = rng.random(50) < 0.7
    reader = RowReader(50)
    assert reader.add_numbers("x", values, None)
    assert reader.add_numbers("y", values, validity)
    rows = rng.integers(0, 50, 200)
    found = reader.read(rows)
    for row, entity in zip(rows.tolist(), found, strict=True):
        assert list(entity) == ["x", "y"]
        assert same(entity["x"], values[row].tolist())
        assert same(entity["y"], values[row].tolist() if validity[row] else None)


@pytest.mark.parametrize("values", [np.zeros(4, dtype="M8[us]"), np.zeros(4, dtype=np.float16)])
def test_other_dtypes_are_left_to_python(values):
    assert not RowReader(4).add_numbers("x", values, None)
    assert not RowReader(4).add_numbers("x", np.zeros(8)[::2], None)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6), st.booleans(), st.data())
def test_json_is_that_of_python(values, ascii_only, data):
    texts = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    try:
        reader = json_reader(texts)
    except UnicodeEncodeError:
        return
    rows = np.array(
        data.draw(st.lists(st.integers(0, len(values) - 1), max_size=8)), dtype=np.int64
    )
    found = reader.read(rows)
    # What is rare may be left to Python; what is read must be right.
    if found is not None:
        for row, entity in zip(rows.tolist(), found, strict=True):
            assert same(entity["j"], json.loads(texts[row]))


@pytest.mark.parametrize(
    "text",
    [
        *(
            '{"a": 1, "b": [true, false, null, -0.5e-3]}',
            "[]",
            "{}",
            "0",
            "-0",
            "-12",
            "1E5",
            "1.0",
        ),
        *(
            '"\\u00e9\\ud83d\\ude00\\n\\"\\\\\\/"',
            " [ 1 , 2 ] ",
            '{"a":1,"a":2}',
            '""',
            "123456789",
        ),
        *("999999999999999999", "1e-300", "[[[[1]]]]", '"ü"', '{"": {"": ""}}'),
    ],
)
def test_what_is_stored_is_read_natively(text):
    (entity,) = json_reader([text]).read(np.zeros(1, dtype=np.int64))
    assert same(entity["j"], json.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[1,]", "[1 2]", "{1:2}", '{"a"}', "01", "1.", ".5", "+1", "1e", "nul", "truer"),
        *("NaN", "Infinity", "-", "'a'", '"\\x"', '"\\u12"', '"\\ud800"', '"\\udc00"', '"a\nb"'),
        *('"a', "1 2", "[1]]", "12345678901234567890", "1e999", "[" * 80 + "]" * 80),
        *(b'"\xff"', b'{"\xc3": 1}'),
    ],
)
def test_the_rest_is_left_to_python(text):
    reader = json_reader(["1", text])
    assert reader.read(np.array([0], dtype=np.int64)) == [{"j": 1}]
    assert reader.read(np.array([0, 1], dtype=np.int64)) is None


def test_nulls_and_texts():
    texts = ["", "ab", "ü😀", "", "long " * 1000]
    validity = np.array([True, True, True, False, True])
    reader = RowReader(5)
    reader.add_texts("t", *texts_of(texts), validity, guard=None, is_json=False)
    reader.add_texts(
        "j",
        *texts_of(["{}", "", "[1]", "", '"x"']),
        ~validity | np.array([True, False, True, False, True]) & validity,
        guard=None,
        is_json=True,
    )
    found = reader.read(np.array([4, 2, 0], dtype=np.int64))
    assert found == [{"t": texts[4], "j": "x"}, {"t": "ü😀", "j": [1]}, {"t": "", "j": {}}]
    assert reader.read(np.array([1], dtype=np.int64)) == [{"t": "ab", "j": None}]
    bad = RowReader(1)
    bad.add_texts("t", *texts_of([b"\xff"]), None, guard=None, is_json=False)
    assert bad.read(np.zeros(1, dtype=np.int64)) is None


@pytest.mark.parametrize("rows", [[-1], [2], [0, 5], [1 << 62]])
def test_rows_that_are_not_there(rows):
    assert json_reader(["1", "2"]).read(np.array(rows, dtype=np.int64)) is None


@pytest.mark.parametrize("offsets", [[0, 5, 2], [-1, 0, 1], [0, 1, 99]])
def test_offsets_that_leave_the_column(offsets):
    reader = RowReader(2)
    data = np.full(5, 49, dtype=np.uint8)
    reader.add_texts("t", np.array(offsets), data, None, guard=None, is_json=False)
    assert reader.read(np.array([0, 1], dtype=np.int64)) is None


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(InvalidArgumentError, match="one for each row"):
        RowReader(3).add_numbers("x", np.zeros(4), None)
    with pytest.raises(InvalidArgumentError, match="one for each row"):
        RowReader(3).add_numbers("x", np.zeros(3), np.ones(2, dtype=np.bool_))
    with pytest.raises(InvalidArgumentError, match="one more than rows"):
        RowReader(3).add_texts("x", *texts_of(["a"]), None, guard=None, is_json=False)


@given(
    st.sets(st.binary(max_size=3) | st.sampled_from([b"\xff\x00", b"\x7f", b"\x80"])),
    st.binary(max_size=3),
)
def test_a_place_among_texts_is_that_of_their_bytes(texts, wanted):
    ascending = sorted(texts)
    offsets, data = texts_of(ascending)
    order = order_of_texts(offsets, data)
    for text in (wanted, *ascending):
        place = bisect_left(ascending, text)
        assert order.lower(text) == place
        assert order.find(text) == (place if text in texts else -1)


@pytest.mark.parametrize("offsets", [[], [0], [0, 9, 3], [-5, 2, 99], [7, 7, 7], [4, 1, 0]])
def test_offsets_outside_of_the_texts_are_never_read(offsets):
    data = np.frombuffer(b"abcd", dtype=np.uint8)
    order = order_of_texts(np.array(offsets, dtype=np.int64), data)
    assert 0 <= order.lower(b"b") <= max(len(offsets) - 1, 0)
    assert -1 <= order.find(b"b") < max(len(offsets) - 1, 1)
