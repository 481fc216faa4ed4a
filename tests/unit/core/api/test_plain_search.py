"""Searches that are prepared once answer as those that are read one by one."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus.errors import (
    CorruptionError,
    ElanusError,
    FieldNotFoundError,
    InvalidArgumentError,
)
from elanus.query.plain import PlainSearch
from support.builders import paper_schema, papers

DIM = 16


def general(
    collection: elanus.Collection, data: Any, field: str, limit: int, **options: Any
) -> Any:
    """Search as everything is searched that says more than a plain search."""
    return collection.search(data, field, limit, timeout=60.0, **options)


def told(result: elanus.SearchResult) -> Any:
    """Return all that a result says but how long it took."""
    hits = [(h.id, h.score, h.entity, h.offset, h.explanation) for h in result]
    return hits, result.explanation._replace(timings_ms={}), result.ids, result.groups


def assert_same(collection: elanus.Collection, data: Any, field: str, limit: int, **o: Any) -> None:
    """The third and fourth search of a kind are prepared."""
    wanted = told(general(collection, data, field, limit, **o))
    for _ in range(4):
        assert told(collection.search(data, field, limit, **o)) == wanted


def queries(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)


def filled(folder: Path, metric: str, rows: int = 1_500, **schema: Any) -> elanus.Collection:
    database = elanus.connect(str(folder))
    collection = database.create_collection("papers", paper_schema(DIM, metric, **schema))
    collection.insert(papers(rows, dim=DIM))
    return collection


@pytest.fixture(scope="module", params=["COSINE", "IP", "L2"])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A collection of one segment with a graph."""
    collection = filled(tmp_path_factory.mktemp("plain"), request.param)
    collection.create_index("dense", "GRAPH")
    collection.compact()
    collection.wait_indexed()
    return collection


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"output": ["id"]},
        {"output": ["title", "meta"]},
        {"output": ("id", "dense")},
        {"output": ["meta['page']"]},
        {"filter": "year < 2005"},
        {"filter": "year == 1991 and meta['page'] < 300", "output": ["id", "year"]},
        {"filter": "year > 5000"},
        {"recall": 1.0},
        {"recall": 0.5, "output": ["id"]},
        {"ef": 7, "output": ["year"]},
        {"offset": 0, "explain": False},
    ],
)
def test_a_graph_answers_as_ever(graph: elanus.Collection, options: dict[str, Any]) -> None:
    for query in queries(8):
        assert_same(graph, query, "dense", 10, **options)
    for limit in (1, 100, 1_499, 1_500, 5_000):
        assert_same(graph, queries(1)[0], "dense", limit, **options)


def test_the_graph_is_walked_and_nothing_else(graph: elanus.Collection) -> None:
    for _ in range(4):
        result = graph.search(queries(1)[0], "dense", 10)
    (step,) = result.explanation.legs[0].steps
    assert step.method == "graph"
    assert not result.is_exact
    assert set(result.explanation.timings_ms) == {"candidates", "project", "total"}


def test_every_form_of_a_query_is_read(graph: elanus.Collection) -> None:
    query = queries(1)[0]
    wanted = told(general(graph, query, "dense", 5))
    forms = [
        query,
        query.tolist(),
        tuple(query.tolist()),
        query.astype(np.float64),
        np.repeat(query, 2)[::2],
        query.astype(">f4"),
        memoryview(query),
    ]
    for _ in range(3):
        for form in forms:
            assert told(graph.search(form, "dense", 5)) == wanted
    whole = [int(value * 10) for value in query]
    assert told(graph.search(whole, "dense", 5)) == told(general(graph, whole, "dense", 5))
    assert [told(r) for r in graph.search([query, query], "dense", 5)] == [wanted, wanted]
    assert [told(r) for r in graph.search(query[None], "dense", 5)] == [wanted]


