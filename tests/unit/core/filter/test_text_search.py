"""Terms and phrases: by hand, and against every way of choosing places."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

from elanus.analysis.analyzer import Analyzer
from elanus.analysis.registry import build_analyzer
from elanus.errors import FilterError
from elanus.filter import batch_columns, compile_filter, field
from elanus.filter.strings import StringDictionary
from elanus.filter.words import term_store
from elanus.filter.words.edit_distance import MAX_EDITS, SpelledTerms, is_within
from elanus.filter.words.term_store import MAX_STORED_SLOP, TermStore
from elanus.filter.words.text_search import (
    FuzzyQuestion,
    PhraseQuestion,
    TermsQuestion,
    TextQuestion,
)
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.validation import entities_to_batch
from elanus.types import DataType
from support.filter_functions_oracle import fewest_edits

STANDARD = build_analyzer("standard")
ENGLISH = build_analyzer("english")


def answers(analyzer: Analyzer, question: TextQuestion, texts: list[str]) -> list[bool]:
    """Return the answer for each text, which is the same by itself and among the others."""
    matches = question.matcher(analyzer)
    alone = [matches(text) for text in texts]
    dictionary = StringDictionary()
    store = TermStore(dictionary, analyzer, lambda size: None)
    # In two parts, as rows come.
    for part in (texts[: len(texts) // 2], texts):
        codes = dictionary.encode(part)
        table = question.table(analyzer, store)
        if table is not None:
            assert table[codes].tolist() == alone[: len(part)], (question, texts)
    return alone


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
    found = answers(STANDARD, TermsQuestion(query, minimum), matching + other)
    assert found == [True] * len(matching) + [False] * len(other)


@pytest.mark.parametrize(
    ("query", "most", "matching", "other"),
    [
        ("alergy", 1, ["allergy", "an ALERGY.", "energy alergi"], ["energy", "allergies", ""]),
        ("allergy", 1, ["alergy"], ["alrgy"]),
        ("allergy", 2, ["alrgy", "alergi", "xallergyx"], ["xxallergyx", "algy ler"]),
        # Two neighbours exchanged are one edit.
        ("milvus", 1, ["miluvs", "milvuz"], ["mivuls"]),
        ("milvus", 2, ["mivuls"], ["sulvim"]),
        # No character is edited twice: "ca", "ac", "abc" would be two edits.
        ("ca", 2, ["ac", "c", "cab"], ["abc", "xyzw"]),
        ("graph tree", 1, ["three", "grap"], ["thre grph_"]),
        ("graph", 0, ["Graph"], ["grap"]),
        ("ab", 2, ["c", "abcd", "ba"], ["ghijk", "..."]),
        ("...", 2, [], ["a", "...", ""]),
        ("straße", 1, ["strasse strabe"], ["strasse"]),
    ],
)
def test_terms_spelled_almost_so(
    query: str, most: int, matching: list[str], other: list[str]
) -> None:
    found = answers(STANDARD, FuzzyQuestion(query, most), matching + other)
    assert found == [True] * len(matching) + [False] * len(other)


def test_edits_of_random_terms_are_those_of_trying_everything() -> None:
    rng = random.Random(5)
    terms = ["".join(rng.choices("abcé", k=rng.randint(1, 6))) for _ in range(400)]
    spelled = SpelledTerms()
    spelled.add(terms[:150])
    spelled.add(terms[150:])
    for term in terms[:40]:
        for most in range(MAX_EDITS + 1):
            expected = [i for i, other in enumerate(terms) if fewest_edits(term, other) <= most]
            assert sorted(spelled.within(term, most).tolist()) == expected
            assert [i for i, t in enumerate(terms) if is_within(term, t, most)] == expected


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
    found = answers(STANDARD, PhraseQuestion(query, slop), matching + other)
    assert found == [True] * len(matching) + [False] * len(other)


def test_the_analyzer_of_the_field_decides() -> None:
    searching = TermsQuestion("searching", 1)
    assert answers(ENGLISH, searching, ["they searched", "the of"]) == [True, False]
    assert answers(ENGLISH, TermsQuestion("the of", 1), ["the of"]) == [False]
    # Stop words are gone, and their places are not.
    texts = ["speeds at lights", "speed light", "speed of the light", "of speed of light"]
    light = PhraseQuestion("speed of light", 0)
    assert answers(ENGLISH, light, texts) == [True, False, False, True]
    assert answers(ENGLISH, light._replace(slop=1), texts) == [True, True, True, True]


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
    for _ in range(600):
        texts = [choose.choices("abcd", k=choose.randint(0, 9)) for _ in range(5)]
        query = choose.choices("abcd", k=choose.randint(1, 4))
        slop = choose.randint(0, 5)
        expected = [holds_phrase(query, text, slop) for text in texts]
        found += expected
        question = PhraseQuestion(" ".join(query), slop)
        assert answers(STANDARD, question, [" ".join(text) for text in texts]) == expected
    assert 0.2 < np.mean(found) < 0.8


@pytest.mark.parametrize("slop", [0, 3, MAX_STORED_SLOP + 1])
def test_phrases_do_not_go_from_one_text_to_the_next(slop: int) -> None:
    question = PhraseQuestion("machine of learning", slop)
    assert (
        answers(ENGLISH, question, ["a machine", "learning", "", "machine", "x learning"])
        == [False] * 5
    )


@pytest.mark.parametrize("slop", [0, 2, 40])
@pytest.mark.parametrize(
    "spec",
    [
        {"tokenizer": "standard", "filter": [{"type": "synonym", "synonyms": ["fast, quick"]}]},
        {"tokenizer": "jieba"},
    ],
)
def test_analyzers_with_other_places(spec: dict[str, Any], slop: int) -> None:
    analyzer = build_analyzer(spec)
    texts = ["a quick way home", "a fast way", "way fast", "way"]
    has_synonym = spec["tokenizer"] == "standard"
    # Exchanging two neighbours takes 2.
    expected = [True, has_synonym, has_synonym and slop >= 2, False]
    assert answers_alone(analyzer, PhraseQuestion("quick way", slop), texts) == expected


def answers_alone(analyzer: Analyzer, question: PhraseQuestion, texts: list[str]) -> list[bool]:
    assert not analyzer.counts_words
    return list(map(question.matcher(analyzer), texts))


def test_a_repeated_word_takes_linear_time() -> None:
    question = PhraseQuestion("a " * 20 + "b", 3)
    texts = ["a " * 5_000 + "x b", "b " * 10 + "a " * 5_000]
    assert answers(STANDARD, question, texts) == [True, False]


def test_more_terms_than_can_be_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term_store, "MAX_TERMS", 3)
    dictionary = StringDictionary()
    store = TermStore(dictionary, STANDARD, lambda size: None)
    dictionary.encode(["a b c d", "c d"])
    assert TermsQuestion("a", 1).table(STANDARD, store) is None
    assert answers(STANDARD, TermsQuestion("d", 1), ["a b c d", "c", "d c"]) == [True, False, True]


def test_numbers_of_more_than_one_character() -> None:
    words = [f"w{i}" for i in range(70_000)]
    dictionary = StringDictionary()
    codes = dictionary.encode(words)
    store = TermStore(dictionary, STANDARD, lambda size: None)
    for place in (0, 32_766, 32_767, 32_768, 55_296, 65_534, 65_535, 65_536, 69_999):
        table = TermsQuestion(words[place], 1).table(STANDARD, store)
        assert table is not None
        assert np.flatnonzero(table[codes]).tolist() == [place]


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
        "text_match_fuzzy(title, 'garph treee', max_edit_distance=1)",
        {"title": {"$fuzzy": {"query": "garph treee", "max_edit_distance": 1}}},
        field("title").text_match_fuzzy("garph treee", max_edit_distance=1),
        [0, 1, 4],
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
        ("text_match_fuzzy(plain, 'x', 1)", "'text_match_fuzzy' takes a VARCHAR field with an"),
        ("text_match_fuzzy(title, 'x')", "text_match_fuzzy takes 3 arguments, got 2"),
        (
            "text_match_fuzzy(title, 'x', max_edit_distance=3)",
            "'max_edit_distance' is an integer from 0 to 2, got 3",
        ),
    ],
)
def test_faults(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text, SCHEMA)
    assert message in str(caught.value)


def test_an_unknown_key_of_a_dict_names_the_nearest() -> None:
    with pytest.raises(FilterError, match="unknown key 'slopp'; did you mean 'slop'"):
        compile_filter({"title": {"$phrase": {"query": "x", "slopp": 1}}}, SCHEMA)
