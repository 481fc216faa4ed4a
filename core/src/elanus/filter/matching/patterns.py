"""Does a text match a LIKE pattern?

``%`` stands for any text, ``_`` for one character, and a backslash takes the meaning of the next
character away. The pieces between ``%`` are found from left to right, each as early as possible,
which is right for such patterns and takes no more than length of text times length of pattern: a
hostile pattern cannot make it slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from elanus.kernels.text_patterns import ANY_CHARACTER, ANY_TEXT, match_pattern
from elanus.schema.batches import StringColumn
from elanus.types import BoolArray

_WILD = {"%": ANY_TEXT, "_": ANY_CHARACTER}


@dataclass(frozen=True, slots=True)
class PatternMatcher:
    """Whether a text matches a pattern of fixed pieces. Safe from many threads.

    Attributes:
        ask: Tells it of one text.
        pattern: The same for the kernel, which reads the bytes of many texts.
        ignores_case: Compare in small letters.
    """

    ask: Callable[[str], bool]
    pattern: bytes
    ignores_case: bool

    def __call__(self, text: str) -> bool:
        return self.ask(text)

    def matching(self, column: StringColumn) -> BoolArray:
        """Return which texts of a column match; what stands for null is empty."""
        found, undecided = match_pattern(
            column.offsets, column.data, self.pattern, ignores_case=self.ignores_case
        )
        if len(undecided):
            found[undecided] = [self.ask(str(t)) for t in column.take(undecided).to_pylist()]
        return found


@dataclass(frozen=True, slots=True)
class PartsMatcher:
    """Whether a text matches every one of some patterns, or any.

    Attributes:
        patterns: The patterns.
        every: It has to match every one.
    """

    patterns: tuple[PatternMatcher, ...]
    every: bool

    @classmethod
    def of(cls, parts: Iterable[str], *, every: bool) -> PartsMatcher:
        """Return what tells whether a text holds every one of some parts, or any."""
        return cls(tuple(map(text_matcher, parts)), every)

    def __call__(self, text: str) -> bool:
        holds = (pattern(text) for pattern in self.patterns)
        return all(holds) if self.every else any(holds)

    def matching(self, column: StringColumn) -> BoolArray:
        """Return which texts of a column match; what stands for null is empty."""
        found = np.full(len(column), self.every, dtype=np.bool_)
        for pattern in self.patterns:
            if self.every:
                found &= pattern.matching(column)
            else:
                found |= pattern.matching(column)
        return found


def like_matcher(pattern: str, *, ignore_case: bool = False) -> PatternMatcher:
    """Return what tells whether a text matches ``pattern`` as a whole.

    Args:
        pattern: As the user wrote it. A backslash at its end stands for itself.
        ignore_case: Compare in small letters.
    """
    pattern = pattern.lower() if ignore_case else pattern
    ask = _asking(pattern)
    raw = b"".join(
        _WILD[character] if is_wild else _encoded(character)
        for character, is_wild in _characters(pattern)
    )
    if ignore_case:
        return PatternMatcher(lambda text: ask(text.lower()), raw, ignores_case=True)
    return PatternMatcher(ask, raw, ignores_case=False)


def text_matcher(part: str, *, ignore_case: bool = False) -> PatternMatcher:
    """Return what tells whether a text holds ``part``."""
    wanted = part.lower() if ignore_case else part
    raw = ANY_TEXT + _encoded(wanted) + ANY_TEXT
    if ignore_case:
        return PatternMatcher(lambda text: wanted in text.lower(), raw, ignores_case=True)
    return PatternMatcher(lambda text: wanted in text, raw, ignores_case=False)


def begin_matcher(begin: str) -> PatternMatcher:
    """Return what tells whether a text begins with ``begin``."""
    return PatternMatcher(
        lambda text: text.startswith(begin), _encoded(begin) + ANY_TEXT, ignores_case=False
    )


def _asking(pattern: str) -> Callable[[str], bool]:
    pieces = _pieces(pattern)
    if len(pieces) == 1:
        whole = re.compile(pieces[0], re.DOTALL)
        return lambda text: whole.fullmatch(text) is not None
    return _Pieces(pieces)


class _Pieces:
    """Matches a pattern with at least one ``%``."""

    def __init__(self, pieces: list[str]) -> None:
        self._start = re.compile(pieces[0], re.DOTALL)
        self._middle = [re.compile(p, re.DOTALL) for p in pieces[1:-1] if p]
        self._end = re.compile(pieces[-1] + r"\Z", re.DOTALL)
        self._end_length = _num_characters(pieces[-1])

    def __call__(self, text: str) -> bool:
        match = self._start.match(text)
        if match is None:
            return False
        position = match.end()
        for piece in self._middle:
            match = piece.search(text, position)
            if match is None:
                return False
            position = match.end()
        end = len(text) - self._end_length
        return end >= position and self._end.match(text, end) is not None


def _characters(pattern: str) -> Iterator[tuple[str, bool]]:
    """Yield the characters of a pattern, and whether one stands for others."""
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            yield next(characters, "\\"), False
        else:
            yield character, character in _WILD


def _pieces(pattern: str) -> list[str]:
    """Split at ``%`` into regular expressions that match a fixed number of characters."""
    pieces = [""]
    for character, is_wild in _characters(pattern):
        if not is_wild:
            pieces[-1] += re.escape(character)
        elif character == "_":
            pieces[-1] += "."
        else:
            pieces.append("")
    return pieces


def _encoded(text: str) -> bytes:
    # Half of a pair of surrogates, which stands in no column, is not refused but found nowhere.
    return text.encode("utf-8", "surrogatepass")


def _num_characters(piece: str) -> int:
    return len(re.sub(r"\\.", "x", piece, flags=re.DOTALL))
