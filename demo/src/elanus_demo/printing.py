"""How does text of unknown origin get onto a terminal unharmed?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_KEPT = frozenset("\n\t")
_WORD_OR_SPACE = re.compile(r"\S+|\s")


def printable(text: str) -> str:
    """Return text without control characters, which could move the cursor or change colours."""
    return "".join(
        character
        for character in text
        if character in _KEPT or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
    )


def say(console: Console, text: str, style: str = "", *, end: str = "\n") -> None:
    """Print text as it is: no markup, wrapped only where a terminal would cut it."""
    console.print(
        Text(printable(text), style=style),
        end=end,
        soft_wrap=not console.is_terminal,
        highlight=False,
    )


def count_of(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 file``, ``6,418 passages``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def wrap_words(pieces: Iterable[str], width: int) -> Iterator[str]:
    """Yield text that arrives in pieces, with a line break before a word that would not fit.

    A word is held back until its end has arrived.

    Args:
        pieces: Parts of a text, cut anywhere.
        width: Columns of a line.
    """
    column = 0
    unfinished = ""
    for piece in pieces:
        *whole, unfinished = _WORD_OR_SPACE.findall(unfinished + piece) or [""]
        for token in whole:
            broken, column = _place(token, column, width)
            yield broken
    yield _place(unfinished, column, width)[0]


def _place(token: str, column: int, width: int) -> tuple[str, int]:
    """Return a word or space, with a break before it if needed, and the column after it."""
    if token == "\n":
        return token, 0
    length = cell_len(token)
    if column + length <= width or not column:
        return token, column + length
    # A space at the end of a line is the line break.
    return ("\n", 0) if token.isspace() else ("\n" + token, length)
