"""A restricted handle answers as a collection that holds nothing but the allowed rows.

Drawn rows, restrictions and requests; the peer is a second collection into which the allowed rows
were written, so every kind of read and write is compared with an engine that cannot know of the
others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import elanus
from elanus import BM25, RRF, Collection, DataType, Field, Highlighter, Leg, Schema

Row = dict[str, Any]
WORDS = ("fox", "whale", "owl", "hare")
CONDITIONS = (
    "owner == 'a'",
    "owner != 'a'",
    "owner in ['b', 'c'] and n >= 1",
    "n is null or n == 2",
    "not (n > 1)",
    "id % 3 == 1",
    "meta['k'] == 1",
    "array_contains(tags, 'x')",
    "text_match(text, 'fox')",
    "text like '%owl%' or owner == 'c'",
    "element_filter(chunks, $[page] > 2)",
    "undeclared == 1",
    "id < 0",
)
REQUESTS = (
    None,
    *CONDITIONS,
    "true",
    "id >= 0 or owner == 'b' or true",
    "1 / n == 1 or n is null",
)


def schema() -> Schema:
    chunk = [Field("page", DataType.INT64), Field("vector", DataType.FLOAT_VECTOR, dim=2)]
    return Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("owner", DataType.VARCHAR),
            Field("n", DataType.INT64, nullable=True),
            Field("meta", DataType.JSON, nullable=True),
            Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR),
            Field("text", DataType.VARCHAR, analyzer="standard"),
            Field("dense", DataType.FLOAT_VECTOR, dim=3, metric="L2", nullable=True),
            Field("sparse", DataType.SPARSE_FLOAT_VECTOR),
            Field("words", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
            Field("chunks", DataType.ARRAY, element_type=elanus.STRUCT, struct=chunk),
        ],
        dynamic=True,
    )


def row(key: int, rng: np.random.Generator) -> Row:
    chunks = [
        {"page": int(rng.integers(0, 5)), "vector": rng.integers(-9, 9, 2).tolist()}
        for _ in range(rng.integers(0, 3))
    ]
    made: Row = {
        "id": key,
        "owner": str(rng.choice(["a", "b", "c"])),
        "n": None if rng.random() < 0.2 else int(rng.integers(0, 4)),
        "meta": None if rng.random() < 0.2 else {"k": int(rng.integers(0, 3))},
        "tags": [str(tag) for tag in rng.choice(["x", "y"], rng.integers(0, 3))],
        "text": " ".join(rng.choice(WORDS, rng.integers(1, 5))),
        "dense": None if rng.random() < 0.1 else rng.integers(-9, 9, 3).tolist(),
        "sparse": {int(dim): 1.0 + dim for dim in rng.integers(0, 6, 2)},
        "chunks": chunks,
    }
    if rng.random() < 0.5:
        made["undeclared"] = int(rng.integers(0, 3))
    return made


def filled(collection: Collection, rng: np.random.Generator, count: int) -> None:
    """Write rows that end up in segments and in memory, some replaced, some deleted."""
    rows = [row(key, rng) for key in range(count)]
    collection.insert(rows[: count // 2])
    collection.flush()
    collection.insert(rows[count // 2 :])
    if rng.random() < 0.5:
        collection.flush()
    again = rng.choice(count, count // 5, replace=False)
    collection.upsert([row(int(key), rng) for key in again])
    collection.delete([int(key) for key in rng.choice(count, count // 6, replace=False)])


def content(collection: Collection) -> list[Row]:
    return [
        {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in one.items()}
        for one in collection.query(output=["*"])
    ]


def hits(result: Any) -> list[Any]:
    return [(hit.id, pytest.approx(hit.score, rel=1e-5), hit.entity) for hit in result]


def places(result: Any) -> list[Any]:
    return [(hit.id, hit.offset, pytest.approx(hit.score, rel=1e-5)) for hit in result]


class Asked:
    """One request of every kind, for any collection."""

    def __init__(self, rng: np.random.Generator, condition: str | None) -> None:
        self.filter = condition
        self.vector = rng.integers(-9, 9, 3).astype(np.float32)
        self.small = rng.integers(-9, 9, 2).astype(np.float32)
        self.text = " ".join(rng.choice(WORDS, 2))
        self.sparse = {int(dim): 1.0 for dim in rng.integers(0, 6, 3)}
        self.limit = int(rng.integers(1, 9))
        self.offset = int(rng.integers(0, 3))

    def reads(self, of: Collection, count: int) -> dict[str, Any]:
        given = self.filter
        wide: dict[str, Any] = {"filter": given}
        legs = [Leg("dense", self.vector, recall=1.0), Leg("words", self.text, filter=given)]
        dense = {**wide, "recall": 1.0, "output": ["owner", "text", "n"]}
        found = of.search(self.vector, "dense", self.limit, offset=self.offset, **dense)
        again = [of.search(self.vector, "dense", self.limit, **wide) for _ in range(3)]
        marked = of.search(self.text, "words", 5, highlight=Highlighter(), **wide)
        iterator = of.query_iterator(given, batch_size=3)
        pages = of.search_iterator(self.vector, "dense", batch_size=3, recall=1.0, **wide)
        facets = of.facets(["owner", "tags"], filter=given)
        return {
            "content": content(of),
            "len": len(of),
            "count": of.count(given),
            "page": of.query(given, limit=self.limit, offset=self.offset),
            "ordered": of.query(given, ["owner"], limit=self.limit, order_by=["n desc", "owner"]),
            "get": of.get(list(range(count)), ["owner", "undeclared"]),
            "dense": hits(found),
            "prepared": [hits(one) for one in again],
            "many": [hits(one) for one in of.search([self.vector] * 2, "dense", 3, **dense)],
            "text": hits(of.search(self.text, "words", self.limit, **wide)),
            "texts": [hits(one) for one in of.search([self.text, "fox"], "words", 3, **wide)],
            "terms": [
                [(t.term, pytest.approx(t.contribution)) for t in hit.explanation.terms]
                for hit in of.search(self.text, "words", 4, explain=True, **wide)
            ],
            "marked": [(hit.id, hit.highlights) for hit in marked],
            "sparse": hits(of.search(self.sparse, "sparse", self.limit, **wide)),
            "hybrid": hits(of.hybrid_search(legs, RRF(), self.limit, filter=given)),
            "grouped": [
                (group.value, hits(group.hits))
                for group in of.search(
                    self.vector, "dense", 3, group_by="owner", group_size=2, **dense
                ).groups
            ],
            "lists": places(of.search(self.small, "chunks[vector]", 5, recall=1.0, **wide)),
            "elements": places(
                of.search(self.small, "chunks[vector]", 5, per_element=True, recall=1.0, **wide)
            ),
            "aggregate": of.aggregate(["count(*)", "sum(n)", "max(id)"], group_by="owner", **wide),
            "of paths": of.aggregate(["count(*)", "sum(meta['k'])"], group_by="meta['k']", **wide),
            "facets": {name: sorted(values) for name, values in facets.items()},
            "iterated": [one for batch in iterator for one in batch],
            "paged": sorted((hit.id, hit.score) for batch in pages for hit in batch),
            "table": sorted(map(str, of.to_arrow(filter=given, output=["id"]).to_pylist())),
            "why": [self._why(of, key) for key in range(0, count, 3)],
        }

    def _why(self, of: Collection, key: int) -> Any:
        """What is said of a key; of the peer no row was ever deleted or is hidden."""
        said = of.why_not(key, self.vector, "dense", self.limit, filter=self.filter, recall=1.0)
        return (said.cause, said.rank, said.score, str(said.legs))


@settings(max_examples=25)
@given(
    st.integers(0, 2**32),
    st.sampled_from(CONDITIONS),
    st.sampled_from(REQUESTS),
    st.sampled_from([None, *CONDITIONS]),
)
def test_reads_equal_those_of_the_allowed_rows_alone(
    seed: int, restriction: str, asked: str | None, second: str | None
) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(6, 40))
    with elanus.connect(":memory:") as db:
        whole = db.create_collection("whole", schema())
        filled(whole, rng, count)
        handle = whole.restricted(restriction)
        allowed = restriction
        if second is not None:
            handle = handle.restricted(second)
            allowed = f"({restriction}) and ({second})"
        alone = db.create_collection("alone", schema())
        alone.insert(whole.query(allowed, ["*"]))
        request = Asked(rng, asked)
        told, expected = request.reads(handle, count), request.reads(alone, count)
        for kind, value in expected.items():
            assert told[kind] == value, kind


@settings(max_examples=25)
@given(
    st.integers(0, 2**32),
    st.sampled_from(CONDITIONS),
    st.sampled_from([None, *CONDITIONS]),
    st.sampled_from([one for one in REQUESTS if one is not None]),
)
def test_writes_touch_and_make_allowed_rows_only(
    seed: int, restriction: str, check: str | None, asked: str
) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(6, 30))
    with elanus.connect(":memory:") as db:
        whole = db.create_collection("whole", schema())
        filled(whole, rng, count)
        judge = db.create_collection("judge", schema())
        handle = whole.restricted(restriction, check=check)
        allowed = {one["id"] for one in whole.query(restriction)}
        outside = [one for one in content(whole) if one["id"] not in allowed]
        taken = {one["id"] for one in content(whole)}
        for key in range(0, count + 4, 2):
            new = row(key, rng)
            judge.upsert([new])
            is_good = judge.count(f"id == {key} and ({check or restriction})") == 1
            is_open = key not in taken or key in allowed
            partial = bool(rng.random() < 0.3)
            try:
                handle.upsert([new], partial=partial)
                is_done = True
            except elanus.errors.NotAllowedError:
                is_done = False
            if not (partial and key in allowed):
                assert is_done == (is_good and is_open)
            assert [one for one in content(whole) if one["id"] in {o["id"] for o in outside}] == (
                outside
            )
            if is_done:
                taken.add(key)
            allowed = {one["id"] for one in whole.query(restriction)}
            outside = [one for one in content(whole) if one["id"] not in allowed]
        wanted = {one["id"] for one in whole.query(f"({restriction}) and ({asked})")}
        assert handle.delete(asked) == len(wanted)
        rest = sorted(allowed - wanted)
        assert handle.delete(list(range(count))) == len([key for key in rest if key < count])
        assert [one for one in content(whole) if one["id"] not in allowed] == outside
