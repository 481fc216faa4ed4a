"""Searches under filters that were not asked before answer as those that are read one by one."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus.analysis.registry import build_analyzer
from elanus.errors import ElanusError, FilterError, InvalidArgumentError
from elanus.index.sparse.sealed_bm25 import SealedBM25
from elanus.query.plain import PlainSearch
from elanus.query.plain_legs import PlainLeg
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


def queries(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)


@pytest.fixture(scope="module", params=["COSINE", "L2"])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A collection of one segment with a graph."""
    database = elanus.connect(str(tmp_path_factory.mktemp("plain")))
    collection = database.create_collection("papers", paper_schema(DIM, request.param))
    collection.insert(papers(1_500, dim=DIM))
    collection.create_index("dense", "GRAPH")
    collection.compact()
    collection.wait_indexed()
    return collection


def under(year: int) -> list[dict[str, Any]]:
    """Return several ways to say the same, the first of which is none that was asked before."""
    tree = elanus.filter.parse(f"year < {year}")
    return [
        {"filter": f"year < {year}"},
        {"filter": "year < {y}", "params": {"y": year}},
        {"filter": {"year": {"$lt": year}}},
        {"filter": tree},
        {"filter": f"year < {year} and meta['page'] >= {year % 7} and title != 'x{year}'"},
    ]


def test_a_filter_that_is_new_is_answered_as_ever(graph: elanus.Collection) -> None:
    query = queries(1)[0]
    for field, data in (("dense", query), ("bm25", "graph vector")):
        for output in (None, ["id"], ["title", "meta"]):
            for year in range(1988, 2030, 7):
                for options in under(year):
                    wanted = told(general(graph, data, field, 10, output=output, **options))
                    for _ in range(3):
                        found = graph.search(data, field, 10, output=output, **options)
                        assert told(found) == wanted


def test_legs_under_new_filters_are_joined_as_ever(graph: elanus.Collection) -> None:
    query = queries(1)[0]
    for year in range(1988, 2030, 9):
        for options in under(year):
            for own in (None, f"year > {year - 9}", {"year": {"$gt": year - 5}}):
                legs = [elanus.Leg("dense", query, filter=own), elanus.Leg("bm25", "graph")]
                wanted = told(graph.hybrid_search(legs, timeout=60.0, **options))
                for _ in range(3):
                    assert told(graph.hybrid_search(legs, **options)) == wanted


@pytest.mark.parametrize(
    "options",
    [
        {"filter": "year <"},
        {"filter": "yeer < 5"},
        {"filter": "year < 'a'"},
        {"filter": "year < {y}"},
        {"filter": "year < {y}", "params": {"z": 1}},
        {"filter": "year < {y}", "params": {"y": "a"}},
        {"filter": "year < {y}", "params": [("y", 5)]},
        {"filter": {"year": {"$what": 1}}},
        {"filter": {"yeer": 1}},
        {"filter": 5},
        {"filter": "page < 5", "root": "title"},
        {"filter": "page < 5", "root": 5},
        {"filter": "year < 2000", "what": 5},
        {"filter": "year < 2000", "limit": 0},
        {"filter": "year < 2000", "output": ["nothing"]},
    ],
)
def test_new_filters_that_are_wrong_fail_as_they_do_at_first(
    graph: elanus.Collection, options: dict[str, Any]
) -> None:
    query = queries(1)[0]
    for year in range(1990, 1994):
        for good in under(year):
            graph.search(query, "dense", 10, **good)
    asked = {"limit": 10} | options
    for data in (query, [0.5]):

        def outcome(data: Any = data, **more: Any) -> Any:
            try:
                return told(graph.search(data, "dense", **asked, **more))
            except (ElanusError, TypeError, AttributeError) as error:
                return type(error), str(error)

        assert outcome() == outcome(timeout=60.0)


def test_keys_of_a_root_are_no_fields(graph: elanus.Collection) -> None:
    query = queries(1)[0]
    for page in range(100, 120):
        wanted = told(general(graph, query, "dense", 10, filter=f"page < {page}", root="meta"))
        for filter in (f"page < {page}", {"page": {"$lt": page}}):
            found = graph.search(query, "dense", 10, filter=filter, root="meta")
            assert told(found) == wanted


