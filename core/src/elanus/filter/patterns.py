"""Does a text match a LIKE pattern?

``%`` stands for any text, ``_`` for one character, and a backslash takes the meaning of the next
character away. The pieces between ``%`` are found from left to right, each as early as possible,
which is right for such patterns and takes no more than length of text times length of pattern: a
hostile pattern cannot make it slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable


def like_matcher(pattern: str, *, ignore_case: bool = False) -> Callable[[str], bool]:
    """Return a function that tells whether a text matches ``pattern`` as a whole.

    Args:
        pattern: As the user wrote it. A backslash at its end stands for itself.
        ignore_case: Compare in small letters.
    """
    if ignore_case:
        match_lowered = like_matcher(pattern.lower())
        return lambda text: match_lowered(text.lower())
    pieces = _pieces(pattern)
    if len(pieces) == 1:
        whole = re.compile(pieces[0], re.DOTALL)
        return lambda text: whole.fullmatch(text) is not None
    return _Matcher(pieces)


def text_matcher(part: str, *, ignore_case: bool = False) -> Callable[[str], bool]:
    """Return a function that tells whether a text holds ``part``."""
    if ignore_case:
        lowered = part.lower()
        return lambda text: lowered in text.lower()
    return lambda text: part in text


class _Matcher:
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


def _pieces(pattern: str) -> list[str]:
    """Split at ``%`` into regular expressions that match a fixed number of characters."""
    pieces = [""]
    characters = iter(pattern)
    for character in characters:
        if character == "%":
            pieces.append("")
        elif character == "_":
            pieces[-1] += "."
        else:
            if character == "\\":
                character = next(characters, "\\")
            pieces[-1] += re.escape(character)
    return pieces


def _num_characters(piece: str) -> int:
    return len(re.sub(r"\\.", "x", piece, flags=re.DOTALL))