@pytest.mark.parametrize(
    "bad",
    [
        [0.5] * (DIM - 1),
        np.zeros(DIM + 1, dtype=np.float32),
        [float("nan")] * DIM,
        np.full(DIM, np.inf, dtype=np.float32),
        [1e300] * DIM,
        ["a"] * DIM,
        "text",
        None,
        {},
    ],
)
def test_bad_queries_fail_as_they_do_at_first(graph: elanus.Collection, bad: Any) -> None:
    for _ in range(3):
        graph.search(queries(1)[0], "dense", 7)
    with pytest.raises(ElanusError) as prepared:
        graph.search(bad, "dense", 7)
    with pytest.raises(ElanusError) as read:
        general(graph, bad, "dense", 7)
    assert str(prepared.value) == str(read.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", True),
        ("limit", 10.0),
        ("filter", 5),
        ("output", "id"),
        ("recall", 1),
        ("ef", True),
    ],
)
def test_what_only_looks_like_an_earlier_search_is_read(
    graph: elanus.Collection, name: str, value: Any
) -> None:
    asked: dict[str, Any] = {"limit": 10, "recall": 1.0, "ef": None, "filter": None, "output": None}
    query = queries(1)[0]
    for _ in range(3):
        graph.search(query, "dense", 1, recall=1.0)
        graph.search(query, "dense", 10)
    asked = {k: v for k, v in asked.items() if k in ("limit",)} | {name: value}
    limit = asked.pop("limit")

    def outcome(**options: Any) -> Any:
        try:
            return told(graph.search(query, "dense", limit, **asked, **options))
        except (ElanusError, TypeError) as error:
            return type(error), str(error)

    assert outcome() == outcome(timeout=60.0)


def test_equally_near_rows_are_ordered_by_key(tmp_path: Path) -> None:
    collection = filled(tmp_path, "L2", rows=0)
    rows = papers(1_200, dim=DIM)
    for row in rows:
        row["dense"] = [float(row["id"] % 7)] * DIM
    collection.insert(rows[::-1])
    collection.create_index("dense", "GRAPH")
    collection.compact()
    collection.wait_indexed()
    for limit in (1, 10, 200):
        assert_same(collection, [2.2] * DIM, "dense", limit, output=["id"])
        assert_same(collection, [2.5] * DIM, "dense", limit)


@pytest.mark.parametrize("metric", ["COSINE", "L2"])
def test_segments_and_memtables_answer_together(tmp_path: Path, metric: str) -> None:
    collection = filled(tmp_path, metric, rows=1_500, dynamic=True)
    collection.create_index("dense", "GRAPH")
    collection.flush()
    collection.insert([row | {"extra": row["id"]} for row in papers(700, first=1_500, dim=DIM)])
    collection.wait_indexed()
    for options in ({}, {"filter": "year < 2000"}, {"output": ["id"]}, {"output": ["extra"]}):
        for query in queries(5):
            assert_same(collection, query, "dense", 10, **options)
        assert_same(collection, "graph vector", "bm25", 10, **options)


