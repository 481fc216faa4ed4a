"""Who answers, by what the environment names and what is really there."""

import pytest

from elanus_demo.answer.choice import Provider, choose_answerers
from elanus_demo.answer.http_models import Ollama, OpenAICompatible
from elanus_embeddings.hashing import HashEmbedder
from support.chat_server import Reply, chat_server

QUOTATION = "quotation, without a language model"


def choose(
    environment: dict[str, str], provider: Provider = Provider.AUTO
) -> tuple[list[str], list[str]]:
    answerers, remarks = choose_answerers(environment, HashEmbedder(), provider)
    return [answerer.title for answerer in answerers], remarks


@pytest.fixture
def nobody() -> str:
    """Address where nothing listens."""
    with chat_server({}) as server:
        return server.url


def test_endpoint_with_model_comes_before_ollama_and_quotation() -> None:
    tags = Reply(['{"models": [{"name": "llama"}]}'])
    with chat_server({"/api/tags": tags}) as server:
        environment = {
            "OPENAI_BASE_URL": "http://host/v1/",
            "OPENAI_MODEL": "gpt",
            "OPENAI_API_KEY": "k",
            "OLLAMA_HOST": server.url,
        }
        answerers, remarks = choose_answerers(environment, HashEmbedder())
        assert answerers[:2] == [
            OpenAICompatible("http://host/v1", "gpt", "k"),
            Ollama(server.url, "llama"),
        ]
        assert answerers[2].title == QUOTATION
        assert remarks == []


def test_endpoint_without_model_takes_the_first_that_it_offers() -> None:
    with chat_server({"/v1/models": Reply(['{"data": [{"id": "first"}, {"id": "x"}]}'])}) as server:
        titles, remarks = choose({"OPENAI_BASE_URL": f"{server.url}/v1"}, Provider.OPENAI)
    assert titles == [f"first at {server.url}/v1", QUOTATION]
    assert remarks == []


def test_endpoint_that_does_not_answer_is_remarked(nobody: str) -> None:
    titles, remarks = choose({"OPENAI_BASE_URL": nobody}, Provider.OPENAI)
    assert titles == [QUOTATION]
    assert len(remarks) == 1
    assert remarks[0].startswith("the endpoint of OPENAI_BASE_URL does not answer: ")


def test_key_alone_sends_nothing_anywhere() -> None:
    titles, remarks = choose({"OPENAI_API_KEY": "k"}, Provider.OPENAI)
    assert titles == [QUOTATION]
    assert remarks == ["OPENAI_API_KEY is set; set OPENAI_MODEL too to answer with OpenAI"]


def test_key_and_model_mean_openai() -> None:
    answerers, _ = choose_answerers(
        {"OPENAI_API_KEY": "k", "OPENAI_MODEL": "gpt"}, HashEmbedder(), Provider.OPENAI
    )
    assert answerers[0] == OpenAICompatible("https://api.openai.com/v1", "gpt", "k")


def test_named_ollama_model_needs_no_listing(nobody: str) -> None:
    host = nobody.removeprefix("http://")
    titles, remarks = choose({"OLLAMA_MODEL": "llama", "OLLAMA_HOST": host}, Provider.OLLAMA)
    assert titles == ["llama at Ollama", QUOTATION]
    assert remarks == []


def test_ollama_that_was_asked_for_and_is_not_there_is_remarked(nobody: str) -> None:
    titles, remarks = choose({"OLLAMA_HOST": nobody}, Provider.OLLAMA)
    assert titles == [QUOTATION]
    assert remarks[0].startswith("Ollama does not answer: ")


def test_ollama_without_a_chat_model_says_how_to_get_one() -> None:
    with chat_server({"/api/tags": Reply(['{"models": []}'])}) as server:
        titles, remarks = choose({"OLLAMA_HOST": server.url}, Provider.OLLAMA)
    assert titles == [QUOTATION]
    assert remarks == ["Ollama has no model that can chat: run `ollama pull llama3.2`"]


def test_quotation_only_asks_nobody() -> None:
    with chat_server({}) as server:
        environment = {"OPENAI_BASE_URL": server.url, "OLLAMA_HOST": server.url}
        assert choose(environment, Provider.EXTRACTIVE) == ([QUOTATION], [])
    assert server.requests == []
