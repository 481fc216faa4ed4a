"""How do messages and answers of models become text, and text the same again?

Only the classes of ``langchain_core`` are ever made from a stored text: reading one runs no code
that the text names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, messages_from_dict
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    Generation,
    GenerationChunk,
)
from pydantic_core import PydanticSerializationError, to_jsonable_python

# Subclasses first: the first that fits is stored.
_PLAIN = (GenerationChunk, Generation)
_CHAT = (ChatGenerationChunk, ChatGeneration)
_BY_NAME: dict[str, type[Generation]] = {kind.__name__: kind for kind in (*_PLAIN, *_CHAT)}


def message_to_text(message: BaseMessage) -> str:
    """Return a message as JSON.

    Raises:
        ValueError: It holds what JSON cannot; names the type of message.
    """
    try:
        return json.dumps(_message_to_dict(message))
    except PydanticSerializationError as error:
        raise ValueError(f"{message.type} message: it has no JSON form: {error}") from error


def text_to_message(text: str) -> BaseMessage:
    """Return the message that ``message_to_text`` made a text of."""
    return messages_from_dict([json.loads(text)])[0]


def generations_to_text(generations: Sequence[Generation]) -> str:
    """Return what a model answered as JSON.

    Raises:
        ValueError: An answer holds what JSON cannot.
    """
    try:
        return json.dumps([_generation_to_dict(generation) for generation in generations])
    except PydanticSerializationError as error:
        raise ValueError(f"generations: they have no JSON form: {error}") from error


def text_to_generations(text: str) -> list[Generation]:
    """Return the answers that ``generations_to_text`` made a text of."""
    return [_generation_from_dict(stored) for stored in json.loads(text)]


def _message_to_dict(message: BaseMessage) -> dict[str, Any]:
    return {"type": message.type, "data": message.model_dump(mode="json")}


def _generation_to_dict(generation: Generation) -> dict[str, Any]:
    info = to_jsonable_python(generation.generation_info)
    kind = next(k for k in (*_CHAT, *_PLAIN) if isinstance(generation, k))
    stored = {"class": kind.__name__, "info": info}
    if isinstance(generation, ChatGeneration):
        return {**stored, "message": _message_to_dict(generation.message)}
    return {**stored, "text": generation.text}


def _generation_from_dict(stored: dict[str, Any]) -> Generation:
    answer: dict[str, Any] = {"generation_info": stored["info"]}
    if "message" in stored:
        (answer["message"],) = messages_from_dict([stored["message"]])
    else:
        answer["text"] = stored["text"]
    return _BY_NAME[stored["class"]].model_validate(answer)
