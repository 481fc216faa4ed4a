"""Regular expressions in the syntax of RE2; what Python's engine reads otherwise, by hand."""

from __future__ import annotations

import random
import re
import time

import numpy as np
import pytest

import elanus
from elanus.errors import (
    CorruptionError,
    FilterError,
    InvalidArgumentError,
    SearchCancelledError,
)
from elanus.filter import compile_filter
from elanus.filter.matching import regex
from elanus.filter.matching.regex import MAX_PROGRAM, RegexMatcher
from elanus.filter.matching.regex_parser import (
    MAX_NESTING,
    MAX_PATTERN_LENGTH,
    RegexError,
    parse_regex,
)
from elanus.kernels.cancel import search_token
from elanus.schema.batches import StringColumn, slice_column, strings_to_column
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
        # A dot is an end of a line, too, unless that is switched off.
        ("^.$", ["日", "\U0001d4b3", "\r", "\n"], ["", "ab"]),
        ("c.d", ["c\nd", "bc-d"], ["cd"]),
        ("(?-s)^.$", ["日", "\U0001d4b3", "\r"], ["\n", "ab"]),
        ("a(?-s:.)b.c", ["axb\nc"], ["a\nbxc"]),
        ("(?-s)(?s)^.$", ["\n"], ["ab"]),
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
    matches = RegexMatcher(pattern)
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
        RegexMatcher(pattern)


def test_nothing_repeated_costs_nothing() -> None:
    matches = RegexMatcher("^(((){1000}){1000}){1000}a$")
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
    assert not RegexMatcher(pattern)(text)
    # Backtracking takes longer than the universe is old; here it is a fraction of this.
    assert time.process_time() - start < 20


def test_a_matcher_that_forgets_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # A state for each way the last twelve characters may look: thousands.
    pattern = "a[ab]{11}y"
    choose = random.Random(7)
    texts = ["".join(choose.choices("ab", k=300)) + end for end in "yz" for _ in range(20)]
    monkeypatch.setattr(regex, "MAX_REMEMBERED", 300)
    matches = RegexMatcher(pattern)
    expected = [re.search(pattern, text) is not None for text in texts]
    assert [matches(text) for text in texts] == expected
    assert matches.matching(strings_to_column(texts)).tolist() == expected
    monkeypatch.setattr(regex, "MAX_REMEMBERED", 1 << 17)
    monkeypatch.setattr(regex, "MAX_TOLD_STATES", 7)
    assert matches.matching(strings_to_column(texts)).tolist() == expected
    assert len(set(expected)) == 2


def test_columns_are_read_by_their_bytes() -> None:
    patterns = [
        *(
            "^[a-c]+$",
            r"\b[日b]x?\b",
            "(?i)^ß|é$",
            r"^\P{L}*$",
            "(?m)^b$",
            "a{2,3}[^a]",
            r"^\W*\z",
        ),
        *("[ab]{3}c|[é日]{2}", r"\B.\B", "(a|b)*[0-9]"),
    ]
    choose = random.Random(3)
    texts = [
        "".join(choose.choices("abcxé日ẞß \n7\U0001d4b3", k=choose.randrange(9)))
        for _ in range(600)
    ]
    column = slice_column(strings_to_column([None, *texts, "b"]), 1, 601)
    for pattern in patterns:
        matches = RegexMatcher(pattern)
        expected = [matches(text) for text in texts]
        assert 0 < sum(expected) < len(texts)
        assert RegexMatcher(pattern).matching(column).tolist() == expected
    assert RegexMatcher("abc").matching(column) is None


def test_a_column_that_is_not_text_is_damaged() -> None:
    offsets = np.array([0, 1, 3], dtype=np.int64)
    data = np.frombuffer(b"a\xff\xfe", dtype=np.uint8)
    with pytest.raises(CorruptionError, match="not UTF-8"):
        RegexMatcher("^[ab]*$").matching(StringColumn(offsets, data))
    with pytest.raises(InvalidArgumentError, match="offsets"):
        RegexMatcher("^[ab]*$").matching(StringColumn(offsets[::-1], data))


def test_a_reading_ends_with_its_token() -> None:
    column = strings_to_column(["ab" * 5_000] * 1_000)
    with search_token() as token:
        token.cancel()
        with pytest.raises(SearchCancelledError):
            RegexMatcher("^[ab]*c$").matching(column)


def test_many_texts_of_a_collection_are_filtered_as_one_by_one() -> None:
    texts = [f"{i % 7}-{'xyz'[i % 3]}{i}" for i in range(700)]
    with elanus.connect(":memory:") as database:
        schema = elanus.Schema(
            [
                elanus.Field("id", elanus.INT64, primary=True),
                elanus.Field("text", elanus.VARCHAR, nullable=True),
            ]
        )
        held = database.create_collection("texts", schema)
        held.insert([{"id": i, "text": text if i % 5 else None} for i, text in enumerate(texts)])
        for pattern in ("^[0-3]-[xz]", "[^1]5$", r"\d{3}$"):
            wanted = [i for i, t in enumerate(texts) if i % 5 and re.search(pattern, t)]
            for _ in range(2):
                found = held.query(filter=f"text =~ r'{pattern}'", output=["id"])
                assert [row["id"] for row in found] == wanted
                others = held.count(filter=f"text !~ r'{pattern}'")
                assert others == 560 - len(wanted)
                held.flush()
