"""The graph index over every type of vector and metric, against an exact scan of the same rows."""

import functools
import json

import numpy as np
import pytest

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.index.base import VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.dense.graph_training import train
from elanus.index.dense.graph_type import GraphType
from elanus.index.recall import measure_recall
from elanus.kernels import cpu
from elanus.kernels.bfloat16 import to_bfloat16
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import inverse_norms
from elanus.kernels.graph import CodeKind, GraphBuilder, SearchGraph, encode_rows
from elanus.types import VECTOR_DTYPES, DataType, MetricType

KIND = GraphType()
NUMBERS = [DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR, DataType.INT8_VECTOR]
BINARY = [
    (DataType.BINARY_VECTOR, MetricType.HAMMING),
    (DataType.BINARY_VECTOR, MetricType.JACCARD),
]
KINDS = [
    (dtype, metric)
    for dtype in NUMBERS
    for metric in (MetricType.L2, MetricType.IP, MetricType.COSINE)
] + BINARY
NUM_ROWS, NUM_QUERIES, DIM = 3_000, 40, 100
BIT_BYTES = 70
"""Bytes of a binary vector: a cache line and a part of one."""


def vectors(dtype, count, seed=0, *, centres_seed=7):
    """Return clustered vectors of a type."""
    rng, centre_rng = np.random.default_rng(seed), np.random.default_rng(centres_seed)
    picked = rng.integers(0, 60, count)
    if dtype is DataType.BINARY_VECTOR:
        centres = centre_rng.random((60, 8 * BIT_BYTES)) < 0.3
        flipped = rng.random((count, 8 * BIT_BYTES)) < 0.2
        return np.packbits(centres[picked] ^ flipped, axis=1)
    values = centre_rng.normal(size=(60, DIM)) * 1.5
    values = (values[picked] + rng.normal(size=(count, DIM))).astype(np.float32)
    if dtype is DataType.INT8_VECTOR:
        return np.clip(np.rint(values * 20), -128, 127).astype(np.int8)
    return to_bfloat16(values) if dtype is DataType.BFLOAT16_VECTOR else values.astype(np.float16)


def rows_of(values, metric):
    scale = inverse_norms(values) if metric is MetricType.COSINE else None
    return VectorRows(values, scale, metric)


def queries_of(dtype, metric, count=NUM_QUERIES):
    """Return queries as the rows take them; float32 is of unit length for COSINE."""
    if dtype is DataType.BINARY_VECTOR:
        return vectors(dtype, count, seed=1)
    values = vectors(DataType.FLOAT16_VECTOR, count, seed=1).astype(np.float32)
    if dtype is DataType.INT8_VECTOR:
        values *= 20
    if metric is MetricType.COSINE:
        values *= inverse_norms(values)[:, None]
    return values


def build(rows, **params):
    return KIND.build(rows, KIND.parse_params(params), checkpoint=lambda: None)


@functools.cache
def built(dtype, metric):
    """Return rows and an index that tests share."""
    rows = rows_of(vectors(dtype, NUM_ROWS), metric)
    return rows, build(rows)


def recall(found, exact):
    pairs = zip(exact.row_ids, found.row_ids, strict=True)
    hits = sum(len(np.intersect1d(a[a >= 0], b)) for a, b in pairs)
    return hits / np.count_nonzero(exact.row_ids >= 0)


def check_distances(rows, queries, found):
    """Check that each row has the distance of the scan, and that they come in its order."""
    every = FlatIndex(rows).search(queries, rows.num_rows)
    for i in range(len(queries)):
        known = dict(zip(every.row_ids[i].tolist(), every.distances[i].tolist(), strict=True))
        listed = [row for row in found.row_ids[i].tolist() if row >= 0]
        distances = found.distances[i][: len(listed)].tolist()
        assert distances == [known[row] for row in listed]
        pairs = list(zip(distances, listed, strict=True))
        assert pairs == sorted(set(pairs))


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
@pytest.mark.parametrize("limit", [1, 10, 100])
def test_search_finds_what_a_scan_finds_with_its_distances(dtype, metric, limit):
    rows, index = built(dtype, metric)
    queries = queries_of(dtype, metric)
    found = index.search(queries, limit, ef=200)
    exact = FlatIndex(rows).search(queries, limit)
    assert recall(found, exact) >= 0.97
    check_distances(rows, queries, found)
    assert index.ef_for(0.95, limit) is not None


