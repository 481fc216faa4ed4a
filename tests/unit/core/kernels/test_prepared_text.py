"""Prepared searches of postings under other rows give what those made for these rows give."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.kernels.bitset import Bitset
from elanus.kernels.packing import FrequencyCoding, PackedPostings
from elanus.kernels.postings import Bm25Scoring, SealedPostings
from elanus.kernels.prepared import PreparedLeg
from elanus.kernels.text import QueryNumbers

NUM_ROWS = 40_000
TERMS = ["every", "many", "some", "few", "one"]
SHARES = [1.0, 0.3, 0.02, 0.002, 0.00003]


class Held:
    """Postings of five terms, from one in every row to one in hardly any."""

    def __init__(self) -> None:
        rng = np.random.default_rng(4)
        lists = [np.flatnonzero(rng.random(NUM_ROWS) < share) for share in SHARES[:-1]]
        lists.append(np.array([20_010]))
        self.lengths = rng.integers(3, 90, NUM_ROWS).astype(np.uint32)
        offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
        rows = np.concatenate(lists).astype(np.uint32)
        counts = 1 + rng.poisson(0.7, len(rows)).astype(np.float32)
        coding = FrequencyCoding(1.2, 0.75, float(self.lengths.mean()), self.lengths)
        packed = PackedPostings.pack(offsets, rows, counts, NUM_ROWS, coding)
        self.postings = SealedPostings(packed, NUM_ROWS, coding)
        chain: Any = SimpleNamespace(tokenizer="whitespace", analyze=lambda piece: [piece])
        self.numbers = QueryNumbers(
            chain, lambda terms: [TERMS.index(t) if t in TERMS else -1 for t in terms], 100
        )
        self.keys = rng.permutation(NUM_ROWS).astype(np.int64)

    def prepared(self, allowed: Bitset | None, alive: Bitset | None = None) -> PreparedLeg:
        scoring = Bm25Scoring(1.2, 0.75, float(self.lengths.mean()), self.lengths)
        return self.postings.prepared(
            self.numbers, NUM_ROWS, 10, bm25=scoring, alive=alive, allowed=allowed, keys=self.keys
        )


@pytest.fixture(scope="module")
def held() -> Held:
    return Held()


def sets() -> list[Bitset]:
    """Rows that are known by their numbers, and rows that are not."""
    rng = np.random.default_rng(6)
    few = [Bitset.from_range(a, b, NUM_ROWS) for a, b in ((20_000, 20_020), (0, 0), (7, 8))]
    for count in (1, 12, 300, 4_000, 30_000):
        rows = np.sort(rng.choice(NUM_ROWS, count, replace=False))
        few += [Bitset.from_few(rows.astype(np.uint32), NUM_ROWS), Bitset.from_rows(rows, NUM_ROWS)]
    return few


@pytest.mark.parametrize("has_dead", [False, True])
def test_other_rows_are_searched_as_if_made_for_them(held: Held, has_dead: bool) -> None:
    alive = Bitset.from_mask(np.arange(NUM_ROWS) % 7 > 0) if has_dead else None
    like = held.prepared(None, alive)
    for text in ("every", "one few", "some many every many", "few few some", "?", ""):
        for allowed in sets():
            wanted = held.prepared(Bitset(allowed.words, NUM_ROWS), alive).find(text, None)
            made = held.postings.prepared_like(like, allowed)
            assert made is not None
            assert made.find(text, None) == wanted
            again = held.postings.prepared_like(made, None)
            assert again is not None
            assert again.find(text, None) == like.find(text, None)


@pytest.mark.parametrize(
    "rows", [[3, 3], [5, 4], [-1, 4], [NUM_ROWS], [2, 2**40]], ids=["twice", "back", *"-nf"]
)
def test_rows_that_do_not_ascend_or_are_not_there_are_refused(held: Held, rows: list[int]) -> None:
    like: Any = held.prepared(None)
    words = Bitset.full(NUM_ROWS).words
    with pytest.raises(InvalidArgumentError, match="rows: expected ascending row ids below 40000"):
        like.under(words, np.array(rows, dtype=np.int64))
    with pytest.raises(InvalidArgumentError, match="rows: expected them as bits as well"):
        like.under(None, np.array([1], dtype=np.int64))
    with pytest.raises(InvalidArgumentError, match="bitset: expected 625 words"):
        like.under(words[:-1], None)
