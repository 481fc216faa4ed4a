"""Embedding objects of LangChain and LlamaIndex as plug-ins; rankings; smaller vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core.base.embeddings.base import BaseEmbedding

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import (
    ForeignEmbedder,
    RerankerInfo,
    ScoreKind,
    as_float16,
    as_int8,
    embed_texts,
    get_embedder,
    leading_dimensions,
    plugin_config,
    rank,
)
from elanus.testing import EmbedderContract
from elanus.types import Float32Array

TEXTS = ["rotate a key", "", "paris"]


class CountingEmbedding(BaseEmbedding):
    """LlamaIndex model: counts of three letters, and one more for queries."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(text.count(letter)) for letter in "aey"]

    def _get_query_embedding(self, query: str) -> list[float]:
        return [number + 1.0 for number in self._get_text_embedding(query)]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


class TestLangChain(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Any:
        return get_embedder(ForeignEmbedder("fake", *_functions(), wrapped=None))


def _functions() -> tuple[Any, Any]:
    model = DeterministicFakeEmbedding(size=6)
    return model.embed_documents, model.embed_query


def test_an_object_of_langchain_is_taken_as_it_is() -> None:
    model = DeterministicFakeEmbedding(size=6)
    found = get_embedder(model)  # type: ignore[arg-type]
    assert found.info.dim == 6
    assert found.info.name == "DeterministicFakeEmbedding"
    expected = np.array(model.embed_documents(TEXTS), dtype=np.float32)
    np.testing.assert_array_equal(embed_texts(found, TEXTS), expected)
    assert plugin_config(found)["params"] is None


def test_an_object_of_llamaindex_is_taken_as_it_is() -> None:
    found = get_embedder(CountingEmbedding(model_name="counts"))  # type: ignore[arg-type]
    assert found.info.name == "counts"
    assert found.embed_documents(TEXTS).tolist() == [[2, 2, 1], [0, 0, 0], [1, 0, 0]]
    assert found.embed_queries(TEXTS[:1]).tolist() == [[3, 3, 2]]


def test_vectors_of_changing_length_are_noticed() -> None:
    found = ForeignEmbedder("m", lambda texts: [[1.0] * len(t) for t in texts], lambda _: [1.0], 0)
    with pytest.raises(ProviderError, match=r"expected vectors of 1 dimensions, got \[1, 2\]"):
        found.embed_documents(["a", "bb"])


class LengthReranker:
    info = RerankerInfo("length", ScoreKind.LOGIT)

    def score(self, query: str, documents: Any) -> Float32Array:
        return np.array([len(text) for text in documents], dtype=np.float32)


def test_ranking_keeps_the_order_of_ties() -> None:
    found = rank(LengthReranker(), "q", ["aa", "b", "cc", "ddd"], top_k=3)
    assert [(one.index, one.score) for one in found] == [(3, 3.0), (0, 2.0), (2, 2.0)]
    assert rank(LengthReranker(), "q", []) == []
    with pytest.raises(InvalidArgumentError, match="top_k must be at least 1"):
        rank(LengthReranker(), "q", ["a"], top_k=0)


def test_smaller_vectors() -> None:
    vectors = np.array([[3.0, -4.0, 12.0], [0.0, 0.0, 0.0], [-0.5, 0.25, 0.0]], dtype=np.float32)
    assert as_int8(vectors).tolist() == [[32, -42, 127], [0, 0, 0], [-127, 64, 0]]
    assert as_float16(vectors).dtype == np.float16
    assert leading_dimensions(vectors, 2).tolist()[0] == pytest.approx([0.6, -0.8])
    assert leading_dimensions(vectors, 2, normalize=False).tolist()[0] == [3.0, -4.0]
    with pytest.raises(InvalidArgumentError, match="beyond 65504"):
        as_float16(np.array([[70000.0]], dtype=np.float32))
    with pytest.raises(InvalidArgumentError, match=r"dim must lie in \[1, 3\]"):
        leading_dimensions(vectors, 4)