@pytest.mark.parametrize(
    "options", [{}, {"output": ["id"]}, {"filter": "year < 2000"}, {"filter": "year > 9999"}]
)
def test_texts_are_answered_as_ever(graph: elanus.Collection, options: dict[str, Any]) -> None:
    for text in ("graph", "vector query vector", "nothing here", "", "GRAPH index score"):
        for limit in (1, 10, 1_500):
            assert_same(graph, text, "bm25", limit, **options)
    for bad in (5, ["a", 5], np.zeros(3)):
        with pytest.raises(InvalidArgumentError, match="searched by text"):
            graph.search(bad, "bm25", 10, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fusion": elanus.RRF(k=5, weights=(1.0, 0.2)), "output": ["id"]},
        {"fusion": elanus.RRF(weights={"dense": 2.0, "bm25": 1.0}), "output": ["title"]},
        {"fusion": elanus.RRF(k=0, weights=(0.0, float("inf")))},
        {"fusion": elanus.Weighted(), "filter": "year < 2005"},
        {"fusion": elanus.Weighted(weights=(0.3, -1.5)), "output": ["id", "year"]},
        {"fusion": elanus.Weighted(norm_score=False), "filter": "year > 5000"},
        {"fusion": elanus.DBSF(), "output": []},
        {"recall": 1.0},
    ],
)
def test_legs_are_joined_as_ever(graph: elanus.Collection, options: dict[str, Any]) -> None:
    leg_options: list[dict[str, Any]] = [{}, {"limit": 7, "recall": 0.5, "filter": "year > 1995"}]
    for query, text in zip(queries(5), ["graph", "vector query", "?", "index", ""], strict=True):
        for more in leg_options:
            legs = [elanus.Leg("dense", query, **more), elanus.Leg("bm25", text)]
            for limit in (1, 10, 300):
                wanted = told(graph.hybrid_search(legs, limit=limit, timeout=60.0, **options))
                for _ in range(4):
                    assert told(graph.hybrid_search(legs, limit=limit, **options)) == wanted


def assert_joined_as_ever(collection: elanus.Collection, legs: Any, **options: Any) -> None:
    for limit in (1, 10, 200):
        wanted = told(collection.hybrid_search(legs, limit=limit, timeout=60.0, **options))
        for _ in range(4):
            assert told(collection.hybrid_search(legs, limit=limit, **options)) == wanted


