"""What was said before, and what does a follow-up question mean by "it"?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# A model sees this many earlier turns; older ones are rarely meant and fill its context.
_TURNS_SHOWN = 4

# "That" is a pronoun after these words; elsewhere it mostly opens a clause.
_REFERENCE = re.compile(
    r"\b(?:it|its|itself|this|these|those|they|them|their|he|she|him|her)\b"
    r"|\b(?:about|after|do|does|for|from|is|like|of|than|with|without)\s+that\b",
    re.IGNORECASE,
)
_CONTINUATION = re.compile(
    r"\s*(?:and\b|but\b|or\b|so\b|then\b|also\b|what about\b|how about\b|why\s*\?|why not\b|"
    r"for example|an? example|more\b|what else\b|anything else\b|explain\b|elaborate\b)",
    re.IGNORECASE,
)
_FEW_WORDS = 2


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and the answer it got."""

    question: str
    answer: str


@dataclass(slots=True)
class Conversation:
    """The turns of one chat, oldest first."""

    turns: list[Turn] = field(default_factory=list)

    def add(self, question: str, answer: str) -> None:
        """Append a turn."""
        self.turns.append(Turn(question, answer))

    def recent(self) -> tuple[Turn, ...]:
        """Return the turns that a model is shown."""
        return tuple(self.turns[-_TURNS_SHOWN:])

    def search_text(self, question: str) -> str:
        """Return what to search for.

        A question that points back ("and with a timeout?", "how does it do that?") names too
        little to be found by itself; the question before it is searched along with it.
        """
        if not self.turns or not points_back(question):
            return question
        return f"{self.turns[-1].question} {question}"


def points_back(question: str) -> bool:
    """Tell whether a question seems to need the one before it to be understood."""
    return (
        _CONTINUATION.match(question) is not None
        or _REFERENCE.search(question) is not None
        or len(question.split()) <= _FEW_WORDS
    )
