"""Dicts of conditions."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from elanus.errors import FilterError
from elanus.filter import FieldRef, JsonPath, from_mongo, to_text


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({"a": 1}, 'm["a"] == 1'),
        ({"a": None}, 'm["a"] is null'),
        ({"a": {"$ne": None}}, 'm["a"] is not null'),
        ({"a": {"$ne": 1}}, 'not m["a"] == 1'),
        ({"a": 1, "b": {"$gt": 2, "$lt": 5}}, 'm["a"] == 1 and (m["b"] > 2 and m["b"] < 5)'),
        ({"a": {"$between": [1, 2]}}, '1 <= m["a"] <= 2'),
        ({"a": {"$in": [1, "x"]}}, 'm["a"] in [1, "x"]'),
        ({"a": {"$in": [1, None]}}, 'm["a"] in [1] or m["a"] is null'),
        ({"a": {"$in": {3}}}, 'm["a"] in [3]'),
        ({"a": {"$nin": [None]}}, 'm["a"] is not null'),
        ({"a": {"$nin": (1,)}}, 'm["a"] not in [1]'),
        ({"a": {"$in": np.array([1, 2])}}, 'm["a"] in [1, 2]'),
        ({"a": {"$contains": "x"}}, 'contains(m["a"], "x")'),
        ({"a": {"$contains_any": [1]}}, 'contains_any(m["a"], [1])'),
        ({"a": {"$contains_all": [1]}}, 'contains_all(m["a"], [1])'),
        ({"a": {"$like": "x%"}}, 'm["a"] like "x%"'),
        ({"a": {"$ilike": "x%"}}, 'm["a"] ilike "x%"'),
        ({"a": {"$text_match": "x"}}, 'text_contains(m["a"], "x")'),
        ({"a": {"$itext_match": "x"}}, 'text_icontains(m["a"], "x")'),
        ({"a": {"$exists": True}}, 'exists m["a"]'),
        ({"a": {"$exists": False}}, 'not exists m["a"]'),
        ({"a": {"$empty": True}}, 'is_empty(m["a"])'),
        ({"a": {"b": {"c": 1}}}, 'm["a"]["b"]["c"] == 1'),
        ({"a": {"$not": {"$gt": 1}}}, 'not m["a"] > 1'),
        ({"a.b": 1}, 'm["a.b"] == 1'),
        ({"it's \"": 1}, 'm["it\'s \\""] == 1'),
        ({"$or": [{"a": 1}, {"b": 2}]}, 'm["a"] == 1 or m["b"] == 2'),
        ({"$and": [{"a": 1}]}, 'm["a"] == 1'),
        ({"$not": {"a": 1, "b": 2}}, 'not (m["a"] == 1 and m["b"] == 2)'),
        ({"$not": [{"a": 1}, {"b": 2}]}, 'not (m["a"] == 1 or m["b"] == 2)'),
        ({"a": [1, 2]}, 'm["a"] == [1, 2]'),
        ({"a": date(2024, 1, 31)}, 'm["a"] == "2024-01-31"'),
        ({"a": np.float32(0.5)}, 'm["a"] == 0.5'),
    ],
)
def test_dict_becomes_tree(conditions: dict[str, Any], text: str) -> None:
    node = from_mongo(conditions, "m")
    assert node is not None
    assert to_text(node) == text


def test_without_root_names_are_fields() -> None:
    found = from_mongo({"year": 1, "meta": {"a": {"b": 2}}})
    assert found is not None
    assert to_text(found) == 'year == 1 and meta["a"]["b"] == 2'
    assert [type(n) for n in (FieldRef("year"), JsonPath("meta", ("a",)))] == [
        type(next(term.children())) for term in found.children()
    ]


def test_an_empty_dict_is_no_filter() -> None:
    assert from_mongo({}) is None


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"a": {"$gtt": 1}}, "filter['a']['$gtt']: unknown operator; did you mean '$gt'?"),
        ({"$nor": []}, "filter['$nor']: unknown operator; write {'$not': {'$or': [...]}}"),
        (
            {"$gte": 1},
            "filter['$gte']: expected a key around the operator, as in {'year': {'$gte': ...}}",
        ),
        ({"a": {"$in": 3}}, "filter['a']['$in']: expected a list, got int 3"),
        ({"a": {"$in": "xyz"}}, "filter['a']['$in']: expected a list, got str 'xyz'"),
        (
            {"$and": [{"b": {"$gte": None}}]},
            "filter['$and'][0]['b']['$gte']: expected a number or text, got NoneType None",
        ),
        ({"$or": []}, "filter['$or']: expected a list of dicts that is not empty, got list []"),
        ({"a": {}}, "filter['a']: expected operators or keys, got dict {}"),
        ({"a": {"$gt": 1, "b": 2}}, "filter['a']: operators and keys cannot stand in one dict"),
        ({"a": {"$exists": 1}}, "filter['a']['$exists']: expected True or False, got int 1"),
        ({"a": {"$like": 1}}, "filter['a']['$like']: expected text, got int 1"),
        (
            {"a": {"$between": [1]}},
            "filter['a']['$between']: expected a list of two values, got list [1]",
        ),
        ({1: 2}, "filter: expected keys of str, got 1"),
        ({"a": {1: 2}}, "filter['a']: expected keys of str, got 1"),
        (
            {"a": {"$eq": {"b": 1}}},
            "filter['a']['$eq']: expected a value; nest the keys of an object instead, "
            "got dict {'b': 1}",
        ),
        (
            {"a": b"x"},
            "filter['a']: bytes cannot be a value of a filter; expected None, bool, int, float, "
            "str, or a list of them",
        ),
        ({"a": float("nan")}, "filter['a']: NaN equals nothing and cannot be a value of a filter"),
        ({"a": "\ud800"}, "filter['a']: text cannot be written as UTF-8: surrogates not allowed"),
    ],
)  # fmt: skip
def test_faults_say_where(conditions: dict[Any, Any], message: str) -> None:
    with pytest.raises(FilterError) as caught:
        from_mongo(conditions)
    assert str(caught.value) == message


def test_a_dict_that_holds_itself_is_refused() -> None:
    looped: dict[str, Any] = {}
    looped["$not"] = looped
    with pytest.raises(FilterError, match="nested deeper than 64 levels"):
        from_mongo(looped)
    nested: dict[str, Any] = {}
    nested["a"] = nested
    with pytest.raises(FilterError, match="nested deeper than 64 levels"):
        from_mongo(nested)
