"""LlamaIndex' store for Milvus as its documentation uses it; scores are worked out by hand."""

from __future__ import annotations

import asyncio
import math

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from llama_index.vector_stores.milvus import MilvusVectorStore
from llama_index.vector_stores.milvus.utils import (
    BaseSparseEmbeddingFunction,
    BM25BuiltInFunction,
)

from support.llamaindex_models import LengthEmbedding, make_node

NODES = [
    make_node("a", "The whale lives in the sea", [1.0, 0.0], "doc1", topic="sea", year=2001),
    make_node("b", "The fox hunts in the snow", [0.0, 1.0], "doc1", topic="land", year=2010),
    make_node("c", "A glacier is snow that moves", [0.6, 0.8], "doc2", topic="land", year=2020),
    make_node("d", "The whale sings at night", [0.8, 0.6], "doc2", topic="sea", year=2015),
]


@pytest.fixture
def made(uri):
    """Makes stores; drops what they made."""
    stores = []

    def make(name, **options):
        options = {"dim": 2, "use_async_client": False, **options}
        store = MilvusVectorStore(uri, collection_name=name, overwrite=True, **options)
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.clear()


def one(key, value, operator=FilterOperator.EQ):
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])


def asked(embedding=(1.0, 0.0), k=4, **options):
    return VectorStoreQuery(query_embedding=list(embedding), similarity_top_k=k, **options)


@pytest.mark.parametrize("metric", ["IP", "COSINE", "L2"])
def test_dense_searches(made, metric):
    store = made(f"dense_{metric}", similarity_metric=metric)
    assert store.add(NODES) == ["a", "b", "c", "d"]
    found = store.query(asked())
    wanted = {
        "IP": ["a", "d", "c", "b"],
        "COSINE": ["a", "d", "c", "b"],
        "L2": ["a", "d", "c", "b"],
    }[metric]
    assert found.ids == wanted
    scores = {"IP": [1, 0.8, 0.6, 0], "COSINE": [1, 0.8, 0.6, 0], "L2": [0, 0.4, 0.8, 2]}[metric]
    assert found.similarities == pytest.approx(scores, abs=1e-6)
    assert found.nodes[0].text == NODES[0].text
    assert found.nodes[0].metadata["year"] == 2001
    assert found.nodes[0].ref_doc_id == "doc1"


def test_searches_of_a_part(made):
    store = made("parts")
    store.add(NODES)
    assert store.query(asked(filters=one("topic", "land"))).ids == ["c", "b"]
    assert store.query(asked(filters=one("year", 2010, FilterOperator.GT))).ids == ["d", "c"]
    assert store.query(asked(doc_ids=["doc2"])).ids == ["d", "c"]
    assert store.query(asked(node_ids=["b", "c"])).ids == ["c", "b"]
    assert store.query(asked(), string_expr="year < 2005").ids == ["a"]
    varied = store.query(asked(k=2, mode=VectorStoreQueryMode.MMR), mmr_threshold=0.1)
    assert varied.ids == ["a", "b"]


def test_nodes_come_and_go(made):
    store = made("nodes", upsert_mode=True)
    store.add(NODES)
    found = store.get_nodes(node_ids=["b", "a"])
    assert sorted(node.node_id for node in found) == ["a", "b"]
    assert found[0].embedding == [1.0, 0.0]
    store.add([make_node("a", "The whale left", [1.0, 0.0], "doc1", topic="sea", year=2022)])
    assert store.get_nodes(node_ids=["a"])[0].text == "The whale left"
    assert len(store.get_nodes(filters=one("year", 0, FilterOperator.GT))) == 4
    store.delete_nodes(node_ids=["c"])
    store.delete_nodes(filters=one("topic", "sea"))
    assert [n.node_id for n in store.get_nodes(filters=one("year", 0, FilterOperator.GT))] == ["b"]
    store.delete("doc1")
    assert store.get_nodes(filters=one("year", 0, FilterOperator.GT)) == []
    store.clear()
    assert "nodes" not in store.client.list_collections()


