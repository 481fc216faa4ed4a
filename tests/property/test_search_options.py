"""Options of searches that meet: whatever a search is asked, its other forms say the same.

The same search is explained, made of a snapshot, by a process that only reads, over a restricted
handle, in larger pages and by an iterator; and ``why_not`` agrees about what is a hit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import elanus
from elanus import ARRAY, BM25, STRUCT, Boost, Decay, Field, Leg, Schema

ROWS = 110
FEWER = settings(max_examples=max(settings().max_examples // 3, 1))
"""Each example is several searches."""
FIELDS = ["v", "bm25", "sparse", "chunks[vector]", "chunks[vector]"]
FILTERS = [
    "n > 4",
    "kind == 'a' or kind is null",
    "match_any(chunks, $[page] == 3)",
    "array_length(chunks) > 1",
    "text_match(text, 'w3')",
    "id in [1, 2, 41, 42, 43, 90]",
    "id < 0",
]
ELEMENTS = ["element_filter(chunks, $[page] > 2)", "n > 2 and element_filter(chunks, $[page] > 1)"]
RANKERS = [
    Decay("n", "gauss", origin=5, scale=2),
    Boost("kind == 'a'", 1.5),
    Boost("n > 5", 0.5),
]


def _rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(6)

    def chunks(pk: int) -> list[dict[str, Any]]:
        return [{"page": (pk + k) % 5, "vector": rng.normal(size=3)} for k in range(pk % 4)]

    return [
        {
            "id": pk,
            "kind": [None, "a", "b", "c"][pk % 4],
            "n": None if pk % 7 == 0 else pk % 10,
            "text": f"w{pk % 9} w{pk % 5} all",
            "v": rng.normal(size=4).astype(np.float32),
            "sparse": {pk % 20: 1.0, pk * 7 % 20 + 20: 2.0} if pk % 2 else None,
            "chunks": None if pk % 6 == 0 else chunks(pk),
        }
        for pk in range(ROWS)
    ]


@dataclass(frozen=True)
class Handles:
    """A collection, and the same as a process sees it that only reads."""

    written: elanus.Collection
    read: elanus.Collection


@pytest.fixture(scope="module")
def handles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handles]:
    struct = [
        Field("page", elanus.INT32),
        Field("vector", elanus.FLOAT_VECTOR, dim=3, metric="COSINE"),
    ]
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("kind", elanus.VARCHAR, nullable=True),
        Field("n", elanus.INT64, nullable=True),
        Field("text", elanus.VARCHAR, analyzer="standard"),
        Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        Field("v", elanus.FLOAT_VECTOR, dim=4, metric="L2"),
        Field("sparse", elanus.SPARSE_FLOAT_VECTOR, nullable=True),
        Field("chunks", ARRAY, element_type=STRUCT, struct=struct, nullable=True),
    ]
    folder, rows = tmp_path_factory.mktemp("db"), _rows()
    with elanus.connect(folder) as db:
        made = db.create_collection("rows", Schema(fields))
        made.create_partition("part")
        made.insert(rows[:40])
        made.flush()
        made.insert(rows[40:80], partition="part")
        made.flush()
        made.insert(rows[80:])
        made.delete(list(range(0, ROWS, 11)))
        db.snapshot("then", collection="rows")
        with elanus.connect(folder, read_only=True) as reader:
            yield Handles(made, reader.collection("rows"))


@dataclass(frozen=True)
class Asked:
    """A search: its legs, one of which is all of it where it is not joined, and its options."""

    legs: list[Leg]
    limit: int
    options: dict[str, Any]

    @property
    def is_joined(self) -> bool:
        return len(self.legs) > 1

    def of(self, collection: elanus.Collection, limit: int | None = None, **more: Any) -> Any:
        options = {**self.options, "recall": 1.0, **more}
        if self.is_joined:
            return collection.hybrid_search(self.legs, limit=limit or self.limit, **options)
        (leg,) = self.legs
        return collection.search(leg.data, leg.field, limit or self.limit, **options)

    def why_not(self, collection: elanus.Collection, pk: int) -> elanus.WhyNot:
        options = {**self.options, "recall": 1.0}
        if self.is_joined:
            return collection.why_not(pk, limit=self.limit, legs=self.legs, **options)
        (leg,) = self.legs
        return collection.why_not(pk, leg.data, leg.field, self.limit, **options)


def _query(field: str, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    if field == "bm25":
        return ["w3", "w1 w4 all", "nothing"][seed % 3]
    if field == "sparse":
        return {int(d): 1.0 for d in rng.integers(0, 40, 4)}
    return rng.normal(size=4 if field == "v" else 3)


@st.composite
def searches(draw: Callable[[Any], Any]) -> Asked:
    field, seed = draw(st.sampled_from(FIELDS)), draw(st.integers(0, 20))
    options: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "filter": st.sampled_from(FILTERS),
                "partitions": st.sampled_from(["part", ["part", "_default"]]),
                "offset": st.integers(1, 5),
                "group_by": st.sampled_from(["kind", "n", ["kind", "n"]]),
                "ranker": st.lists(st.sampled_from(RANKERS), min_size=1, max_size=2),
            },
        )
    )
    if "group_by" in options:
        options["group_size"] = draw(st.integers(1, 3))
    legs = [Leg(field, _query(field, seed), limit=20)]
    if field == "chunks[vector]":
        options["per_element"] = draw(st.booleans())
        if draw(st.booleans()):
            options["filter"] = draw(st.sampled_from(ELEMENTS))
    elif draw(st.booleans()):
        other = draw(st.sampled_from([name for name in FIELDS[:3] if name != field]))
        legs.append(Leg(other, _query(other, seed + 1), limit=20, filter="n < 8"))
    return Asked(legs, draw(st.sampled_from([1, 3, 10, 40])), options)


def _shown(result: Any) -> Any:
    groups = None
    if result.groups is not None:
        groups = [(group.value, [hit.id for hit in group.hits]) for group in result.groups]
    return [(hit.id, hit.offset, hit.score) for hit in result], groups


@FEWER
@given(searches())
def test_every_form_of_a_search_says_the_same(handles: Handles, asked: Asked) -> None:
    whole = _shown(asked.of(handles.written))
    explained = asked.of(handles.written, explain=True)
    assert all(str(hit.explanation) for hit in explained)
    counts = {plan.filter: plan.sources for plan in explained.explanation.filters}
    for text, sources in counts.items():
        allowed = sum(source.allowed for source in sources)
        assert "$partition" in text or allowed == handles.written.count(text)
    assert _shown(explained) == whole
    assert _shown(asked.of(handles.read)) == whole
    assert _shown(asked.of(handles.written, as_of="then", output=["*"])) == whole


@FEWER
@given(searches())
def test_pages_and_iterators_are_parts_of_one_list(handles: Handles, asked: Asked) -> None:
    assume("ranker" not in asked.options)
    hits, groups = _shown(asked.of(handles.written))
    offset = asked.options.get("offset", 0)
    longer, more = _shown(asked.of(handles.written, limit=asked.limit + offset, offset=0))
    if groups is None:
        assert longer[offset : offset + asked.limit] == hits
    elif not asked.is_joined:  # joined legs go deeper for more groups
        assert more[offset : offset + asked.limit] == groups
    if groups is None and not asked.is_joined and not offset:
        (leg,) = asked.legs
        batches = handles.read.search_iterator(
            leg.data, leg.field, batch_size=7, limit=asked.limit, recall=1.0, **asked.options
        )
        assert [(hit.id, hit.offset, hit.score) for batch in batches for hit in batch] == hits


@FEWER
@given(searches(), st.integers(0, ROWS - 1))
def test_why_not_knows_what_is_a_hit(handles: Handles, asked: Asked, pk: int) -> None:
    found = asked.of(handles.written)
    told = asked.why_not(handles.written, pk)
    assert str(told)
    if pk in found.ids:
        # Of several elements the best may be on an earlier page.
        is_cut = "offset" in asked.options and asked.options.get("per_element", False)
        assert told.cause == "hit" or (is_cut and told.cause == "offset")
    else:
        assert told.cause != "hit"
