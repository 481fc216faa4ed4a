"""Hits in the order of fields: those of the plain search, sorted in Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus.errors import InvalidArgumentError

DIM = 8
NUM_ROWS = 120
RNG = np.random.default_rng(3)
VECTORS = RNG.standard_normal((NUM_ROWS, DIM), dtype=np.float32)
WORDS = ["graph", "index", "tree", "search"]


def entity(number: int) -> dict[str, Any]:
    price = math.nan if number % 11 == 0 else float(number * 7 % 13)
    return {
        "id": number,
        "dense": VECTORS[number],
        "text": f"{WORDS[number % 4]} {WORDS[number % 3]} number {number}",
        "year": None if number % 5 == 0 else 2000 + number * 3 % 10,
        "price": price,
        "name": f"n{number * 5 % 17:02}",
        "lists": [VECTORS[number], -VECTORS[number]],
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[elanus.Collection]:
    folder: Path = tmp_path_factory.mktemp("order")
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=DIM, metric="L2"),
            elanus.Field("text", elanus.VARCHAR, analyzer="english"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
            elanus.Field("year", elanus.INT64, nullable=True),
            elanus.Field("price", elanus.DOUBLE),
            elanus.Field("name", elanus.VARCHAR),
            elanus.Field(
                "lists", elanus.ARRAY, element_type=elanus.FLOAT_VECTOR, dim=DIM, metric="L2"
            ),
        ]
    )
    with elanus.connect(folder) as database:
        collection = database.create_collection("notes", schema)
        # Two segments and rows in memory, so that places lie in several sources.
        for first in range(0, NUM_ROWS, 40):
            collection.insert([entity(number) for number in range(first, first + 40)])
            if first < 80:
                collection.flush()
        yield collection


def last(value: Any, *, descending: bool = False) -> tuple[int, float]:
    """Nulls after NaN, both after everything else."""
    if value is None:
        return 2, 0.0
    if math.isnan(value):
        return 1, 0.0
    return 0, -value if descending else value


ORDERS: list[tuple[Any, Callable[[dict[str, Any]], Any]]] = [
    ("year", lambda e: last(e["year"])),
    ("year desc", lambda e: last(e["year"], descending=True)),
    ("price", lambda e: last(e["price"])),
    (["name", "year DESC"], lambda e: (e["name"], last(e["year"], descending=True))),
    (["year asc", "price desc"], lambda e: (last(e["year"]), last(e["price"], descending=True))),
]


@pytest.mark.parametrize(("order_by", "key"), ORDERS)
@pytest.mark.parametrize("offset", [0, 7])
def test_hits_of_one_query_and_of_many(
    made: elanus.Collection, order_by: Any, key: Callable[[dict[str, Any]], Any], offset: int
) -> None:
    queries = RNG.standard_normal((3, DIM), dtype=np.float32)
    plain = made.search(queries, "dense", 30, offset=offset, output=["*"])
    ordered = made.search(queries, "dense", 30, offset=offset, output=["id"], order_by=order_by)
    for before, after in zip(plain, ordered, strict=True):
        expected = sorted(before, key=lambda hit: key(entity(hit.id)))
        assert [(hit.id, hit.score) for hit in after] == [(h.id, h.score) for h in expected]
        assert [hit.entity for hit in after] == [{"id": hit.id} for hit in expected]
    alone = made.search(queries[1], "dense", 30, offset=offset, order_by=order_by)
    assert [hit.id for hit in alone] == [hit.id for hit in ordered[1]]


def test_joined_and_ranked_hits(made: elanus.Collection) -> None:
    legs = [elanus.Leg("dense", VECTORS[5]), elanus.Leg("bm25", "graph tree")]
    decay = elanus.Decay("year", origin=2004, scale=3)
    for ranker in (None, decay):
        options: dict[str, Any] = {"ranker": ranker, "output": ["id"]}
        plain = made.hybrid_search(legs, limit=20, **options)
        ordered = made.hybrid_search(legs, limit=20, order_by="name desc", **options)
        # With what each leg and ranker says of them.
        assert list(ordered) == sorted(
            plain, key=lambda hit: str(entity(hit.id)["name"]), reverse=True
        )


def test_highlights_go_with_their_hits(made: elanus.Collection) -> None:
    found = made.search(
        "graph", "bm25", 20, order_by="name", highlight=elanus.Highlighter(), output=["text"]
    )
    assert [entity(hit.id)["name"] for hit in found] == sorted(
        entity(hit.id)["name"] for hit in found
    )
    for hit in found:
        assert (
            hit.highlights["text"][0].replace("<em>", "").replace("</em>", "")
            in entity(hit.id)["text"]
        )


def test_groups_come_in_the_order_of_their_first_hits(made: elanus.Collection) -> None:
    options: dict[str, Any] = {"group_by": "year", "group_size": 3}
    plain = made.search(VECTORS[0], "dense", 6, **options)
    ordered = made.search(VECTORS[0], "dense", 6, order_by="price desc", **options)
    groups: list[tuple[Any, list[int]]] = []
    ids = [hit.id for hit in plain]
    for value, count in plain.answer.groups:
        groups.append((value, ids[:count]))
        ids = ids[count:]
    groups.sort(key=lambda group: last(entity(group[1][0])["price"], descending=True))
    assert list(ordered.answer.groups) == [(value, len(members)) for value, members in groups]
    assert [hit.id for hit in ordered] == [one for _, members in groups for one in members]


@pytest.mark.parametrize(
    ("order_by", "options", "message"),
    [
        ("yaer", {}, "order_by: expected a field of numbers, bools, moments or texts, got 'yaer'"),
        ("year up", {}, "expected a field, followed by asc or desc and by .* got 'year up'"),
        ("year", {"per_element": True}, "order_by: hits that are elements come by their scores"),
    ],
)
def test_faults(
    made: elanus.Collection, order_by: str, options: dict[str, Any], message: str
) -> None:
    field = "lists" if options else "dense"
    with pytest.raises(InvalidArgumentError, match=message):
        made.search(VECTORS[0], field, 5, order_by=order_by, **options)


def test_an_iterator_goes_by_score(made: elanus.Collection) -> None:
    with pytest.raises(InvalidArgumentError, match="search_iterator: order_by cannot be given"):
        made.search_iterator(VECTORS[0], "dense", order_by="year")
