"""Embeddings, sparse embeddings and reranker over plug-ins."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor

from elanus.errors import PluginNotInstalledError
from elanus.plugins import ModelInfo, SparseVectors, VectorKind
from langchain_elanus import (
    BM25,
    ElanusEmbeddings,
    ElanusReranker,
    ElanusSparseEmbeddings,
    ElanusVectorStore,
)


def test_embeddings_are_those_of_the_plugin() -> None:
    model = ElanusEmbeddings(model="hash", model_kwargs={"dim": 8}, batch_size=2)
    texts = ["one", "two words", "", "three"]
    expected = model.embedder.embed_documents(texts)
    assert np.array_equal(np.array(model.embed_documents(texts), dtype=np.float32), expected)
    assert ElanusEmbeddings(model=model.embedder).embed_query("one") == model.embed_query("one")
    with pytest.raises(PluginNotInstalledError, match="'hash'"):
        ElanusEmbeddings(model="hesh").embed_query("one")


class LengthSparse:
    """Place 0 holds the length of the text."""

    info = ModelInfo(name="length", kind=VectorKind.SPARSE)

    def embed_documents(self, texts: Sequence[str]) -> SparseVectors:
        return SparseVectors.from_dicts([{0: float(len(t))} if t else {} for t in texts])

    embed_queries = embed_documents


async def test_sparse_embeddings_are_those_of_the_plugin() -> None:
    model = ElanusSparseEmbeddings(LengthSparse())
    first, second = model.embed_documents(["abc", ""])
    assert (first.indices, first.values) == ([0], [3.0])
    assert (second.indices, second.values) == ([], [])
    assert (await model.aembed_query("ab")).values == [2.0]
    assert await model.aembed_documents(["abc"]) == [first]


class DictSparse:
    """A model that answers with dicts, as for langchain-milvus."""

    def embed_documents(self, texts: list[str]) -> list[dict[int, float]]:
        return [{1: float(len(t))} for t in texts]

    def embed_query(self, text: str) -> dict[int, float]:
        return {1: 1.0}


def test_sparse_models_that_answer_with_dicts() -> None:
    store = ElanusVectorStore(uri=":memory:", sparse=DictSparse())  # type: ignore[arg-type]
    store.add_texts(["a", "ccc", "bb"])
    found = store.similarity_search_with_score("q", k=2)
    assert [(d.page_content, s) for d, s in found] == [("ccc", 3.0), ("bb", 2.0)]


@pytest.mark.parametrize(
    ("sparse", "error"),
    [("splade", TypeError), ([BM25(), BM25()], ValueError), ([DictSparse()] * 2, ValueError)],
)
def test_sparse_sources_that_make_no_sense(sparse: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="sparse:"):
        ElanusVectorStore(uri=":memory:", sparse=sparse)


# --- reranker ---------------------------------------------------------------------------------


class LengthEncoder:
    """Has the one method of LangChain's BaseCrossEncoder."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        self.calls.append(len(text_pairs))
        return [float(len(text)) for _, text in text_pairs]


DOCUMENTS = [
    Document(id="a", page_content="no match", metadata={"n": 1}),
    Document(id="b", page_content="rotate keys", metadata={"n": 2}),
    Document(id="c", page_content="keys", metadata={"n": 3}),
]


async def test_reranker_contract() -> None:
    kept = copy.deepcopy(DOCUMENTS)
    reranker = ElanusReranker(top_n=2)
    found = reranker.compress_documents(DOCUMENTS, "rotate keys")
    assert [d.id for d in found] == ["b", "c"]
    scores = reranker.reranker.score("rotate keys", [d.page_content for d in DOCUMENTS])
    assert [d.metadata for d in found] == [
        {"n": 2, "relevance_score": float(scores[1])},
        {"n": 3, "relevance_score": float(scores[2])},
    ]
    assert kept == DOCUMENTS
    assert await reranker.acompress_documents(DOCUMENTS, "rotate keys") == found
    assert reranker.compress_documents([], "rotate") == []
    assert len(ElanusReranker().compress_documents(DOCUMENTS, "zebra")) == 3


def test_reranker_takes_a_cross_encoder_of_langchain() -> None:
    encoder = LengthEncoder()
    found = ElanusReranker(model=encoder, batch_size=2).compress_documents(DOCUMENTS, "q")
    assert [(d.id, d.metadata["relevance_score"]) for d in found] == [
        ("b", 11.0),
        ("a", 8.0),
        ("c", 4.0),
    ]
    assert encoder.calls == [2, 1]


def test_compressor_of_another_package_inside_the_store() -> None:
    class Scored(BaseDocumentCompressor):
        def compress_documents(self, documents: Any, query: str, callbacks: Any = None) -> Any:
            return [
                Document(page_content=d.page_content, metadata={"relevance_score": 0.25})
                for d in documents[:1]
            ]

    store = ElanusVectorStore(
        ElanusEmbeddings(model="hash"), uri=":memory:", reranker=Scored(), sparse=BM25()
    )
    store.add_texts(["apples", "pears"])
    found = store.similarity_search_with_relevance_scores("apples")
    assert [(d.page_content, s) for d, s in found] == [("apples", 0.25)]
