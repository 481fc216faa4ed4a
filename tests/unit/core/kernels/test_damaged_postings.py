"""Postings whose numbers contradict each other or the rows: every check of the native reader."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from elanus.errors import CorruptionError
from elanus.kernels.bitset import Bitset
from elanus.kernels.packing import PackedPostings
from elanus.kernels.postings import SealedPostings
from elanus.types import Int64Array

from .test_sealed_postings import WINDOW, query, rows_of

DENSE, BITMAP, ARRAY, SHORT = range(4)
"""Terms of ``held``, by what their last window is."""
NUM_ROWS = 2 * WINDOW
ENTRY_BYTES = 12
BITMAP_BYTES = WINDOW // 8
OWN_BYTES = 8
"""In front of the directory of a term with exact weights: the largest one, and the windows."""


@dataclass(frozen=True)
class Held:
    lists: list[Int64Array]
    packed: PackedPostings

    def opened(self, num_rows: int = NUM_ROWS) -> SealedPostings:
        return SealedPostings(self.packed, num_rows, None)

    def changed(self, term: int, at: int, dtype: str, value: int) -> SealedPostings:
        """Open the postings with one number changed, ``at`` bytes behind the start of a term."""
        data = self.packed.data.copy()
        start = int(self.packed.starts[term]) * 4 + at
        raw = np.array([value], dtype=dtype).view(np.uint8)
        data[start : start + len(raw)] = raw
        changed = PackedPostings(self.packed.entries, self.packed.starts, data)
        return SealedPostings(changed, NUM_ROWS, None)

    def place(self, term: int, window: int) -> int:
        """Return where a container starts, from the start of its term."""
        at = int(self.packed.starts[term]) * 4 + OWN_BYTES + window * ENTRY_BYTES + 4
        return 2 * int(self.packed.data[at : at + 4].view(np.uint32)[0])

    def with_frequency(self, term: int, frequency: int) -> SealedPostings:
        entries = self.packed.entries.copy()
        entries[term] = (entries[term] & ~np.uint32((1 << 29) - 1)) | frequency
        return SealedPostings(
            PackedPostings(entries, self.packed.starts, self.packed.data), NUM_ROWS, None
        )


@pytest.fixture(scope="module")
def held() -> Held:
    rng = np.random.default_rng(3)
    lists = [
        np.sort(rng.choice(NUM_ROWS, count, replace=False)).astype(np.int64)
        for count in (20_000, 7_000, 1_000, 30)
    ]
    weights = [rng.gamma(2, 1, len(rows)).astype(np.float32) for rows in lists]
    made = rows_of(list(zip(lists, weights, strict=True)), NUM_ROWS, None)
    return Held(lists, made.packed)


def entry(window: int, field: str) -> tuple[int, str]:
    at = {"first": (0, "<u4"), "place": (4, "<u4"), "window": (8, "<u2"), "kind": (11, "u1")}
    return OWN_BYTES + window * ENTRY_BYTES + at[field][0], at[field][1]


def directories(held: Held) -> Iterator[SealedPostings]:
    yield held.changed(ARRAY, *entry(0, "first"), value=1)
    yield held.changed(ARRAY, *entry(1, "first"), value=0)
    yield held.changed(ARRAY, *entry(1, "first"), value=1_000)
    yield held.changed(ARRAY, *entry(1, "window"), value=0)
    yield held.changed(ARRAY, *entry(1, "window"), value=2)
    yield held.changed(ARRAY, *entry(1, "kind"), value=3)
    yield held.changed(ARRAY, OWN_BYTES - 4, "<u4", 0)
    # A window of one row too many: its container would be read to its end, wherever that is.
    yield held.changed(DENSE, *entry(1, "first"), value=WINDOW + 1)
    # A container that starts inside all bytes, and ends behind them.
    end = len(held.packed.data) - 128 - int(held.packed.starts[ARRAY]) * 4
    yield held.changed(ARRAY, *entry(1, "place"), value=end // 2 - 1)
    yield held.changed(ARRAY, *entry(1, "place"), value=0xFFFFFFFF)


def readers(postings: SealedPostings) -> list[Callable[[], object]]:
    every = np.arange(4, dtype=np.uint32)
    return [
        lambda: postings.search(*query((DENSE, 1.0), (ARRAY, 2.0)), 10),
        lambda: postings.unpack(0, 4),
        lambda: postings.document_frequencies(every, alive=Bitset.full(NUM_ROWS)),
    ]


def test_directories_that_contradict_themselves_are_named(held: Held) -> None:
    calls = [call for postings in directories(held) for call in readers(postings)]
    assert len(calls) == 30
    for call in calls:
        with pytest.raises(CorruptionError, match="directory of windows contradicts itself"):
            call()


def test_lists_that_end_behind_all_bytes_are_named(held: Held) -> None:
    for term, frequency in ((SHORT, 127), (ARRAY, 1_000_000), (DENSE, (1 << 29) - 1)):
        postings = held.with_frequency(term, frequency)
        with pytest.raises(CorruptionError, match="its bytes end before its postings"):
            postings.search(*query((term, 1.0)), 10)
    # The rows that all entries together claim would not fit into memory.
    count = 400
    many = PackedPostings(
        np.full(count, held.packed.entries[ARRAY] | ((1 << 29) - 1), dtype=np.uint32),
        np.full(count, held.packed.starts[ARRAY], dtype=np.uint32),
        held.packed.data,
    )
    with pytest.raises(CorruptionError, match="its bytes end before its postings"):
        SealedPostings(many, NUM_ROWS, None).unpack(0, count)


@pytest.mark.parametrize("term", [DENSE, BITMAP])
def test_more_rows_than_a_window_says_are_named(held: Held, term: int) -> None:
    ranks = held.place(term, 1) + (WINDOW if term == DENSE else BITMAP_BYTES)
    row = int(held.lists[term][-1])
    block = (row - WINDOW) // (64 if term == DENSE else 256)
    postings = held.changed(term, ranks + 2 * block, "<u2", 0xFFFF)
    with pytest.raises(CorruptionError, match="a window has more than it says"):
        postings.distances_to_rows(*query((term, 1.0)), np.array([row]))


@pytest.mark.parametrize("kept", [WINDOW + 3_008, WINDOW + 2_990, WINDOW + 1])
def test_rows_behind_the_last_are_never_found_nor_counted(held: Held, kept: int) -> None:
    """The same postings, of which a damaged segment says that it has fewer rows."""
    postings = held.opened(kept)
    # What lies behind the words of the set says that every row is alive.
    every = np.full(NUM_ROWS // 64, ~np.uint64(0))
    num_words = -(-kept // 64)
    every[num_words - 1] >>= np.uint64(-kept % 64)
    terms = np.arange(4, dtype=np.uint32)
    counted = postings.document_frequencies(terms, alive=Bitset(every[:num_words], kept))
    assert counted.tolist() == [int((rows < kept).sum()) for rows in held.lists]
    for k in (5, 300, 2_000):
        for wanted in (query((DENSE, 1.0), (ARRAY, 2.0)), query((BITMAP, 1.0), (SHORT, 9.0))):
            try:
                found = postings.search(*wanted, k)[0]
            except CorruptionError:  # where every posting is read
                assert k > 300
                continue
            assert found.max() < kept


def test_rows_that_lie_together_are_found_one_by_one() -> None:
    """Where a row is guessed from how rows spread: at both ends of what is looked at first."""
    for lists in (
        [np.arange(WINDOW - count, WINDOW) for count in (200, 700, 1_000, 2_000)],
        [np.arange(count) for count in (200, 700, 1_000, 2_000)],
        [np.concatenate([np.arange(300), np.arange(9_000, 9_300), [WINDOW - 1]])],
    ):
        weights = [1 + (rows % 31).astype(np.float32) for rows in lists]
        made = rows_of(list(zip(lists, weights, strict=True)), WINDOW, None)
        for term, rows in enumerate(lists):
            expected = np.full(WINDOW, np.inf, dtype=np.float32)
            expected[rows] = -weights[term]
            found = made.sealed.distances_to_rows(*query((term, 1.0)), np.arange(WINDOW))
            np.testing.assert_array_equal(found, expected)
