"""Regular expressions in the syntax of RE2; what Python's engine reads otherwise, by hand."""

from __future__ import annotations

import random
import re
import time

import pytest

from elanus.errors import FilterError
from elanus.filter import compile_filter, regex
from elanus.filter.regex import MAX_PROGRAM, regex_matcher
from elanus.filter.regex_parser import (
    MAX_NESTING,
    MAX_PATTERN_LENGTH,
    RegexError,
    parse_regex,
)
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        # Anywhere, unless it is tied to an end.
        ("b", ["abc"], ["ac", ""]),
        ("", ["", "a"], []),
        ("^b|c$", ["bx", "xc"], ["xb", "cx"]),
        ("a$", ["a", "ba"], ["a\n", "ab"]),
        ("(?m)^b$", ["a\nb", "b\na"], ["ab", "a\nbc"]),
        (r"\Aa\z", ["a"], ["a\n", "\na"]),
        (r"(?m)\Aa", ["a"], ["\na"]),
        # A dot is no end of a line, a negated class is one.
        ("^.$", ["日", "\U0001d4b3", "\r"], ["\n", "ab"]),
        ("(?s)^.$", ["\n"], ["ab"]),
        ("^[^a]$", ["\n", "b"], ["a"]),
        # Repetition.
        ("^ab{2}c$", ["abbc"], ["abc", "abbbc"]),
        ("^a{1,2}?$", ["a", "aa"], ["", "aaa"]),
        ("^a{2,}$", ["aa", "aaaaa"], ["a"]),
        ("^a{,2}$", ["a{,2}"], ["a", "aa"]),
        ("^(?:a|b*)*c$", ["c", "abbac"], ["d"]),
        ("^(){3}(a?)*$", ["", "aa"], ["b"]),
        # Classes; \d, \w, \s and \b know ASCII only.
        ("^[]a]$", ["]", "a"], ["b"]),
        ("^[a-]$", ["a", "-"], ["b"]),
        (r"^\d$", ["7"], ["٣"]),
        (r"^[\W\d]$", ["é", "1"], ["a"]),
        (r"\bé", ["aé"], ["é"]),
        (r"\Ba\B", ["bab"], ["a", "ba", "a b"]),
        ("^[[:alpha:]_]$", ["a", "_"], ["1", "é"]),
        ("^[[:^alpha:]]$", ["1", "é"], ["a"]),
        (r"^\pL\p{Lu}\PN$", ["éÉ日"], ["éé日", "éÉ1"]),
        (r"^\p{^L}$", ["1"], ["a"]),
        # Without case: one character for one, and a negated set excludes both cases.
        ("(?i)^STRASSE$", ["strasse", "Stras\u017fe"], ["straße"]),
        ("(?i)^ß$", ["ẞ"], ["ss"]),
        ("(?i)^[^k]$", ["a"], ["k", "K", "\u212a"]),
        (r"(?i)^\W$", ["é"], ["s", "\u017f"]),
        ("(?i:a)b", ["Ab"], ["AB"]),
        ("(?i)a(?-i)b", ["Ab"], ["AB"]),
        ("(a(?i)b)c", ["aBc"], ["aBC"]),
        # Escapes.
        (r"^\x41\x{1D4B3}\101\.\_$", ["A\U0001d4b3A._"], []),
        (r"^\Qa.b*\E$", ["a.b*"], ["axb*"]),
        (r"^\Qab\E+$", ["abb"], ["abab"]),
        (r"a\+b", ["1a+b"], ["aab"]),
        ("(?P<year>[0-9]{4})-(?<month>..)", ["in 2024-05"], ["2024"]),
    ],
)
def test_matches(pattern: str, matching: list[str], other: list[str]) -> None:
    matches = regex_matcher(pattern)
    assert [t for t in matching if not matches(t)] == []
    assert [t for t in other if matches(t)] == []


