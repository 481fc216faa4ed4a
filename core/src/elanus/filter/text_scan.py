"""In which rows do the bytes of a text match?

What every matching text holds is looked for in the bytes of a column as they lie, all texts one
after the other: nothing is decoded but the texts that hold it, and those only when that is not all
that was asked. Where one byte sequence of UTF-8 stands in another, so does its text.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elanus.filter.hints import TextHint
from elanus.filter.regex import RegexMatcher
from elanus.schema.batches import StringColumn
from elanus.types import BoolArray, Int64Array

CHUNK_BYTES = 1 << 24
"""Bytes that are copied and searched at once."""
MAX_PLACES = 2
"""Places of a part for each text, from which it is quicker to look at the texts one by one."""
MAX_DECODED = 4
"""One text in so many may be looked at by itself."""
_SMALL_IS_ASCII = ("\u0130".encode(), "\u212a".encode())
"""The only other letters with ASCII in their small form: I with a dot, and the sign of Kelvin."""
MIN_READ = 256
"""Texts from which a kernel reads them: it asks for each transition once."""
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
    found = _by_parts(column, hint, matches)
    if found is None and isinstance(matches, RegexMatcher) and len(column) >= MIN_READ:
        found = matches.matching(column)
    return found


def _by_parts(
    column: StringColumn, hint: TextHint, matches: Callable[[str], bool]
) -> BoolArray | None:
    """Return the same where few texts hold what every match holds; else None."""
    if hint.prefix:
        rows: Int64Array | None = _beginning_with(column, hint.prefix.encode())
        is_exact = hint.is_exact
    elif hint.folded:
        rows, is_exact = (
            _holding(column, hint.folded.encode(), *_SMALL_IS_ASCII, folded=True),
            False,
        )
    else:
        part = max(hint.parts, key=len, default="")
        rows = _holding(column, part.encode()) if part else None
        is_exact = hint.is_part
    if rows is None or (not is_exact and len(rows) * MAX_DECODED > len(column)):
        return None
    if not is_exact:
        texts = column.take(rows).to_pylist()
        rows = rows[[text is not None and matches(str(text)) for text in texts]]
    found = np.zeros(len(column), dtype=np.bool_)
    found[rows] = True
    return found


def _beginning_with(column: StringColumn, prefix: bytes) -> Int64Array:
    starts, ends = column.offsets[:-1], column.offsets[1:]
    rows = np.flatnonzero(ends - starts >= len(prefix))
    for place, byte in enumerate(prefix):
        rows = rows[column.data[starts[rows] + place] == byte]
    return rows


def _holding(column: StringColumn, *parts: bytes, folded: bool = False) -> Int64Array | None:
    """Return the texts that hold one of ``parts``; None when they stand in too many places.

    Args:
        column: The texts.
        parts: What is looked for.
        folded: In small letters of ASCII.
    """
    offsets, first = column.offsets, 0
    found: list[Int64Array] = []
    while first < len(column):
        stop = int(np.searchsorted(offsets, offsets[first] + CHUNK_BYTES, side="right")) - 1
        stop = min(max(stop, first + 1), len(column))
        raw = column.data[int(offsets[first]) : int(offsets[stop])].tobytes()
        raw = raw.lower() if folded else raw
        if raw.count(parts[0]) > MAX_PLACES * (stop - first):
            return None
        for part in parts:
            places = np.array(_places(raw, part), dtype=np.int64) + offsets[first]
            rows = np.searchsorted(offsets, places, side="right") - 1
            # What begins in one text and ends in the next stands in neither.
            rows = rows[places + len(part) <= offsets[rows + 1]]
            found.append(rows[np.diff(rows, prepend=-1) > 0])
        first = stop
    rows = np.concatenate([np.empty(0, dtype=np.int64), *found])
    return np.unique(rows) if len(parts) > 1 else rows


def _places(raw: bytes, part: bytes) -> list[int]:
    """Return where ``part`` begins, overlapping places too."""
    places = []
    place = raw.find(part)
    while place >= 0:
        places.append(place)
        place = raw.find(part, place + 1)
    return places