def test_ties_of_each_leg_and_of_the_sum_are_ordered_by_key(tmp_path: Path) -> None:
    collection = filled(tmp_path, "L2", rows=0)
    rows = papers(1_600, dim=DIM)
    for row in rows:
        # Hundreds of texts with one score, and vectors that come in pairs.
        row["title"] = "graph" if row["id"] % 3 else "vector graph"
        row["dense"] = [float(row["id"] // 2)] * DIM
    collection.insert(rows[::-1])
    collection.create_index("dense", "GRAPH")
    collection.compact()
    collection.wait_indexed()
    collection.delete(range(100, 130))
    collection.wait_indexed()
    for text in ("graph", "vector", "vector graph", "nothing"):
        for limit in (1, 10, 1_000):
            assert_same(collection, text, "bm25", limit, output=["id"])
        legs = [elanus.Leg("dense", [300.2] * DIM), elanus.Leg("bm25", text)]
        for fusion in (elanus.RRF(), elanus.Weighted(), elanus.RRF(weights=(1.0, 0.0))):
            assert_joined_as_ever(collection, legs, fusion=fusion)
            assert_joined_as_ever(collection, legs[::-1], fusion=fusion, filter="year < 2005")


def test_texts_and_joined_legs_take_one_call(
    graph: elanus.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    legs = [
        elanus.Leg("dense", queries(1)[0], limit=10),
        elanus.Leg("bm25", "vector query", filter="year > 1992"),
        elanus.Leg("dense", queries(2)[1], limit=7),
    ]

    def answers() -> list[Any]:
        return [
            told(graph.search("graph", "bm25", 10)),
            told(graph.search("graph", "bm25", 10, output=["id"], filter="year > 1992")),
            told(graph.hybrid_search(legs)),
            told(graph.hybrid_search(legs, elanus.Weighted(), output=["title"])),
            told(graph.hybrid_search(legs[1:], elanus.RRF(weights=(1.0, 0.5)))),
        ]

    wanted = answers()
    answers()

    def fail(*_: object) -> Any:
        raise AssertionError("answered by Python")

    monkeypatch.setattr(PlainSearch, "answer", fail)
    for _ in range(3):
        assert answers() == wanted


def test_legs_that_say_more_are_read(graph: elanus.Collection) -> None:
    query = queries(1)[0]
    plain = [elanus.Leg("dense", query), elanus.Leg("bm25", "graph")]
    for _ in range(3):
        graph.hybrid_search(plain, limit=10)
    others = [
        [elanus.Leg("dense", query), elanus.Leg("bm25", "graph", filter={"year": {"$lt": 2000}})],
        [elanus.Leg("dense", query), elanus.Leg("bm25", "graph", radius=0.3)],
        [elanus.Leg("dense", query), elanus.Leg("sparse", {3: 1.0})],
        [elanus.Leg("dense", query), elanus.Leg("bm25", "graph", limit=3)],
        [elanus.Leg("bm25", "graph"), elanus.Leg("dense", query)],
        [elanus.Leg("dense", query)],
    ]
    for legs in others:
        wanted = told(graph.hybrid_search(legs, limit=10, timeout=60.0))
        for _ in range(3):
            assert told(graph.hybrid_search(legs, limit=10)) == wanted
    uneven = [elanus.Leg("dense", [query, query]), elanus.Leg("bm25", "graph")]
    for bad in ([], uneven, ["dense"], None):
        with pytest.raises((ElanusError, TypeError)) as plainly:
            graph.hybrid_search(bad, limit=10)
        with pytest.raises((ElanusError, TypeError)) as read:
            graph.hybrid_search(bad, limit=10, timeout=60.0)
        assert str(plainly.value) == str(read.value)


def test_writes_are_seen_at_once(tmp_path: Path) -> None:
    collection = filled(tmp_path, "COSINE", rows=1_500)
    collection.create_index("dense", "GRAPH")
    collection.compact()
    collection.wait_indexed()
    query = queries(1)[0]

    def found() -> list[Any]:
        for _ in range(3):
            result = collection.search(query, "dense", 10, output=["id", "year"], filter="year > 0")
            assert told(result) == told(
                general(collection, query, "dense", 10, output=["id", "year"], filter="year > 0")
            )
        return result.ids

    first = found()
    collection.delete(first[:3])
    assert not set(found()) & set(first[:3])
    row = papers(1, first=9_000, dim=DIM)[0] | {"dense": query.tolist()}
    collection.insert([row])
    assert found()[0] == 9_000
    collection.upsert([row | {"year": -5}])
    assert 9_000 not in found()
    collection.compact()
    collection.wait_indexed()
    assert 9_000 not in found()
    collection.add_field(elanus.Field("note", elanus.VARCHAR, nullable=True))
    assert "note" in collection.search(query, "dense", 10)[0].entity
    collection.drop_field("meta")
    for _ in range(3):
        assert "meta" not in collection.search(query, "dense", 10)[0].entity
    collection.drop_field("dense")
    with pytest.raises(FieldNotFoundError):
        found()


def test_an_index_that_comes_or_goes_is_noticed(tmp_path: Path) -> None:
    collection = filled(tmp_path, "COSINE", rows=1_500)
    collection.flush()
    query = queries(1)[0]

    def method() -> str:
        for _ in range(3):
            result = collection.search(query, "dense", 10)
            assert told(result) == told(general(collection, query, "dense", 10))
        (step,) = result.explanation.legs[0].steps
        return step.method

    assert method() == "scan"
    collection.create_index("dense", "GRAPH")
    collection.wait_indexed()
    assert method() == "graph"
    engine = collection._engine  # what is held cannot be seen from outside
    before = engine.snapshot().sources[0].vector_index("dense")
    collection.release()
    assert not engine.snapshot().plain
    collection.search(query, "dense", 10)
    assert engine.snapshot().sources[0].vector_index("dense") is not before
    assert method() == "graph"
    collection.create_index("dense", "FLAT")
    collection.wait_indexed()
    assert method() == "scan"


def test_settings_that_change_what_a_filter_means_are_noticed(tmp_path: Path) -> None:
    collection = filled(tmp_path, "COSINE", rows=0)
    rows = papers(600, dim=DIM)
    for row in rows:
        row["meta"] = {"price": str(row["id"])}
    collection.insert(rows)
    query = queries(1)[0]

    def found() -> int:
        for _ in range(4):
            result = collection.search(query, "dense", 10, filter="meta['price'] < 5")
        return len(result)

    assert found() == 0
    params = {"json_cast_type": "DOUBLE", "json_cast_function": "STRING_TO_DOUBLE"}
    collection.create_index("meta['price']", "INVERTED", params)
    assert found() == 5
    collection.drop_index("meta['price']")
    assert found() == 0


def test_rows_expire_under_a_search_that_is_asked_again(tmp_path: Path) -> None:
    collection = filled(tmp_path, "COSINE", rows=50)
    query = queries(1)[0]
    for _ in range(3):
        assert len(collection.search(query, "dense", 10)) == 10
    collection.set_ttl(1e-3)
    for _ in range(2_000):
        if not len(collection.search(query, "dense", 10)):
            break
        threading.Event().wait(0.005)
    assert not len(collection.search(query, "dense", 10))


def test_text_keys(tmp_path: Path) -> None:
    database = elanus.connect(str(tmp_path))
    schema = elanus.Schema(
        [
            elanus.Field("key", elanus.VARCHAR, primary=True),
            elanus.Field("note", elanus.VARCHAR, nullable=True, analyzer="standard"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("note")),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=DIM, metric="IP", nullable=True),
        ]
    )
    collection = database.create_collection("texts", schema)
    vectors = queries(1_500, seed=3)
    collection.insert(
        [
            {"key": f"k{i}", "note": None if i % 3 else "x", "v": None if i % 5 == 0 else v}
            for i, v in enumerate(vectors)
        ]
    )
    collection.create_index("v", "GRAPH")
    collection.compact()
    collection.wait_indexed()
    for output in (None, ["key"], ["note"], ["note", "v"]):
        for query in queries(5):
            assert_same(collection, query, "v", 10, output=output)
            assert_same(collection, query, "v", 10, output=output, filter="note is null")
            assert_same(collection, "x", "bm25", 10, output=output)
            legs = [elanus.Leg("v", query), elanus.Leg("bm25", "x")]
            assert_joined_as_ever(collection, legs, output=output)


def test_many_threads_get_their_own_answers(graph: elanus.Collection) -> None:
    asked = queries(64, seed=9)
    wanted = [general(graph, query, "dense", 10, output=["id"]).ids for query in asked]
    failures: list[int] = []

    def work(first: int) -> None:
        for i in range(60):
            place = (first * 17 + i) % len(asked)
            if graph.search(asked[place], "dense", 10, output=["id"]).ids != wanted[place]:
                failures.append(place)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_many_kinds_of_searches_are_not_all_remembered(graph: elanus.Collection) -> None:
    query = queries(1)[0]
    for year in range(1_990, 2_060):
        for _ in range(2):
            graph.search(query, "dense", 3, filter=f"year < {year}", output=["id"])
    engine = graph._engine  # what is held cannot be seen from outside
    assert len(engine.snapshot().plain) <= 34
    assert_same(graph, query, "dense", 3, filter="year < 2000", output=["id"])


def test_damaged_text_is_never_shown(tmp_path: Path) -> None:
    collection = filled(tmp_path, "L2", rows=1_500)
    collection.create_index("dense", "GRAPH")
    collection.compact()
    collection.wait_indexed()
    query = queries(1)[0]
    wanted = collection.search(query, "dense", 10, output=["id"]).ids
    elanus.connect(str(tmp_path)).close()
    (file,) = tmp_path.rglob("*-title.col")
    raw = bytearray(file.read_bytes())
    text = raw.index(b"vector graph") if b"vector graph" in raw else raw.index(b"graph")
    raw[text] ^= 1
    file.write_bytes(raw)
    collection = elanus.connect(str(tmp_path)).collection("papers")
    for _ in range(4):
        assert collection.search(query, "dense", 10, output=["id"]).ids == wanted
        with pytest.raises(CorruptionError, match="title"):
            collection.search(query, "dense", 10, output=["id", "title"])
