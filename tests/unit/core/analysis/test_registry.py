import json

import pytest

from elanus.analysis.registry import build_analyzer
from elanus.errors import SchemaError

CHAIN = {
    "tokenizer": "standard",
    "filter": [
        "lowercase",
        {"type": "length", "min": 2, "max": 40},
        {"type": "stop", "stop_words": ["_english_", "foo"]},
        {"type": "stemmer", "language": "english"},
        "asciifolding",
        "possessive",
    ],
}
TEXT = "The Runners' Café wasn't running; Anna's foo x 3,000 Über-Wörter"


@pytest.mark.parametrize(
    ("spec", "terms"),
    [
        (
            "standard",
            ["the", "runners", "café", "wasn't", "running", "anna's", "foo", "x", "3,000", "über",
             "wörter"],
        ),
        (
            "english",
            ["runner", "café", "wasn't", "run", "anna", "foo", "x", "3,000", "über", "wörter"],
        ),
        (
            {"type": "standard", "stop_words": ["the", "x"]},
            ["runners", "café", "wasn't", "running", "anna's", "foo", "3,000", "über", "wörter"],
        ),
        (
            {"type": "english", "stop_words": []},
            ["the", "runner", "café", "wasn't", "run", "anna", "foo", "x", "3,000", "über",
             "wörter"],
        ),
        (
            CHAIN,
            ["runner", "cafe", "wasn't", "run", "anna", "3,000", "uber", "worter"],
        ),
        (
            {"tokenizer": "whitespace"},
            ["The", "Runners'", "Café", "wasn't", "running;", "Anna's", "foo", "x", "3,000",
             "Über-Wörter"],
        ),
    ],
)  # fmt: skip
def test_analyzers_give_the_terms_worked_out_by_hand(spec, terms):
    assert build_analyzer(spec).tokens(TEXT) == terms


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "standard"},
        {"type": "english", "stop_words": ["_english_", "foo"]},
        {"tokenizer": "whitespace", "filter": []},
        CHAIN,
    ],
)
def test_parameters_survive_json(spec):
    stored = json.loads(json.dumps(build_analyzer(spec).to_params()))
    again = build_analyzer(stored)
    assert stored == spec
    assert again.to_params() == spec
    assert again.tokens(TEXT) == build_analyzer(spec).tokens(TEXT)


def test_a_name_is_stored_as_parameters():
    assert build_analyzer("english").to_params() == {"type": "english"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("englsh", "analyzer: unknown name 'englsh'; did you mean 'english'?"),
        (
            "klingon",
            "analyzer: unknown name 'klingon'; known names are arabic, chinese, english, "
            "standard, thai",
        ),
        (7, "analyzer: expected a name or a dict, got int"),
        ({}, "analyzer: expected 'type' or 'tokenizer', for example"),
        ({"type": 7}, "analyzer: expected a name, got 7"),
        (
            {"type": "english", "stopwords": []},
            "analyzer 'english': unknown parameter 'stopwords'; did you mean 'stop_words'?",
        ),
        (
            {"type": "english", "stop_words": "the"},
            "analyzer 'english': stop_words: expected a list, got 'the'",
        ),
        ({"tokenizer": "standrd"}, "analyzer: tokenizer: unknown name 'standrd'; did you mean"),
        (
            {"tokenizer": "standard", "filters": []},
            "analyzer: unknown parameter 'filters'; did you mean 'filter'?",
        ),
        ({"tokenizer": "standard", "filter": "lowercase"}, "analyzer: filter: expected a list"),
        (
            {"tokenizer": "standard", "filter": ["lower_case"]},
            "analyzer: filter: unknown name 'lower_case'; did you mean 'lowercase'?",
        ),
        ({"tokenizer": "standard", "filter": [{}]}, "expected a name or a dict with 'type'"),
        ({"tokenizer": "standard", "filter": ["stemmer"]}, "stemmer: expected a language"),
        (
            {"tokenizer": "standard", "filter": [{"type": "stemmer", "language": "englisch"}]},
            "stemmer: language: unknown name 'englisch'; did you mean 'english'?",
        ),
        (
            {"tokenizer": "standard", "filter": [{"type": "stop", "stop_words": ["_klingon_"]}]},
            "stop: no list of stop words '_klingon_'; lists are _arabic_, _chinese_",
        ),
        (
            {"tokenizer": "standard", "filter": [{"type": "stop", "stop_words": [1]}]},
            "stop: stop_words: expected strings, got 1",
        ),
        ({"tokenizer": "standard", "filter": ["length"]}, "length: expected min or max"),
        (
            {"tokenizer": "standard", "filter": [{"type": "length", "max": "40"}]},
            "length: max: expected an integer, got '40'",
        ),
        (
            {"tokenizer": "standard", "filter": [{"type": "lowercase", "language": "x"}]},
            "lowercase: unknown parameter 'language'",
        ),
    ],
)
def test_errors_say_what_was_expected(spec, message):
    with pytest.raises(SchemaError) as caught:
        build_analyzer(spec)
    assert str(caught.value).startswith(message) or message in str(caught.value)
