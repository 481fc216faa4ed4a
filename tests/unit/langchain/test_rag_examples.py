"""The chatbots of the examples: sources, streaming, memory, follow-ups, and models behind HTTP."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from langchain_elanus import BM25, ElanusEmbeddings, ElanusVectorStore
from support.chat_server import (
    InTurn,
    Reply,
    chat_server,
    json_lines,
    server_sent_events,
    tool_call_events,
)

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FIRST = "How often do I rotate the signing key?"
FOLLOW_UP = "And how long do the old ones stay valid?"


def needs_langchain_openai() -> None:
    """Skip where the package is one of a newer langchain-core than the one that is tested."""
    pytest.importorskip("langchain_openai", exc_type=ImportError)


@pytest.fixture(autouse=True)
def no_model_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OLLAMA_MODEL", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store() -> Iterator[ElanusVectorStore]:
    embeddings = ElanusEmbeddings(model="hash")
    with ElanusVectorStore(embeddings, sparse=BM25("english"), uri=":memory:") as opened:
        yield opened


@pytest.fixture
def chat() -> Any:
    return importlib.import_module("rag_chat_langchain")


def chatbot(name: str, chat: Any, store: ElanusVectorStore) -> Any:
    return importlib.import_module(name).make_agent(chat.make_retriever(store))


def said(agent: Any, session: str) -> list[tuple[str, str]]:
    messages = agent.get_state({"configurable": {"thread_id": session}}).values["messages"]
    return [(m.type, m.text) for m in messages if m.type in {"human", "ai"} and m.text]


@pytest.mark.parametrize("name", ["rag_chat_langchain", "rag_agent_langchain"])
def test_answers_name_their_sources_stream_and_are_remembered(
    name: str, chat: Any, store: ElanusVectorStore
) -> None:
    agent = chatbot(name, chat, store)
    pieces = list(chat.answer(agent, FIRST, "a"))
    assert len(pieces) > 4
    first = "".join(pieces)
    assert first == "Rotate the signing key every ninety days. [security.md]"
    second = "".join(chat.answer(agent, FOLLOW_UP, "a"))
    assert second == "Old keys stay valid for one week. [security.md]"
    third = "".join(chat.answer(agent, "When are invoices sent?", "a"))
    assert third == "Invoices are sent on the first of the month. [billing.md]"
    assert said(agent, "a")[:4] == [
        ("human", FIRST),
        ("ai", first),
        ("human", FOLLOW_UP),
        ("ai", second),
    ]
    assert "".join(chat.answer(agent, FIRST, "b")) == first
    assert said(agent, "b") == [("human", FIRST), ("ai", first)]


def test_reranked_passages_are_the_best_three(chat: Any, store: ElanusVectorStore) -> None:
    found = chat.make_retriever(store).invoke("rotate the signing key")
    assert len(found) == 3
    assert found[0].id == "security.md-0"
    scores = [document.metadata["relevance_score"] for document in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[1]


def test_openai_endpoint_gets_passages_and_what_was_said(
    chat: Any, store: ElanusVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_langchain_openai()
    replies = InTurn(
        server_sent_events("Every ", "ninety ", "days [security.md]"), server_sent_events("A week")
    )
    with chat_server({"/v1/chat/completions": Reply(replies)}) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_MODEL", "small")
        agent = chatbot("rag_chat_langchain", chat, store)
        assert list(chat.answer(agent, FIRST)) == ["Every ", "ninety ", "days [security.md]"]
        assert list(chat.answer(agent, FOLLOW_UP)) == ["A week"]
    first, second = (body for _, _, _, body in server.requests)
    assert (first["model"], first["stream"]) == ("small", True)
    [system, question] = first["messages"]
    assert "[security.md] Rotate the signing key every ninety days." in system["content"]
    assert question == {"role": "user", "content": FIRST}
    assert [message["role"] for message in second["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert second["messages"][2]["content"] == "Every ninety days [security.md]"
    assert "Old keys stay valid for one week." in second["messages"][0]["content"]


def test_openai_model_calls_the_search_and_gets_its_passages(
    chat: Any, store: ElanusVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_langchain_openai()
    replies = InTurn(
        tool_call_events("search_docs", json.dumps({"query": "restore a backup"})),
        server_sent_events("restore ", "--from DATE [backup.md]"),
    )
    with chat_server({"/v1/chat/completions": Reply(replies)}) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_MODEL", "small")
        agent = chatbot("rag_agent_langchain", chat, store)
        pieces = list(chat.answer(agent, "How do I restore?"))
    assert pieces == ["restore ", "--from DATE [backup.md]"]
    first, second = (body for _, _, _, body in server.requests)
    assert [tool["function"]["name"] for tool in first["tools"]] == ["search_docs"]
    result = second["messages"][-1]
    assert result["role"] == "tool"
    assert "[backup.md] Backups run at night. Restore one with" in result["content"]


def test_ollama_streams(
    chat: Any, store: ElanusVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("langchain_ollama")
    with chat_server({"/api/chat": Reply(json_lines("Every ", "ninety days"))}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        monkeypatch.setenv("OLLAMA_MODEL", "llama")
        agent = chatbot("rag_chat_langchain", chat, store)
        assert list(chat.answer(agent, FIRST)) == ["Every ", "ninety days"]
    [(_, _, _, body)] = server.requests
    assert body["model"] == "llama"
    assert "[security.md] Rotate the signing key" in body["messages"][0]["content"]
