"""Where sentences and words begin and end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus_demo.sentences import sentence_spans, word_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in word_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("See e.g. Smith and J. Doe, Fig. 3 of Dr. Who. End.", None),
        ("Version 3.11 is out. it works.", ["Version 3.11 is out. it works."]),
        ("A heading\n\nA paragraph\nof two lines", ["A heading", "A paragraph\nof two lines"]),
        (
            "Steps:\n- first\n  more\n2. second",
            ["Steps:", "- first\n  more", "2. second"],
        ),
        ("Call it:\n>>> f(1)\n2", ["Call it:", ">>> f(1)\n2"]),
        ("今日は。元気。はい", ["今日は。", "元気。", "はい"]),
        ("  \n\n ", []),
    ],
)
def test_sentences(text: str, expected: list[str] | None) -> None:
    if expected is None:
        expected = ["See e.g. Smith and J. Doe, Fig. 3 of Dr. Who.", "End."]
    assert sentences(text) == expected


def test_words_are_runs_or_single_characters_of_unspaced_scripts() -> None:
    assert words("two  words 漢字x") == ["two", "words", "漢", "字", "x"]


def test_a_run_of_a_thousand_characters_is_cut() -> None:
    assert [len(word) for word in words("x" * 1000)] == [400, 400, 200]


@given(st.text(alphabet=st.sampled_from("aB1 .!?\n\t-*\"')。漢>é"), max_size=200))
def test_every_visible_character_lies_in_exactly_one_sentence_and_word(text: str) -> None:
    visible = [index for index, character in enumerate(text) if not character.isspace()]
    for spans in (sentence_spans(text), word_spans(text)):
        covered = [index for start, end in spans for index in range(start, end)]
        assert [index for index in covered if not text[index].isspace()] == visible
        assert all(
            not text[start].isspace() and not text[end - 1].isspace() for start, end in spans
        )
