"""Terms and phrases: by hand, and against every way of choosing places."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

from elanus.analysis.registry import build_analyzer
from elanus.errors import FilterError
from elanus.filter import batch_columns, compile_filter, field
from elanus.filter.text_search import phrase_matcher, terms_matcher
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.validation import entities_to_batch
from elanus.types import DataType

STANDARD = build_analyzer("standard")
ENGLISH = build_analyzer("english")


@pytest.mark.parametrize(
    ("query", "minimum", "matching", "other"),
    [
        ("graph index", 1, ["Graph", "an INDEX.", "graph index"], ["graphs", ""]),
        ("graph index", 2, ["index of a graph"], ["graph", "graph graph"]),
        ("graph graph index", 2, ["index graph"], ["graph graph"]),
        ("graph", 2, [], ["graph graph"]),
        ("a b c", 2, ["a c", "c b a"], ["a a", "b"]),
        ("...", 1, [], ["...", "a", ""]),
    ],
)
def test_terms(query: str, minimum: int, matching: list[str], other: list[str]) -> None:
    matches = terms_matcher(STANDARD, query, minimum)
    assert [t for t in matching if not matches(t)] == []
    assert [t for t in other if matches(t)] == []


@pytest.mark.parametrize(
    ("query", "slop", "matching", "other"),
    [
        ("machine learning", 0, ["Machine Learning boosts"], ["learning machine", "machine"]),
        ("machine learning", 1, ["machine deep learning"], ["machine a b learning"]),
        # Exchanging two neighbours takes 2.
        ("machine learning", 1, [], ["learning machine"]),
        (
            "machine learning",
            2,
            ["learning machine", "machine a b learning"],
            ["learning a machine"],
        ),
        # All shifts together.
        ("a b c", 1, ["a x b c", "a b x c"], ["a x b x c"]),
        ("a b c", 2, ["a x b x c", "a b x y c"], ["c b a"]),
        ("a b a", 0, ["x a b a"], ["a b", "b a a b"]),
        ("a", 0, ["x a"], ["b"]),
        ("...", 5, [], ["...", ""]),
    ],
)
def test_phrases(query: str, slop: int, matching: list[str], other: list[str]) -> None:
    matches = phrase_matcher(STANDARD, query, slop)
    assert [t for t in matching if not matches(t)] == []
    assert [t for t in other if matches(t)] == []


def test_the_analyzer_of_the_field_decides() -> None:
    assert terms_matcher(ENGLISH, "searching", 1)("they searched")
    assert not terms_matcher(ENGLISH, "the of", 1)("the of")
    # Stop words are gone, and their places are not.
    light = phrase_matcher(ENGLISH, "speed of light", 0)
    assert [light(t) for t in ("speeds at lights", "speed light", "speed of the light")] == [
        True,
        False,
        False,
    ]
    assert phrase_matcher(ENGLISH, "speed of light", 1)("speed light")


def holds_phrase(query: list[str], text: list[str], slop: int) -> bool:
    """Try every way of giving each word of the query a place in the text."""
    choices = [[i for i, word in enumerate(text) if word == wanted] for wanted in query]
    return any(
        sum(abs((b - a) - 1) for a, b in itertools.pairwise(places)) <= slop
        for places in itertools.product(*choices)
    )


def test_phrases_agree_with_every_choice_of_places() -> None:
    choose = random.Random(3)
    found = []
    for _ in range(3000):
        text = choose.choices("abcd", k=choose.randint(0, 9))
        query = choose.choices("abcd", k=choose.randint(1, 4))
        slop = choose.randint(0, 5)
        expected = holds_phrase(query, text, slop)
        found.append(expected)
        matches = phrase_matcher(STANDARD, " ".join(query), slop)
        assert matches(" ".join(text)) == expected, (query, text, slop)
    assert 0.2 < np.mean(found) < 0.8


def test_a_repeated_word_takes_linear_time() -> None:
    matches = phrase_matcher(STANDARD, "a " * 50 + "b", 3)
    assert matches("a " * 20_000 + "x b")
    assert not matches("b " * 10 + "a " * 20_000)


SCHEMA = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        Field("title", DataType.VARCHAR, nullable=True, analyzer="english"),
        Field("plain", DataType.VARCHAR, nullable=True),
        Field("meta", DataType.JSON, nullable=True),
    ]
)
TITLES = ["graphs and indexes", "the index of a graph", None, "", "indexing graphs"]
ROWS = batch_columns(
    entities_to_batch(SCHEMA, [{"id": i, "title": title} for i, title in enumerate(TITLES)])
)
FORMS: list[tuple[str, dict[str, Any], Any, list[int]]] = [
    (
        "text_match(title, 'graph')",
        {"title": {"$match": "graph"}},
        field("title").text_match("graph"),
        [0, 1, 4],
    ),
    (
        "not text_match(title, 'graph tree', minimum_should_match=2)",
        {"$not": {"title": {"$match": {"query": "graph tree", "minimum_should_match": 2}}}},
        ~field("title").text_match("graph tree", minimum_should_match=2),
        [0, 1, 3, 4],
    ),
    (
        "phrase_match(title, 'index graph')",
        {"title": {"$phrase": "index graph"}},
        field("title").phrase_match("index graph"),
        [4],
    ),
    (
        "phrase_match(title, 'index graph', slop=2)",
        {"title": {"$phrase": {"query": "index graph", "slop": 2}}},
        field("title").phrase_match("index graph", slop=2),
        [1, 4],
    ),
]


@pytest.mark.parametrize(("text", "conditions", "tree", "rows"), FORMS)
def test_every_form(text: str, conditions: dict[str, Any], tree: Any, rows: list[int]) -> None:
    bound = compile_filter(text, SCHEMA)
    assert bound is not None
    assert compile_filter(conditions, SCHEMA) == bound
    assert compile_filter(tree, SCHEMA) == bound
    assert compile_filter(str(bound), SCHEMA) == bound
    assert np.flatnonzero(bound.evaluate(ROWS)).tolist() == rows


def test_parameters_stand_for_every_argument() -> None:
    params = {"q": "index graph", "n": 2}
    with_params = compile_filter("phrase_match(title, {q}, slop={n})", SCHEMA, params=params)
    assert with_params == compile_filter("phrase_match(title, 'index graph', slop=2)", SCHEMA)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "text_match(plain, 'x')",
            "'text_match' takes a VARCHAR field with an analyzer, got field 'plain' (VARCHAR)\n"
            "  text_match(plain, 'x')\n             ^\n"
            "  declare it with analyzer='standard', or ask for a part with text_contains",
        ),
        ("phrase_match(meta['k'], 'x')", "'phrase_match' takes a VARCHAR field with an analyzer"),
        ("text_match(title, 1)", "'text_match' takes a text in quotes or {name}"),
        (
            "text_match(title, 'x', minimum_should_match=0)",
            "'minimum_should_match' is an integer from 1 to 1000, got 0",
        ),
        (
            "phrase_match(title, 'x', slop=true)",
            "'slop' is an integer from 0 to 2147483647, got true",
        ),
        ("phrase_match(title, 'x', slop=id)", "got no constant"),
    ],
)
def test_faults(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text, SCHEMA)
    assert message in str(caught.value)


def test_an_unknown_key_of_a_dict_names_the_nearest() -> None:
    with pytest.raises(FilterError, match="unknown key 'slopp'; did you mean 'slop'"):
        compile_filter({"title": {"$phrase": {"query": "x", "slopp": 1}}}, SCHEMA)
