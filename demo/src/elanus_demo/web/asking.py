"""What may be asked, and which events does an answer consist of?

An answer is a stream of JSON objects, one a line: ``found`` (what the search found), then ``text``
pieces, ``failed`` where a model gave up and the next one begins anew, and ``done`` or ``error``.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeGuard

from elanus_demo.answer import AnswerError, AsyncAnswerer, Conversation, Question, Turn
from elanus_demo.retrieval import Retrieval
from elanus_demo.web.payload import Json, retrieval_payload

LONGEST_QUESTION = 4_000
_MOST_TURNS = 50


class BadRequestError(ValueError):
    """The page asked something that has no meaning; the message says what."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question as the page sends it.

    Attributes:
        text: The question.
        conversation: What was said before.
        files: Keys of the files to search, or None for all.
    """

    text: str
    conversation: Conversation
    files: tuple[str, ...] | None

    @classmethod
    def parse(cls, body: bytes, files: Collection[str]) -> Ask:
        """Return what a request asks.

        Args:
            body: JSON: ``question``, ``history`` (objects with ``question`` and ``answer``, oldest
                first) and ``scope`` (keys of files, and folders that end in a slash).
            files: Keys that there are.

        Raises:
            BadRequestError: It is not of that form, too long, or names no file.
        """
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            raise BadRequestError("the request is not JSON") from None
        if not isinstance(asked, dict):
            raise BadRequestError(f"expected a JSON object, got {type(asked).__name__}")
        text = asked.get("question")
        if not _is_text(text) or not text.strip():
            raise BadRequestError("question: expected text")
        if len(text) > LONGEST_QUESTION:
            raise BadRequestError(
                f"question: expected at most {LONGEST_QUESTION:,} characters, got {len(text):,}"
            )
        turns = _list(asked, "history")[-_MOST_TURNS:]
        conversation = Conversation([_turn(turn) for turn in turns])
        return cls(text.strip(), conversation, _scope(_list(asked, "scope"), files))


async def answer_events(
    ask: Ask, retrieval: Retrieval, answerers: Sequence[AsyncAnswerer]
) -> AsyncIterator[str]:
    """Yield the events of an answer, each a line of JSON. Cancelling it stops the model."""
    yield _line(type="found", **retrieval_payload(retrieval))
    question = Question(ask.text, retrieval.passages, ask.conversation.recent())
    started = time.perf_counter()
    first_s: float | None = None
    for answerer in answerers:
        try:
            async with aclosing(answerer.astream(question)) as pieces:
                async for text in pieces:
                    first_s = first_s or time.perf_counter() - started
                    yield _line(type="text", text=text)
        except AnswerError as error:
            first_s = None
            yield _line(type="failed", who=answerer.title, reason=str(error))
            continue
        total_s = time.perf_counter() - started
        yield _line(
            type="done",
            by=answerer.title,
            first_ms=round((first_s or total_s) * 1000, 1),
            total_ms=round(total_s * 1000, 1),
        )
        return
    yield _line(type="error", message="Nobody could answer; the passages that were found stay.")


def _line(**event: Any) -> str:
    # A lone surrogate, which a file name may bring along, has no UTF-8; JSON escapes it.
    return json.dumps(event) + "\n"


def _is_text(value: object) -> TypeGuard[str]:
    """Tell whether a value is text; JSON can escape half a character, which is none."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _list(asked: Json, key: str) -> list[Any]:
    value = asked.get(key, [])
    if not isinstance(value, list):
        raise BadRequestError(f"{key}: expected a list, got {type(value).__name__}")
    return value


def _turn(value: object) -> Turn:
    if isinstance(value, dict):
        question, answer = value.get("question"), value.get("answer")
        if _is_text(question) and _is_text(answer):
            return Turn(question, answer)
    raise BadRequestError("history: expected objects with the texts question and answer")


def _scope(entries: list[Any], files: Collection[str]) -> tuple[str, ...] | None:
    """Return the files that are named or lie below a folder that is named; None without any."""
    if not entries:
        return None
    chosen: set[str] = set()
    for entry in entries:
        is_folder = isinstance(entry, str) and entry.endswith("/")
        inside = {file for file in files if file == entry or (is_folder and file.startswith(entry))}
        if not inside:
            raise BadRequestError(f"scope: no file or folder {entry!r}")
        chosen |= inside
    return tuple(sorted(chosen))
