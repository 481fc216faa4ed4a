from operator import eq, ge, gt, le, lt, ne

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import InvalidArgumentError
from elanus.kernels.bitset import Bitset
from elanus.kernels.formulas import COMPARISONS, REAL_TYPES, WHOLE_TYPES

masks = st.lists(st.booleans(), max_size=200).map(lambda bits: np.array(bits, dtype=np.bool_))
mask_pairs = st.integers(0, 200).flatmap(
    lambda n: st.tuples(
        *[st.lists(st.booleans(), min_size=n, max_size=n).map(lambda b: np.array(b, dtype=bool))]
        * 2
    )
)


@given(masks)
def test_mask_round_trips_and_agrees_with_rows_and_count(mask: np.ndarray) -> None:
    bitset = Bitset.from_mask(mask)
    assert np.array_equal(bitset.to_mask(), mask)
    assert np.array_equal(bitset.to_rows(), np.flatnonzero(mask))
    assert bitset.count() == mask.sum()
    assert len(bitset) == len(mask)
    assert bool(bitset) == mask.any()
    assert [row in bitset for row in range(len(mask) + 1)] == [*mask.tolist(), False]
    assert bitset == Bitset.from_rows(np.flatnonzero(mask), len(mask))


@pytest.mark.usefixtures("variant")
@pytest.mark.parametrize("num_bits", [0, 1, 63, 64, 65, 1_000, 1_023, 1_024, 1_100, 5_000])
def test_masks_are_packed_by_every_cpu_variant(num_bits: int) -> None:
    rng = np.random.default_rng(num_bits)
    for share in (0.0, 0.03, 0.5, 1.0):
        mask = rng.random(num_bits) < share
        made = Bitset.from_mask(mask)
        padded = np.append(mask, np.zeros(-num_bits % 64, dtype=np.bool_))
        assert made.words.view(np.uint8).tolist() == np.packbits(padded, bitorder="little").tolist()
        assert made.count() == mask.sum()


@pytest.mark.usefixtures("variant")
@pytest.mark.parametrize("dtype", sorted(WHOLE_TYPES | REAL_TYPES))
def test_comparisons_with_a_constant_equal_masks(dtype: str) -> None:
    rng = np.random.default_rng(3)
    ends = [np.nan, np.inf, -np.inf, -0.0] if dtype in REAL_TYPES else []
    if not ends:
        ends = [np.iinfo(dtype).min, np.iinfo(dtype).max]
    for num_bits in (0, 1, 64, 1_023, 1_025, 3_000):
        values = rng.integers(0, 5, num_bits).astype(dtype)
        values[: len(ends)] = ends[:num_bits]
        for constant in [*ends, 2]:
            typed = values.dtype.type(constant)
            for name, compare in zip(COMPARISONS, (eq, ne, lt, le, gt, ge), strict=True):
                made = Bitset.where(values, name, typed.item())
                assert made == Bitset.from_mask(compare(values, typed))
                assert made.count() == compare(values, typed).sum()


def test_constants_outside_of_a_type_and_other_arrays_are_refused() -> None:
    for values, constant in (
        (np.zeros(3, np.int8), 200),
        (np.zeros(3, np.int64), 1 << 70),
        (np.zeros(3, np.int64), 0.5),
        (np.zeros(6, np.int64)[::2], 1),
        (np.zeros(3, np.uint64), 1),
    ):
        with pytest.raises(TypeError):
            Bitset.where(values, "<", constant)


