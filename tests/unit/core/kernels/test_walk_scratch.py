"""What a walk leaves behind for the next one of its thread, and what a build does with odd rows."""

import numpy as np
import pytest

from elanus.errors import SearchTimeoutError
from elanus.kernels.bitset import Bitset
from elanus.kernels.cancel import search_token
from elanus.kernels.distance import scan_topk
from elanus.kernels.graph import (
    NO_ROW,
    CodeKind,
    GraphBuilder,
    Quantizer,
    SearchGraph,
    encode_rows,
)
from elanus.types import MetricType, UInt32Array

from .test_graph import graph_of, quantizer_of, rows_of

DEGREE = 16
# Beyond 2048 words of visited rows, which are cleared one by one; the row behind the last has a
# word of its own.
LARGE = 2049 * 64
LARGER = LARGE + 200


def line_of(num_rows: int) -> SearchGraph:
    """Return a graph of points on a line, each linked to sixteen around it; ``LARGE`` is at 0."""
    rows = (np.arange(num_rows) - LARGE).astype(np.float32)[:, None]
    quantizer = Quantizer(
        CodeKind.BYTES,
        MetricType.L2,
        np.zeros(1, dtype=np.float32),
        np.ones(1, dtype=np.float32),
        1.0,
    )
    around = np.arange(num_rows)[:, None] + [*range(-8, 0), *range(1, 9)]
    links = np.clip(around, 0, num_rows - 1).astype(np.uint32)
    coded = encode_rows(quantizer, rows, None, 1)
    return SearchGraph(quantizer, rows, None, coded, links, np.array([LARGE - 60], dtype=np.uint32))


def test_rows_visited_by_one_walk_are_visited_by_the_next() -> None:
    larger, large = line_of(LARGER), line_of(LARGE)
    query = np.zeros((1, 1), dtype=np.float32)  # the row behind the last of the smaller

    def found(graph: SearchGraph, allowed: Bitset | None) -> list[int]:
        hits = graph.search(query, 9, ef=400, rescored=400, allowed=allowed)
        return sorted(hits.row_ids[0].tolist())

    nearest = list(range(LARGE - 4, LARGE + 5))
    every = Bitset.full(LARGER)
    odd = Bitset.from_mask(np.arange(LARGER) % 2 == 1)
    for _ in range(2):
        assert found(large, None) == list(range(LARGE - 9, LARGE))
        assert found(larger, None) == nearest
        assert found(larger, odd) == list(range(LARGE - 9, LARGE + 9, 2))
        assert found(larger, every) == nearest
        assert found(larger, None) == nearest


def test_a_stream_that_was_ended_goes_on_in_its_order() -> None:
    """Codes of whole numbers tell rows apart, so that the order is that of the distances."""
    rng = np.random.default_rng(2)
    rows = rng.permutation(60_000).astype(np.float32)[:, None]
    links = rng.integers(0, len(rows), (len(rows), DEGREE)).astype(np.uint32)
    quantizer = Quantizer(
        CodeKind.BYTES,
        MetricType.L2,
        np.zeros(1, dtype=np.float32),
        np.ones(1, dtype=np.float32),
        1.0,
    )
    coded = encode_rows(quantizer, rows, None, 1)
    graph = SearchGraph(quantizer, rows, None, coded, links, np.arange(8, dtype=np.uint32))
    query = np.zeros(1, dtype=np.float32)
    expected = graph.stream(query, allowed=None, ef=8, slack=2.0)
    first = expected.next(4)
    rest = expected.next(20_000)
    ended = graph.stream(query, allowed=None, ef=8, slack=2.0)
    assert ended.next(4).tolist() == first.tolist()
    with pytest.raises(SearchTimeoutError), search_token(0.001):
        ended.next(20_000)
    assert ended.next(20_000).tolist() == rest.tolist()


def test_rows_that_are_named_twice_are_inserted_once() -> None:
    rows, _ = rows_of(20, MetricType.L2, 600)
    quantizer = quantizer_of(rows, None, CodeKind.BYTES, MetricType.L2)
    coded = encode_rows(quantizer, rows, None, 1)
    entries = np.arange(0, 600, 75, dtype=np.uint32)

    def built(*parts: UInt32Array) -> list[list[int]]:
        builder = GraphBuilder(
            quantizer, rows, None, coded, None, entries, degree=DEGREE, ef=48, threads=1
        )
        for part in parts:
            builder.insert(part)
        return builder.seal().tolist()

    order = np.arange(600, dtype=np.uint32)
    assert built(order, order[::-1].copy()) == built(order)
    often = built(np.repeat(order, 3))
    for row, listed in enumerate(often):
        found = [other for other in listed if other != NO_ROW]
        assert row not in found
        assert len(set(found)) == len(found) > 0


