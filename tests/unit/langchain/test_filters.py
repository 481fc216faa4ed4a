"""Filters on metadata: every operator and spelling against plain Python."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from elanus.errors import FilterError
from elanus.filter import field, from_mongo, to_text
from langchain_elanus import ElanusVectorStore

ROWS: dict[str, dict[str, Any]] = {
    "full": {"n": 5, "s": "Graph index", "tags": ["eu", "us"], "flag": True, "deep": {"k": 1}},
    "other": {"n": 7.5, "s": "graph", "tags": ["eu"], "flag": False, "deep": {"k": 2}},
    "text": {"n": "5", "s": "", "tags": [], "flag": 1, "deep": {"k": "1"}},
    "null": {"n": None, "s": None, "tags": None, "flag": None, "deep": None},
    "empty": {},
    "names": {"a.b": 1, 'quo"te': "it's", "spaced key": "x' or 1 == 1", "n": -1, "id": 1},
}
MISSING = object()
Row = dict[str, Any]


@pytest.fixture(scope="module")
def store() -> Iterator[ElanusVectorStore]:
    with ElanusVectorStore(DeterministicFakeEmbedding(size=3), uri=":memory:") as opened:
        opened.add_texts(list(ROWS), list(ROWS.values()), ids=list(ROWS))
        yield opened


def is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def number_above(value: Any, least: float) -> bool:
    return is_number(value) and value > least


# Conditions, and what they mean in Python of a row's metadata.
CASES: list[tuple[dict[str, Any], Callable[[Row], bool]]] = [
    ({"n": 5}, lambda m: m.get("n") == 5),
    ({"n": {"$eq": 5.0}}, lambda m: m.get("n") == 5),
    ({"n": "5"}, lambda m: m.get("n") == "5"),
    ({"flag": True}, lambda m: m.get("flag") == True),  # noqa: E712 - 1 counts, as in Python
    ({"flag": 0}, lambda m: m.get("flag") == 0),
    ({"n": None}, lambda m: m.get("n") is None),
    ({"n": {"$ne": 5}}, lambda m: m.get("n") != 5),
    ({"n": {"$ne": None}}, lambda m: m.get("n") is not None),
    ({"n": {"$gt": 5}}, lambda m: number_above(m.get("n"), 5)),
    ({"n": {"$gte": 5}}, lambda m: is_number(m.get("n")) and m["n"] >= 5),
    ({"n": {"$lt": 5}}, lambda m: is_number(m.get("n")) and m["n"] < 5),
    ({"n": {"$lte": 5, "$gt": -1}}, lambda m: is_number(m.get("n")) and -1 < m["n"] <= 5),
    ({"s": {"$gt": "H"}}, lambda m: isinstance(m.get("s"), str) and m["s"] > "H"),
    ({"n": {"$between": [5, 7.5]}}, lambda m: is_number(m.get("n")) and 5 <= m["n"] <= 7.5),
    ({"n": {"$in": [5, "5", 9]}}, lambda m: m.get("n") in [5, "5", 9]),
    ({"n": {"$nin": [5, "5"]}}, lambda m: m.get("n") not in [5, "5"]),
    ({"tags": {"$contains": "us"}}, lambda m: "us" in (m.get("tags") or [])),
    ({"s": {"$contains": "raph"}}, lambda m: "raph" in (m.get("s") or "")),
    ({"tags": {"$contains_any": ["us", "x"]}}, lambda m: bool({"us"} & set(m.get("tags") or []))),
    ({"tags": {"$contains_all": ["eu", "us"]}}, lambda m: {"eu", "us"} <= set(m.get("tags") or [])),
    ({"s": {"$like": "G%x"}}, lambda m: m.get("s") == "Graph index"),
    ({"s": {"$ilike": "g_aph%"}}, lambda m: (m.get("s") or "").lower().startswith("graph")),
    ({"s": {"$text_match": "Graph"}}, lambda m: "Graph" in (m.get("s") or "")),
    ({"s": {"$itext_match": "GRAPH"}}, lambda m: "graph" in (m.get("s") or "").lower()),
    ({"n": {"$text_match": "5"}}, lambda m: m.get("n") == "5"),
    ({"n": {"$exists": True}}, lambda m: "n" in m),
    ({"n": {"$exists": False}}, lambda m: "n" not in m),
    ({"s": {"$empty": True}}, lambda m: m.get("s") in (None, "", [])),
    ({"tags": {"$empty": False}}, lambda m: m.get("tags") not in (None, "", [])),
    ({"deep": {"k": 1}}, lambda m: (m.get("deep") or {}).get("k") == 1),
    ({"deep": {"k": {"$ne": 1}}}, lambda m: (m.get("deep") or {}).get("k") != 1),
    ({"a.b": 1}, lambda m: m.get("a.b") == 1),
    ({'quo"te': "it's"}, lambda m: m.get('quo"te') == "it's"),
    ({"spaced key": "x' or 1 == 1"}, lambda m: m.get("spaced key") == "x' or 1 == 1"),
    ({"id": 1}, lambda m: m.get("id") == 1),
    ({"n": 5, "flag": True}, lambda m: m.get("n") == 5 and m.get("flag") is True),
    ({"$or": [{"n": 5}, {"n": 7.5}]}, lambda m: m.get("n") in (5, 7.5)),
    ({"$not": {"n": {"$gt": 0}}}, lambda m: not number_above(m.get("n"), 0)),
    (
        {
            "$and": [
                {"$not": {"$or": [{"n": 5}, {"tags": {"$contains": "eu"}}]}},
                {"n": {"$exists": True}},
            ]
        },
        lambda m: "n" in m and m["n"] != 5 and "eu" not in (m.get("tags") or []),
    ),
    ({}, lambda m: True),
]


@pytest.mark.parametrize(
    ("condition", "holds"), CASES, ids=lambda case: "" if callable(case) else str(case)[:60]
)
def test_filter_table(
    store: ElanusVectorStore, condition: dict[str, Any], holds: Callable[[Row], bool]
) -> None:
    expected = sorted(name for name, row in ROWS.items() if holds(row))
    assert [d.id for d in store.get(condition)] == expected
    assert store.count(condition) == len(expected)
    found = store.similarity_search("anything", k=10, filter=condition)
    assert sorted(d.id or "" for d in found) == expected
    # The same condition as a tree and as text, where it has any.
    tree = from_mongo(condition)
    spellings: list[Any] = [] if tree is None else [tree, to_text(tree)]
    for spelling in spellings:
        assert [d.id for d in store.get(spelling)] == expected, spelling


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ('n >= 5 and s like "G%"', {"n": {"$gte": 5}, "s": {"$like": "G%"}}),
        ('n in [5, "5"]', {"n": {"$in": [5, "5"]}}),
        ("not (n > 5)", {"$not": {"n": {"$gt": 5}}}),
        ('deep["k"] == 1', {"deep": {"k": 1}}),
        ('contains(tags, "us")', {"tags": {"$contains": "us"}}),
        ("exists n", {"n": {"$exists": True}}),
    ],
)
def test_text_says_the_same_as_a_dict(
    store: ElanusVectorStore, text: str, condition: dict[str, Any]
) -> None:
    assert [d.id for d in store.get(text)] == [d.id for d in store.get(condition)]


def test_tree_says_the_same_as_a_dict(store: ElanusVectorStore) -> None:
    tree = (field("n") >= 5) & ~field("tags").contains("us")
    condition = {"n": {"$gte": 5}, "$not": {"tags": {"$contains": "us"}}}
    assert [d.id for d in store.get(tree)] == [d.id for d in store.get(condition)] == ["other"]


@pytest.mark.parametrize(
    "hostile", ['" or 1 == 1 or "', "') or true", "\\", "{name}", '"]) or (n != 0', "\x00"]
)
def test_filter_values_are_data(store: ElanusVectorStore, hostile: str) -> None:
    assert store.get({"s": hostile}) == []
    assert store.get({hostile: 1}) == []
    assert store.get({"n": {"$in": [hostile]}}) == []
    assert store.count({"s": {"$ne": hostile}}) == len(ROWS)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"n": {"$gtt": 1}}, r"did you mean '\$gt"),
        ({"$nand": []}, r"unknown operator"),
        ({"n": {"$in": 5}}, "expected a list"),
        ("n >=", r"\^"),
        (5, "an expression, a dict or a tree"),
    ],
)
def test_filter_that_cannot_be_read(store: ElanusVectorStore, condition: Any, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        store.similarity_search("anything", filter=condition)
