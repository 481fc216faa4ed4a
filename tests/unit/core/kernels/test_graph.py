"""Codes, walks and streams of the graph kernels against NumPy, on every CPU variant."""

import numpy as np
import pytest

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.kernels import cpu
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import inverse_norms, scan_topk
from elanus.kernels.graph import (
    NO_ROW,
    CodedRows,
    CodeKind,
    GraphBuilder,
    Quantizer,
    SearchGraph,
    encode_rows,
)
from elanus.types import MetricType

KINDS = [CodeKind.NIBBLES, CodeKind.BYTES]
NUM_ROWS = 900


def rows_of(dim, metric, count=NUM_ROWS, seed=0):
    """Return clustered rows, with their scale for COSINE."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, dim)) * 2
    rows = (centres[rng.integers(0, 12, count)] + rng.normal(size=(count, dim))).astype(np.float32)
    return rows, inverse_norms(rows) if metric is MetricType.COSINE else None


def quantizer_of(rows, scale, kind, metric):
    """Return steps of 0.3 (4 bits) or 0.05 (7 bits) of the deviation of each dimension."""
    values = rows if scale is None else rows * scale[:, None]
    step = 0.3 if kind is CodeKind.NIBBLES else 0.05
    mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    steps = ((values - mean).std(axis=0) * step).astype(np.float32)
    return Quantizer(kind, metric, mean, steps, 0.0 if metric is MetricType.COSINE else 0.97 / step)


def levels_of(quantizer, rows, scale):
    """The slow twin of coding: levels ``(n, dim)`` and terms ``(n, 2)``."""
    values = rows if scale is None else rows * scale[:, None]
    centred = values - quantizer.mean
    steps = centred / quantizer.steps
    own = np.ones(len(rows), dtype=np.float32)
    if quantizer.spread > 0:
        own = np.sqrt(np.mean(steps.astype(np.float64) ** 2, axis=1)) / quantizer.spread
        steps = steps / own[:, None]
    half = quantizer.kind.levels // 2
    levels = np.clip(np.floor(steps) + half, 0, quantizer.kind.levels - 1).astype(np.int64)
    length = np.sum(centred.astype(np.float64) ** 2, axis=1)
    term = length if quantizer.metric is MetricType.L2 else np.zeros(len(rows))
    return levels, np.stack([own, term], axis=1)


def unpacked(kind, codes, dim):
    """Return the levels that codes hold."""
    if kind is CodeKind.BYTES:
        return codes[:, :dim].astype(np.int64)
    lines = codes.reshape(len(codes), -1, 64)
    both = np.concatenate([lines & 15, lines >> 4], axis=2)
    return both.reshape(len(codes), -1)[:, :dim].astype(np.int64)


def keys_of(quantizer, levels, terms, query):
    """The slow twin of scoring: what rows are ordered by, float64."""
    is_l2 = quantizer.metric is MetricType.L2 and quantizer.spread > 0
    scaled = ((query - quantizer.mean if is_l2 else query) * quantizer.steps).astype(np.float32)
    largest = np.abs(scaled).max()
    values = np.rint(scaled * (np.float32(127) / largest)).astype(np.int64)
    product = levels @ values
    if quantizer.spread == 0:
        return -product.astype(np.float64)
    middle = (quantizer.kind.levels - 1) / 2
    unit = float(largest) / 127
    inner = terms[:, 0] * (product - middle * values.sum()) * unit
    return terms[:, 1] - 2 * inner if is_l2 else -inner


def graph_of(rows, scale, quantizer, *, degree=16, threads=1):
    """Return a built graph with its links."""
    coded = encode_rows(quantizer, rows, scale, threads)
    entries = np.arange(0, len(rows), max(1, len(rows) // 8), dtype=np.uint32)
    builder = GraphBuilder(
        quantizer, rows, scale, coded, None, entries, degree=degree, ef=48, threads=threads
    )
    builder.insert(np.arange(len(rows), dtype=np.uint32))
    links = builder.seal()
    return SearchGraph(quantizer, rows, scale, coded, links, entries), links


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
@pytest.mark.parametrize("dim", [1, 3, 64, 65, 128, 129, 384])
def test_codes_are_those_of_the_twin(kind, metric, dim):
    rows, scale = rows_of(dim, metric, 80)
    quantizer = quantizer_of(rows, scale, kind, metric)
    coded = encode_rows(quantizer, rows, scale, 2)
    levels, terms = levels_of(quantizer, rows, scale)
    found = unpacked(kind, coded.codes, dim)
    # A value on the edge of a level may fall to either side of it.
    assert np.abs(found - levels).max() <= 1
    assert np.mean(found != levels) < 0.001
    if metric is not MetricType.COSINE:
        np.testing.assert_allclose(coded.terms, terms, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
@pytest.mark.parametrize("dim", [1, 65, 128, 384, 700])
def test_scanned_codes_rank_as_the_twin_does(variant, kind, metric, dim):
    rows, scale = rows_of(dim, metric, 200)
    quantizer = quantizer_of(rows, scale, kind, metric)
    coded = encode_rows(quantizer, rows, scale, 1)
    links = np.full((len(rows), 16), NO_ROW, dtype=np.uint32)
    graph = SearchGraph(quantizer, rows, scale, coded, links, np.zeros(1, dtype=np.uint32))
    query = rows_of(dim, metric, 1, seed=1)[0]
    if metric is MetricType.COSINE:
        query *= inverse_norms(query)[:, None]
    keys = keys_of(quantizer, unpacked(kind, coded.codes, dim), coded.terms, query[0])
    row_ids, _, _ = graph.scan(query, 40, rescored=40, allowed=None)
    worst = np.sort(keys)[39]
    tolerance = 1e-4 * np.abs(keys).max()
    assert len(set(row_ids[0].tolist())) == 40
    assert (keys[row_ids[0]] <= worst + tolerance).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
def test_every_variant_builds_and_walks_alike(kind, metric):
    rows, scale = rows_of(70, metric)
    quantizer = quantizer_of(rows, scale, kind, metric)
    query = rows_of(70, metric, 1, seed=2)[0][0]
    before, seen = cpu.active_variant(), []
    try:
        for name in cpu.available_variants():
            cpu.set_active_variant(name)
            graph, links = graph_of(rows, scale, quantizer)
            stream = graph.stream(query, allowed=None, ef=20, slack=2.0)
            seen.append((links.tolist(), [stream.next(7).tolist() for _ in range(5)]))
    finally:
        cpu.set_active_variant(before)
    assert all(found == seen[0] for found in seen)


def test_threads_build_the_same_graph():
    rows, scale = rows_of(40, MetricType.L2, 3_000)
    quantizer = quantizer_of(rows, scale, CodeKind.NIBBLES, MetricType.L2)
    _, alone = graph_of(rows, scale, quantizer)
    _, together = graph_of(rows, scale, quantizer, threads=3)
    assert (alone == together).all()


def test_links_are_rows_nearest_first_and_none_is_its_own():
    rows, _ = rows_of(30, MetricType.L2)
    quantizer = quantizer_of(rows, None, CodeKind.BYTES, MetricType.L2)
    _, links = graph_of(rows, None, quantizer)
    for row, listed in enumerate(links.tolist()):
        found = [other for other in listed if other != NO_ROW]
        assert found == listed[: len(found)]
        assert row not in found
        assert len(set(found)) == len(found) > 0
        distances = ((rows[found] - rows[row]) ** 2).sum(axis=1)
        assert (np.diff(distances) > -0.05 * distances.max()).all()


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.03])
def test_walk_finds_the_nearest_allowed_rows(variant, share):
    every, _ = rows_of(64, MetricType.COSINE, 2_020)
    rows, queries = np.ascontiguousarray(every[:2_000]), every[2_000:]
    scale = inverse_norms(rows)
    quantizer = quantizer_of(rows, scale, CodeKind.BYTES, MetricType.COSINE)
    graph, _ = graph_of(rows, scale, quantizer, degree=32)
    queries = np.ascontiguousarray(queries * inverse_norms(queries)[:, None])
    mask = np.random.default_rng(4).random(2_000) < share
    allowed = None if share == 1.0 else Bitset.from_mask(mask)
    row_ids, distances, _ = graph.search(queries, 10, ef=100, rescored=40, allowed=allowed)
    truth, exact = scan_topk(MetricType.COSINE, queries, rows, scale, allowed, 10)
    hits = [len(np.intersect1d(a, b)) for a, b in zip(truth, row_ids, strict=True)]
    assert sum(hits) >= 0.97 * truth.size
    assert share == 1.0 or mask[row_ids].all()
    same = row_ids == truth
    assert (distances[same] == exact[same]).all()


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_stream_gives_every_allowed_row_once(share):
    rows, _ = rows_of(20, MetricType.L2, 700)
    quantizer = quantizer_of(rows, None, CodeKind.BYTES, MetricType.L2)
    graph, _ = graph_of(rows, None, quantizer)
    mask = np.random.default_rng(5).random(700) < share
    allowed = None if share == 1.0 else Bitset.from_mask(mask)
    query = rows[3] + np.float32(0.1)
    stream = graph.stream(query, allowed=allowed, ef=16, slack=1.5)
    parts = [stream.next(50) for _ in range(20)]
    given = np.concatenate(parts)
    expected = np.flatnonzero(mask) if share < 1.0 else np.arange(700)
    assert sorted(given.tolist()) == expected.tolist()
    truth, _ = scan_topk(MetricType.L2, query[None], rows, None, allowed, 100)
    assert len(np.intersect1d(given[:100], truth[0])) >= 97
    assert stream.next(5).tolist() == []


def test_rows_without_links_are_still_in_the_stream():
    rows, _ = rows_of(20, MetricType.L2, 300)
    quantizer = quantizer_of(rows, None, CodeKind.BYTES, MetricType.L2)
    coded = encode_rows(quantizer, rows, None, 1)
    links = np.full((300, 16), NO_ROW, dtype=np.uint32)
    graph = SearchGraph(quantizer, rows, None, coded, links, np.zeros(1, dtype=np.uint32))
    stream = graph.stream(rows[7], allowed=None, ef=16, slack=2.0)
    given = stream.next(300)
    assert sorted(given.tolist()) == list(range(300))


def test_adopted_links_lead_around_rows_that_are_gone():
    rows, _ = rows_of(30, MetricType.L2, 800)
    quantizer = quantizer_of(rows, None, CodeKind.BYTES, MetricType.L2)
    _, links = graph_of(rows, None, quantizer)
    kept = np.random.default_rng(6).random(800) < 0.8
    places = np.where(kept, np.cumsum(kept) - 1, NO_ROW).astype(np.uint32)
    left = np.ascontiguousarray(rows[kept])
    coded = encode_rows(quantizer, left, None, 1)
    entries = np.arange(0, len(left), 80, dtype=np.uint32)
    builder = GraphBuilder(quantizer, left, None, coded, None, entries, degree=16, ef=48, threads=1)
    builder.adopt(links, places)
    graph = SearchGraph(quantizer, left, None, coded, builder.seal(), entries)
    row_ids, _, _ = graph.search(left, 1, ef=40, rescored=20, allowed=None)
    assert np.mean(row_ids[:, 0] == np.arange(len(left))) > 0.99


@pytest.mark.parametrize("seed", range(8))
def test_damaged_links_never_lead_out_of_the_graph(variant, seed):
    rows, _ = rows_of(40, MetricType.L2, 300)
    quantizer = quantizer_of(rows, None, CodeKind.NIBBLES, MetricType.L2)
    coded = encode_rows(quantizer, rows, None, 1)
    rng = np.random.default_rng(seed)
    links = rng.integers(0, 1 << 32, (300, 16), dtype=np.uint32)
    # Rows that exist, many of them more than once in a list, among those that do not.
    small = rng.random(links.shape) < 0.7
    links[small] = rng.integers(0, 12 if seed % 2 else 300, int(small.sum()), dtype=np.uint32)
    graph = SearchGraph(quantizer, rows, None, coded, links, np.zeros(1, dtype=np.uint32))
    allowed = Bitset.from_mask(rng.random(300) < 0.5)
    for bits in (None, allowed):
        row_ids, _, _ = graph.search(rows[:9], 10, ef=32, rescored=20, allowed=bits)
        assert row_ids.max() < 300
        given = graph.stream(rows[0], allowed=bits, ef=16, slack=2.0).next(400)
        assert len(set(given.tolist())) == len(given) == (300 if bits is None else bits.count())


def test_a_row_that_a_damaged_list_names_often_comes_once(variant):
    rows, scale = rows_of(64, MetricType.COSINE)
    quantizer = quantizer_of(rows, scale, CodeKind.NIBBLES, MetricType.COSINE)
    coded = encode_rows(quantizer, rows, scale, 1)
    near = (np.arange(NUM_ROWS)[:, None] + [1, 30]) % NUM_ROWS
    once = np.full((NUM_ROWS, 16), NO_ROW, dtype=np.uint32)
    once[:, :2] = near
    often = np.repeat(near, 8, axis=1).astype(np.uint32)
    query = np.ascontiguousarray(rows[:1] * scale[0])
    found = []
    for links in (once, often):
        entries = np.zeros(1, dtype=np.uint32)
        graph = SearchGraph(quantizer, rows, scale, coded, links, entries)
        # The pool keeps every row: each is visited.
        found.append(graph.search(query, NUM_ROWS, ef=NUM_ROWS, rescored=NUM_ROWS, allowed=None))
    assert sorted(found[0].row_ids[0].tolist()) == list(range(NUM_ROWS))
    assert found[1].row_ids.tolist() == found[0].row_ids.tolist()


def test_arrays_that_do_not_fit_are_refused():
    rows, _ = rows_of(40, MetricType.L2, 50)
    quantizer = quantizer_of(rows, None, CodeKind.NIBBLES, MetricType.L2)
    coded = encode_rows(quantizer, rows, None, 1)
    links = np.full((50, 16), NO_ROW, dtype=np.uint32)
    entries = np.zeros(1, dtype=np.uint32)
    wrong = [
        (CodedRows(coded.codes[:49], coded.terms), links, entries),
        (CodedRows(coded.codes, coded.terms[:49]), links, entries),
        (coded, links[:49], entries),
        (coded, np.full((50, 15), NO_ROW, dtype=np.uint32), entries),
        (coded, links, np.array([50], dtype=np.uint32)),
        (coded, links, entries[:0]),
    ]
    for codes, lists, starts in wrong:
        with pytest.raises(CorruptionError, match="graph: "):
            SearchGraph(quantizer, rows, None, codes, lists, starts)
    graph = SearchGraph(quantizer, rows, None, coded, links, entries)
    with pytest.raises(InvalidArgumentError, match="expected 40 dimensions, got 39"):
        graph.search(np.zeros((1, 39), np.float32), 5, ef=10, rescored=5, allowed=None)
    with pytest.raises(InvalidArgumentError, match="degree: expected a multiple of 16"):
        GraphBuilder(quantizer, rows, None, coded, None, entries, degree=20, ef=48, threads=1)
