"""Binding to a schema: names, types, parameters, messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elanus.errors import FilterError
from elanus.filter import (
    Compare,
    CompareOp,
    Contains,
    FieldRef,
    JsonPath,
    Literal,
    Or,
    compile_filter,
    field,
)
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType

FIELDS = [
    Field("id", DataType.INT64, primary=True),
    Field("year", DataType.INT16),
    Field("title", DataType.VARCHAR, nullable=True),
    Field("flag", DataType.BOOL),
    Field("meta", DataType.JSON),
    Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR),
    Field("dense", DataType.FLOAT_VECTOR, dim=4),
]
SCHEMA = Schema(FIELDS)
DYNAMIC = Schema(FIELDS, dynamic=True)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("yeer > 1", "no field 'yeer'; did you mean 'year'?\n  yeer > 1\n  ^"),
        (
            'title == "ü" and yeer == 1',
            "no field 'yeer'; did you mean 'year'?\n  title == \"ü\" and yeer == 1\n"
            "                   ^",
        ),
        (
            'year > "a"',
            'field \'year\' (INT16) cannot be compared with the text "a"\n  year > "a"\n       ^',
        ),
        (
            "title == 1",
            "field 'title' (VARCHAR) cannot be compared with the number 1\n  title == 1\n        ^",
        ),
        (
            "year == true",
            "field 'year' (INT16) cannot be compared with the bool true\n  year == true\n       ^",
        ),
        (
            'year in [1, "a"]',
            "field 'year' (INT16) cannot be compared with the text \"a\"\n"
            '  year in [1, "a"]\n          ^',
        ),
        (
            "flag < true",
            "bools have no order; '<' takes numbers or text\n  flag < true\n       ^",
        ),
        (
            "dense == 1",
            "field 'dense' is a FLOAT_VECTOR and cannot be filtered\n  dense == 1\n  ^",
        ),
        (
            "dense is null",
            "field 'dense' is a FLOAT_VECTOR and cannot be filtered\n  dense is null\n  ^",
        ),
        ("year == null", "null equals nothing\n  year == null\n          ^\n  use 'x is null'"),
        (
            "year",
            "expected a condition, got field 'year' (INT16)\n  year\n  ^\n"
            "  compare it with something",
        ),
        ("title + 1 == 2", "'+' takes numbers, got field 'title' (VARCHAR)\n  title + 1 == 2\n  ^"),
        (
            "(year > 1) == true",
            "a condition is not a value\n  (year > 1) == true\n        ^\n"
            "  join conditions with 'and', 'or', 'not'",
        ),
        (
            'tags == "a"',
            "field 'tags' (ARRAY of VARCHAR) cannot be compared with the text \"a\"\n"
            '  tags == "a"\n       ^\n'
            "  use 'in', contains(...), or one element as a[0]",
        ),
        (
            'tags in ["a"]',
            "'in' takes a field or a path on its left, got field 'tags' (ARRAY of VARCHAR)\n"
            '  tags in ["a"]\n  ^\n  to look into an array, use contains(array, value)',
        ),
        (
            "array_contains(tags, 1)",
            "field 'tags' (ARRAY of VARCHAR) cannot be compared with the number 1\n"
            "  array_contains(tags, 1)\n  ^",
        ),
        (
            'year["a"] == 1',
            "field 'year' (INT16) has no keys; only JSON and ARRAY do\n  year[\"a\"] == 1\n  ^",
        ),
        (
            'tags["a"] == "x"',
            "field 'tags' (ARRAY of VARCHAR) takes one place, as in tags[0]\n"
            '  tags["a"] == "x"\n  ^',
        ),
        (
            'year like "a"',
            "'like' takes a text field or a JSON path, got field 'year' (INT16)\n"
            '  year like "a"\n  ^',
        ),
        (
            'json_contains(title, "a")',
            "'json_contains' takes an array, got field 'title' (VARCHAR)\n"
            '  json_contains(title, "a")\n                ^',
        ),
        (
            "meta < [1]",
            "meta cannot be compared with the list [1]\n  meta < [1]\n       ^\n"
            "  use 'in', contains(...), or one element as a[0]",
        ),
        ("year > {y}", "no value for parameter {y}\n  year > {y}\n         ^"),
        # Dicts and trees are shown as text.
        ({"yeer": 1}, "no field 'yeer'; did you mean 'year'?\n  yeer == 1\n  ^"),
        (
            Compare(CompareOp.LT, FieldRef("title"), Literal(1)),
            "field 'title' (VARCHAR) cannot be compared with the number 1\n  title < 1\n        ^",
        ),
        (
            Compare(CompareOp.LT, FieldRef("title"), 1),  # type: ignore[arg-type]
            "a filter tree holds nodes, got int; write a constant as Literal(...)",
        ),
        (
            Contains(FieldRef("tags"), "a"),  # type: ignore[arg-type]
            "a filter tree holds nodes, got str; write a constant as Literal(...)",
        ),
        (5, "a filter is an expression, a dict or a tree, got int"),
    ],
)
def test_what_does_not_fit_is_refused(source: Any, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(source, SCHEMA)
    assert str(caught.value) == message


@pytest.mark.parametrize("source", [None, "", " \n", {}])
def test_nothing_is_no_filter(source: Any) -> None:
    assert compile_filter(source, SCHEMA) is None


@pytest.mark.parametrize(
    ("source", "schema", "root", "text", "fields"),
    [
        ("color == 1", DYNAMIC, None, '$meta["color"] == 1', {"$meta"}),
        ('color["a"][0] == 1', DYNAMIC, None, '$meta["color"]["a"][0] == 1', {"$meta"}),
        ('$meta["year"] == 1', DYNAMIC, None, '$meta["year"] == 1', {"$meta"}),
        ({"a.b": 1}, DYNAMIC, None, '$meta["a.b"] == 1', {"$meta"}),
        ("id == 1 and b", SCHEMA, "meta", 'meta["id"] == 1 and meta["b"]', {"meta"}),
        ('meta["x"] == 1', SCHEMA, "meta", 'meta["x"] == 1', {"meta"}),
        ('a["b"] == 1', SCHEMA, "meta", 'meta["a"]["b"] == 1', {"meta"}),
        ({"id": 1, "meta": 2}, SCHEMA, "meta", 'meta["id"] == 1 and meta["meta"] == 2', {"meta"}),
        (FieldRef("flag"), SCHEMA, None, "flag", {"flag"}),
        (Or((FieldRef("flag"),)), SCHEMA, None, "flag", {"flag"}),
        ("year > 1 or title < 'x'", SCHEMA, None, 'year > 1 or title < "x"', {"year", "title"}),
        ("true", SCHEMA, None, "true", set()),
    ],
)  # fmt: skip
def test_names_are_resolved(
    source: Any, schema: Schema, root: str | None, text: str, fields: set[str]
) -> None:
    bound = compile_filter(source, schema, root=root)
    assert bound is not None
    assert str(bound) == text
    assert bound.fields == fields
    assert compile_filter(text, schema, root=root) == bound


def test_root_must_be_a_json_field() -> None:
    with pytest.raises(FilterError, match="root 'year' is not a JSON field"):
        compile_filter("a == 1", SCHEMA, root="year")
    with pytest.raises(FilterError, match=r"root '\$meta' is not a JSON field"):
        compile_filter("a == 1", SCHEMA, root="$meta")


def test_parameters_become_constants() -> None:
    bound = compile_filter(
        "year in {years} and title == {t} and title like {p}",
        SCHEMA,
        params={"years": np.array([1, 2], dtype=np.int16), "t": '" or true', "p": "50\\%"},
    )
    assert str(bound) == ('year in [1, 2] and title == "\\" or true" and title like "50\\\\%"')


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "no value for parameter {y}\n  year > {y}\n         ^"),
        ({"yy": 1}, "no value for parameter {y}; did you mean 'yy'?\n  year > {y}\n         ^"),
        (
            {"y": object()},
            "parameter {y}: object cannot be a value of a filter; expected None, bool, int, "
            "float, str, or a list of them\n  year > {y}\n         ^",
        ),
        (
            {"y": "a"},
            "field 'year' (INT16) cannot be compared with the text \"a\"\n  year > {y}\n       ^",
        ),
    ],
)
def test_parameters_are_checked(params: dict[str, Any], message: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter("year > {y}", SCHEMA, params=params)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("id == 5", (5,)),
        ("5 == id", (5,)),
        ("id in [3, 1, 3, 2.0, 2.5]", (3, 1, 2)),
        ("id == 9223372036854775808", ()),
        ("id in []", ()),
        ("id == 5 and year > 1", None),
        ("id != 5", None),
        ("id not in [5]", None),
        ("id == year", None),
        ("year == 5", None),
    ],
)
def test_primary_keys_of_a_filter(source: str, keys: tuple[int, ...] | None) -> None:
    bound = compile_filter(source, SCHEMA)
    assert bound is not None
    assert bound.primary_keys() == keys


def test_primary_keys_of_text() -> None:
    schema = Schema([Field("key", DataType.VARCHAR, primary=True)])
    bound = compile_filter({"key": {"$in": ["b", "a", "b"]}}, schema)
    assert bound is not None
    assert bound.primary_keys() == ("b", "a")


def test_equal_filters_are_one_key_of_a_cache() -> None:
    first = compile_filter("year == 1 and flag", SCHEMA)
    assert first == compile_filter("(year==1)&&flag", SCHEMA)
    assert hash(first) == hash(compile_filter("(year==1)&&flag", SCHEMA))
    assert first != compile_filter("year == 1.0 and flag", SCHEMA)
    assert first != compile_filter("year == 1 and flag", DYNAMIC)
    assert repr(first) == "BoundFilter('year == 1 and flag')"


def test_fields_in_python_code() -> None:
    year, meta = field("year"), field("meta")
    cases = {
        "year == 1": year == 1,
        "year != 1": year != 1,
        "year < id": year < field("id"),
        "year <= 1": year <= 1,
        "year > 1": year > 1,
        "year >= 1": year >= 1,
        "1 <= year <= 2": year.between(1, 2),
        "year in [1, 2]": year.is_in(range(1, 3)),
        'meta["a"][0] like "x"': meta["a"][0].like("x"),
        'meta["a"] ilike "x"': meta["a"].like("x", ignore_case=True),
        'text_contains(meta["a"], "x")': meta["a"].has_text("x"),
        'contains(meta["a"], 1)': meta["a"].contains(1),
        'contains_any(meta["a"], [1])': meta["a"].contains_any([1]),
        'contains_all(meta["a"], [1])': meta["a"].contains_all([1]),
        'meta["a"] is null': meta["a"].is_null(),
        'exists meta["a"]': meta["a"].exists(),
        'is_empty(meta["a"])': meta["a"].is_empty(),
        "(year == 1 or year == 2) and not year == 3": ((year == 1) | (year == 2)) & ~(year == 3),
    }
    assert [str(compile_filter(node, SCHEMA)) for node in cases.values()] == list(cases)


def test_paths_have_keys_and_places_only() -> None:
    with pytest.raises(FilterError, match="expected keys of str or int from 0, got -1"):
        JsonPath("meta", ("a", -1))
