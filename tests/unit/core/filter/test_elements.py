"""Conditions on the elements of arrays: their forms and their faults."""

from __future__ import annotations

from typing import Any

import pytest

from elanus.errors import FilterError
from elanus.filter import compile_filter, element, field
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType

SCHEMA = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR),
        Field("scores", DataType.ARRAY, element_type=DataType.FLOAT),
        Field("meta", DataType.JSON),
    ]
)
TAGS, EU = field("tags"), element() == "eu"


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("element_filter(tags, $ == 'eu')", TAGS.element_filter(EU)),
        ("match_any(tags, $ == 'eu')", TAGS.match_any(EU)),
        ("match_any(tags, $ == 'eu')", {"tags": {"$elemMatch": {"$eq": "eu"}}}),
        (
            "match_any(tags, $ > 'a' and $ < 'f')",
            {"tags": {"$elemMatch": {"$gt": "a", "$lt": "f"}}},
        ),
        ("match_any(meta['a'], $ == 1)", {"meta": {"a": {"$elemMatch": {"$eq": 1}}}}),
        ("match_all(tags, $ == 'eu')", TAGS.match_all(EU)),
        ("match_least(tags, $ == 'eu', threshold=2)", TAGS.match_least(EU, 2)),
        ("match_most(tags, $ == 'eu', 2)", TAGS.match_most(EU, 2)),
        ("match_exact(meta['a'], $ like 'x%', 0)", field("meta")["a"].match_exact(
            element().like("x%"), 0
        )),
    ],
)  # fmt: skip
def test_every_form(text: str, other: Any) -> None:
    bound = compile_filter(text, SCHEMA)
    assert bound is not None
    assert compile_filter(other, SCHEMA) == bound
    assert compile_filter(str(bound), SCHEMA) == bound


def test_a_threshold_may_be_a_parameter() -> None:
    text = "match_least(tags, $ == {tag}, threshold={n})"
    bound = compile_filter(text, SCHEMA, params={"tag": "eu", "n": 2})
    assert bound == compile_filter("match_least(tags, $ == 'eu', threshold=2)", SCHEMA)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "$ == 1",
            "'$' stands outside of a condition on elements\n  $ == 1\n  ^\n"
            "  write match_any(tags, $ == 1), where '$' is each element",
        ),
        (
            "match_any(tags, id == 1)",
            "a condition on elements asks about '$' only, got 'id'\n"
            "  match_any(tags, id == 1)\n                  ^\n"
            "  join conditions on fields outside of it",
        ),
        (
            "match_any(tags, match_any(tags, $ == 'a'))",
            "a condition on elements asks about '$' only, got 'tags'",
        ),
        ("match_any(id, $ == 1)", "'match_any' takes an array, got field 'id' (INT64)"),
        (
            "match_any(tags, $ == 1)",
            "an element of field 'tags' (ARRAY of VARCHAR) cannot be compared with the number 1",
        ),
        ("match_any(scores, $ & 1 == 1)", "'&' takes integers, got an element of field 'scores'"),
        ("match_any(tags, random_sample(0.5))", "'random_sample' chooses rows, not elements"),
        ("match_any(tags, $)", "expected a condition, got an element of field 'tags'"),
        ("match_any(tags, $ is null)", "'is null' takes a field or a path"),
        (
            "match_most(tags, $ == 'a', threshold=-1)",
            "'threshold' is an integer from 0 to 9223372036854775807, got -1",
        ),
    ],
)
def test_faults(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text, SCHEMA)
    assert message in str(caught.value)


def test_elements_have_no_keys() -> None:
    with pytest.raises(FilterError, match="have no keys"):
        element()[0]
    with pytest.raises(FilterError, match="elements of arrays have no keys here, only operators"):
        compile_filter({"tags": {"$elemMatch": {"k": 1}}}, SCHEMA)
