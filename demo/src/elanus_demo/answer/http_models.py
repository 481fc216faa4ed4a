"""How is a language model behind HTTP asked?

Two dialects of the same call: an OpenAI-compatible endpoint, which streams server-sent events,
and Ollama, which streams one JSON object per line.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from elanus_demo.answer.prompt import build_messages
from elanus_demo.answer.protocol import AnswerError, Question

# A model may think for minutes before its first word; a server that is there accepts at once.
_TIMEOUT = httpx.Timeout(connect=5.0, read=180.0, write=30.0, pool=5.0)
_LISTING_TIMEOUT = httpx.Timeout(connect=0.5, read=5.0, write=5.0, pool=5.0)

_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class _Call:
    """What is posted, and where."""

    url: str
    body: dict[str, Any]
    headers: dict[str, str]


class _StreamedModel(ABC):
    """Answers with the texts in the lines that a server streams."""

    __slots__ = ()

    def stream(self, question: Question) -> Iterator[str]:
        for line in _post_lines(self._call(question)):
            if text := self._text_of(line):
                yield text

    async def astream(self, question: Question) -> AsyncGenerator[str]:
        async with aclosing(_apost_lines(self._call(question))) as lines:
            async for line in lines:
                if text := self._text_of(line):
                    yield text

    @abstractmethod
    def _call(self, question: Question) -> _Call:
        """Return what is posted for a question."""

    @abstractmethod
    def _text_of(self, line: str) -> str:
        """Return the text in a line; empty where there is none."""


@dataclass(frozen=True, slots=True)
class OpenAICompatible(_StreamedModel):
    """A model behind ``POST {base_url}/chat/completions``.

    Attributes:
        base_url: Address that ends in ``/v1`` for most servers.
        model: Name of the model at the server.
        api_key: Secret sent as a bearer token, or None.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)

    @property
    def title(self) -> str:
        return f"{self.model} at {self.base_url}"

    @property
    def _url(self) -> str:
        return f"{self.base_url}/chat/completions"

    def _call(self, question: Question) -> _Call:
        body = {
            "model": self.model,
            "messages": build_messages(question),
            "temperature": 0.1,
            "stream": True,
        }
        return _Call(self._url, body, _authorization(self.api_key))

    def _text_of(self, line: str) -> str:
        payload = line.removeprefix("data:").strip()
        if not line.startswith("data:") or payload == "[DONE]":
            return ""
        event = _event(payload, self._url)
        choices = event.get("choices") or []
        return "".join((choice.get("delta") or {}).get("content") or "" for choice in choices)


@dataclass(frozen=True, slots=True)
class Ollama(_StreamedModel):
    """A model of a local Ollama server.

    Attributes:
        host: Address of the server.
        model: Name of the model.
    """

    host: str
    model: str

    @property
    def title(self) -> str:
        return f"{self.model} at Ollama"

    @property
    def _url(self) -> str:
        return f"{self.host}/api/chat"

    def _call(self, question: Question) -> _Call:
        body = {
            "model": self.model,
            "messages": build_messages(question),
            "options": {"temperature": 0.1},
            "stream": True,
        }
        return _Call(self._url, body, {})

    def _text_of(self, line: str) -> str:
        return (_event(line, self._url).get("message") or {}).get("content") or ""


def list_openai_models(base_url: str, api_key: str | None) -> list[str]:
    """Return the names of the models that an OpenAI-compatible endpoint offers.

    Raises:
        AnswerError: The endpoint does not answer, or not in that form.
    """
    url = f"{base_url}/models"
    listing = _get(url, _authorization(api_key))
    return [str(model["id"]) for model in _objects(listing, "data") if "id" in model]


def list_ollama_models(host: str) -> list[str]:
    """Return the names of an Ollama server's models that can chat, newest first.

    Raises:
        AnswerError: No server answers there.
    """
    models = _objects(_get(f"{host}/api/tags", {}), "models")
    return [str(model["name"]) for model in models if "name" in model and not _only_embeds(model)]


def _only_embeds(model: dict[str, Any]) -> bool:
    details = model.get("details")
    family = str(details.get("family", "")) if isinstance(details, dict) else ""
    return "bert" in family or "embed" in str(model["name"])


def _objects(listing: dict[str, Any], key: str) -> list[dict[str, Any]]:
    values = listing.get(key)
    return [v for v in values if isinstance(v, dict)] if isinstance(values, list) else []


def _authorization(api_key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def _options(url: str, timeout: httpx.Timeout) -> dict[str, Any]:
    """Return what a client is made with."""
    # A proxy of the environment cannot reach this machine's own servers.
    is_local = (urlsplit(url).hostname or "") in {"localhost", "127.0.0.1", "::1"}
    return {"timeout": timeout, "trust_env": not is_local, "follow_redirects": True}


def _get(url: str, headers: dict[str, str]) -> dict[str, Any]:
    try:
        with httpx.Client(**_options(url, _LISTING_TIMEOUT)) as client:
            response = client.get(url, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise AnswerError(f"{url}: {_reason(error)}") from None
    if response.is_error:
        raise AnswerError(_status_reason(url, response))
    return _parse(response.text, url)


def _post_lines(call: _Call) -> Iterator[str]:
    """Yield the lines of a streamed answer that are not empty."""
    url = call.url
    try:
        with (
            httpx.Client(**_options(url, _TIMEOUT)) as client,
            client.stream("POST", url, json=call.body, headers=call.headers) as response,
        ):
            if response.is_error:
                response.read()
                raise AnswerError(_status_reason(url, response))
            for line in response.iter_lines():
                if line.strip():
                    yield line
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise AnswerError(f"{url}: {_reason(error)}") from None


async def _apost_lines(call: _Call) -> AsyncGenerator[str]:
    """Do what ``_post_lines`` does; a task that is cancelled hangs up at once."""
    url = call.url
    try:
        async with (
            httpx.AsyncClient(**_options(url, _TIMEOUT)) as client,
            client.stream("POST", url, json=call.body, headers=call.headers) as response,
        ):
            if response.is_error:
                await response.aread()
                raise AnswerError(_status_reason(url, response))
            async for line in response.aiter_lines():
                if line.strip():
                    yield line
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise AnswerError(f"{url}: {_reason(error)}") from None


def _event(text: str, url: str) -> dict[str, Any]:
    """Return one event of a streamed answer.

    Raises:
        AnswerError: It is no JSON object, or it reports a failure.
    """
    event = _parse(text, url)
    if "error" in event:
        raise AnswerError(f"{url}: {_reason(event['error'])}")
    return event


def _parse(text: str, url: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError:
        raise AnswerError(f"{url}: expected JSON, got {text[:40]!r}") from None
    if not isinstance(parsed, dict):
        raise AnswerError(f"{url}: expected a JSON object, got {text[:40]!r}")
    return parsed


def _status_reason(url: str, response: httpx.Response) -> str:
    try:
        answer = response.json()
        detail = _reason(answer["error"]) if isinstance(answer, dict) else ""
    except (ValueError, KeyError):
        detail = ""
    return f"{url}: HTTP {response.status_code}{': ' if detail else ''}{detail}"


def _reason(error: object) -> str:
    text = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(text).split())[:_LONGEST_REASON] or type(error).__name__