@pytest.mark.parametrize(
    ("pattern", "message", "offset"),
    [
        ("(a", "a '(' is not closed", 0),
        ("a)", "a ')' has no '(' before it", 1),
        ("[a", "a '[' is not closed", 0),
        ("x*a**", "a repetition cannot be repeated; put it in a group", 4),
        ("|*", "nothing stands before '*' to repeat", 1),
        ("{2}", "nothing stands before '{' to repeat", 0),
        ("a{3,2}", "expected {low,high} in ascending order up to 1000, got {3,2}", 1),
        ("a{1001}", "expected {low,high} in ascending order up to 1000, got {1001}", 1),
        (r"(a)\1", "unknown escape \\1", 3),
        ("(?=a)", "'(?' begins a group that RE2 does not have, such as one that looks around", 0),
        ("[b-a]", "the range b-a is empty", 1),
        (r"\q", "unknown escape \\q", 0),
        ("a\\", "a backslash stands at the end", 1),
        (r"\x{110000}", "an escape names no character", 0),
        (
            r"\p{Greek}",
            "unknown category 'Greek'; expected a general category of Unicode, such as L, Lu or Nd",
            1,
        ),
        ("(" * 51 + ")" * 51, f"groups are nested deeper than {MAX_NESTING} levels", 50),
        (
            "a" * (MAX_PATTERN_LENGTH + 1),
            f"it has 10001 characters, more than {MAX_PATTERN_LENGTH}",
            MAX_PATTERN_LENGTH,
        ),
    ],
)
def test_faults_name_their_place(pattern: str, message: str, offset: int) -> None:
    with pytest.raises(RegexError) as caught:
        parse_regex(pattern)
    assert (str(caught.value), caught.value.offset) == (message, offset)


def test_an_unknown_posix_class_names_the_known_ones() -> None:
    with pytest.raises(RegexError, match=r"unknown class \[:foo:\]; known are alnum, alpha"):
        parse_regex("[[:foo:]]")


def test_a_filter_points_at_the_pattern() -> None:
    schema = Schema([Field("id", DataType.VARCHAR, primary=True)])
    with pytest.raises(FilterError) as caught:
        compile_filter(r"id =~ r'ab(c'", schema)
    assert str(caught.value) == (
        "'=~' takes a regular expression at '(c', character 3: a '(' is not closed\n"
        "  id =~ r'ab(c'\n"
        "        ^\n"
        "  the syntax is that of RE2, without back-references and looking around"
    )


@pytest.mark.parametrize("pattern", ["((a{1000}){1000}){1000}", "(a{100}){51}"])
def test_repetitions_that_multiply_are_refused(pattern: str) -> None:
    with pytest.raises(RegexError, match=f"more than {MAX_PROGRAM} instructions"):
        regex_matcher(pattern)


def test_nothing_repeated_costs_nothing() -> None:
    matches = regex_matcher("^(((){1000}){1000}){1000}a$")
    assert [matches(t) for t in ("a", "aa")] == [True, False]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+$", "a" * 50_000 + "b"),
        ("(a|aa)+$", "a" * 50_000 + "b"),
        ("(.*)*x", "a" * 50_000),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 50_000),
        (r"(\w*\d?)*!", "a1" * 25_000),
        ("a?" * 500 + "a" * 500 + "$", "a" * 2000 + "b"),
    ],
)
def test_bombs_take_linear_time(pattern: str, text: str) -> None:
    start = time.process_time()
    assert not regex_matcher(pattern)(text)
    # Backtracking takes longer than the universe is old; here it is a fraction of this.
    assert time.process_time() - start < 20


def test_a_matcher_that_forgets_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # A state for each way the last twelve characters may look: thousands.
    pattern = "a[ab]{11}y"
    choose = random.Random(7)
    texts = ["".join(choose.choices("ab", k=300)) + end for end in "yz" for _ in range(20)]
    monkeypatch.setattr(regex, "MAX_REMEMBERED", 300)
    matches = regex_matcher(pattern)
    expected = [re.search(pattern, text) is not None for text in texts]
    assert [matches(text) for text in texts] == expected
    assert len(set(expected)) == 2
