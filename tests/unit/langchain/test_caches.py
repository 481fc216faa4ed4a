"""Caches of models' answers: exact and by meaning."""

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import BaseCache
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
    GenerationChunk,
)

from langchain_elanus.extras import ElanusCache, ElanusSemanticCache
from support.langchain_models import AsyncOnlyEmbeddings, TableEmbeddings

ANSWER = [Generation(text="Paris", generation_info={"logprobs": [-0.5, 1e-9]})]
# Angles to the first prompt, of cosine 1, 0.96 and 0.
TABLE = {
    "capital of France?": [1.0, 0.0],
    "France's capital?": [0.96, math.sqrt(1 - 0.96**2)],
    "capital of Spain?": [0.0, 1.0],
}


@pytest.fixture
def cache() -> Iterator[ElanusCache]:
    with ElanusCache(uri=":memory:") as opened:
        yield opened


@pytest.fixture
def semantic() -> Iterator[ElanusSemanticCache]:
    with ElanusSemanticCache(TableEmbeddings(TABLE), uri=":memory:") as opened:
        yield opened


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        [],
        [GenerationChunk(text="part"), Generation(text="")],
        [
            ChatGeneration(
                message=AIMessage(
                    content=[{"type": "text", "text": "Hi"}],
                    id="1",
                    tool_calls=[{"name": "find", "args": {"q": "x"}, "id": "7"}],
                    usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
                    response_metadata={"model": "m"},
                ),
                generation_info={"finish_reason": "stop"},
            )
        ],
        [ChatGenerationChunk(message=AIMessageChunk(content="part", id="2"))],
    ],
    ids=["text", "nothing", "chunks", "chat", "chat chunk"],
)
def test_answers_come_back_as_they_were(cache: ElanusCache, answer: list[Generation]) -> None:
    cache.update("prompt", "llm", answer)
    found = cache.lookup("prompt", "llm")
    assert found == answer
    assert isinstance(found, list)
    assert [type(one) for one in found] == [type(one) for one in answer]
    messages = [(one.message, other.message) for one, other in pairs_of_chat(found, answer)]
    assert [type(one) for one, _ in messages] == [type(other) for _, other in messages]


def pairs_of_chat(*lists: list[Generation]) -> list[Any]:
    return [p for p in zip(*lists, strict=True) if isinstance(p[0], ChatGeneration)]


def test_prompt_and_model_are_told_apart(cache: ElanusCache) -> None:
    cache.update("ab", "c", ANSWER)
    assert cache.lookup("a", "bc") is None
    assert cache.lookup("ab", "d") is None
    cache.update("ab", "d", [Generation(text="other")])
    assert cache.lookup("ab", "c") == ANSWER


def test_answer_without_json_form_is_refused(cache: ElanusCache) -> None:
    with pytest.raises(ValueError, match="no JSON form"):
        cache.update("p", "l", [Generation(text="x", generation_info={"k": object()})])
    assert cache.lookup("p", "l") is None


def test_reopen(tmp_path: Path) -> None:
    with ElanusCache(uri=tmp_path) as cache:
        cache.update("p", "l", ANSWER)
    with ElanusCache(uri=tmp_path) as cache:
        assert cache.lookup("p", "l") == ANSWER


def test_ttl_is_that_of_the_collection() -> None:
    with ElanusCache(ttl_s=3600, uri=":memory:") as cache:
        cache.update("p", "l", ANSWER)
        assert cache.lookup("p", "l") == ANSWER
        assert cache.collection is not None
        assert cache.collection.ttl == (3600.0, None)


def test_semantic_cache_answers_what_means_the_same(semantic: ElanusSemanticCache) -> None:
    assert semantic.lookup("capital of France?", "llm") is None
    semantic.update("capital of France?", "llm", ANSWER)
    # A cosine of 0.96 is a relevance of 0.98; at right angles it is 0.5.
    assert semantic.lookup("France's capital?", "llm") == ANSWER
    assert semantic.lookup("capital of Spain?", "llm") is None
    assert semantic.lookup("capital of France?", "other llm") is None
    semantic.update("capital of France?", "llm", [Generation(text="still Paris")])
    assert semantic.lookup("France's capital?", "llm") == [Generation(text="still Paris")]
    assert semantic.collection is not None
    assert semantic.collection.count() == 1


def test_score_threshold_decides() -> None:
    for threshold, found in ((0.97, ANSWER), (0.99, None)):
        cache = ElanusSemanticCache(
            TableEmbeddings(TABLE), score_threshold=threshold, uri=":memory:"
        )
        with cache:
            cache.update("capital of France?", "llm", ANSWER)
            assert cache.lookup("France's capital?", "llm") == found
    with pytest.raises(ValueError, match=r"score_threshold: expected 0 to 1, got 1\.5"):
        ElanusSemanticCache(TableEmbeddings(TABLE), score_threshold=1.5, uri=":memory:")


@pytest.mark.parametrize("kind", [ElanusCache, ElanusSemanticCache])
def test_clear_all_or_of_one_model(kind: type[BaseCache]) -> None:
    models = () if kind is ElanusCache else (DeterministicFakeEmbedding(size=4),)
    with kind(*models, uri=":memory:") as cache:  # type: ignore[attr-defined]
        cache.clear()
        for llm in ("a", "b"):
            cache.update("p", llm, ANSWER)
        cache.clear(llm_string="a")
        assert [cache.lookup("p", llm) for llm in ("a", "b")] == [None, ANSWER]
        cache.clear()
        assert cache.lookup("p", "b") is None
        with pytest.raises(TypeError, match="'llm'; expected one of llm_string"):
            cache.clear(llm="a")


async def test_semantic_cache_embeds_natively() -> None:
    async with ElanusSemanticCache(AsyncOnlyEmbeddings(), uri=":memory:") as cache:
        assert await cache.alookup("p", "l") is None
        await cache.aupdate("p", "l", ANSWER)
        assert await cache.alookup("q", "l") == ANSWER
        await cache.aclear()
        assert await cache.alookup("p", "l") is None


class CountingModel(BaseChatModel):
    """Answers with the number of times it was asked."""

    asked: int = 0

    @property
    def _llm_type(self) -> str:
        return "counting"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked += 1
        message = AIMessage(content=str(self.asked))
        return ChatResult(generations=[ChatGeneration(message=message)])


def test_chat_models_are_asked_once(cache: ElanusCache) -> None:
    model = CountingModel()
    set_llm_cache(cache)
    try:
        first = [model.invoke("hello").text, model.invoke("hello").text, model.invoke("bye").text]
        later = asyncio.run(model.ainvoke("hello")).text
    finally:
        set_llm_cache(None)
    assert [*first, later] == ["1", "1", "2", "1"]
    assert model.asked == 2
