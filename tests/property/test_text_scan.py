"""Parts and beginnings found in the bytes of a column, against each text by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.filter.matching import text_scan
from elanus.filter.matching.hints import NO_HINT, like_hint, part_hint, regex_hint
from elanus.filter.matching.patterns import PartsMatcher, like_matcher, text_matcher
from elanus.filter.matching.regex import RegexMatcher
from elanus.filter.matching.text_scan import matching_texts
from elanus.schema.batches import slice_column, strings_to_column

TEXTS = st.lists(st.text(alphabet="abä\U0001d4b3", max_size=6) | st.none(), max_size=12)
PARTS = st.text(alphabet="abä\U0001d4b3", min_size=1, max_size=3)
LIKES = st.lists(st.sampled_from(["%", "_", "a", "b", "ab", "ä", "\\%", "\\"]), max_size=6).map(
    "".join
)
# Letters whose small or large form is ASCII, or has another length, among others.
CASED = st.text(alphabet="aAkK\u212aiI\u0130\u0131äÄßẞsS\u017fΣ\u03c3ς\u0307", max_size=6)
CASED_LIKES = st.lists(
    st.sampled_from(["%", "_", "k", "K", "\u212a", "ki", "\u0130", "ä", "\\%", "ΣA"]), max_size=5
).map("".join)


@pytest.fixture(autouse=True, params=[0, 4])
def candidates(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that hold a part are looked at by themselves always, and where they are few."""
    monkeypatch.setattr(text_scan, "MAX_DECODED", request.param)
    monkeypatch.setattr(text_scan, "MIN_READ", request.param)


@given(TEXTS, PARTS, LIKES, st.integers(0, 3))
def test_bytes_say_what_texts_say(
    texts: list[str | None], part: str, pattern: str, start: int
) -> None:
    column = strings_to_column(texts)
    start = min(start, len(texts))
    column, texts = slice_column(column, start, len(texts)), texts[start:]
    for hint, matches in (
        (part_hint(part), text_matcher(part)),
        (NO_HINT, PartsMatcher.of([part, "b"], every=True)),
        (NO_HINT, PartsMatcher.of([part, "b"], every=False)),
        (NO_HINT, PartsMatcher.of([], every=False)),
        (like_hint(pattern), like_matcher(pattern)),
    ):
        found = matching_texts(column, hint, matches)
        assert found is not None
        # What is null is empty, and is known to be null elsewhere.
        assert found.tolist() == [matches(text or "") for text in texts]


@given(TEXTS, PARTS)
def test_bytes_say_what_expressions_say(texts: list[str | None], part: str) -> None:
    column = strings_to_column(texts)
    for pattern in (f"{part}.?b", f"^{part}", f"^{part}+b", part, f"^{part}$|a", f"(?m)^{part}"):
        matches = RegexMatcher(pattern)
        found = matching_texts(column, regex_hint(pattern), matches)
        if found is not None:
            assert found.tolist() == [matches(text or "") for text in texts]


@given(st.lists(CASED | st.none(), max_size=12), CASED, CASED_LIKES)
def test_bytes_say_in_any_case_what_texts_say(
    texts: list[str | None], part: str, pattern: str
) -> None:
    column = strings_to_column(texts)
    for matches in (
        text_matcher(part, ignore_case=True),
        like_matcher(pattern, ignore_case=True),
    ):
        found = matching_texts(column, NO_HINT, matches)
        assert found is not None
        assert found.tolist() == [matches(text or "") for text in texts]


def test_hints_say_how_a_match_begins_and_whether_that_is_all() -> None:
    assert (regex_hint("^ab+").prefix, regex_hint("^ab|c").prefix) == ("a", "")
    assert (regex_hint("abc").is_part, regex_hint("ab.").is_part) == (True, False)
    assert regex_hint("(?m)^ab").prefix == ""


def test_what_stands_in_many_is_found_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_scan, "MAX_DECODED", 4)
    monkeypatch.setattr(text_scan, "MIN_READ", 256)
    column = strings_to_column(["ab", "ab", "b"])
    assert matching_texts(column, regex_hint("ab?c"), RegexMatcher("ab?c")) is None
