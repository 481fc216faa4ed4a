"""Answers of a batch do not depend on how many threads give them."""

import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from elanus.errors import InvalidArgumentError
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import scan_topk
from elanus.kernels.graph import CodeKind, GraphBuilder, Quantizer, SearchGraph, encode_rows
from elanus.kernels.growing_postings import GrowingPostings
from elanus.kernels.packing import FrequencyCoding, PackedPostings
from elanus.kernels.postings import Bm25Scoring, SealedPostings
from elanus.kernels.query_batch import QueryBatch
from elanus.kernels.threads import BATCH_QUERIES, query_threads
from elanus.types import MetricType

RNG = np.random.default_rng(11)
DIM, NUM_ROWS, NUM_TERMS = 24, 3_000, 12
ROWS = RNG.normal(size=(NUM_ROWS, DIM)).astype(np.float32)
QUERIES = RNG.normal(size=(70, DIM)).astype(np.float32)
ALLOWED = Bitset.from_mask(RNG.random(NUM_ROWS) < 0.4)


@pytest.fixture(scope="module")
def graph() -> SearchGraph:
    deviation = ROWS.std(axis=0)
    quantizer = Quantizer(CodeKind.BYTES, MetricType.L2, ROWS.mean(axis=0), deviation * 0.05, 19.0)
    coded = encode_rows(quantizer, ROWS, None, 1)
    entries = np.arange(0, NUM_ROWS, 400, dtype=np.uint32)
    builder = GraphBuilder(quantizer, ROWS, None, coded, None, entries, degree=16, ef=32, threads=1)
    builder.insert(np.arange(NUM_ROWS, dtype=np.uint32))
    return SearchGraph(quantizer, ROWS, None, coded, builder.seal(), entries)


@pytest.mark.parametrize("allowed", [None, ALLOWED])
def test_walks_and_scans_of_codes(graph: SearchGraph, allowed: Bitset | None) -> None:
    for search in (
        lambda threads: graph.search(
            QUERIES, 7, ef=30, rescored=20, allowed=allowed, threads=threads
        ),
        lambda threads: graph.scan(QUERIES, 7, rescored=20, allowed=allowed, threads=threads),
    ):
        row_ids, distances, least = search(1)
        for threads in (2, 5, 500):
            found = search(threads)
            assert_array_equal(found.row_ids, row_ids)
            assert_array_equal(found.distances, distances)
            assert found.least == least


def test_exact_scans() -> None:
    # 20 times the rows are work enough for threads.
    rows = np.tile(ROWS, (20, 1))
    expected = scan_topk(MetricType.L2, QUERIES, rows, None, None, 5, threads=1)
    for threads in (2, 3, 70, 500):
        found = scan_topk(MetricType.L2, QUERIES, rows, None, None, 5, threads=threads)
        assert_array_equal(found[0], expected[0])
        assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("is_bm25", [False, True])
@pytest.mark.parametrize("allowed", [None, ALLOWED])
@pytest.mark.parametrize("drop_ratio", [0.0, 0.5])
def test_batches_of_sparse_queries(
    is_bm25: bool, allowed: Bitset | None, drop_ratio: float
) -> None:
    held = RNG.random((NUM_ROWS, NUM_TERMS)) < np.linspace(0.01, 0.9, NUM_TERMS)
    rows, terms = np.nonzero(held)
    growing = GrowingPostings()
    offsets = np.searchsorted(rows, np.arange(NUM_ROWS + 1)).astype(np.int64)
    weights = 1 + RNG.poisson(0.6, len(rows)).astype(np.float32)
    growing.append(offsets, terms.astype(np.uint32), weights)
    lengths = RNG.integers(5, 90, NUM_ROWS).astype(np.uint32)
    coding = FrequencyCoding(1.2, 0.75, float(lengths.mean()), lengths) if is_bm25 else None
    bm25 = Bm25Scoring(1.2, 0.75, float(lengths.mean()), lengths) if is_bm25 else None
    lists = growing.export_csr(NUM_ROWS, NUM_TERMS)
    sealed = SealedPostings(PackedPostings.pack(*lists, NUM_ROWS, coding), NUM_ROWS, coding)
    asked = [RNG.permutation(NUM_TERMS)[: RNG.integers(0, 6)].astype(np.uint32) for _ in range(50)]
    ends = np.cumsum([0, *map(len, asked)]).astype(np.int64)
    values = RNG.gamma(2, 1, int(ends[-1])).astype(np.float32)
    batch = QueryBatch(ends, np.concatenate(asked), values).dropping(drop_ratio)
    expected = growing.search_many(
        batch, 9, num_rows=NUM_ROWS, allowed=allowed, bm25=bm25, threads=1
    )
    for threads in (1, 2, 7):
        found = growing.search_many(
            batch, 9, num_rows=NUM_ROWS, allowed=allowed, bm25=bm25, threads=threads
        )
        packed = sealed.search_many(batch, 9, allowed=allowed, bm25=bm25, threads=threads)
        for mine, packed_mine, wanted in zip(found, packed, expected, strict=True):
            assert_array_equal(mine, wanted)
            assert_array_equal(packed_mine, wanted)
    if drop_ratio == 0:
        for i, terms_of in enumerate(asked):
            alone = sealed.search(
                terms_of, values[ends[i] : ends[i + 1]], 9, allowed=allowed, bm25=bm25
            )
            count = len(alone[0])
            assert_array_equal(expected[0][i], [*alone[0], *[-1] * (9 - count)])
            assert_array_equal(expected[1][i], [*alone[1], *[np.inf] * (9 - count)])


def test_a_batch_takes_the_processors_of_the_process() -> None:
    assert query_threads(BATCH_QUERIES - 1) == 1
    assert query_threads(10_000) == len(os.sched_getaffinity(0))
    assert query_threads(1, 3) == 3
    with pytest.raises(InvalidArgumentError, match="threads: expected at least 1, got 0"):
        query_threads(10, 0)


def test_a_batch_whose_arrays_do_not_fit_is_refused() -> None:
    growing = GrowingPostings()
    terms, weights = np.zeros(3, dtype=np.uint32), np.ones(3, dtype=np.float32)
    short, whole = np.array([0, 3], dtype=np.int64), np.array([0, 4], dtype=np.int64)
    for batch, message in (
        (QueryBatch(whole, terms, weights), "offsets: expected values that ascend"),
        (QueryBatch(short, terms, weights[:2]), "weights: expected one for each of 3 terms, got 2"),
        (QueryBatch(short, terms, weights, weights), "chooses: expected a C-contiguous uint8"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            growing.search_many(batch, 5, num_rows=0)
