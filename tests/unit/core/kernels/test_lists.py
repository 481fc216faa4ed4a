import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.kernels.lists import matrix_of, strings_at, strings_of

NUMBERS = st.floats(width=64) | st.integers(-(2**70), 2**70)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@given(
    st.integers(0, 4).flatmap(
        lambda dim: st.lists(st.lists(NUMBERS, min_size=dim, max_size=dim), min_size=1)
    )
)
def test_same_bits_as_numpy(rows: list[list[float]]) -> None:
    found = matrix_of(rows, len(rows[0]))
    assert found is not None
    expected = np.array(rows, dtype=np.float64).astype(np.float32)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert found.tobytes() == expected.tobytes()


def test_rows_may_be_tuples_and_none_at_all() -> None:
    found = matrix_of([(1, 2.5), [3, -0.0]], 2)
    assert found is not None
    assert found.tolist() == [[1.0, 2.5], [3.0, -0.0]]
    empty = matrix_of([], 3)
    assert empty is not None
    assert empty.shape == (0, 3)


@pytest.mark.parametrize(
    "row",
    [
        [1.0],
        [1.0, 2.0, 3.0],
        [1.0, None],
        [1.0, "2"],
        [1.0, True],
        [1.0, 10**400],
        [1.0, np.float32(2)],
        np.array([1.0, 2.0]),
        "12",
        None,
        {1: 2.0, 3: 4.0},
    ],
)
def test_anything_else_is_left_to_the_caller(row: object) -> None:
    assert matrix_of([[1.0, 2.0], row], 2) is None  # type: ignore[list-item]


@given(st.lists(st.text() | st.text("ab")))
def test_strings_are_their_utf8_end_to_end(texts: list[str]) -> None:
    found = strings_of(texts)
    assert found is not None
    offsets, data = found
    raw = [text.encode("utf-8") for text in texts]
    assert offsets.tolist() == [sum(map(len, raw[:n])) for n in range(len(raw) + 1)]
    assert data.tobytes() == b"".join(raw)
    assert offsets.dtype == np.int64
    assert data.dtype == np.uint8


@pytest.mark.parametrize("text", [None, b"a", 1, "\ud800", np.str_("a")])
def test_what_is_no_plain_text_is_left_to_the_caller(text: object) -> None:
    assert strings_of(["a", text]) is None  # type: ignore[list-item]


@given(st.lists(st.text(), min_size=1), st.data())
def test_texts_of_rows_come_back(texts: list[str], data: st.DataObject) -> None:
    stored = strings_of(texts)
    if stored is None:  # a lone surrogate
        return
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1)))
    found = strings_at(*stored, np.array(rows, dtype=np.int64))
    assert found == [texts[row] for row in rows]


def test_texts_outside_of_their_column_are_refused() -> None:
    data = np.frombuffer(b"abc", dtype=np.uint8)
    offsets = np.array([0, 1, 3], dtype=np.int64)
    for row in (-1, 2, 2**62):
        with pytest.raises(InvalidArgumentError, match=f"row {row} is outside of the column"):
            strings_at(offsets, data, np.array([row], dtype=np.int64))
    for wrong in ([0, 4], [2, 1], [-1, 1]):
        with pytest.raises(CorruptionError, match="text of row 0 leaves its column"):
            strings_at(np.array(wrong, dtype=np.int64), data, np.array([0], dtype=np.int64))
    with pytest.raises(UnicodeDecodeError):
        strings_at(offsets[:2], np.array([0xFF], dtype=np.uint8), np.array([0], dtype=np.int64))
