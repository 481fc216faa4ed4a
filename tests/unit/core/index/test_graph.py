"""The graph index: what its codes, filters and stored form have to bear."""

import functools
import json

import numpy as np
import pytest

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.index.base import VectorRows
from elanus.index.dense import graph_training
from elanus.index.dense.flat import FlatIndex
from elanus.index.dense.graph_training import train
from elanus.index.dense.graph_type import GraphType
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import inverse_norms
from elanus.kernels.graph import NO_ROW, CodeKind
from elanus.query.plan import plan_dense
from elanus.types import MetricType

KIND = GraphType()


def build(rows, **params):
    return KIND.build(rows, KIND.parse_params(params), checkpoint=lambda: None)


def rows_of(values, metric=MetricType.L2):
    values = np.ascontiguousarray(values, dtype=np.float32)
    scale = inverse_norms(values) if metric is MetricType.COSINE else None
    return VectorRows(values, scale, metric)


def clustered(count, dim, seed=0, decay=0.0):
    """Return clustered vectors whose dimensions' deviations fall like ``(1 + d) ** -decay``."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count // 40 + 1, dim)) * 1.5
    values = centres[rng.integers(0, len(centres), count)] + rng.normal(size=(count, dim))
    return values * (1.0 + np.arange(dim)) ** -decay


@functools.cache
def large():
    """Return 6,000 rows, queries and an index that tests share."""
    every = clustered(6_030, 100)
    rows = rows_of(every[:6_000])
    return rows, rows_of(every[6_000:]).values, build(rows)


def recall(index, rows, queries, limit=10, **search):
    truth = FlatIndex(rows).search(queries, limit, allowed=search.get("allowed"))
    found = index.search(queries, limit, **search)
    pairs = zip(truth.row_ids, found.row_ids, strict=True)
    hits = [len(np.intersect1d(a[a >= 0], b)) for a, b in pairs]
    return sum(hits) / np.count_nonzero(truth.row_ids >= 0)


@pytest.mark.parametrize(
    ("dim", "decay", "scale"),
    [(3, 0.0, 1.0), (128, 0.0, 1.0), (200, 1.0, 1.0), (150, 0.0, 1e-12), (150, 0.0, 1e12)],
)
@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.COSINE])
def test_dimensions_of_any_kind(metric, dim, decay, scale):
    every = clustered(2_050, dim, decay=decay) * scale
    rows, queries = rows_of(every[:2_000], metric), rows_of(every[2_000:]).values
    if metric is MetricType.COSINE:
        queries = np.ascontiguousarray(queries * inverse_norms(queries)[:, None])
    assert recall(build(rows), rows, queries, ef=200) >= 0.97


def test_inner_products_of_rows_of_unlike_length():
    rng = np.random.default_rng(1)
    directions = clustered(3_050, 100)
    lengths = rng.lognormal(sigma=0.7, size=(3_050, 1))
    every = directions / np.linalg.norm(directions, axis=1, keepdims=True) * lengths
    rows = rows_of(every[:3_000], MetricType.IP)
    queries = rows_of(directions[3_000:]).values
    assert train(rows).lifts is not None
    assert recall(build(rows), rows, queries, ef=200) >= 0.97


def test_rows_of_one_length_need_no_terms():
    values = clustered(500, 80)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    for metric in (MetricType.L2, MetricType.IP):
        trained = train(rows_of(values, metric))
        assert trained.quantizer.spread == 0
        assert trained.lifts is None


def test_few_dimensions_take_seven_bits_and_spiky_ones_too():
    assert train(rows_of(clustered(500, 64))).quantizer.kind is CodeKind.BYTES
    assert train(rows_of(clustered(500, 300))).quantizer.kind is CodeKind.NIBBLES
    # Neighbours that differ by less than a step of 4 bits: one tenth of a deviation.
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(30, 300))
    tight = centres[rng.integers(0, 30, 3_000)] + 0.05 * rng.normal(size=(3_000, 300))
    assert train(rows_of(tight)).quantizer.kind is CodeKind.BYTES


@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
def test_rows_that_are_hardly_rows(metric):
    """One row, copies of a row, zero rows: every search still gives all it can."""
    many = np.concatenate([np.zeros((40, 8)), np.ones((400, 8)), clustered(60, 8)])
    for values in (np.ones((1, 8)), np.zeros((30, 8)), many):
        rows = rows_of(values, metric)
        index = build(rows)
        queries = rows_of(clustered(5, 8, seed=3)).values
        found = index.search(queries, 7, ef=16)
        wanted = min(7, len(values))
        assert (found.row_ids[:, :wanted] >= 0).all()
        assert (found.row_ids[:, wanted:] == -1).all()
        assert all(len(set(row[:wanted])) == wanted for row in found.row_ids.tolist())


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("is_correlated", [False, True])
def test_filters_keep_recall_and_never_come_up_short(share, is_correlated):
    rows, queries, index = large()
    wanted = max(1, int(6_000 * share))
    if is_correlated:
        # The rows furthest from the first query, in one corner of the space.
        order = FlatIndex(rows).search(queries[:1], 6_000).row_ids[0][::-1]
    else:
        order = np.random.default_rng(4).permutation(6_000)
    mask = np.zeros(6_000, dtype=np.bool_)
    mask[order[:wanted]] = True
    allowed = Bitset.from_mask(mask)
    ef = index.ef_for(0.95, 10)
    found = index.search(queries, 10, allowed=allowed, ef=ef)
    assert ((found.row_ids >= 0).sum(axis=1) == min(10, wanted)).all()
    assert mask[found.row_ids[found.row_ids >= 0]].all()
    assert recall(index, rows, queries, ef=ef, allowed=allowed) >= 0.95


def test_plan_says_how_a_filter_is_answered():
    rows, _, index = large()
    header, arrays = index.to_arrays()
    # Times of their own, so that the plan is the same on every machine.
    header["curve"] = header["curve"] | {"ns_per_candidate": 400.0, "ns_per_scanned_row": 50.0}
    index = KIND.open(rows, {**header, "ns_per_code": 4.0}, arrays)

    def method(allowed, recall=0.95, ef=None):
        return plan_dense("s", index, allowed, 10, recall, ef).method

    assert method(6_000) == "graph"
    assert method(600) == "codes"
    assert method(12) == "scan"
    assert method(6_000, recall=1.0) == "scan"
    assert method(10) == "scan"


def test_long_lists_are_not_walked_for():
    """A walk for 400 of 6,000 rows costs more than their codes, and for 2,000 more than a scan."""
    rows, queries, index = large()
    header, arrays = index.to_arrays()
    costs = {"ns_per_candidate": 2_000.0, "ns_per_scanned_row": 50.0}
    header["curve"] = header["curve"] | costs
    index = KIND.open(rows, {**header, "ns_per_code": 4.0}, arrays)

    def method(limit, ef):
        return plan_dense("s", index, 6_000, limit, 0.95, ef).method

    assert [method(10, 64), method(10, 255)] == ["graph", "graph"]
    assert [method(400, 500), method(2_000, 2_500)] == ["codes", "scan"]
    exact = FlatIndex(rows).search(queries, 2_000)
    found = index.search(queries, 2_000, ef=2_500)
    assert found.row_ids.tolist() == exact.row_ids.tolist()
    found = index.search(queries, 400, ef=500)
    assert recall(index, rows, queries, 400, ef=500) >= 0.995
    prepared = index.prepared(400, allowed=None, ef=500, keys=None)
    wanted = index.search(queries[:1], 401, ef=500).row_ids[0, :400].tolist()
    assert prepared.find(queries[0], None)[0] == wanted
    assert index.prepared(2_000, allowed=None, ef=2_500, keys=None) is None


def test_walk_that_finds_too_little_is_completed_exactly():
    """Without links a walk sees its entry rows and no more."""
    rows = rows_of(clustered(600, 70))
    header, arrays = build(rows).to_arrays()
    links = np.full_like(arrays["links"], NO_ROW)
    index = KIND.open(rows, header, {**arrays, "links": links})
    queries = rows.values[:4]
    every = Bitset.from_mask(np.arange(600) != 7)
    for allowed in (None, every):
        found = index.search(queries, 100, allowed=allowed, ef=120)
        exact = FlatIndex(rows).search(queries, 100, allowed=allowed)
        assert found.row_ids.tolist() == exact.row_ids.tolist()
        assert found.distances.tolist() == exact.distances.tolist()


def test_as_few_rows_are_rescored_as_the_sample_needs():
    assert train(rows_of(clustered(500, 64))).rescored == 2


def test_stream_goes_on_in_order_until_all_rows_came():
    rows = rows_of(clustered(1_500, 70))
    index = build(rows)
    query = rows.values[5] + np.float32(0.01)
    stream = index.stream(query, ef=32)
    parts = [stream.next(100) for _ in range(16)]
    given = np.concatenate([part.row_ids for part in parts])
    assert sorted(given.tolist()) == list(range(1_500))
    truth = FlatIndex(rows).search(query[None], 1_500)
    assert len(np.intersect1d(given[:200], truth.row_ids[0, :200])) >= 195
    exact = dict(zip(truth.row_ids[0].tolist(), truth.distances[0].tolist(), strict=True))
    for part in parts:
        assert (np.diff(part.distances) >= 0).all()
        assert part.distances.tolist() == [exact[row] for row in part.row_ids.tolist()]


@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
@pytest.mark.parametrize("count", [0, 1, 70, 400])
def test_range_holds_the_rows_within_the_radius(metric, count):
    rows = rows_of(clustered(1_200, 48), metric)
    index = build(rows)
    query = rows.values[5] + np.float32(0.01)
    if metric is MetricType.COSINE:
        query /= np.linalg.norm(query)
    mask = np.random.default_rng(6).random(1_200) < 0.6
    allowed = Bitset.from_mask(mask)
    truth = FlatIndex(rows).search(query[None], int(mask.sum()), allowed=allowed)
    distances = truth.distances[0]
    radius = distances[0] - 1 if count == 0 else (distances[count - 1] + distances[count]) / 2
    found = index.within(query, float(radius), allowed=allowed)
    assert (found.distances <= radius).all()
    assert (np.diff(found.distances) >= 0).all()
    assert len(set(found.row_ids.tolist())) == len(found) <= count
    assert len(found) >= 0.97 * count


def test_codes_are_tried_where_rows_lie_together(monkeypatch):
    """A sample of few rows has hardly two of a cluster, and would say that short codes do."""
    monkeypatch.setattr(graph_training, "TRIAL_ROWS", 200)
    rng = np.random.default_rng(8)
    centres = rng.normal(size=(60, 96))
    values = np.repeat(centres, 100, axis=0) + 0.06 * rng.normal(size=(6000, 96))
    rows = rows_of(values.astype(np.float32))
    index = build(rows)
    queries = (values[::60] + 0.01 * rng.normal(size=(100, 96))).astype(np.float32)
    assert recall(index, rows, queries, ef=160) > 0.97


def test_damaged_headers_and_arrays_are_refused():
    rows = rows_of(clustered(300, 70))
    index = build(rows)
    header, arrays = index.to_arrays()
    header = json.loads(json.dumps(header))
    for name in arrays:
        missing = {k: v for k, v in arrays.items() if k != name}
        with pytest.raises(CorruptionError, match=f"array '{name}' is missing"):
            KIND.open(rows, header, missing)
        short = {**arrays, name: arrays[name][:-1] if len(arrays[name]) else np.ones((1, 2), "f4")}
        if name != "entries":  # a graph with one entry row less is one
            with pytest.raises(CorruptionError, match="graph: "):
                KIND.open(rows, header, short)
    for change in (
        {"format": 1},
        {"format": 99},
        {"codes": "words"},
        {"spread": None},
        {"curve": {}},
    ):
        with pytest.raises(CorruptionError, match="graph: "):
            KIND.open(rows, {**header, **change}, arrays)
    with pytest.raises(CorruptionError, match="graph: "):
        KIND.open(rows_of(clustered(299, 70)), header, arrays)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"M": 16}, "no parameter 'M'"),
        ({"degree": 20}, "multiple of 16"),
        ({"degree": 256}, "in 16..128"),
        ({"ef_construction": True}, "must be an integer"),
    ],
)
def test_wrong_parameters_are_refused(params, message):
    with pytest.raises(InvalidArgumentError, match=message):
        KIND.parse_params(params)


def test_wrong_searches_are_refused():
    rows = rows_of(clustered(300, 70))
    index = build(rows)
    with pytest.raises(InvalidArgumentError, match=r"expected float32 of shape \(nq, 70\)"):
        index.search(rows.values[:1, :69], 5, ef=20)
    with pytest.raises(InvalidArgumentError, match="limit: expected at least 1"):
        index.search(rows.values[:1], 0, ef=20)