def test_tenants_are_kept_apart(tmp_path: Path) -> None:
    database = elanus.connect(str(tmp_path))
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("tenant", elanus.VARCHAR, partition_key=True, nullable=False),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=DIM, metric="IP"),
        ]
    )
    collection = database.create_collection("tenants", schema)
    vectors = queries(10_000, seed=5)
    tenants = [f"t{i % 300}" for i in range(10_000)]
    ids = np.arange(10_000)
    collection.insert({"id": ids[:9_000], "tenant": tenants[:9_000], "v": vectors[:9_000]})
    collection.compact()
    collection.wait_indexed()
    collection.insert({"id": ids[9_000:], "tenant": tenants[9_000:], "v": vectors[9_000:]})
    collection.delete([301, 601])
    collection.alter_properties({"partitionkey.isolation": True})
    for i in range(0, 600, 7):
        own = ids[i % 300 :: 300] if i < 300 else ids[:0]
        own = own[~np.isin(own, [301, 601])]
        best = own[np.argsort(-(vectors[own] @ vectors[7]), kind="stable")][:5].tolist()
        for options in ({"filter": f"tenant == 't{i}'"}, {"filter": {"tenant": f"t{i}"}}):
            assert collection.search(vectors[7], "v", 5, output=["id"], **options).ids == best
        text = collection.search(
            vectors[7], "v", 5, output=["id"], filter="tenant == {t}", params={"t": f"t{i}"}
        )
        assert text.ids == best
    for wrong in ("tenant != 't1'", "id == 5", "tenant > 't1'"):
        with pytest.raises(FilterError, match="keeps the values"):
            collection.search(vectors[7], "v", 5, output=["id"], filter=wrong)


