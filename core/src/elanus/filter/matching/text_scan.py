"""In which rows do the bytes of a text match?

What every matching text holds is looked for in the bytes of a column as they lie, all texts one
after the other: nothing is decoded but the texts that hold it, and those only when that is not all
that was asked. Where one byte sequence of UTF-8 stands in another, so does its text.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elanus.filter.matching.hints import TextHint
from elanus.filter.matching.patterns import (
    PartsMatcher,
    PatternMatcher,
    begin_matcher,
    text_matcher,
)
from elanus.filter.matching.regex import RegexMatcher
from elanus.filter.strings import NO_TEXT, CodedStrings
from elanus.schema.batches import StringColumn
from elanus.types import BoolArray

MAX_DECODED = 4
"""One text in so many may be looked at by itself."""
MIN_READ = 256
"""Texts from which a kernel reads them: it asks for each transition once."""
FEW_SHARE = 16
"""Rows that are fewer than one for so many texts of a file are asked about theirs alone."""
DISTINCT_SHARE = 8
"""Texts that are numbered already are asked one by one when there are fewer distinct ones than one
in so many rows."""


def matching_texts(
    column: StringColumn, hint: TextHint, matches: Callable[[str], bool]
) -> BoolArray | None:
    """Return which texts match, bool of shape ``(n,)``; None: that is found otherwise quicker.

    Args:
        column: The texts; what stands for null is empty.
        hint: What every match holds.
        matches: Tells whether a text matches.
    """
    if isinstance(matches, PatternMatcher | PartsMatcher):
        return matches.matching(column)
    part = max(hint.parts, key=len, default="")
    if hint.prefix or part:
        sought = begin_matcher(hint.prefix) if hint.prefix else text_matcher(part)
        found = sought.matching(column)
        if hint.is_exact if hint.prefix else hint.is_part:
            return found
        rows = np.flatnonzero(found)
        if len(rows) * MAX_DECODED <= len(column):
            found[rows] = _asked(column.take(rows), matches)
            return found
    if isinstance(matches, RegexMatcher) and len(column) >= MIN_READ:
        return matches.matching(column)
    return None


def scan_ns(matches: Callable[[str], bool]) -> float:
    """Return about what it takes to ask about a text among many, in nanoseconds: by the kernel of
    patterns, by that of automata, or in Python."""
    if isinstance(matches, PatternMatcher | PartsMatcher):
        return 8.0
    return 25.0 if isinstance(matches, RegexMatcher) else 200.0


def matching_rows(
    strings: CodedStrings, hint: TextHint | None, matches: Callable[[str], bool]
) -> BoolArray:
    """Return in which rows the text matches, by the bytes of the distinct texts where these lie in
    a file, bool of shape ``(n,)``.

    Args:
        strings: The text of each row.
        hint: What every match holds; None: that is not known.
        matches: Tells whether a text matches.
    """
    stored = strings.dictionary.stored
    if hint is None or stored is None:
        return strings.matches(matches)
    span = strings.dictionary.span_of_prefix(hint.prefix) if hint.is_exact else None
    if span is not None:
        return strings.between(*span)
    if len(strings.codes) * FEW_SHARE >= len(stored):
        table = matching_texts(stored, hint, matches)
        return strings.matches(matches) if table is None else strings.where(table)
    used, places = np.unique(strings.codes, return_inverse=True)
    present = used != NO_TEXT
    few = matching_texts(stored.take(used[present].astype(np.int64)), hint, matches)
    if few is None:
        return strings.matches(matches)
    holds = np.zeros(len(used), dtype=np.bool_)
    holds[present] = few
    return holds[places]


def _asked(column: StringColumn, matches: Callable[[str], bool]) -> BoolArray:
    """Return which of a few texts match."""
    found = None
    if isinstance(matches, RegexMatcher) and len(column) >= MIN_READ:
        found = matches.matching(column)
    if found is None:
        texts = column.to_pylist()
        found = np.array([text is not None and matches(str(text)) for text in texts], np.bool_)
    return found
