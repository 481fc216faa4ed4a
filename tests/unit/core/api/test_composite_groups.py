"""Hits that come in groups of several fields, against a look at every row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import elanus
from elanus.errors import InvalidArgumentError

NUM_ROWS = 600


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    drawn = np.random.default_rng(5)
    odd: list[Any] = [0, 1, True, False, "a", None, [1, 2], {"b": 1}, 2.5]
    return [
        {
            "id": i,
            "vector": drawn.random(4).astype(np.float32),
            "brand": None if i % 13 == 0 else f"b{int(drawn.integers(0, 6))}",
            "year": int(drawn.integers(2000, 2004)),
            "meta": {"odd": odd[int(drawn.integers(0, len(odd)))]},
        }
        for i in range(NUM_ROWS)
    ]


@pytest.fixture(scope="module", params=["in memory", "sealed"])
def shop(request: pytest.FixtureRequest, rows: list[dict[str, Any]]) -> Iterator[elanus.Collection]:
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("vector", elanus.FLOAT_VECTOR, dim=4, metric="L2"),
            elanus.Field("brand", elanus.VARCHAR, nullable=True),
            elanus.Field("year", elanus.INT64),
            elanus.Field("meta", elanus.JSON),
        ]
    )
    with elanus.connect(":memory:") as db:
        made = db.create_collection("shop", schema)
        made.insert(rows[: NUM_ROWS // 2])
        if request.param == "sealed":
            made.flush()
        made.insert(rows[NUM_ROWS // 2 :])
        yield made


def expected(
    rows: list[dict[str, Any]], query: np.ndarray, names: list[str], limit: int, size: int
) -> list[tuple[str, list[int]]]:
    """The groups in the order of their nearest rows; values as text, where 1 is not true."""

    def value(row: dict[str, Any], name: str) -> Any:
        return row["meta"]["odd"] if name.startswith("meta") else row[name]

    near = sorted(rows, key=lambda row: float(((row["vector"] - query) ** 2).sum()))
    groups: dict[str, list[int]] = {}
    for row in near:
        groups.setdefault(repr(tuple(value(row, n) for n in names)), []).append(row["id"])
    return [(shared, ids[:size]) for shared, ids in list(groups.items())[:limit]]


@pytest.mark.parametrize("size", [1, 3, 40])
@pytest.mark.parametrize(
    "names", [["brand", "year"], ["year", "brand"], ["brand"], ['meta["odd"]', "year"]]
)
def test_groups_of_several_fields(
    shop: elanus.Collection, rows: list[dict[str, Any]], names: list[str], size: int
) -> None:
    drawn = np.random.default_rng(7)
    for limit in (1, *([7, 12, 20, 30] * 4), 100):
        query = drawn.random(4).astype(np.float32)
        found = shop.search(query, "vector", limit, group_by=names, group_size=size, recall=1.0)
        groups = [(repr(g.value), [hit.id for hit in g.hits]) for g in found.groups]
        assert groups == expected(rows, query, names, limit, size)


@pytest.mark.parametrize("size", [2, 30])
def test_groups_of_lists_are_filled_beside_those_of_texts(
    shop: elanus.Collection, rows: list[dict[str, Any]], size: int
) -> None:
    query = np.zeros(4, dtype=np.float32)
    found = shop.search(query, "vector", 9, group_by='meta["odd"]', group_size=size, recall=1.0)
    groups = [(repr((g.value,)), [hit.id for hit in g.hits]) for g in found.groups]
    assert groups == expected(rows, query, ['meta["odd"]'], 9, size)


@pytest.mark.parametrize("given", [[], ["year"] * 11, [3], ["price"], 7, ["vector"]])
def test_what_cannot_be_grouped_by(shop: elanus.Collection, given: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="group_by: "):
        shop.search(np.zeros(4, dtype=np.float32), "vector", 3, group_by=given)