def test_few_rows_of_one_value_are_searched_in_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of a tenant lie together, those of a source anywhere; an index knows both."""
    database = elanus.connect(str(tmp_path))
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("tenant", elanus.VARCHAR, partition_key=True, nullable=False),
            elanus.Field("source", elanus.INT64),
            elanus.Field("title", elanus.VARCHAR, analyzer="english"),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=DIM, metric="IP"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("title")),
        ]
    )
    collection = database.create_collection("tenants", schema)
    rng, words = np.random.default_rng(3), ["graph", "vector", "query", "index", "row", "leaf"]
    collection.insert(
        [
            {
                "id": i,
                "tenant": f"t{i % 300}",
                "source": int(rng.integers(400)),
                "title": " ".join(rng.choice(words, 1 + i % 9)),
                "v": vector,
            }
            for i, vector in enumerate(queries(9_000, seed=5))
        ]
    )
    collection.create_index("v", "GRAPH")
    collection.create_index("source", "INVERTED")
    collection.compact()
    collection.wait_indexed()
    legs = [elanus.Leg("v", queries(1)[0]), elanus.Leg("bm25", "graph leaf query")]

    def answers(filter: str, **options: Any) -> list[Any]:
        found = [
            told(collection.search(leg.data, leg.field, 5, filter=filter, **options))
            for leg in legs
        ]
        return [*found, told(collection.hybrid_search(legs, limit=5, filter=filter, **options))]

    asked = [
        f"{name} == {value}"
        for i in range(45)
        for name, value in (("tenant", f"'t{i * 7}'"), ("source", i * 7))
    ]
    wanted = {filter: answers(filter, timeout=60.0) for filter in asked}
    for filter in ("tenant == 't1'", "source == 1", "tenant == 't2'", "source == 2"):
        answers(filter)

    def fail(*_: object) -> Any:
        raise AssertionError("answered by Python")

    is_there = [filter for filter in asked if wanted[filter][0][0]]
    assert len(is_there) > 60
    with monkeypatch.context() as patched:
        patched.setattr(PlainSearch, "answer", fail)
        assert [answers(filter) for filter in is_there] == [wanted[filter] for filter in is_there]
    assert [answers(filter) for filter in asked] == [wanted[filter] for filter in asked]
    collection.delete(range(0, 9_000, 5))
    for filter in asked[:40]:
        assert answers(filter) == answers(filter, timeout=60.0)


def of_sizes(folder: Path) -> elanus.Collection:
    """Return texts of tenants who have as many rows as their names say, in one segment."""
    database = elanus.connect(str(folder))
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("tenant", elanus.INT64, partition_key=True),
            elanus.Field("text", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )
    collection = database.create_collection("sizes", schema)
    tenants = [size for size in (1, 2, 9, 255, 256, 257, 400, 9_000) for _ in range(size)]
    tenants += range(10_000, 11_000)  # so many that the index keeps the rows of each as numbers
    words, rng = ["ash", "beech", "cedar", "elm", "fir"], np.random.default_rng(4)
    texts = [" ".join(rng.choice(words, 1 + i % 7)) for i in range(len(tenants))]
    ids = rng.permutation(len(tenants))
    collection.insert({"id": ids, "tenant": tenants, "text": texts})
    collection.compact()
    collection.wait_indexed()
    return collection


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> elanus.Collection:
    return of_sizes(tmp_path_factory.mktemp("sizes"))


def test_tenants_of_every_size_are_answered_as_ever(
    sizes: elanus.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [
        (text, size, limit)
        for text in ("ash elm", "fir", "ash beech cedar elm fir", "oak", "")
        for size in (1, 2, 9, 255, 256, 257, 400, 9_000, 7)
        for limit in (1, 10, 300)
    ]

    def answer(text: str, size: int, limit: int, **options: Any) -> Any:
        return told(sizes.search(text, "bm25", limit, filter=f"tenant == {size}", **options))

    wanted = [answer(*one, timeout=60.0) for one in asked]
    few: list[int] = []
    find_few = PlainLeg.find_few

    def counted(leg: PlainLeg, filters: Any, *rest: Any) -> Any:
        found = find_few(leg, filters, *rest)
        if found is not None:
            few.append(found[1].steps[0].allowed)
        return found

    for limit in (1, 10, 300):
        for size in (257, 400, 257):
            sizes.search("ash", "bm25", limit, filter=f"tenant == {size}")
    monkeypatch.setattr(PlainLeg, "find_few", counted)
    assert [answer(*one) for one in asked] == wanted
    assert set(few) == {1, 2, 9, 255, 256}


def test_few_rows_are_looked_up_among_any_number(
    sizes: elanus.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elanus.query.plain.MOST_ROWS", 1)
    filters = [f"tenant == {size}" for size in (400, 257, 2, 9, 255, 256)]
    wanted = [told(general(sizes, "elm fir", "bm25", 11, filter=one)) for one in filters]
    found = [told(sizes.search("elm fir", "bm25", 11, filter=one)) for one in filters[:2]]

    def fail(*_: object) -> Any:
        raise AssertionError("rows were looked for")

    monkeypatch.setattr(PlainSearch, "under", fail)
    found += [told(sizes.search("elm fir", "bm25", 11, filter=one)) for one in filters[2:]]
    assert found == wanted


def test_deleted_rows_of_a_tenant_are_no_hits(tmp_path: Path) -> None:
    collection = of_sizes(tmp_path)
    keys = {
        size: collection.query(f"tenant == {size}", output=["id"], limit=300) for size in (9, 255)
    }
    gone = {row["id"] for rows in keys.values() for row in rows[::3]}
    collection.delete(sorted(gone))
    for size in (257, 400, 9, 255):
        options: dict[str, Any] = {"filter": f"tenant == {size}", "output": ["id"]}
        wanted = told(general(collection, "ash elm", "bm25", 300, **options))
        found = collection.search("ash elm", "bm25", 300, **options)
        assert told(found) == wanted
        assert not gone & set(found.ids)


def test_a_leg_is_taken_over_for_its_own_index_alone(sizes: elanus.Collection) -> None:
    for size in (1, 2, 9, 400):
        sizes.search("elm", "bm25", 10, output=["id"], filter=f"tenant == {size}")
    snapshot = sizes._engine.snapshot()  # what is prepared cannot be seen from outside
    leg = next(found.legs[0] for found in snapshot.plain.values() if found is not None)
    index = snapshot.sources[0].text_index("bm25")
    again = SealedBM25.from_arrays(*index.to_arrays())
    assert leg.prepared() is not None
    assert leg.prepared_over(index) is leg.prepared()
    assert leg.prepared_over(again) is None


@pytest.mark.parametrize("rows", [[], [3, 3], [4, 2], [11_180], [0, 1 << 31]])
def test_rows_to_look_up_are_there_and_ascend(sizes: elanus.Collection, rows: list[int]) -> None:
    index = sizes._engine.snapshot().sources[0].text_index("bm25")
    analyzer = build_analyzer("standard")
    leg = index.prepared(analyzer, 5, None, k1=1.2, b=0.75, alive=None, keys=None)
    with pytest.raises(InvalidArgumentError, match="rows: expected"):
        leg.find_among(np.array(rows, dtype=np.uint32), "elm", None)


def test_many_threads_ask_under_their_own_filters(graph: elanus.Collection) -> None:
    query = queries(1)[0]
    wanted = {
        year: general(graph, query, "dense", 10, output=["id"], filter=f"year == {year}").ids
        for year in range(1985, 2026)
    }
    failures: list[int] = []

    def work(first: int) -> None:
        for i in range(80):
            year = 1985 + (first * 17 + i) % 41
            found = graph.search(query, "dense", 10, output=["id"], filter=f"year == {year}")
            if found.ids != wanted[year]:
                failures.append(year)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_what_is_remembered_of_filters_is_bounded(graph: elanus.Collection) -> None:
    for i in range(600):
        for _ in range(2):
            graph.search(queries(1)[0], "dense", 10, output=["id"], filter=f"year != {i}")
    context = graph._context_at(None, None)  # what is held cannot be seen from outside
    assert len(context.plain) <= 32
    assert len(context.asked) <= 256
    assert len(graph._engine.snapshot().plain) <= 33