def test_adopted_rows_are_no_neighbours_of_their_own() -> None:
    """Each row is linked to its neighbours alone; those of one that is gone lead back to it."""
    rows, _ = rows_of(20, MetricType.L2, 200)
    quantizer = quantizer_of(rows, None, CodeKind.BYTES, MetricType.L2)
    around = np.arange(200)[:, None] + [*range(-8, 0), *range(1, 9)]
    links = (around % 200).astype(np.uint32)
    places = np.where(np.arange(200) % 4 > 0, np.arange(200), NO_ROW).astype(np.uint32)
    coded = encode_rows(quantizer, rows, None, 1)
    builder = GraphBuilder(
        quantizer, rows, None, coded, None, places[1:2].copy(), degree=DEGREE, ef=48, threads=1
    )
    builder.adopt(links, places)
    for row, listed in enumerate(builder.seal().tolist()):
        found = [other for other in listed if other != NO_ROW]
        assert row not in found
        assert bool(found) == (row % 4 > 0)


@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
@pytest.mark.parametrize("kind", [CodeKind.NIBBLES, CodeKind.BYTES])
@pytest.mark.parametrize("size", [3e38, 1e25, 1e-44])
def test_rows_near_the_largest_float_are_built_and_found(variant, metric, kind, size) -> None:
    """Squares overflow: distances are infinite or no numbers, and every row is as good."""
    rng = np.random.default_rng(1)
    rows = rng.uniform(-1, 1, (300, 24)).astype(np.float32)
    rows[::2] *= np.float32(size)
    scale = np.ones(300, dtype=np.float32) if metric is MetricType.COSINE else None
    # An average and steps of other rows: differences overflow too.
    mean = np.full(24, min(size, 1e38), dtype=np.float32)
    steps = np.full(24, 0.05, dtype=np.float32)
    quantizer = Quantizer(kind, metric, mean, steps, 0.0 if scale is not None else 20.0)
    with np.errstate(over="ignore"):
        lifts = np.full(300, size, dtype=np.float32) if metric is MetricType.IP else None
    coded = encode_rows(quantizer, rows, scale, 1)
    entries = np.arange(4, dtype=np.uint32)
    found = []
    for threads in (1, 3):
        builder = GraphBuilder(
            quantizer, rows, scale, coded, lifts, entries, degree=DEGREE, ef=48, threads=threads
        )
        builder.insert(np.arange(300, dtype=np.uint32))
        found.append(builder.seal())
    assert found[0].tolist() == found[1].tolist()
    graph = SearchGraph(quantizer, rows, scale, coded, found[0], entries)
    row_ids, distances, _ = graph.search(rows[:20], 300, ef=300, rescored=300, allowed=None)
    for given, distance in zip(row_ids.tolist(), distances, strict=True):
        reached = [row for row in given if row >= 0]
        assert len(set(reached)) == len(reached) > 0
        assert not np.isnan(distance).any()
        assert (distance[:-1] <= distance[1:]).all()
    # All codes are compared: what is found is what a scan of the rows finds.
    row_ids, distances, _ = graph.scan(rows[:20], 10, rescored=300, allowed=None)
    truth, exact = scan_topk(metric, rows[:20], rows, scale, None, 10)
    np.testing.assert_array_equal(row_ids, truth)
    np.testing.assert_array_equal(distances, exact)


def test_entry_rows_may_name_one_row_often() -> None:
    rows, _ = rows_of(20, MetricType.L2, 100)
    quantizer = quantizer_of(rows, None, CodeKind.BYTES, MetricType.L2)
    graph, links = graph_of(rows, None, quantizer)
    coded = encode_rows(quantizer, rows, None, 1)
    entries = np.full(512, 7, dtype=np.uint32)
    often = SearchGraph(quantizer, rows, None, coded, links, entries)
    hits = often.search(rows[:5], 1, ef=100, rescored=100, allowed=None)
    assert hits.row_ids[:, 0].tolist() == list(range(5))
    assert hits.row_ids.tolist() == graph.search(rows[:5], 1, 100, 100, None).row_ids.tolist()
