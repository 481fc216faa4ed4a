"""Which model answers?

An OpenAI-compatible endpoint if the environment names one, else Ollama, else quotation. Each one
that is there stands in for the one before it when that fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from elanus_demo.answer.extractive import ExtractiveAnswerer, TextEmbedder
from elanus_demo.answer.http_models import (
    Ollama,
    OpenAICompatible,
    list_ollama_models,
    list_openai_models,
)
from elanus_demo.answer.protocol import AnswerError, AsyncAnswerer

_OPENAI_URL = "https://api.openai.com/v1"
_OLLAMA_URL = "http://localhost:11434"


class Provider(StrEnum):
    """Which answerers may be used."""

    AUTO = "auto"
    OPENAI = "openai"
    OLLAMA = "ollama"
    EXTRACTIVE = "extractive"


def choose_answerers(
    environment: Mapping[str, str], embedder: TextEmbedder, provider: Provider = Provider.AUTO
) -> tuple[list[AsyncAnswerer], list[str]]:
    """Return the answerers to try in order, and remarks on those that were meant but fail.

    The last one is always quotation, which cannot fail.

    Args:
        environment: Read are ``OPENAI_BASE_URL``, ``OPENAI_API_KEY``, ``OPENAI_MODEL``,
            ``OLLAMA_HOST`` and ``OLLAMA_MODEL``.
        embedder: Compares sentences with questions for quotation.
        provider: Limits the choice to one of them, and quotation.
    """
    answerers: list[AsyncAnswerer] = []
    remarks: list[str] = []
    if provider in {Provider.AUTO, Provider.OPENAI}:
        _add_openai(environment, answerers, remarks, is_asked=provider is Provider.OPENAI)
    if provider in {Provider.AUTO, Provider.OLLAMA}:
        _add_ollama(environment, answerers, remarks, is_asked=provider is Provider.OLLAMA)
    answerers.append(ExtractiveAnswerer(embedder))
    return answerers, remarks


def _add_openai(
    environment: Mapping[str, str],
    answerers: list[AsyncAnswerer],
    remarks: list[str],
    *,
    is_asked: bool,
) -> None:
    base_url = environment.get("OPENAI_BASE_URL", "").rstrip("/")
    api_key = environment.get("OPENAI_API_KEY") or None
    model = environment.get("OPENAI_MODEL", "")
    if not base_url and not (model and api_key):
        # Documents go to a service on the network only when its model is named on purpose.
        if api_key and not model:
            remarks.append("OPENAI_API_KEY is set; set OPENAI_MODEL too to answer with OpenAI")
        elif is_asked:
            remarks.append("no OpenAI-compatible endpoint: set OPENAI_BASE_URL and OPENAI_MODEL")
        return
    base_url = base_url or _OPENAI_URL
    if not model:
        try:
            offered = list_openai_models(base_url, api_key)
        except AnswerError as error:
            remarks.append(f"the endpoint of OPENAI_BASE_URL does not answer: {error}")
            return
        if not offered:
            remarks.append(f"{base_url} offers no model: set OPENAI_MODEL")
            return
        model = offered[0]
    answerers.append(OpenAICompatible(base_url, model, api_key))


def _add_ollama(
    environment: Mapping[str, str],
    answerers: list[AsyncAnswerer],
    remarks: list[str],
    *,
    is_asked: bool,
) -> None:
    host = _ollama_url(environment.get("OLLAMA_HOST", ""))
    model = environment.get("OLLAMA_MODEL", "")
    if model:
        answerers.append(Ollama(host, model))
        return
    try:
        models = list_ollama_models(host)
    except AnswerError as error:
        # No server is the usual case and no fault, unless it was asked for by name.
        if is_asked or environment.get("OLLAMA_HOST"):
            remarks.append(f"Ollama does not answer: {error}")
        return
    if models:
        answerers.append(Ollama(host, models[0]))
    else:
        remarks.append("Ollama has no model that can chat: run `ollama pull llama3.2`")


def _ollama_url(host: str) -> str:
    """Return the address of the server from ``OLLAMA_HOST``, which may lack scheme and port."""
    if not host:
        return _OLLAMA_URL
    if "://" in host:
        return host.rstrip("/")
    # A server listens on 0.0.0.0; a client reaches it on this machine.
    name = host.rstrip("/").replace("0.0.0.0", "localhost")
    return f"http://{name}" if ":" in name else f"http://{name}:11434"
