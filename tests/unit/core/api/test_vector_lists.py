"""Lists of vectors: MaxSim and the nearest element, against sums worked out in float64."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus import ARRAY, DataType, Field, Leg, Schema
from elanus.errors import EntityError, InvalidArgumentError, SchemaError

DIM = 16
TYPES = {
    "FLOAT_VECTOR": 1e-5,
    "FLOAT16_VECTOR": 1e-5,
    "BFLOAT16_VECTOR": 1e-5,
    "INT8_VECTOR": 1e-5,
    "BINARY_VECTOR": 0,
}
CASES = [
    (dtype, metric)
    for dtype in TYPES
    for metric in (("HAMMING", "JACCARD") if dtype == "BINARY_VECTOR" else ("COSINE", "IP", "L2"))
]


def _lists(dtype: str, count: int, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Return lists of 0 to 6 vectors; every seventh is empty."""
    rng = np.random.default_rng(seed)
    lengths = [0 if i % 7 == 3 else int(rng.integers(1, 7)) for i in range(count)]
    return [_vectors(rng, dtype, length) for length in lengths]


def _vectors(rng: np.random.Generator, dtype: str, count: int) -> np.ndarray[Any, Any]:
    if dtype == "BINARY_VECTOR":
        return rng.integers(0, 256, (count, DIM // 8), dtype=np.uint8)
    if dtype == "INT8_VECTOR":
        return rng.integers(-128, 128, (count, DIM), dtype=np.int8)
    # Exact in every float type.
    return (rng.integers(-64, 64, (count, DIM)) / 32).astype(np.float32)


def _pairs(metric: str, query: np.ndarray[Any, Any], row: np.ndarray[Any, Any]) -> Any:
    """Return what the user sees between every two vectors, float64 (queries, vectors)."""
    if metric in ("HAMMING", "JACCARD"):
        a, b = np.unpackbits(query, axis=1)[:, None], np.unpackbits(row, axis=1)[None]
        differ = (a != b).sum(axis=2)
        either = (a | b).sum(axis=2)
        return differ if metric == "HAMMING" else differ / np.maximum(either, 1)
    a, b = query.astype(np.float64), row.astype(np.float64)
    if metric == "L2":
        return ((a[:, None] - b[None]) ** 2).sum(axis=2)
    if metric == "COSINE":
        a, b = a / np.linalg.norm(a, axis=1)[:, None], b / np.linalg.norm(b, axis=1)[:, None]
    return a @ b.T


def _expected(
    metric: str, query: np.ndarray[Any, Any], lists: list[np.ndarray[Any, Any]], ids: Any = None
) -> list[tuple[int, float]]:
    """Return ids and scores, best first."""
    is_distance = metric in ("L2", "HAMMING", "JACCARD")
    scores = {}
    for i in range(len(lists)) if ids is None else ids:
        if len(lists[i]):
            pairs = _pairs(metric, query, lists[i])
            best = pairs.min(axis=1) if is_distance else pairs.max(axis=1)
            scores[i] = float(best.sum())
    sign = 1 if is_distance else -1
    return sorted(scores.items(), key=lambda pair: (round(sign * pair[1], 5), pair[0]))


def _collection(database: Any, dtype: str, metric: str, **more: Any) -> Any:
    return database.create_collection(
        "c",
        Schema(
            [
                Field("id", DataType.INT64, primary=True),
                Field("kind", DataType.INT64),
                Field("tokens", ARRAY, element_type=dtype, dim=DIM, metric=metric, **more),
            ]
        ),
    )


def _insert(collection: Any, lists: Any, first: int, last: int) -> None:
    rows = range(first, last)
    collection.insert([{"id": i, "kind": i % 3, "tokens": lists[i]} for i in rows])


def _assert_hits(found: Any, expected: list[tuple[int, float]], rel: float = 1e-5) -> None:
    assert [hit.score for hit in found] == pytest.approx(
        [score for _, score in expected], rel=rel, abs=1e-4
    )
    # Sums that are equal may differ in the last bit, so that only their order is left open.
    ids = sorted((round(hit.score, 4), hit.id) for hit in found)
    assert ids == sorted((round(score, 4), pk) for pk, score in expected)


@pytest.mark.parametrize(("dtype", "metric"), CASES)
@pytest.mark.parametrize("is_max_sim", [True, False])
def test_search_of_every_type_and_metric(
    tmp_path: Path, dtype: str, metric: str, is_max_sim: bool
) -> None:
    lists = _lists(dtype, 60)
    rng = np.random.default_rng(5)
    query = _vectors(rng, dtype, 3 if is_max_sim else 1)
    asked = query if is_max_sim else query[0]
    with elanus.connect(tmp_path) as database:
        name = f"MAX_SIM_{metric}" if is_max_sim else metric
        collection = _collection(database, dtype, name)
        _insert(collection, lists, 0, 25)
        collection.flush()
        _insert(collection, lists, 25, 45)
        collection.flush()
        _insert(collection, lists, 45, 60)
        every = _expected(metric, query, lists)
        assert len(every) == sum(1 for one in lists if len(one)) < 60
        _assert_hits(collection.search(asked, limit=7), every[:7])
        _assert_hits(collection.search(asked, limit=100), every)
        found = collection.search(asked, limit=5, filter="kind == 1")
        _assert_hits(found, [pair for pair in every if pair[0] % 3 == 1][:5])
        assert found.is_exact
        if not is_max_sim:
            for hit in collection.search(asked, limit=9):
                pairs = _pairs(metric, query, lists[hit.id])[0]
                assert pairs[hit.offset] == pytest.approx(hit.score, rel=1e-5, abs=1e-5)
        gone = [pk for pk, _ in every[:2]]
        collection.delete(gone)
        left = [i for i in range(60) if i not in gone]
        collection.compact()
        _assert_hits(collection.search(asked, limit=7), _expected(metric, query, lists, left)[:7])
    with elanus.connect(tmp_path, read_only=True) as database:
        found = database.collection("c").search(asked, limit=7)
        _assert_hits(found, _expected(metric, query, lists, left)[:7])


def test_values_come_back(tmp_path: Path) -> None:
    for dtype in TYPES:
        lists = _lists(dtype, 20)
        with elanus.connect(tmp_path / dtype) as database:
            collection = _collection(database, dtype, "MAX_SIM", nullable=True)
            _insert(collection, lists, 0, 10)
            collection.insert([{"id": 100, "kind": 0, "tokens": None}, {"id": 101, "kind": 0}])
            collection.flush()
            _insert(collection, lists, 10, 20)
            for _ in range(2):
                for i, one in enumerate(lists):
                    (entity,) = collection.get([i], output=["tokens"])
                    assert np.array_equal(np.array(entity["tokens"]).reshape(one.shape), one)
                assert [e["tokens"] for e in collection.get([100, 101], output=["tokens"])] == [
                    None,
                    None,
                ]
                collection.compact()
            assert collection.count("tokens is null") == 2
            lengths = [len(one) for one in lists]
            for length in range(7):
                found = collection.count(f"array_length(tokens) == {length}")
                assert found == lengths.count(length)
            assert {hit.id for hit in collection.search(lists[0], limit=100)} == {
                i for i, one in enumerate(lists) if len(one)
            }


def test_batches_ranges_groups_and_iterators(tmp_path: Path) -> None:
    lists = _lists("FLOAT_VECTOR", 90)
    rng = np.random.default_rng(3)
    queries = [_vectors(rng, "FLOAT_VECTOR", count) for count in (1, 4, 2)]
    with elanus.connect(tmp_path) as database:
        collection = _collection(database, "FLOAT_VECTOR", "MAX_SIM_IP")
        _insert(collection, lists, 0, 50)
        collection.flush()
        _insert(collection, lists, 50, 90)
        expected = [_expected("IP", query, lists) for query in queries]
        for found, wanted in zip(collection.search(queries, limit=6), expected, strict=True):
            _assert_hits(found, wanted[:6])
        query, every = queries[1], expected[1]
        low, high = every[20][1], every[4][1]
        found = collection.search(query, limit=90, radius=low - 0.01, range_filter=high + 0.01)
        _assert_hits(found, every[4:21])
        found = collection.search(query, limit=3, group_by="kind", group_size=2)
        by_kind = [[pair for pair in every if pair[0] % 3 == kind][:2] for kind in range(3)]
        assert sorted([hit.id for hit in group.hits] for group in found.groups) == sorted(
            [pk for pk, _ in one] for one in by_kind
        )
        batches = [*collection.search_iterator(query, batch_size=7)]
        _assert_hits([hit for batch in batches for hit in batch], every)


def test_many_query_vectors_are_compared_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elanus.query.late_interaction.MOST_QUERY_VECTORS", 5)
    monkeypatch.setattr("elanus.index.vector_lists.BLOCK_VALUES", 40)
    lists = _lists("FLOAT_VECTOR", 40)
    rng = np.random.default_rng(4)
    queries = [_vectors(rng, "FLOAT_VECTOR", count) for count in (3, 3, 9, 1, 1, 4)]
    with elanus.connect(tmp_path) as database:
        collection = _collection(database, "FLOAT_VECTOR", "MAX_SIM_L2")
        _insert(collection, lists, 0, 40)
        for query, found in zip(queries, collection.search(queries, limit=40), strict=True):
            _assert_hits(found, _expected("L2", query, lists))


def test_a_leg_of_a_hybrid_search(tmp_path: Path) -> None:
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("text", DataType.VARCHAR, analyzer="standard"),
            Field("words", DataType.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
            Field("tokens", ARRAY, element_type="FLOAT_VECTOR", dim=2, metric="MAX_SIM_COSINE"),
        ]
    )
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", schema)
        collection.insert(
            [
                {"id": 1, "text": "red fox", "tokens": [[0, 1]]},
                {"id": 2, "text": "blue", "tokens": [[1, 0], [0, 1]]},
                {"id": 3, "text": "fox", "tokens": []},
            ]
        )
        query = [[1, 0], [0, 1]]
        found = collection.hybrid_search([Leg("words", "fox"), Leg("tokens", query)], limit=3)
        assert {hit.id: hit.score for hit in found} == pytest.approx(
            {1: 1 / 62 + 1 / 62, 2: 1 / 61, 3: 1 / 61}
        )
        assert "tokens: rank 2, MAX_SIM_COSINE 1.0000" in str(found[0].explanation)
        # Weighted fusion maps sums like inner products.
        found = collection.hybrid_search(
            [Leg("tokens", query)], fusion=elanus.Weighted(dense=1.0), limit=1
        )
        assert found[0].score == pytest.approx(0.5 + math.atan(2) / math.pi)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1.0] * DIM, [1.0]], r"expected dim 16, got 1 \(row 1, element 1\)"),
        (np.ones((2, 3)), r"expected shape \(n, 16\), got \(3, 3\)|expected dim 16, got 3"),
        ([[float("nan")] * DIM], r"NaN or infinity \(row 1, element 0\)"),
        ("text", r"expected a list, got str 'text' \(row 1\)"),
        ([[1.0] * DIM] * 5, r"5 elements exceed max_capacity=4 \(row 1\)"),
    ],
)
def test_values_that_do_not_fit(tmp_path: Path, value: Any, message: str) -> None:
    with elanus.connect(tmp_path) as database:
        collection = _collection(database, "FLOAT_VECTOR", "MAX_SIM", max_capacity=4)
        good = {"id": 1, "kind": 1, "tokens": [[1.0] * DIM]}
        with pytest.raises(EntityError, match=message):
            collection.insert([good, {"id": 2, "kind": 1, "tokens": value}])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"element_type": "FLOAT_VECTOR"}, "FLOAT_VECTOR needs dim="),
        ({"element_type": "BINARY_VECTOR", "dim": 16, "metric": "L2"}, "does not fit"),
        ({"element_type": "FLOAT_VECTOR", "dim": 4, "metric": "MAX_SIM_HAMMING"}, "does not fit"),
        ({"element_type": "SPARSE_FLOAT_VECTOR"}, "ARRAY needs element_type="),
        ({"element_type": "JSON"}, "ARRAY needs element_type="),
    ],
)
def test_fields_that_contradict_themselves(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Field("tokens", ARRAY, **options)


def test_max_sim_is_not_for_single_vectors() -> None:
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("v", DataType.FLOAT_VECTOR, dim=4, metric="MAX_SIM"),
    ]
    with pytest.raises(SchemaError, match="MAX_SIM_COSINE compares lists of vectors"):
        Schema(fields)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("words", "is searched by vectors of dim 16, got str"),
        ([], "a query has no vectors"),
        (np.ones((2, 3)), "expected .*16"),
    ],
)
def test_queries_that_do_not_fit(tmp_path: Path, query: Any, message: str) -> None:
    with elanus.connect(tmp_path) as database:
        collection = _collection(database, "FLOAT_VECTOR", "MAX_SIM")
        with pytest.raises((InvalidArgumentError, EntityError), match=message):
            collection.search(query, field="tokens")


def test_arrays_of_scalars_are_given_as_arrays(tmp_path: Path) -> None:
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("numbers", ARRAY, element_type="INT64"),
        ]
    )
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", schema)
        # An empty array has the dtype of floats; it holds no float.
        collection.insert([{"id": 1, "numbers": np.array([])}])
        collection.insert([{"id": i, "numbers": np.array([i, 2])} for i in (2, 3)])
        collection.insert([{"id": 4, "numbers": np.array([])}, {"id": 5, "numbers": np.array([7])}])
        found = [row["numbers"] for row in collection.query("id > 0")]
        assert found == [[], [2, 2], [3, 2], [], [7]]
        given = [{"id": 6, "numbers": np.array([1])}, {"id": 7, "numbers": np.array([True])}]
        with pytest.raises(EntityError, match=r"expected INT64, got .*True.*row 1, element 0"):
            collection.insert(given)
