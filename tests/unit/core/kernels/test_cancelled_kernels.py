"""Every long kernel ends when the search shall end, and the next search of the thread is right.

Scratch that a thread keeps between its searches (visited rows, sums) must be left clean.
"""

import signal
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from elanus.errors import SearchCancelledError, SearchTimeoutError
from elanus.kernels.bitset import Bitset
from elanus.kernels.cancel import search_token
from elanus.kernels.distance import distances_to_rows, scan_topk
from elanus.kernels.graph import CodeKind, Quantizer, SearchGraph, encode_rows
from elanus.kernels.growing_postings import GrowingPostings
from elanus.kernels.ivf import CentredRows, Coding, InvertedLists
from elanus.kernels.packing import PackedPostings
from elanus.kernels.postings import SealedPostings
from elanus.kernels.quantized import ScanCodes
from elanus.kernels.query_batch import QueryBatch
from elanus.kernels.ranking import merge_candidates
from elanus.types import MetricType

DIM = 16
RNG = np.random.default_rng(7)
ROWS = RNG.normal(size=(20_000, DIM)).astype(np.float32)
# Seconds of work: what ends is the kernel.
MANY = np.repeat(ROWS[:500], 200, axis=0)
HALF = Bitset.from_mask(np.arange(len(ROWS)) % 2 == 0)

Arrays = tuple[np.ndarray, ...]


class Kernel(NamedTuple):
    """``endless`` takes far longer than the tests wait, ``small`` is the next search."""

    endless: Callable[[], object]
    small: Callable[[], Arrays]


def random_graph() -> SearchGraph:
    """Return a graph whose walk visits rows in no order: every row is a long way from another."""
    quantizer = Quantizer(
        CodeKind.NIBBLES,
        MetricType.L2,
        np.zeros(DIM, dtype=np.float32),
        np.full(DIM, 0.3, dtype=np.float32),
        3.2,
    )
    links = RNG.integers(0, len(ROWS), (len(ROWS), 16)).astype(np.uint32)
    coded = encode_rows(quantizer, ROWS, None, 1)
    return SearchGraph(quantizer, ROWS, None, coded, links, np.arange(8, dtype=np.uint32))


GRAPH = random_graph()


def walk(count: int, ef: int, allowed: Bitset | None = None, threads: int = 1) -> Arrays:
    hits = GRAPH.search(MANY[:count], 5, ef=ef, rescored=10, allowed=allowed, threads=threads)
    return hits.row_ids, hits.distances


def scan(count: int) -> Arrays:
    hits = GRAPH.scan(MANY[:count], 5, rescored=10, allowed=None, threads=1)
    return hits.row_ids, hits.distances


def stream(count: int, ef: int) -> Arrays:
    return (GRAPH.stream(ROWS[3], allowed=None, ef=ef, slack=1.0).next(count),)


GROWING = GrowingPostings()
GROWING.append(
    np.arange(0, 4 * len(ROWS) + 1, 4, dtype=np.int64),
    np.tile(np.arange(4, dtype=np.uint32), len(ROWS)),
    RNG.gamma(2, 1, 4 * len(ROWS)).astype(np.float32),
)
SEALED = SealedPostings(
    PackedPostings.pack(*GROWING.export_csr(len(ROWS), 4), len(ROWS)), len(ROWS)
)
# Each list again and again: a single query takes a tenth of a second.
LONG = np.tile(np.arange(4, dtype=np.uint32), 1000), np.ones(4000, dtype=np.float32)
# A negative weight has no code, so that every posting is read.
ODD = LONG[0], np.where(np.arange(4000) == 7, -1, 1).astype(np.float32)
SHORT = np.arange(4, dtype=np.uint32), np.array([1, 2, 3, 4], dtype=np.float32)


def batch(queries: int) -> QueryBatch:
    offsets = np.arange(0, 4 * queries + 1, 4, dtype=np.int64)
    return QueryBatch(offsets, np.tile(SHORT[0], queries), np.tile(SHORT[1], queries))


