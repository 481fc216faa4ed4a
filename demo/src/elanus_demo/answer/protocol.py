"""What must an object offer to answer questions from passages?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Protocol

from elanus_demo.answer.conversation import Turn
from elanus_demo.retrieval import RetrievedPassage


class AnswerError(Exception):
    """This answerer cannot answer now; the message says why, and another one may try."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what was found for it.

    Attributes:
        text: As the user wrote it.
        passages: Numbered passages, best first.
        history: Earlier turns, oldest first.
    """

    text: str
    passages: tuple[RetrievedPassage, ...]
    history: tuple[Turn, ...] = ()


class Answerer(Protocol):
    """Question and passages → text that cites the passages as ``[1]``, ``[2]``."""

    @property
    def title(self) -> str:
        """Who answers, in words fit for ``answered by ...``."""

    def stream(self, question: Question) -> Iterator[str]:
        """Yield the answer piece by piece.

        Raises:
            AnswerError: At any piece.
        """


class AsyncAnswerer(Answerer, Protocol):
    """An answerer that a server can ask: one that waits without holding a thread."""

    def astream(self, question: Question) -> AsyncGenerator[str]:
        """Yield the answer piece by piece; a task that is cancelled stops what makes it.

        Raises:
            AnswerError: At any piece.
        """
