"""LIKE patterns."""

from __future__ import annotations

import pytest

from elanus.filter.matching.patterns import like_matcher, text_matcher


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("abc", ["abc"], ["ab", "abcd", "ABC", ""]),
        ("", [""], ["a"]),
        ("a%", ["a", "abc", "a\nb"], ["", "ba"]),
        ("%a", ["a", "cba"], ["", "ab"]),
        ("%a%", ["a", "bab"], ["", "b"]),
        ("a%a", ["aa", "aba"], ["a", "ab"]),
        ("%ab%ab", ["abab", "xabyab"], ["ab", "xab", "aba"]),
        ("%", ["", "a"], []),
        ("%%", ["", "a"], []),
        ("_", ["a", "日", "\U0001d4b3", "\n"], ["", "ab"]),
        ("a_c", ["abc", "a_c"], ["ac", "abbc"]),
        ("_%_", ["ab", "abc"], ["a", ""]),
        (r"50\%", ["50%"], ["50", "50x", "50\\%"]),
        (r"a\_b", ["a_b"], ["axb"]),
        (r"a\\%", ["a\\", "a\\b"], ["a", "ab"]),
        (r"a\b", ["ab"], ["a\\b"]),
        ("a\\", ["a\\"], ["a"]),
        ("a.b*", ["a.b*"], ["axbb"]),
        ("%.pdf", ["x.pdf"], ["xpdf", "x.pdfx"]),
    ],
)
def test_like(pattern: str, matching: list[str], other: list[str]) -> None:
    matches = like_matcher(pattern)
    assert [t for t in matching if not matches(t)] == []
    assert [t for t in other if matches(t)] == []


def test_ignoring_case_lowers_both_sides() -> None:
    matches = like_matcher("ÄB%", ignore_case=True)
    assert [matches(t) for t in ("äbc", "ÄBC", "abc")] == [True, True, False]
    holds = text_matcher("Ä", ignore_case=True)
    assert [holds(t) for t in ("xäx", "XÄX", "a")] == [True, True, False]


def test_many_wildcards_take_linear_time() -> None:
    # Backtracking would try more ways than there are atoms.
    assert not like_matcher("%a" * 50 + "%b")("a" * 20_000)