def lists() -> InvertedLists:
    origin = np.zeros((1, DIM), dtype=np.float32)
    centroids = ROWS[:4]
    step = np.float32(np.abs(centroids).max() / 127)
    codes, terms = CentredRows(centroids, None, origin[0]).encode_scalar(
        origin,
        np.arange(4, dtype=np.uint32),
        np.zeros(4, dtype=np.uint32),
        np.array([step], dtype=np.float32),
    )
    row_ids = np.arange(len(ROWS), dtype=np.uint32)
    owners = np.repeat(np.arange(4, dtype=np.uint32), len(ROWS) // 4)
    steps = np.full(4, 0.05, dtype=np.float32)
    rows = CentredRows(ROWS, None, origin[0])
    row_codes, row_terms = rows.encode_scalar(centroids, row_ids, owners, steps)
    arrays = {
        "mean": origin[0],
        "centroids": centroids,
        "probe_codes": codes,
        "probe_terms": terms,
        "offsets": np.linspace(0, len(ROWS), 5).astype(np.int64),
        "row_ids": row_ids,
        "codes": row_codes,
        "terms": row_terms,
        "steps": steps,
    }
    return InvertedLists(
        arrays, None, MetricType.L2, Coding.SCALAR, num_rows=len(ROWS), probe_step=float(step)
    )


LISTS = lists()
CODES = ScanCodes.encode(MetricType.L2, ROWS, None)


def probe(count: int) -> Arrays:
    return LISTS.search(MANY[:count], 5, num_probes=4, least_rows=1)


def scan_codes(count: int) -> Arrays:
    return CODES.search(MANY[:count], ROWS, None, None, 5)


def distances(count: int) -> Arrays:
    rows = np.tile(np.arange(len(ROWS), dtype=np.int64), count)
    return (distances_to_rows(MetricType.L2, ROWS[0], ROWS, None, rows),)


def merge(count: int) -> Arrays:
    row_ids = np.tile(np.arange(10_000, dtype=np.int64), (count, 1))
    values = np.ascontiguousarray(row_ids, dtype=np.float32)
    return merge_candidates([(row_ids, values), (row_ids, values)], count, 5)[:3]


def growing(query: Arrays, allowed: Bitset | None = None) -> Arrays:
    return GROWING.search(*query, 5, num_rows=len(ROWS), allowed=allowed)


def all_distances(source: GrowingPostings | SealedPostings, query: Arrays) -> Arrays:
    rows = np.arange(len(ROWS), dtype=np.int64)
    if isinstance(source, SealedPostings):
        return (source.distances_to_rows(*query, rows),)
    return (source.distances_to_rows(*query, rows, num_rows=len(ROWS)),)


# One walk of 20,000 steps takes a second, as a batch of many does.
KERNELS = {
    "exact scan": Kernel(
        lambda: scan_topk(MetricType.L2, MANY, ROWS, None, None, 5),
        lambda: scan_topk(MetricType.L2, MANY[:3], ROWS, None, None, 5),
    ),
    "exact scan in threads": Kernel(
        lambda: scan_topk(MetricType.L2, MANY, ROWS, None, None, 5, threads=3),
        lambda: scan_topk(MetricType.L2, MANY[:9], ROWS, None, None, 5, threads=3),
    ),
    "distances": Kernel(lambda: distances(2000), lambda: distances(1)),
    "walks": Kernel(lambda: walk(100_000, 64), lambda: walk(3, 64)),
    "walks in threads": Kernel(lambda: walk(100_000, 64, None, 3), lambda: walk(9, 64, None, 3)),
    "long walk": Kernel(lambda: walk(1, 20_000), lambda: walk(3, 64)),
    "long filtered walk": Kernel(lambda: walk(1, 20_000, HALF), lambda: walk(3, 64, HALF)),
    "scan of graph codes": Kernel(lambda: scan(100_000), lambda: scan(3)),
    "stream": Kernel(lambda: stream(20_000, 20_000), lambda: stream(50, 64)),
    "quantized scan": Kernel(lambda: scan_codes(100_000), lambda: scan_codes(3)),
    "inverted lists": Kernel(lambda: probe(100_000), lambda: probe(3)),
    "windows": Kernel(lambda: SEALED.search(*LONG, 5), lambda: SEALED.search(*SHORT, 5)),
    "batch of windows": Kernel(
        lambda: SEALED.search_many(batch(100_000), 5, threads=1),
        lambda: SEALED.search_many(batch(9), 5, threads=1),
    ),
    "batch of windows in threads": Kernel(
        lambda: SEALED.search_many(batch(100_000), 5, threads=3),
        lambda: SEALED.search_many(batch(9), 5, threads=3),
    ),
    "unpacked postings": Kernel(lambda: SEALED.search(*ODD, 5), lambda: SEALED.search(*SHORT, 5)),
    "growing postings": Kernel(lambda: growing(LONG), lambda: growing(SHORT)),
    "distances of packed rows": Kernel(
        lambda: all_distances(SEALED, LONG), lambda: all_distances(SEALED, SHORT)
    ),
    "distances of growing rows": Kernel(
        lambda: all_distances(GROWING, LONG), lambda: all_distances(GROWING, SHORT)
    ),
    "merge": Kernel(lambda: merge(400), lambda: merge(2)),
}


def assert_same(found: Arrays, expected: Arrays) -> None:
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_ends_at_its_deadline_and_the_next_search_is_right(name: str) -> None:
    kernel = KERNELS[name]
    expected = kernel.small()
    # More than once: what one search leaves behind, another may carry on.
    for timeout_s in (0.001, 0.004, 0.01):
        too_long = pytest.raises(SearchTimeoutError, match="longer than its timeout")
        with too_long, search_token(timeout_s):
            kernel.endless()
        assert_same(kernel.small(), expected)


@pytest.mark.parametrize("name", KERNELS)
def test_a_cancelled_token_ends_a_kernel(name: str) -> None:
    token = search_token()
    token.cancel()
    with pytest.raises(SearchCancelledError, match="was cancelled"), token:
        KERNELS[name].endless()


# The locks of growing postings forbid it: a writer may wait for them with the GIL.
INTERRUPTIBLE = ["walks", "long walk", "walks in threads", "exact scan in threads"]
INTERRUPTIBLE += ["quantized scan", "inverted lists", "batch of windows in threads"]


@pytest.mark.parametrize("name", INTERRUPTIBLE)
def test_a_signal_handler_ends_a_kernel_of_the_main_thread(name: str) -> None:
    class InterruptedByTestError(Exception):
        pass

    def raise_it(number: int, frame: object) -> None:
        raise InterruptedByTestError

    kernel = KERNELS[name]
    expected = kernel.small()
    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(InterruptedByTestError), search_token():
            kernel.endless()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert_same(kernel.small(), expected)


def test_a_stream_goes_on_after_it_was_ended() -> None:
    native = GRAPH.stream(ROWS[3], allowed=None, ef=8, slack=1.0)
    first = native.next(4)
    with pytest.raises(SearchTimeoutError), search_token(0.002):
        native.next(len(ROWS))
    rest = native.next(len(ROWS))
    assert_array_equal(np.sort(np.concatenate([first, rest])), np.arange(len(ROWS)))
