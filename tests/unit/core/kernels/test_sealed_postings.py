"""Searches of sealed postings by windows of rows find what reading every posting finds."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pytest

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.kernels.bitset import Bitset
from elanus.kernels.growing_postings import GrowingPostings
from elanus.kernels.packing import FrequencyCoding, PackedPostings
from elanus.kernels.postings import Bm25Scoring, CountedTerms, SealedPostings
from elanus.types import Float32Array, Int64Array, UInt32Array

WINDOW = 16384
NUM_ROWS = 3 * WINDOW + 777
# One of each kind of list and container: short, array, bitmap, dense; in all windows and in few.
FREQUENCIES = (1, 5, 127, 128, 129, 900, 7_000, 16_000, 30_000, NUM_ROWS)


@dataclass(frozen=True)
class Rows:
    """The same postings, plain and packed."""

    growing: GrowingPostings
    sealed: SealedPostings
    packed: PackedPostings
    coding: FrequencyCoding | None
    lengths: UInt32Array

    def bm25(self, k1: float = 1.2, b: float = 0.75, drift: float = 1.0) -> Bm25Scoring:
        return Bm25Scoring(k1, b, drift * float(self.lengths.mean()), self.lengths)


def rows_of(
    lists: list[tuple[Int64Array, Float32Array]], num_rows: int, lengths: UInt32Array | None
) -> Rows:
    """Return postings given by term; with lengths they are term frequencies."""
    rows = np.concatenate([rows for rows, _ in lists])
    terms = np.repeat(np.arange(len(lists)), [len(rows) for rows, _ in lists])
    weights = np.concatenate([weights for _, weights in lists]).astype(np.float32)
    order = np.lexsort((terms, rows))
    offsets = np.searchsorted(rows[order], np.arange(num_rows + 1)).astype(np.int64)
    growing = GrowingPostings()
    growing.append(offsets, terms[order].astype(np.uint32), weights[order])
    coding = None
    if lengths is not None:
        coding = FrequencyCoding(1.2, 0.75, float(lengths.mean()), lengths)
    packed = PackedPostings.pack(*growing.export_csr(num_rows, len(lists)), num_rows, coding)
    if lengths is None:
        lengths = np.ones(num_rows, dtype=np.uint32)
    return Rows(growing, SealedPostings(packed, num_rows, coding), packed, coding, lengths)


def random_lists(seed: int) -> list[tuple[Int64Array, Float32Array]]:
    rng = np.random.default_rng(seed)
    lists = []
    for frequency in FREQUENCIES:
        rows = np.sort(rng.choice(NUM_ROWS, frequency, replace=False))
        lists.append((rows, 1 + rng.poisson(0.6, frequency).astype(np.float32)))
    # Rows that lie together: whole windows without the term, and a window with one posting.
    lists.append((np.array([*range(200), 2 * WINDOW]), np.full(201, 2, dtype=np.float32)))
    return lists


@pytest.fixture(scope="module")
def frequencies() -> Rows:
    rng = np.random.default_rng(1)
    return rows_of(random_lists(1), NUM_ROWS, rng.integers(3, 400, NUM_ROWS).astype(np.uint32))


@pytest.fixture(scope="module")
def exact() -> Rows:
    rng = np.random.default_rng(2)
    lists = [(rows, rng.gamma(2, 1, len(rows)).astype(np.float32)) for rows, _ in random_lists(2)]
    return rows_of(lists, NUM_ROWS, None)


def query(*pairs: tuple[int, float]) -> tuple[UInt32Array, Float32Array]:
    terms = np.array([term for term, _ in pairs], dtype=np.uint32)
    return terms, np.array([weight for _, weight in pairs], dtype=np.float32)


def check(
    rows: Rows,
    wanted: tuple[UInt32Array, Float32Array],
    k: int,
    *,
    allowed: Bitset | None = None,
    bm25: Bm25Scoring | None = None,
) -> Int64Array:
    """Compare ids, scores and order with reading every posting; return the ids."""
    got = rows.sealed.search(*wanted, k, allowed=allowed, bm25=bm25)
    num_rows = rows.growing.num_rows
    expected = rows.growing.search(*wanted, k, num_rows=num_rows, allowed=allowed, bm25=bm25)
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    return got[0]


QUERIES = [
    query((9, 0.1), (6, 1.5)),
    query(*((term, 10 / (term + 1)) for term in range(11))),
    query((8, 0.4), (7, 0.7), (8, 0.4), (2, 5.0)),
    query((5, 3.0), (10, 2.0), (6, 1.0)),
    query((9, 1.0)),
]


@pytest.mark.parametrize("wanted", QUERIES)
@pytest.mark.parametrize("k", [1, 10, 100, 1000])
def test_frequencies_are_scored_as_by_reading_all(
    variant: str, frequencies: Rows, wanted: tuple[UInt32Array, Float32Array], k: int
) -> None:
    check(frequencies, wanted, k, bm25=frequencies.bm25())


@pytest.mark.parametrize("wanted", QUERIES)
@pytest.mark.parametrize("k", [1, 10, 1000])
def test_exact_weights_are_scored_as_by_reading_all(
    variant: str, exact: Rows, wanted: tuple[UInt32Array, Float32Array], k: int
) -> None:
    check(exact, wanted, k)


@pytest.mark.parametrize("k", [2, 10, 100, 256, 257])
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_no_row_of_the_only_window_is_lost_to_its_first_bound(
    variant: str, k: int, share: float
) -> None:
    """The bound comes from blocks of 64 rows; here the best rows lie together in few of them."""
    rng = np.random.default_rng(11)
    lists = []
    for frequency in (9_000, 4_000, 2_000):
        rows = np.sort(rng.choice(WINDOW, frequency, replace=False))
        tf = 1 + rng.poisson(0.6, frequency) + 4 * (rows < 500)
        lists.append((rows, tf.astype(np.float32)))
    rows = rows_of(lists, WINDOW, rng.integers(3, 40, WINDOW).astype(np.uint32))
    allowed = None if share == 1.0 else Bitset.from_mask(rng.random(WINDOW) < share)
    wanted = query((0, 0.3), (1, 1.1), (2, 1.9))
    check(rows, wanted, k, allowed=allowed, bm25=rows.bm25())


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_only_allowed_rows_are_found(variant: str, frequencies: Rows, share: float, k: int) -> None:
    rng = np.random.default_rng(7)
    mask = rng.random(NUM_ROWS) < share
    mask[WINDOW : 2 * WINDOW] = False
    for wanted in QUERIES:
        found = check(
            frequencies, wanted, k, allowed=Bitset.from_mask(mask), bm25=frequencies.bm25()
        )
        assert mask[found].all()


@pytest.mark.parametrize("drift", [0.3, 0.8, 0.97, 1.0, 1.03, 1.3, 4.0, 0.0])
def test_statistics_may_have_changed_since_the_rows_were_sealed(
    frequencies: Rows, drift: float
) -> None:
    for wanted in QUERIES:
        check(frequencies, wanted, 10, bm25=frequencies.bm25(drift=drift))


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (0.0, 0.0), (2.0, 1.0), (1.2, 0.0)])
def test_other_parameters_than_the_sealed_ones_give_exact_answers(
    frequencies: Rows, k1: float, b: float
) -> None:
    for wanted in QUERIES:
        check(frequencies, wanted, 10, bm25=frequencies.bm25(k1, b))


def test_frequencies_come_back_from_codes_and_lengths() -> None:
    """Also those that codes cannot tell apart, and larger ones than a byte or a code holds."""
    rng = np.random.default_rng(4)
    rows = np.arange(3000)
    tf = np.concatenate([np.arange(1, 1001), rng.integers(1, 1 << 24, 1000), np.ones(1000)])
    lengths = np.concatenate([rng.integers(1, 60, 1500), rng.integers(1, 1 << 22, 1500)])
    lists = [(rows, tf.astype(np.float32)), (rows[:100], tf[:100].astype(np.float32))]
    packed = rows_of(lists, 3000, lengths.astype(np.uint32))
    offsets, got_rows, got = packed.sealed.unpack(0, 2)
    assert offsets.tolist() == [0, 3000, 3100]
    np.testing.assert_array_equal(got_rows, np.concatenate([rows, rows[:100]]))
    np.testing.assert_array_equal(got, np.concatenate([tf, tf[:100]]))
    for wanted in (query((0, 1.0)), query((1, 3.0), (0, 0.5))):
        check(packed, wanted, 20, bm25=packed.bm25())
        check(packed, wanted, 20)


def test_a_rare_term_with_small_codes_does_not_overflow_the_counters() -> None:
    """Its weight alone would exceed 16 bits if only sums of largest codes were scaled."""
    lengths = np.full(20_000, 10, dtype=np.uint32)
    lengths[:40] = 60_000
    common = np.arange(20_000)
    lists = [(common, np.ones(20_000)), (np.arange(0, 40, 4), np.ones(10))]
    rows = rows_of([(r, w.astype(np.float32)) for r, w in lists], 20_000, lengths)
    for weight in (1.0, 1e3, 1e6, 1e9):
        check(rows, query((0, 0.01), (1, weight)), 15, bm25=rows.bm25())


@pytest.mark.parametrize("weight", [1e-30, 1e-6, 0.0])
def test_rows_that_score_next_to_nothing_are_found(variant: str, weight: float) -> None:
    lengths = np.full(40_000, 50, dtype=np.uint32)
    rare, common = np.arange(0, 40_000, 9000), np.arange(1, 40_000, 2)
    lists = [(rare, np.full(len(rare), 9.0)), (common, np.ones(len(common)))]
    rows = rows_of([(r, w.astype(np.float32)) for r, w in lists], 40_000, lengths)
    wanted = query((0, 5.0), (1, weight))
    assert len(check(rows, wanted, 200, bm25=rows.bm25())) == 200
    only = Bitset.from_rows(np.arange(1, 40_000, 3), 40_000)
    check(rows, wanted, 200, bm25=rows.bm25(), allowed=only)


def test_tiny_weights_beside_a_large_one_keep_their_order() -> None:
    rng = np.random.default_rng(8)
    weights = rng.random(30_000).astype(np.float32) * np.float32(1e-4)
    weights[17_000] = 1000
    rows = rows_of([(np.arange(30_000), weights)], 30_000, None)
    for k in (1, 2, 50):
        assert check(rows, query((0, 1.0)), k)[0] == 17_000


def test_ties_go_to_the_smaller_row(variant: str) -> None:
    lengths = np.full(50_000, 8, dtype=np.uint32)
    every = np.arange(49_999, dtype=np.int64)
    rows = rows_of([(every, np.ones(49_999, dtype=np.float32))], 50_000, lengths)
    assert check(rows, query((0, 2.0)), 7, bm25=rows.bm25()).tolist() == list(range(7))
    late = Bitset.from_rows(np.arange(40_000, 50_000), 50_000)
    found = check(rows, query((0, 2.0)), 3, bm25=rows.bm25(), allowed=late)
    assert found.tolist() == [40_000, 40_001, 40_002]


def test_more_rows_may_be_asked_for_than_there_are(frequencies: Rows) -> None:
    assert len(check(frequencies, query((9, 1.0)), 10**9, bm25=frequencies.bm25())) == NUM_ROWS
    found = check(frequencies, query((0, 1.0), (1, 1.0)), 10**6, bm25=frequencies.bm25())
    assert 5 <= len(found) <= 6


def test_lists_whose_rows_are_all_deleted_find_nothing(frequencies: Rows) -> None:
    offsets, rows, _ = frequencies.sealed.unpack(6, 7)
    assert offsets.tolist() == [0, 7000]
    mask = np.ones(NUM_ROWS, dtype=np.bool_)
    mask[rows] = False
    alive = Bitset.from_mask(mask)
    assert check(frequencies, query((6, 1.0)), 5, bm25=frequencies.bm25(), allowed=alive).size == 0
    assert frequencies.sealed.document_frequencies(
        np.array([6], dtype=np.uint32), alive=alive
    ).tolist() == [0]


def test_empty_queries_find_nothing(frequencies: Rows) -> None:
    assert check(frequencies, query(), 5, bm25=frequencies.bm25()).size == 0


@pytest.mark.parametrize("weights", [(1.0, -0.5), (np.nan, 1.0), (np.inf, 1.0), (-1.0, -2.0)])
def test_weights_without_codes_are_scored_exactly(
    exact: Rows, weights: tuple[float, float]
) -> None:
    check(exact, query((8, weights[0]), (6, weights[1])), 10)


@pytest.mark.parametrize("odd", [-1.0, 0.0, np.nan, np.inf])
def test_lists_without_codes_are_scored_exactly(odd: float) -> None:
    weights = np.ones(20_000, dtype=np.float32)
    weights[123] = odd
    rows = rows_of([(np.arange(20_000), weights), (np.arange(9_000), weights[:9000])], 20_000, None)
    check(rows, query((0, 1.0), (1, 0.3)), 10)


def test_queries_of_many_terms_keep_their_sums_below_16_bits() -> None:
    rng = np.random.default_rng(5)
    lists = [
        (np.sort(rng.choice(20_000, 2000, replace=False)), rng.random(2000).astype(np.float32))
        for _ in range(40)
    ]
    # One row has them all, at their largest weight.
    lists = [
        (np.union1d(r, [777]), np.insert(w, np.searchsorted(r, 777), 3.0)[: len(r) + 1])
        if 777 not in r
        else (r, w)
        for r, w in lists
    ]
    rows = rows_of(lists, 20_000, None)
    wanted = query(*((term, float(w)) for term, w in enumerate(rng.random(40))))
    assert check(rows, wanted, 10)[0] == 777
    many = np.tile(wanted[0], 120)  # more than the counters are made for
    check(rows, (many, np.tile(wanted[1], 120)), 10)


def test_document_frequencies_count_alive_rows(frequencies: Rows) -> None:
    terms = np.arange(11, dtype=np.uint32)
    expected = [*FREQUENCIES, 201]
    assert frequencies.sealed.document_frequencies(terms).tolist() == expected
    mask = np.random.default_rng(6).random(NUM_ROWS) < 0.4
    got = frequencies.sealed.document_frequencies(terms, alive=Bitset.from_mask(mask))
    counts = [int(mask[rows].sum()) for rows, _ in random_lists(1)]
    assert got.tolist() == counts


# --- damaged postings -----------------------------------------------------------------------


def damaged(rows: Rows, name: str, change: bytes, at: int) -> SealedPostings:
    arrays = {n: getattr(rows.packed, n).copy() for n in ("entries", "starts", "data")}
    raw = arrays[name].view(np.uint8)
    raw[at : at + len(change)] = np.frombuffer(change, dtype=np.uint8)
    return SealedPostings(PackedPostings(**arrays), NUM_ROWS, rows.coding)


def read_everything(
    postings: SealedPostings,
    wanted: tuple[UInt32Array, Float32Array],
    alive: Bitset,
    bm25: Bm25Scoring | None,
) -> None:
    """Call all that reads postings; damage may be named or give wrong rows."""
    terms = np.arange(11, dtype=np.uint32)
    rows = np.arange(0, NUM_ROWS, 997)
    calls: list[Callable[[], object]] = [
        lambda: postings.search(*wanted, 10, bm25=bm25),
        lambda: postings.search(*QUERIES[1], 10, bm25=bm25, allowed=alive),
        lambda: postings.document_frequencies(terms, alive=alive),
        lambda: postings.distances_to_rows(*QUERIES[1], rows, bm25=bm25),
        lambda: postings.unpack(0, 11),
    ]
    for call in calls:
        with suppress(CorruptionError, InvalidArgumentError):
            call()


@pytest.mark.parametrize("name", ["entries", "starts", "data"])
@pytest.mark.parametrize("kind", ["frequencies", "exact"])
def test_damaged_postings_are_never_read_out_of_bounds(
    name: str, kind: str, request: pytest.FixtureRequest
) -> None:
    rows: Rows = request.getfixturevalue(kind)
    rng = np.random.default_rng(9)
    size = getattr(rows.packed, name).nbytes
    bm25 = rows.bm25() if rows.coding is not None else None
    alive = Bitset.from_mask(rng.random(NUM_ROWS) < 0.5)
    # Half of the places in the data are at the starts of terms, where lengths and directories lie.
    starts = rows.packed.starts.astype(np.int64) * 4
    for i in range(120):
        at = int(rng.integers(0, size))
        if name == "data" and i % 2:
            at = int(rng.choice(starts)) + int(rng.integers(0, 60))
        postings = damaged(rows, name, rng.bytes(int(rng.integers(1, 9)))[: size - at], at)
        read_everything(postings, QUERIES[i % len(QUERIES)], alive, bm25)
    # What an abandoned search left behind does not show.
    for wanted in QUERIES:
        check(rows, wanted, 10, bm25=bm25)


def test_term_frequencies_are_whole_numbers() -> None:
    for odd in (0.0, 0.5, -1.0, np.nan, 2.0**25):
        with pytest.raises(InvalidArgumentError, match="weights: expected term frequencies"):
            rows_of([(np.arange(1), np.array([odd], np.float32))], 1, np.ones(1, dtype=np.uint32))


@pytest.mark.parametrize(
    ("terms", "k", "message"),
    [
        (CountedTerms([0], [1, 1], 9), 5, "counts: expected one for each of 1 terms, got 2"),
        (CountedTerms([1 << 20], [1], 9), 5, "term"),
        (CountedTerms([1 << 40], [1], 9), 5, "no term has the number 1099511627776"),
        (CountedTerms([0], [1], 9), 0, "k: expected at least 1, got 0"),
    ],
)
def test_terms_that_do_not_exist_or_are_not_counted_are_refused(terms, k, message):
    rows = rows_of(random_lists(3), NUM_ROWS, np.full(NUM_ROWS, 9, dtype=np.uint32))
    with pytest.raises(InvalidArgumentError, match=message):
        rows.sealed.search_terms(terms, k, bm25=rows.bm25())


def test_terms_that_no_row_has_find_nothing():
    rows = rows_of(random_lists(3), NUM_ROWS, np.full(NUM_ROWS, 9, dtype=np.uint32))
    terms = CountedTerms([-1, -1], [1, 2], NUM_ROWS)
    for row_ids, distances in (
        rows.sealed.search_terms(terms, 5, bm25=rows.bm25()),
        rows.growing.search_terms(terms, 5, num_rows=NUM_ROWS, bm25=rows.bm25()),
    ):
        assert (len(row_ids), len(distances)) == (0, 0)