def test_full_text_and_hybrid(made):
    store = made(
        "hybrid",
        similarity_metric="COSINE",
        enable_sparse=True,
        sparse_embedding_function=BM25BuiltInFunction(),
        hybrid_ranker="RRFRanker",
        hybrid_ranker_params={"k": 60},
    )
    store.add(NODES)
    words = store.query(asked(mode=VectorStoreQueryMode.TEXT_SEARCH, query_str="glacier"))
    assert words.ids == ["c"]
    # In one of 4 texts of 6, 6, 6 and 5 words: idf of Lucene, k1 1.2, b 0.75.
    length = 1.2 * (0.25 + 0.75 * 6 / (23 / 4))
    assert words.similarities == pytest.approx(
        [math.log(1 + 3.5 / 1.5) * 2.2 / (1 + length)], rel=1e-4
    )
    both = store.query(asked((0.6, 0.8), mode=VectorStoreQueryMode.HYBRID, query_str="glacier"))
    assert both.ids[0] == "c"
    assert both.similarities[0] == pytest.approx(2 / 61, rel=1e-4)
    part = store.query(
        asked(
            (1.0, 0.0),
            mode=VectorStoreQueryMode.HYBRID,
            query_str="snow",
            filters=one("topic", "land"),
        )
    )
    assert set(part.ids) == {"b", "c"}


def test_a_weighted_ranker(made):
    store = made(
        "weighted",
        similarity_metric="COSINE",
        enable_sparse=True,
        sparse_embedding_function=BM25BuiltInFunction(),
        hybrid_ranker="WeightedRanker",
        hybrid_ranker_params={"weights": [1.0, 0.0]},
    )
    store.add(NODES)
    found = store.query(asked(mode=VectorStoreQueryMode.HYBRID, query_str="glacier"))
    # What Milvus makes of a cosine: (1 + cosine) / 2.
    assert found.ids[0] == "a"
    assert found.similarities[:2] == pytest.approx([1.0, 0.9], rel=1e-4)


class Letters(BaseSparseEmbeddingFunction):
    """The number of each letter."""

    def _counts(self, text):
        return {ord(c) - 97: float(text.lower().count(c)) for c in set(text.lower()) if c.isalpha()}

    def encode_queries(self, queries):
        return [self._counts(query) for query in queries]

    def encode_documents(self, documents):
        return [self._counts(document) for document in documents]


def test_sparse_vectors_of_ones_own(made):
    store = made("sparse", enable_dense=False, dim=None, enable_sparse=True,
                 sparse_embedding_function=Letters())  # fmt: skip
    store.add([TextNode(id_="a", text="xxx"), TextNode(id_="b", text="xyz")])
    found = store.query(
        VectorStoreQuery(query_str="x", similarity_top_k=2, mode=VectorStoreQueryMode.SPARSE)
    )
    assert (found.ids, found.similarities) == (["a", "b"], [3.0, 1.0])


def test_an_index_over_it(made):
    store = made("indexed", similarity_metric="L2")
    index = VectorStoreIndex(
        [TextNode(id_=i, text=t) for i, t in [("x", "abc"), ("y", "abcdefgh")]],
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=LengthEmbedding(),
    )
    (found,) = index.as_retriever(similarity_top_k=1).retrieve("abcdefg")
    assert found.node_id == "y"
    again = VectorStoreIndex.from_vector_store(store, embed_model=LengthEmbedding())
    assert again.as_retriever(similarity_top_k=1).retrieve("ab")[0].node_id == "x"


def test_the_asynchronous_half(uri):
    async def use():
        store = MilvusVectorStore(uri, collection_name="soon", dim=2, overwrite=True)
        assert await store.async_add(NODES) == ["a", "b", "c", "d"]
        assert (await store.aquery(asked())).ids == ["a", "d", "c", "b"]
        assert [n.node_id for n in await store.aget_nodes(node_ids=["b"])] == ["b"]
        await store.adelete_nodes(node_ids=["a"])
        await store.adelete("doc2")
        assert (await store.aquery(asked())).ids == ["b"]
        await store.aclear()
        assert "soon" not in store.client.list_collections()
        await store.aclient.close()

    asyncio.run(use())
