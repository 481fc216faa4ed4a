"""Every example of docs/filter-language.md is read as the page says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import elanus.filter as public
from elanus.filter import ast as nodes
from elanus.filter import compile_filter, field
from elanus.filter.ast import Node
from elanus.filter.constants import MAX_DEPTH, MAX_LIST_LENGTH
from elanus.filter.language.functions import FUNCTIONS
from elanus.filter.language.lexer import KEYWORDS, MAX_DIGITS, MAX_TEXT_LENGTH
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType

PAGE = (Path(__file__).parents[4] / "docs" / "filter-language.md").read_text("utf-8")
SCHEMA = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        Field("year", DataType.INT16),
        Field("price", DataType.DOUBLE),
        Field("title", DataType.VARCHAR, nullable=True, analyzer="standard"),
        Field("flag", DataType.BOOL),
        Field("meta", DataType.JSON),
        Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR),
        Field("at", DataType.TIMESTAMPTZ),
        Field("until", DataType.TIMESTAMPTZ),
        Field("place", DataType.GEOMETRY),
    ],
    dynamic=True,
)


def examples(section: str, column: int) -> list[str]:
    """Return what stands in backticks in one column of a section's tables."""
    body = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [line for line in body.splitlines() if line.startswith("|")][2:]
    cells = [re.split(r"(?<!\\)\|", row)[column + 1] for row in rows]
    return [text.replace("\\|", "|") for cell in cells for text in re.findall(r"`([^`]+)`", cell)]


TABLES = ("Conditions", "Arithmetic", "Moments", "Geometries")


@pytest.mark.parametrize("text", [text for table in TABLES for text in examples(table, 1)])
def test_condition_compiles(text: str) -> None:
    params = {"ids": [1, 2]} if "{ids}" in text else {}
    bound = compile_filter(text, SCHEMA, params=params)
    assert compile_filter(str(bound), SCHEMA) == bound


@pytest.mark.parametrize("text", [t for t in examples("Names", 0) if t != "like"])
def test_name_compiles(text: str) -> None:
    assert compile_filter(f"{text} is null", SCHEMA) is not None


VALUES = [text for text in examples("Values", 1) if "{name}" not in text and "(" not in text]


@pytest.mark.parametrize("text", VALUES)
def test_value_compiles(text: str) -> None:
    assert compile_filter(f'meta["k"] == {text}', SCHEMA) is not None


@pytest.mark.parametrize("text", examples("Dicts", 1))
def test_dict_compiles(text: str) -> None:
    assert compile_filter(ast.literal_eval(text), SCHEMA) is not None


def test_three_spellings_mean_the_same() -> None:
    text, written_dict = (
        'year >= 2020 and title like "Graph%"',
        {"year": {"$gte": 2020}, "title": {"$like": "Graph%"}},
    )
    tree = (field("year") >= 2020) & field("title").like("Graph%")
    assert text in PAGE
    assert str(written_dict).replace("'", '"') in PAGE
    assert compile_filter(text, SCHEMA) == compile_filter(written_dict, SCHEMA)
    assert compile_filter(text, SCHEMA) == compile_filter(tree, SCHEMA)


def test_page_names_every_word_of_the_language() -> None:
    words = {*KEYWORDS, *FUNCTIONS} - {"array_contains_any", "array_contains_all"}
    assert sorted(word for word in words if word not in PAGE) == []


def test_page_states_the_limits() -> None:
    table = PAGE.split("\n## Limits\n")[1].split("\n## ")[0]
    for limit in (MAX_TEXT_LENGTH, MAX_LIST_LENGTH, MAX_DEPTH, MAX_DIGITS):
        assert f"{limit:,}" in table


def test_every_node_is_public() -> None:
    defined = {
        name
        for name, value in vars(nodes).items()
        if isinstance(value, type) and issubclass(value, Node)
    }
    assert sorted(defined - set(public.__all__)) == []
