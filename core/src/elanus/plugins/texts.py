"""What must an object offer to take part in the analysis of texts?

These are the whole contracts of the group ``elanus.analyzers``; ``elanus.testing`` has the test
classes that hold a plug-in to them. Any object with the right method fits: nothing is inherited.

Terms are stored with a collection, so a plug-in gives the same terms for the same text and settings
for ever; what changes them is a setting, or another name. Where versions differ all the same, a
fixed set of texts shows most of it; an object that has an attribute ``fingerprint``, a string that
changes with its terms, shows all of it. Calls may come from several threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol


class TextToken(NamedTuple):
    """A token and where it stands. A plain tuple of the same values does as well.

    Attributes:
        text: The token.
        start: Where it begins in the text, in characters.
        end: The character after its last one.
        place: Its place among the words of the text, for phrases, never below that of the token
            before it; None: the place after that one.
    """

    text: str
    start: int
    end: int
    place: int | None = None


class TextTokenizer(Protocol):
    """Text → tokens, in order; filters come after it. Empty tokens are dropped."""

    def tokenize(self, text: str) -> Iterable[TextToken]: ...


class TextAnalyzer(Protocol):
    """Text → terms, in order: a tokenizer with its own filters."""

    def analyze(self, text: str) -> Iterable[TextToken]: ...


class TermFilter(Protocol):
    """Token → what it becomes, None to drop it. It looks at nothing but the token."""

    def apply(self, token: str) -> str | None: ...


class TermExpander(Protocol):
    """Token → all terms that stand in its place, none to drop it; else as ``TermFilter``."""

    def expand(self, token: str) -> Sequence[str]: ...
