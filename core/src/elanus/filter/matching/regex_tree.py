"""What can a regular expression say?

The tree that ``regex_parser`` reads and ``regex`` runs. Only whether a text holds a match is ever
asked, so groups do not remember anything, and greedy and lazy repetition are the same.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, TypeAlias

Range: TypeAlias = tuple[int, int]
"""Code points from the first to the second, both included."""

MAX_CODE_POINT: Final = 0x10FFFF
_LAST_CASED: Final = 0x1FFFF
"""No character above has a small or a capital form."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set.

    Attributes:
        ranges: Code points of the set.
        categories: Unicode general categories (``L``, ``Lu``) of the set.
        parts: Further sets whose characters are of the set.
        negated: Every character that is not in the set instead.
        ignore_case: A character is in the set when one that differs by case only is.
    """

    ranges: tuple[Range, ...] = ()
    categories: tuple[str, ...] = ()
    parts: tuple[Chars, ...] = ()
    negated: bool = False
    ignore_case: bool = False

    def __contains__(self, character: object) -> bool:
        assert isinstance(character, str)
        same = cases_of(character) if self.ignore_case else (character,)
        holds = any(map(self._holds, same)) or any(character in part for part in self.parts)
        return holds is not self.negated

    def _holds(self, character: str) -> bool:
        code = ord(character)
        if any(first <= code <= last for first, last in self.ranges):
            return True
        return bool(self.categories) and unicodedata.category(character).startswith(self.categories)

    @property
    def literal(self) -> str | None:
        """The only character of the set, or None."""
        first, last = self.ranges[0] if len(self.ranges) == 1 else (0, -1)
        is_more = self.categories or self.parts or self.negated or self.ignore_case
        return chr(first) if first == last and not is_more else None


class Place(StrEnum):
    """Something that holds between two characters."""

    TEXT_BEGIN = r"\A"
    TEXT_END = r"\z"
    LINE_BEGIN = "(?m)^"
    LINE_END = "(?m)$"
    WORD_EDGE = r"\b"
    NO_WORD_EDGE = r"\B"


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other; without parts the empty text."""

    parts: tuple[Regex, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    parts: tuple[Regex, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The part again and again, at least ``low`` times and at most ``high`` (None: any)."""

    part: Regex
    low: int
    high: int | None


Regex: TypeAlias = Chars | Place | Sequence | Choice | Repeat


def cases_of(character: str) -> tuple[str, ...]:
    """Return the characters that differ from this one by case only, itself included."""
    return _cases().get(_folded(character), (character,))


@cache
def _cases() -> dict[str, tuple[str, ...]]:
    """Return the sets of more than one character, by their folded form."""
    sets: dict[str, list[str]] = {}
    for character in map(chr, range(_LAST_CASED + 1)):
        if character.lower() != character or character.upper() != character:
            sets.setdefault(_folded(character), []).append(character)
    return {key: tuple(members) for key, members in sets.items() if len(members) > 1}


def _folded(character: str) -> str:
    # Only one character for one: the sharp s is not two of the other.
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character
