"""Both dialects against a real server on this machine."""

import asyncio

import pytest

from elanus_demo.answer import AnswerError, AsyncAnswerer, Question, Turn
from elanus_demo.answer.http_models import (
    Ollama,
    OpenAICompatible,
    list_ollama_models,
    list_openai_models,
)
from elanus_demo.answer.prompt import SYSTEM
from support.chat_server import Reply, chat_server, json_lines, server_sent_events
from support.passages import found

QUESTION = Question(
    "And monthly?",
    (found(1, "Rotate it.", "keys.md", ("Keys", "Rotation")), found(2, "Copy it.", "b.md")),
    (Turn("How?", "So [1]."),),
)
MESSAGES = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": "How?"},
    {"role": "assistant", "content": "So [1]."},
    {
        "role": "user",
        "content": "Passages:\n\n[1] keys.md, Keys > Rotation\nRotate it.\n\n[2] b.md\nCopy it."
        "\n\nQuestion: And monthly?",
    },
]


async def every_piece(model: AsyncAnswerer) -> list[str]:
    return [piece async for piece in model.astream(QUESTION)]


def test_openai_streams_the_answer_and_sends_passages_history_and_key() -> None:
    replies = {"/v1/chat/completions": Reply(server_sent_events("Yes", ", monthly", " [1]."))}
    with chat_server(replies) as server:
        model = OpenAICompatible(f"{server.url}/v1", "small", "secret")
        assert list(model.stream(QUESTION)) == ["Yes", ", monthly", " [1]."]
        assert asyncio.run(every_piece(model)) == ["Yes", ", monthly", " [1]."]
    [(method, path, headers, body), again] = server.requests
    assert (again[1], again[3]) == (path, body)
    assert (method, path) == ("POST", "/v1/chat/completions")
    assert headers["Authorization"] == "Bearer secret"
    assert body == {"model": "small", "messages": MESSAGES, "temperature": 0.1, "stream": True}
    assert model.title == f"small at {server.url}/v1"


def test_ollama_streams_the_answer() -> None:
    with chat_server({"/api/chat": Reply(json_lines("Yes", " [1]."))}) as server:
        model = Ollama(server.url, "llama")
        assert list(model.stream(QUESTION)) == ["Yes", " [1]."]
        assert asyncio.run(every_piece(model)) == ["Yes", " [1]."]
    [(_, _, headers, body), again] = server.requests
    assert "Authorization" not in headers
    assert body["model"] == "llama"
    assert again[3] == body
    assert body["messages"] == MESSAGES


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(['{"error": {"message": "no such model"}}'], 404), "HTTP 404: no such model"),
        (Reply(["<html>gone</html>"], 502), "HTTP 502"),
        (Reply(['data: {"error": {"message": "overloaded"}}\n\n']), "overloaded"),
        (Reply(["data: nonsense\n\n"]), "expected JSON, got 'nonsense'"),
        (Reply(["data: [1]\n\n"]), "expected a JSON object, got '[1]'"),
    ],
)
def test_openai_failure_is_one_reason(reply: Reply, reason: str) -> None:
    with chat_server({"/chat/completions": reply}) as server, pytest.raises(AnswerError) as caught:
        list(OpenAICompatible(server.url, "m").stream(QUESTION))
    assert str(caught.value) == f"{server.url}/chat/completions: {reason}"
    with chat_server({"/chat/completions": reply}) as server, pytest.raises(AnswerError) as caught:
        asyncio.run(every_piece(OpenAICompatible(server.url, "m")))
    assert str(caught.value) == f"{server.url}/chat/completions: {reason}"


def test_answer_that_breaks_off_is_a_failure_after_its_pieces() -> None:
    reply = Reply(json_lines("Half")[:1], length=10_000)
    with chat_server({"/api/chat": reply}) as server:
        pieces = Ollama(server.url, "m").stream(QUESTION)
        assert next(pieces) == "Half"
        with pytest.raises(AnswerError, match="/api/chat"):
            next(pieces)


def test_ollama_error_line_is_a_failure() -> None:
    with (
        chat_server({"/api/chat": Reply(['{"error": "model not loaded"}\n'])}) as server,
        pytest.raises(AnswerError, match="model not loaded"),
    ):
        list(Ollama(server.url, "m").stream(QUESTION))


@pytest.mark.parametrize("model", [OpenAICompatible, Ollama])
def test_server_that_is_gone_is_a_failure(model: type[OpenAICompatible] | type[Ollama]) -> None:
    with chat_server({}) as server:
        pass
    with pytest.raises(AnswerError, match="refused"):
        list(model(server.url, "m").stream(QUESTION))
    with pytest.raises(AnswerError, match=r"connection attempts failed|refused"):
        asyncio.run(every_piece(model(server.url, "m")))


def test_models_are_listed_without_those_that_only_embed() -> None:
    tags = (
        '{"models": [{"name": "nomic-embed-text:latest"}, {"name": "minilm", '
        '"details": {"family": "bert"}}, {"name": "llama3.2:latest"}, {"name": "qwen3"}]}'
    )
    with chat_server({"/api/tags": Reply([tags])}) as server:
        assert list_ollama_models(server.url) == ["llama3.2:latest", "qwen3"]
    with chat_server({"/models": Reply(['{"data": [{"id": "a"}, {"id": "b"}]}'])}) as server:
        assert list_openai_models(server.url, None) == ["a", "b"]
    with chat_server({"/models": Reply(["[]"])}) as server, pytest.raises(AnswerError):
        list_openai_models(server.url, None)
