"""Batches that are searched in one native call answer as those that are read one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus.errors import InvalidArgumentError
from elanus.query.plain import PlainSearch
from support.builders import paper_schema, papers

DIM = 16
ROWS = 1_200
TEXTS = ["graph index", "vector", "no such word", "query filter", "score token graph"] * 4
"""As many as are spread over threads."""


def told(results: list[elanus.SearchResult]) -> list[Any]:
    """Return all that results say but how long they took."""
    return [
        (
            [(h.id, h.score, h.entity, h.explanation) for h in result],
            result.explanation._replace(timings_ms={}),
        )
        for result in results
    ]


@pytest.fixture(scope="module", params=["COSINE", "L2"])
def collection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One segment with a graph; every fifth row has the vector and the text of row 0."""
    folder = tmp_path_factory.mktemp("batches")
    made = elanus.connect(str(folder)).create_collection("papers", paper_schema(DIM, request.param))
    rows = papers(ROWS, dim=DIM)
    for row in rows[::5]:
        row |= {"dense": rows[0]["dense"], "title": "graph graph"}
    made.insert(rows)
    made.create_index("dense", "GRAPH")
    made.compact()
    made.wait_indexed()
    return made


def vectors(collection: elanus.Collection) -> np.ndarray[Any, Any]:
    """Return queries, one of which is as near to more rows than are asked for."""
    found = np.random.default_rng(7).normal(size=(len(TEXTS), DIM)).astype(np.float32)
    found[3] = collection.get(0, ["dense"])[0]["dense"]
    return found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"output": ["title", "meta"]},
        {"output": ["id"]},
        {"filter": "year < 2005"},
        {"filter": "year > 5000"},
        {"recall": 1.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("form", [np.asarray, list, lambda array: array.tolist()])
def test_vectors(collection, options, form):
    asked = vectors(collection)
    wanted = told(collection.search(asked, "dense", 10, timeout=60.0, **options))
    for _ in range(4):
        assert told(collection.search(form(asked), "dense", 10, **options)) == wanted


@pytest.mark.parametrize("options", [{}, {"filter": "year < 2005", "output": ["title"]}], ids=str)
@pytest.mark.parametrize("form", [list, tuple])
def test_texts(collection, options, form):
    wanted = told(collection.search(TEXTS, "bm25", 10, timeout=60.0, **options))
    for _ in range(4):
        assert told(collection.search(form(TEXTS), "bm25", 10, **options)) == wanted
    assert [len(result[0]) > 0 for result in wanted[:3]] == [True, True, False]


@pytest.mark.parametrize("fusion", [None, elanus.Weighted(weights=(0.3, 0.7)), elanus.DBSF()])
def test_hybrid_searches(collection, fusion):
    legs = [elanus.Leg("dense", vectors(collection), limit=20), elanus.Leg("bm25", TEXTS)]
    wanted = told(collection.hybrid_search(legs, fusion, 10, timeout=60.0))
    for _ in range(4):
        assert told(collection.hybrid_search(legs, fusion, 10)) == wanted


def test_a_known_batch_is_searched_in_one_call(collection, monkeypatch):
    batches = []
    searched = PlainSearch.answer_many

    def watched(self: PlainSearch, batch: Any) -> Any:
        batches.append(len(batch))
        return searched(self, batch)

    monkeypatch.setattr(PlainSearch, "answer_many", watched)
    asked = vectors(collection)
    for _ in range(3):
        batches.clear()
        collection.search(asked, "dense", 6, output=["year"])
        collection.search(TEXTS, "bm25", 6, output=["year"])
        legs = [elanus.Leg("dense", asked, limit=9), elanus.Leg("bm25", TEXTS)]
        collection.hybrid_search(legs, limit=6, output=["year"])
    assert batches == [len(TEXTS)] * 3


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda asked: [*asked[:5], [1.0] * (DIM - 1)],
        lambda asked: [*asked[:5], [float("nan")] * DIM],
        lambda asked: [*asked[:5], "graph"],
        lambda asked: asked[:, :7],
        lambda asked: asked[np.newaxis],
    ],
)
def test_a_wrong_query_is_told_as_ever(collection, spoiled):
    asked = vectors(collection)
    for _ in range(3):
        collection.search(asked, "dense", 10)
    with pytest.raises(InvalidArgumentError) as plainly:
        collection.search(spoiled(asked), "dense", 10)
    with pytest.raises(InvalidArgumentError) as read:
        collection.search(spoiled(asked), "dense", 10, timeout=60.0)
    assert str(plainly.value) == str(read.value)


def test_writes_are_seen_at_once(tmp_path: Path) -> None:
    made = elanus.connect(str(tmp_path / "kb")).create_collection("papers", paper_schema(DIM))
    made.insert(papers(300, dim=DIM))
    made.compact()
    asked = np.array([row["dense"] for row in papers(9, first=400, dim=DIM)], dtype=np.float32)
    for _ in range(4):
        before = made.search(asked, "dense", 3)
    made.insert(papers(9, first=400, dim=DIM))
    after = [result.ids[0] for result in made.search(asked, "dense", 3)]
    assert after == list(range(400, 409))
    assert not {*after} & {pk for result in before for pk in result.ids}
