"""The chatbot of the example: sources, streaming, memory, follow-ups, and models behind HTTP."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Settings

from llama_index.vector_stores.elanus import BM25, ElanusEmbedding, ElanusVectorStore
from support.chat_server import InTurn, Reply, chat_server, json_lines, server_sent_events

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FIRST = "How often do I rotate the signing key?"
FOLLOW_UP = "And how long do the old ones stay valid?"


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OLLAMA_MODEL", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setattr(Settings, "_embed_model", ElanusEmbedding("hash"))
    return importlib.import_module("rag_chat_llamaindex")


@pytest.fixture
def store() -> Iterator[ElanusVectorStore]:
    with ElanusVectorStore(":memory:", sparse=BM25("english")) as opened:
        yield opened


def chatbot(chat: Any, store: ElanusVectorStore) -> Any:
    Settings.llm = chat.local_llm()
    return chat.make_engine(chat.make_index(store))


def test_answers_name_their_sources_stream_and_are_remembered(
    chat: Any, store: ElanusVectorStore
) -> None:
    engine = chatbot(chat, store)
    pieces = list(chat.answer(engine, FIRST))
    assert len(pieces) > 4
    assert "".join(pieces) == "Rotate the signing key every ninety days. [security.md]"
    assert "".join(chat.answer(engine, FOLLOW_UP)) == (
        "Old keys stay valid for one week. [security.md]"
    )
    assert "".join(chat.answer(engine, "When are invoices sent?")) == (
        "Invoices are sent on the first of the month. [billing.md]"
    )
    history = [(str(m.role.value), str(m.content)) for m in engine.chat_history]
    assert history[:3] == [("user", FIRST), ("assistant", "".join(pieces)), ("user", FOLLOW_UP)]
    assert len(history) == 6


def test_sources_of_an_answer_are_reranked(chat: Any, store: ElanusVectorStore) -> None:
    engine = chatbot(chat, store)
    response = engine.stream_chat(FIRST)
    assert "".join(response.response_gen)
    nodes = response.source_nodes
    assert nodes[0].node.metadata["source"] == "security.md"
    assert len(nodes) == 3
    assert nodes[0].score > nodes[1].score >= nodes[2].score


def test_openai_endpoint_rewrites_a_follow_up_and_gets_passages(
    chat: Any, store: ElanusVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("llama_index.llms.openai_like")
    rewritten = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Old keys?"}}]
    }
    replies = InTurn(
        server_sent_events("Every ", "ninety days [security.md]"),
        [json.dumps(rewritten)],
        server_sent_events("A ", "week"),
    )
    with chat_server({"/v1/chat/completions": Reply(replies)}) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_MODEL", "small")
        engine = chatbot(chat, store)
        # Older models also say when a reply begins and ends.
        pieces = [piece for piece in chat.answer(engine, FIRST) if piece]
        assert pieces == ["Every ", "ninety days [security.md]"]
        assert [piece for piece in chat.answer(engine, FOLLOW_UP) if piece] == ["A ", "week"]
    first, condense, second = (str(body) for _, _, _, body in server.requests)
    assert "[security.md] Rotate the signing key every ninety days." in first
    assert "Every ninety days [security.md]" in condense
    assert FOLLOW_UP in condense
    assert "[security.md] Rotate the signing key every ninety days. Old keys" in second


def test_ollama_streams(
    chat: Any, store: ElanusVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("llama_index.llms.ollama")
    replies = {
        "/api/chat": Reply(json_lines("Every ", "ninety days")),
        "/api/show": Reply(['{"model_info": {"llama.context_length": 8192}}']),
    }
    with chat_server(replies) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        monkeypatch.setenv("OLLAMA_MODEL", "llama")
        engine = chatbot(chat, store)
        assert "".join(chat.answer(engine, FIRST)) == "Every ninety days"
    body = server.requests[-1][3]
    assert body["model"] == "llama"
    assert "[security.md] Rotate the signing key" in str(body["messages"])
