"""Prepared searches of a graph give what a search with arrays gives, or nothing."""

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import scan_topk, unit_rows
from elanus.kernels.graph import CodedRows, CodeKind, Quantizer, SearchGraph
from elanus.kernels.prepared import PreparedFusion
from elanus.kernels.ranking import UnitScale
from elanus.types import MetricType

from .test_graph import graph_of, quantizer_of, rows_of

DIM = 24


@pytest.mark.parametrize("kind", [CodeKind.NIBBLES, CodeKind.BYTES])
@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
@pytest.mark.parametrize("method", ["graph", "codes", "scan"])
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_lists_are_the_arrays(kind, metric, method, share):
    rows, scale = rows_of(DIM, metric)
    graph, _ = graph_of(rows, scale, quantizer_of(rows, scale, kind, metric))
    rng = np.random.default_rng(5)
    allowed = None if share == 1.0 else Bitset.from_mask(rng.random(len(rows)) < share)
    if method == "scan" and allowed is None:
        allowed = Bitset.full(len(rows))
    numbers = rng.permutation(len(rows)).astype(np.int64) - 100
    prepared = graph.prepared(10, 40, 22, method=method, allowed=allowed, keys=numbers)
    keyless = graph.prepared(10, 40, 22, method=method, allowed=allowed, keys=None)
    for query in rows_of(DIM, metric, 20, seed=7)[0]:
        asked = query[None] if metric is not MetricType.COSINE else unit_rows(query[None])
        if method == "scan":
            ids, distances = scan_topk(metric, asked, rows, scale, allowed, 11)
        elif method == "codes":
            ids, distances, _ = graph.scan(asked, 11, rescored=22, allowed=allowed)
        else:
            ids, distances, _ = graph.search(asked, 11, 40, 22, allowed)
        wanted_ids = ids[0, :10].tolist()
        sign = 1 if metric is MetricType.L2 else -1
        wanted = (sign * distances[0, :10]).tolist()
        found = prepared.find(query, None)
        assert found == (wanted_ids, wanted, numbers[wanted_ids].tolist(), None)
        assert prepared.find(query.tolist(), None) == found
        assert keyless.find(query, None) == (wanted_ids, wanted, None, None)


@pytest.mark.parametrize("method", ["graph", "codes", "scan"])
def test_other_rows_are_searched_as_if_made_for_them(method):
    rows, scale = rows_of(DIM, MetricType.COSINE)
    quantizer = quantizer_of(rows, scale, CodeKind.BYTES, MetricType.COSINE)
    graph, _ = graph_of(rows, scale, quantizer)
    keys = np.random.default_rng(5).permutation(len(rows)).astype(np.int64)
    like = graph.prepared(10, 30, 15, method="graph", allowed=None, keys=keys)
    few = np.arange(0, 200, 3, dtype=np.uint32)
    sets = [Bitset.from_few(few, len(rows)), Bitset.from_range(20, 60, len(rows))]
    sets.append(Bitset.from_mask(keys % 3 > 0))
    for allowed in sets:
        bits = Bitset(allowed.words, len(rows))
        wanted = graph.prepared(10, 40, 22, method=method, allowed=bits, keys=keys)
        made = graph.prepared(10, 40, 22, method=method, allowed=allowed, keys=None, like=like)
        for query in rows_of(DIM, MetricType.COSINE, 20, seed=7)[0]:
            assert made.find(query, None) == wanted.find(query, None)
    with pytest.raises(InvalidArgumentError, match="allowed: expected the rows to scan"):
        graph.prepared(10, 1, 1, method="scan", allowed=None, keys=None, like=like)


def test_nothing_where_there_is_more_to_be_said():
    rows, scale = rows_of(DIM, MetricType.L2)
    rows[3] = rows[4]
    graph, _ = graph_of(rows, scale, quantizer_of(rows, scale, CodeKind.BYTES, MetricType.L2))
    prepared = graph.prepared(10, 40, 22, method="graph", allowed=None, keys=None)
    query = rows_of(DIM, MetricType.L2, 1, seed=7)[0][0]
    assert prepared.find(query, None) is not None
    others = [
        query[:-1],
        query[None],
        query.astype(np.float64),
        np.repeat(query, 2)[::2],
        query.tolist()[1:],
        [*query.tolist()[1:], 1],
        tuple(query.tolist()),
        np.full(DIM, np.nan, dtype=np.float32),
        [1e300] * DIM,
        None,
        "text",
        rows[3],
    ]
    assert [prepared.find(other, None) for other in others] == [None] * len(others)
    few = Bitset.from_rows(np.arange(10), len(rows))
    scarce = graph.prepared(10, 40, 22, method="codes", allowed=few, keys=None)
    assert scarce.find(query, None) is None


