"""Texts that are made to take long: each ends, in steps that its length bounds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from elanus.errors import FilterError
from elanus.filter import compile_filter, from_mongo, parse
from elanus.filter.language.lexer import MAX_TEXT_LENGTH
from elanus.filter.matching.patterns import like_matcher
from elanus.filter.matching.regex import RegexMatcher
from support.filter_strategies import EVERY_FIELD

CALLS_PER_CHARACTER = 40
"""Calls of Python functions that a character may cost; a token costs about 10."""
FIXED_CALLS = 20_000


def steps(call: Callable[[], Any]) -> tuple[int, FilterError | None]:
    """Return the calls of Python and C functions that a call makes, and its error."""
    count = 0

    def on_event(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    fault: FilterError | None = None
    sys.setprofile(on_event)
    try:
        call()
    except FilterError as error:
        fault = error
    finally:
        sys.setprofile(None)
    return count, fault


DEEP = "nested deeper than 64 levels"
MANY = "joins more than 4096 conditions"
BOMBS = [
    ("(" * 100_000, DEEP),
    ("not " * 100_000 + "flag", DEEP),
    ("!" * 100_000, DEEP),
    ("-" * 100_000 + "1 == 1", DEEP),
    ("[" * 100_000, DEEP),
    ("1 + " * 100_000 + "1 == 1", DEEP),
    ("2 ** " * 100_000 + "1 == 1", DEEP),
    ("big & " * 100_000 + "1 == 1", DEEP),
    ("match_any(tags, " * 50_000, DEEP),
    ("(flag or (" * 20_000 + "flag" + "))" * 20_000, DEEP),
    ("flag or " * 4_095 + "flag", None),
    ("flag and " * 4_095 + "flag", None),
    ("flag or " * 100_000 + "flag", MANY),
    ("(flag or flag) and " * 30_000 + "flag", MANY),
    ("big in [" + "1," * 10_000 + "1]", None),
    ("big in [" + "1," * 500_000 + "1]", None),
    ("name in [" + "'a', " * 100_000 + "'b']", None),
    ("meta" + "[0]" * 4_000 + " == 1", None),
    ('meta["' + "k" * 200_000 + '"] == 1', None),
    ("1" * 200_000 + " == 1", "more than 4000"),
    ("'" + "\\\\" * 20_000 + "' == name", None),
    ("'" + "x" * 200_000, "a quote is not closed"),
    ("`" + "``" * 100_000, "a backtick is not closed"),
    (" " * MAX_TEXT_LENGTH + "flag", "more than 1048576"),
    ("at > ISO '" + "1" * 200_000 + "'", "is no moment"),
    ("at + INTERVAL 'P" + "1" * 200_000 + "D' > at", "is no interval"),
    ("at + INTERVAL 'P" + "999999999999Y' > at", "longer than 9998 years"),
    ("st_within(place, '" + "(" * 200_000 + "')", "nested deeper than 32"),
    ("name =~ '" + "(" * 9_000 + "'", "nested"),
    ("name =~ '" + "(a*)*" * 1_000 + "b'", "instructions"),
    ("name =~ 'a{1000}{1000}'", "repeat|instructions|1,000|1000"),
    ("name =~ '" + "x" * 20_000 + "'", "10,?000"),
    ("name like '" + "%a" * 5_000 + "'", None),
    ("text_match(title, '" + "graph " * 5_000 + "')", None),
    ("1 < " * 50_000 + "2", "comparisons cannot be chained|range"),
    ("exists " * 100_000 + "meta", DEEP),
    ("{" * 100_000, "the name of a parameter"),
    ("contains(tags, " + "[" * 1_000, DEEP),
]


@pytest.mark.parametrize(("text", "message"), BOMBS, ids=[b[0][:24] for b in BOMBS])
def test_hostile_texts_end_in_steps_that_their_length_bounds(text, message):
    taken, fault = steps(lambda: compile_filter(text, EVERY_FIELD))
    assert taken <= FIXED_CALLS + CALLS_PER_CHARACTER * min(len(text), MAX_TEXT_LENGTH)
    if message is None:
        assert fault is None
    else:
        assert fault is not None
        assert fault.args[0]
        with pytest.raises(FilterError, match=message):
            raise fault


@pytest.mark.parametrize("text", [text for text, message in BOMBS if message == DEEP])
def test_the_rest_of_a_text_that_is_too_deep_is_not_read(text):
    half = len(text) // 2
    taken, fault = steps(lambda: parse(text[:half]))
    twice, again = steps(lambda: parse(text))
    assert DEEP in str(fault)
    assert DEEP in str(again)
    assert abs(twice - taken) <= 100  # a table of escapes or a path more or less


@pytest.mark.parametrize("key", ["$and", "$or", "$not", "k"])
def test_deep_dicts_are_refused(key):
    conditions: Any = {"k": 1}
    for _ in range(10_000):
        conditions = {key: [conditions] if key.startswith("$") else conditions}
    taken, fault = steps(lambda: from_mongo(conditions))
    assert DEEP in str(fault)
    assert taken <= FIXED_CALLS


def test_the_rest_of_a_chain_that_is_too_long_is_not_read():
    taken, _ = steps(lambda: parse("flag or " * 5_000 + "flag"))
    twice, fault = steps(lambda: parse("flag or " * 100_000 + "flag"))
    assert MANY in str(fault)
    assert abs(twice - taken) <= 100


@pytest.mark.parametrize(
    "conditions",
    [
        {"$or": [{"big": 1}] * 4_097},
        {"$and": [{"$or": [{"big": 1}, {"big": 2}]}] * 2_100},
        {f"k{number}": 1 for number in range(4_097)},
        {"$or": [{"big": {"$gt": 1, "$lt": 5}}] * 2_100},
    ],
)
def test_dicts_of_too_many_conditions_are_refused(conditions):
    with pytest.raises(FilterError, match=MANY):
        from_mongo(conditions)
    assert from_mongo({"$or": [{"big": 1}] * 4_096}) is not None


def lines(call: Callable[[], Any]) -> int:
    """Return the lines of Python that a call runs; loops count once a round."""
    count = 0

    def on_event(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return on_event

    before = sys.gettrace()
    sys.settrace(on_event)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "matches",
    [like_matcher("%a" * 50 + "%b"), RegexMatcher("(a|aa)+$|(a*)*b|(a{0,30}){0,30}c$d")],
    ids=["like", "regex"],
)
def test_patterns_take_lines_in_proportion_to_the_text(matches):
    matches("a" * 100)
    assert lines(lambda: matches("a" * 20_000 + "c")) <= 20 * 20_000
