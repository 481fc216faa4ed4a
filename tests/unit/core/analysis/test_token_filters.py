import pytest
import Stemmer

from elanus.analysis.stop_lists import ENGLISH_STOP_WORDS
from elanus.analysis.token_filters import (
    AsciiFoldingFilter,
    LengthFilter,
    LowercaseFilter,
    PossessiveFilter,
    StemmerFilter,
    StopFilter,
)
from elanus.errors import SchemaError


@pytest.mark.parametrize(
    ("token", "term"),
    [("ABC", "abc"), ("ÄÖÜ", "äöü"), ("İstanbul", "istanbul"), ("ΟΔΟΣ", "οδος"), ("ẞ", "ß")],
)
def test_lowercase(token, term):
    assert LowercaseFilter().apply(token) == term


@pytest.mark.parametrize(
    ("token", "term"),
    [("dog's", "dog"), ("DOG'S", "DOG"), ("dog\u2019s", "dog"), ("dogs", "dogs"), ("it't", "it't"),
     ("'s", None), ("s", "s")],
)  # fmt: skip
def test_possessive(token, term):
    assert PossessiveFilter().apply(token) == term


def test_english_stop_words_are_lucenes_33():
    assert len(ENGLISH_STOP_WORDS) == 33
    assert {"a", "but", "such", "with", "will"} <= ENGLISH_STOP_WORDS
    assert not {"i", "you", "from", "what", "has"} & ENGLISH_STOP_WORDS


def test_stop_joins_lists_and_words():
    stop = StopFilter(["_english_", "foo"])
    assert [stop.apply(t) for t in ("the", "foo", "bar", "The")] == [None, None, "bar", "The"]
    assert StopFilter([]).apply("the") == "the"


@pytest.mark.parametrize(
    ("language", "token", "stem"),
    [
        ("english", "generalizations", "general"),
        ("english", "skis", "ski"),
        ("english", "dying", "die"),
        ("english", "don't", "don't"),
        ("german", "häuser", "haus"),
        ("french", "continuellement", "continuel"),
    ],
)
def test_stemmer(language, token, stem):
    assert StemmerFilter(language).apply(token) == stem


def test_stemmer_agrees_with_snowball_for_many_words():
    words = [
        f"{a}{b}" for a in ("relat", "happ", "run", "stud") for b in ("ions", "y", "ning", "ies")
    ]
    peer = Stemmer.Stemmer("english")
    stemmer = StemmerFilter("english")
    assert [stemmer.apply(w) for w in words] == peer.stemWords(words)


@pytest.mark.parametrize(
    ("token", "term"),
    [
        ("Ærøskøbing", "AEroskobing"),
        ("naïve", "naive"),
        ("Straße", "Strasse"),
        ("Łódź", "Lodz"),
        ("İı", "Ii"),
        ("ǿ", "o"),
        ("plain", "plain"),
        ("Ελλάδα", "Ελλάδα"),
        ("がく", "がく"),
        ("йод", "йод"),
        ("한국", "한국"),
    ],
)
def test_ascii_folding_folds_latin_letters_only(token, term):
    assert AsciiFoldingFilter().apply(token) == term


def test_length():
    length = LengthFilter(2, 4)
    tokens = ("a", "ab", "abcd", "abcde")
    assert [length.apply(t) for t in tokens] == [None, "ab", "abcd", None]
    assert LengthFilter(0, None).apply("x" * 300) == "x" * 300


@pytest.mark.parametrize(("low", "high"), [(-1, None), (3, 2), (0, 0)])
def test_length_rejects_limits_that_let_nothing_through(low, high):
    with pytest.raises(SchemaError, match="length: expected 0 <= min <= max"):
        LengthFilter(low, high)