@given(mask_pairs)
def test_operators_agree_with_masks(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    left, right = Bitset.from_mask(a), Bitset.from_mask(b)
    assert np.array_equal((left & right).to_mask(), a & b)
    assert np.array_equal((left | right).to_mask(), a | b)
    assert np.array_equal((left ^ right).to_mask(), a ^ b)
    assert np.array_equal((left - right).to_mask(), a & ~b)
    assert np.array_equal((~left).to_mask(), ~a)
    assert (left == right) == np.array_equal(a, b)
    assert hash(~~left) == hash(left)


@pytest.mark.parametrize("num_bits", [0, 1, 63, 64, 65, 128, 130])
def test_padding_bits_stay_zero(num_bits: int) -> None:
    full = Bitset.full(num_bits)
    assert full.count() == num_bits
    assert (~full) == Bitset.empty(num_bits)
    assert (~Bitset.empty(num_bits)) == full
    assert full.words.shape == ((num_bits + 63) // 64,)


def test_words_hold_row_0_in_the_lowest_bit() -> None:
    bitset = Bitset.from_rows(np.array([66, 0, 5, 5]), 70)
    assert bitset.words.tolist() == [0b100001, 0b100]


def test_words_cannot_be_written() -> None:
    bitset = Bitset.from_mask(np.array([True, False]))
    with pytest.raises(ValueError, match="read-only"):
        bitset.words[0] = 7


@pytest.mark.parametrize(
    ("words", "num_bits"),
    [
        (np.zeros(1, np.int64), 64),
        (np.zeros((1, 1), np.uint64), 64),
        (np.zeros(2, np.uint64), 64),
        (np.zeros(0, np.uint64), 1),
        (np.array([0b100], np.uint64), 2),
        (np.zeros(0, np.uint64), -1),
    ],
)
def test_words_that_do_not_fit_are_refused(words: np.ndarray, num_bits: int) -> None:
    with pytest.raises(InvalidArgumentError, match=r"words|num_bits"):
        Bitset(words, num_bits)


@pytest.mark.parametrize("rows", [[-1], [3], [0, 64], [0.5]])
def test_rows_outside_are_refused(rows: list[float]) -> None:
    with pytest.raises(InvalidArgumentError, match="rows"):
        Bitset.from_rows(np.array(rows), 3)


def test_masks_of_another_kind_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="bool"):
        Bitset.from_mask(np.array([1, 0]))


def test_sets_over_different_rows_do_not_mix() -> None:
    with pytest.raises(InvalidArgumentError, match="got 3 and 4"):
        Bitset.full(3) & Bitset.full(4)


def test_holds_tells_of_each_row_asked_for():
    rows = np.array([0, 3, 63, 64, 130])
    bits = Bitset.from_rows(rows, 131)
    asked = np.array([130, 1, 64, 64, 0, 65, 63, 129, 3])
    assert bits.holds(asked).tolist() == [row in rows for row in asked.tolist()]
    assert bits.holds(np.empty(0, dtype=np.int64)).tolist() == []


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 200))
def test_a_range_is_the_set_of_its_rows(start: int, length: int, more: int) -> None:
    num_bits = start + length + more
    mask = np.zeros(num_bits, dtype=np.bool_)
    mask[start : start + length] = True
    made = Bitset.from_range(start, start + length, num_bits)
    assert made == Bitset.from_mask(mask)
    assert made.count() == length
    assert np.array_equal(made.to_rows(), np.flatnonzero(mask))
    # What is made of it is no range any more.
    others = ~made
    assert others.count() == num_bits - length
    assert np.array_equal(others.to_rows(), np.flatnonzero(~mask))


@given(st.sets(st.integers(0, 9_999), max_size=30))
def test_few_rows_among_many_are_found(rows: set[int]) -> None:
    expected = np.array(sorted(rows), dtype=np.int64)
    made = Bitset.from_ascending(expected, 10_000)
    assert made.count() == len(rows)
    assert np.array_equal(made.to_rows(), expected)
    assert np.array_equal((made | made).to_rows(), expected)


@given(masks, st.integers(1, 3))
def test_masks_that_lie_apart_are_packed(mask: np.ndarray, step: int) -> None:
    assert Bitset.from_mask(mask[::step]) == Bitset.from_mask(mask[::step].copy())


@given(
    st.sets(st.integers(0, 9_999), max_size=30) | st.builds(range, st.just(40), st.integers(0, 90))
)
def test_few_rows_are_known_without_looking(rows: set[int] | range) -> None:
    expected = np.array(sorted(rows), dtype=np.int64)
    made = Bitset.from_few(expected.astype(np.uint32), 10_000)
    assert made == Bitset.from_rows(expected, 10_000)
    assert np.array_equal(made.known_rows(), expected)
    assert made.count() == len(expected)
    assert (made & made).known_rows() is None


def test_many_rows_are_not_known() -> None:
    for many in (np.arange(9_000, dtype=np.uint32), np.arange(0, 9_000, 2, dtype=np.uint32)):
        made = Bitset.from_few(many, 600_000)
        assert made.known_rows() is None
        assert np.array_equal(made.to_rows(), many)