@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
def test_int8_rows_are_asked_with_integers_as_well(metric):
    rows, index = built(DataType.INT8_VECTOR, metric)
    queries = vectors(DataType.INT8_VECTOR, NUM_QUERIES, seed=1)
    found = index.search(queries, 10, ef=200)
    assert recall(found, FlatIndex(rows).search(queries, 10)) >= 0.97
    check_distances(rows, queries, found)
    part = index.stream(queries[0]).next(10)
    assert part.distances.tolist() == found.distances[0].tolist()


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
@pytest.mark.parametrize("share", [0.6, 0.2, 0.05, 0.003])
def test_filters_keep_recall_and_distances(dtype, metric, share):
    rows, index = built(dtype, metric)
    queries = queries_of(dtype, metric)
    mask = np.random.default_rng(3).random(NUM_ROWS) < share
    mask[:2] = True
    allowed = Bitset.from_mask(mask)
    exact = FlatIndex(rows).search(queries, 10, allowed=allowed)
    found = index.search(queries, 10, allowed=allowed, ef=200)
    assert ((found.row_ids >= 0).sum(axis=1) == min(10, int(mask.sum()))).all()
    assert mask[found.row_ids[found.row_ids >= 0]].all()
    assert recall(found, exact) >= 0.97
    check_distances(rows, queries, found)


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
@pytest.mark.parametrize("method", ["graph", "codes", "scan"])
def test_all_three_ways_to_answer_a_filter(dtype, metric, method):
    """Times of their own choose the way, so that it is the same on every machine."""
    rows, built_index = built(dtype, metric)
    header, arrays = built_index.to_arrays()
    times = {"ns_per_candidate": 1.0 if method == "graph" else 1e6, "ns_per_scanned_row": 1e3}
    header["curve"] = header["curve"] | times
    index = KIND.open(rows, header | {"ns_per_code": 1e3 if method == "graph" else 0.1}, arrays)
    mask = np.random.default_rng(3).random(NUM_ROWS) < (0.004 if method == "scan" else 0.3)
    allowed = Bitset.from_mask(mask)
    plan = index.approximate(allowed.count(), 10, 100)
    assert plan.method == method
    queries = queries_of(dtype, metric)
    found = index.search(queries, 10, allowed=allowed, ef=100)
    exact = FlatIndex(rows).search(queries, 10, allowed=allowed)
    assert recall(found, exact) >= 0.97
    check_distances(rows, queries, found)
    if dtype is DataType.BINARY_VECTOR and method == "codes":
        assert plan.recall == 1.0
        assert found.row_ids.tolist() == exact.row_ids.tolist()


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
@pytest.mark.parametrize("is_filtered", [False, True])
def test_stream_goes_on_until_every_allowed_row_came(dtype, metric, is_filtered):
    rows, index = built(dtype, metric)
    query = queries_of(dtype, metric, 1)
    mask = np.random.default_rng(4).random(NUM_ROWS) < (0.3 if is_filtered else 1.1)
    allowed = Bitset.from_mask(mask) if is_filtered else None
    stream = index.stream(query[0], allowed=allowed, ef=32)
    parts = [stream.next(250) for _ in range(NUM_ROWS // 250 + 1)]
    given = np.concatenate([part.row_ids for part in parts])
    assert sorted(given.tolist()) == np.flatnonzero(mask).tolist()
    truth = FlatIndex(rows).search(query, int(mask.sum()), allowed=allowed)
    assert len(np.intersect1d(given[:200], truth.row_ids[0, :200])) >= 190
    known = dict(zip(truth.row_ids[0].tolist(), truth.distances[0].tolist(), strict=True))
    for part in parts:
        assert part.distances.tolist() == sorted(known[row] for row in part.row_ids.tolist())


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
def test_range_holds_the_rows_within_the_radius(dtype, metric):
    rows, index = built(dtype, metric)
    query = queries_of(dtype, metric, 1)
    truth = FlatIndex(rows).search(query, NUM_ROWS)
    radius = float(truth.distances[0, 99])
    wanted = truth.row_ids[0][truth.distances[0] <= radius]
    found = index.within(query[0], radius)
    assert (found.distances <= radius).all()
    assert len(np.intersect1d(found.row_ids, wanted)) == len(found) >= 0.97 * len(wanted)


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
def test_stored_form_answers_the_same(dtype, metric):
    rows, index = built(dtype, metric)
    header, arrays = index.to_arrays()
    read_only = {name: array.copy() for name, array in arrays.items()}
    for array in read_only.values():
        array.flags.writeable = False  # as a mapped file is
    opened = KIND.open(rows, json.loads(json.dumps(header)), read_only)
    queries = queries_of(dtype, metric)
    before, after = (i.search(queries, 10, ef=60) for i in (index, opened))
    assert before.row_ids.tolist() == after.row_ids.tolist()
    assert before.distances.tolist() == after.distances.tolist()


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
def test_every_cpu_variant_builds_and_walks_alike(dtype, metric):
    rows = rows_of(vectors(dtype, 900), metric)
    query = queries_of(dtype, metric, 1)[0]
    trained = train(rows)
    places = {"degree": 16, "ef": 48, "threads": 1}
    before, seen = cpu.active_variant(), []
    try:
        for name in cpu.available_variants():
            cpu.set_active_variant(name)
            kind, values, scale = trained.quantizer, rows.values, rows.scale
            coded = encode_rows(kind, values, scale, 1)
            entries = trained.entries
            builder = GraphBuilder(kind, values, scale, coded, trained.lifts, entries, **places)
            builder.insert(np.arange(900, dtype=np.uint32))
            links = builder.seal()
            graph = SearchGraph(kind, values, scale, coded, links, entries)
            stream = graph.stream(query, allowed=None, ef=20, slack=2.0)
            seen.append((links.tolist(), [stream.next(9).tolist() for _ in range(5)]))
    finally:
        cpu.set_active_variant(before)
    assert all(found == seen[0] for found in seen)


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
def test_adopted_graph_finds_as_much(dtype, metric):
    rows = rows_of(vectors(dtype, NUM_ROWS), metric)
    rng = np.random.default_rng(5)
    old = vectors(dtype, 2_500, seed=9)
    mapping = np.full(2_500, -1, dtype=np.int64)
    places = np.sort(rng.choice(2_500, 2_000, replace=False))
    mapping[places] = np.sort(rng.choice(NUM_ROWS, 2_000, replace=False))
    old[places] = rows.values[mapping[places]]
    part = build(rows_of(old, metric))
    adopted = KIND.adopt(part, rows, mapping, KIND.parse_params({}), checkpoint=lambda: None)
    assert adopted is not None
    queries = queries_of(dtype, metric)
    found = adopted.search(queries, 10, ef=200)
    assert recall(found, FlatIndex(rows).search(queries, 10)) >= 0.97
    check_distances(rows, queries, found)


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
def test_damaged_arrays_raise_and_never_crash(dtype, metric):
    rows = rows_of(vectors(dtype, 400), metric)
    header, arrays = build(rows, degree=16).to_arrays()
    queries = queries_of(dtype, metric, 3)
    rng = np.random.default_rng(6)
    outcomes = set()
    for _ in range(60):
        damaged = {name: array.copy() for name, array in arrays.items()}
        name = sorted(damaged)[rng.integers(len(damaged))]
        array, how = damaged[name], rng.integers(4)
        if how == 0:
            damaged[name] = array[: len(array) // 2]
        elif how == 1:
            damaged[name] = array.astype(np.float64)
        else:
            raw = array.view(np.uint8).reshape(-1)
            size = min(raw.size, 20) if how == 2 else raw.size
            places = rng.integers(0, max(raw.size, 1), size=size)
            raw[places] = rng.integers(0, 256, len(places))
        try:
            index = KIND.open(rows, header, damaged)
        except CorruptionError:
            outcomes.add("refused")
            continue
        outcomes.add("opened")
        found = index.search(queries, 20, ef=40)
        assert found.row_ids.max() < 400
        check_distances(rows, queries, found)
        assert sorted(index.stream(queries[0]).next(400).row_ids.tolist()) == list(range(400))
    assert outcomes == {"refused", "opened"}


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
def test_codes_of_another_kind_are_refused(dtype, metric):
    rows, index = built(dtype, metric)
    header, arrays = index.to_arrays()
    for kind in CodeKind:
        if kind.value == header["codes"]:
            continue
        with pytest.raises(CorruptionError, match="graph: "):
            KIND.open(rows, header | {"codes": kind.value}, arrays)
    other = DataType.INT8_VECTOR if dtype is DataType.BINARY_VECTOR else DataType.BINARY_VECTOR
    with pytest.raises(CorruptionError, match="graph: "):
        KIND.open(VectorRows(vectors(other, NUM_ROWS), rows.scale, metric), header, arrays)


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
def test_rows_that_are_hardly_rows(dtype, metric):
    """One row, copies of a row, zero rows: every search still gives all it can."""
    some = vectors(dtype, 60)
    zeros = np.zeros((40, some.shape[1]), dtype=some.dtype)
    many = np.concatenate([zeros, np.repeat(some[:1], 300, axis=0), some])
    queries = queries_of(dtype, metric, 5)
    for values in (some[:1], zeros, many):
        rows = rows_of(np.ascontiguousarray(values), metric)
        found = build(rows).search(queries, 7, ef=16)
        wanted = min(7, len(values))
        assert (found.row_ids[:, :wanted] >= 0).all()
        assert (found.row_ids[:, wanted:] == -1).all()
        check_distances(rows, queries, found)


def test_bits_are_their_own_codes():
    for dtype, metric in BINARY:
        rows, index = built(dtype, metric)
        _, arrays = index.to_arrays()
        codes = arrays["codes"]
        assert codes.shape == (NUM_ROWS, 128)
        np.testing.assert_array_equal(codes[:, :BIT_BYTES], rows.values)
        assert not codes[:, BIT_BYTES:].any()
        if metric is MetricType.JACCARD:
            set_bits = np.unpackbits(rows.values, axis=1).sum(axis=1)
            np.testing.assert_array_equal(arrays["terms"][:, 0], set_bits)
        else:
            assert arrays["terms"].shape == (0, 2)
        trained = train(rows)
        assert trained.rescored == 1
        assert len(set(trained.entries.tolist())) == len(trained.entries) > 16


def test_entry_rows_of_sparse_sets_differ():
    """Few bits are set: the middle of a cluster has none of them."""
    values = np.packbits(np.random.default_rng(8).random((2_000, 512)) < 0.02, axis=1)
    trained = train(rows_of(values, MetricType.JACCARD))
    assert len(set(trained.entries.tolist())) > 16


def test_measured_queries_of_bits_lie_between_rows():
    values = np.concatenate([np.zeros((50, 64), np.uint8), np.full((50, 64), 255, np.uint8)])
    seen = []

    def exact(queries, limit):
        seen.append(queries)
        return np.tile(np.arange(limit), (len(queries), 1))

    measure_recall(values, None, exact, lambda queries, limit, ef: exact(queries, limit))
    shares = np.unpackbits(seen[0], axis=1).mean(axis=1)
    assert seen[0].dtype == np.uint8
    assert {round(share * 4) for share in shares.tolist()} == {0, 1, 3, 4}


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
def test_queries_of_another_type_are_refused(dtype, metric):
    _, index = built(dtype, metric)
    taken = {DataType.BINARY_VECTOR: ("uint8",), DataType.INT8_VECTOR: ("float32", "int8")}
    names = taken.get(dtype, ("float32",))
    width = BIT_BYTES if dtype is DataType.BINARY_VECTOR else DIM
    for query_dtype in (np.float32, np.float64, np.float16, np.uint16, np.int8, np.uint8):
        queries = np.ones((1, width), dtype=query_dtype)
        if queries.dtype.name in names:
            assert index.search(queries, 5, ef=20).row_ids.shape == (1, 5)
            continue
        message = f"expected {' or '.join(names)} of shape"
        with pytest.raises(InvalidArgumentError, match=message):
            index.search(queries, 5, ef=20)
        with pytest.raises(InvalidArgumentError, match=message):
            index.stream(queries[0])


def test_every_dense_type_is_supported():
    for dtype in VECTOR_DTYPES:
        assert KIND.supports(dtype, MetricType.HAMMING)
    assert not KIND.supports(DataType.SPARSE_FLOAT_VECTOR, MetricType.IP)


def test_memory_of_bits_is_that_of_their_lines():
    rows, index = built(*BINARY[0])
    _, arrays = index.to_arrays()
    size = sum(array.nbytes for array in arrays.values())
    said = KIND.memory_bytes(
        rows.num_rows, 8 * BIT_BYTES, DataType.BINARY_VECTOR, KIND.parse_params({})
    )
    assert size <= said <= 1.05 * size
