"""How does text of unknown origin get onto a terminal unharmed?"""

from __future__ import annotations

import unicodedata

from rich.console import Console
from rich.text import Text

_KEPT = frozenset("\n\t")


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