def test_a_scan_finds_as_many_as_there_are():
    rows, scale = rows_of(DIM, MetricType.L2)
    rows[3] = rows[4]
    graph, _ = graph_of(rows, scale, quantizer_of(rows, scale, CodeKind.BYTES, MetricType.L2))
    query = rows_of(DIM, MetricType.L2, 1, seed=7)[0][0]
    few = Bitset.from_rows(np.array([7, 3, 9, 4]), len(rows))
    keys = -np.arange(len(rows), dtype=np.int64)
    distances = ((rows.astype(np.float64) - query) ** 2).sum(axis=1)
    nearest = sorted([7, 3, 9, 4], key=lambda row: (distances[row], -row))
    scan = graph.prepared(10, 1, 1, method="scan", allowed=few, keys=keys)
    assert scan.find(query, None)[0] == nearest
    assert scan.find(query, None)[2] == [-row for row in nearest]
    assert graph.prepared(10, 1, 1, method="scan", allowed=few, keys=None).find(query, None) is None
    cut = nearest.index(3)  # between it and 4, which is as near
    assert (
        graph.prepared(cut, 1, 1, method="scan", allowed=few, keys=keys).find(query, None) is None
    )
    none = Bitset.empty(len(rows))
    assert (
        graph.prepared(10, 1, 1, method="scan", allowed=none, keys=keys).find(query, None) is None
    )
    with pytest.raises(InvalidArgumentError, match="allowed: expected the rows to scan"):
        graph.prepared(10, 1, 1, method="scan", allowed=None, keys=keys)


def test_what_cannot_be_prepared_is_refused():
    rows, scale = rows_of(DIM, MetricType.L2)
    graph, _ = graph_of(rows, scale, quantizer_of(rows, scale, CodeKind.BYTES, MetricType.L2))
    with pytest.raises(InvalidArgumentError, match="limit: expected at least 1"):
        graph.prepared(0, 40, 22, method="graph", allowed=None, keys=None)
    keys = np.arange(5, dtype=np.int64)
    with pytest.raises(InvalidArgumentError, match="keys: expected one for each row"):
        graph.prepared(5, 40, 22, method="graph", allowed=None, keys=keys)
    bits = np.arange(64, dtype=np.uint8).reshape(16, 4)
    binary = SearchGraph(
        Quantizer.of_bits(MetricType.HAMMING),
        bits,
        None,
        CodedRows(np.zeros((16, 64), dtype=np.uint8), np.zeros((0, 2), dtype=np.float32)),
        np.full((16, 16), 0xFFFFFFFF, dtype=np.uint32),
        np.zeros(1, dtype=np.uint32),
    )
    with pytest.raises(InvalidArgumentError, match="rows that take float32"):
        binary.prepared(5, 40, 22, method="graph", allowed=None, keys=None)


@pytest.mark.parametrize("rank_constant", [60.0, None])
def test_equal_sums_of_two_legs_come_in_the_order_of_their_keys(rank_constant):
    """Rows on a line, asked for from both ends: each has an equal on the other side."""
    rows = np.arange(30, dtype=np.float32)[:, None]
    coded_by = Quantizer(
        CodeKind.BYTES, MetricType.L2, np.zeros(1, np.float32), np.ones(1, np.float32), 1.0
    )
    graph, _ = graph_of(rows, None, coded_by)
    keys = np.random.default_rng(2).permutation(30).astype(np.int64) * 7
    legs = [
        graph.prepared(12, 1, 1, method="scan", allowed=Bitset.full(30), keys=keys)
        for _ in range(2)
    ]
    scales = [UnitScale.L2] * 2 if rank_constant is None else [None, None]
    fusion = PreparedFusion(
        legs, [1.0, 1.0], scales, rank_constant=rank_constant, limit=15, reader=None
    )
    row_ids, scores, found_keys, _, _ = fusion.find([[0.0], [29.0]])
    pairs = [sorted((i, 29 - i), key=keys.__getitem__) for i in range(12)]
    assert row_ids == [row for pair in pairs for row in pair][:15]
    assert found_keys == keys[row_ids].tolist()
    assert scores == sorted(scores, reverse=True)
    for wrong in (None, "leg"):
        with pytest.raises(TypeError, match="legs: expected prepared legs"):
            PreparedFusion(
                [legs[0], wrong], [1.0] * 2, [None] * 2, rank_constant=60.0, limit=5, reader=None
            )
