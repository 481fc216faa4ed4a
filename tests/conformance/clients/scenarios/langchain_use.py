"""langchain-milvus as its documentation uses it; scores are worked out by hand."""

from __future__ import annotations

import asyncio
import math

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_milvus import BM25BuiltInFunction, Milvus
from pymilvus import DataType

WORDS = ["whale", "fox", "glacier", "sea", "snow", "night"]


class Counts(Embeddings):
    """A text's vector says which of some words it has; the length is 1."""

    def embed_query(self, text):
        found = [float(text.lower().count(word)) for word in WORDS]
        length = math.sqrt(sum(x * x for x in found)) or 1.0
        return [x / length for x in found]

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]


TEXTS = {
    "a": ("The whale lives in the sea", {"topic": "sea", "year": 2001, "tags": ["big"]}),
    "b": ("The fox hunts in the snow at night", {"topic": "land", "year": 2010, "tags": ["red"]}),
    "c": ("A glacier is snow that moves", {"topic": "land", "year": 2020, "tags": ["big", "ice"]}),
    "d": ("The whale sings at night", {"topic": "sea", "year": 2015, "tags": []}),
}

# The types of lists have to be told.
TAGS = {
    "tags": {
        "dtype": DataType.ARRAY,
        "kwargs": {"element_type": DataType.VARCHAR, "max_capacity": 9, "max_length": 20},
    }
}


def documents():
    return [Document(page_content=text, metadata=meta) for text, meta in TEXTS.values()]


@pytest.fixture
def made(uri):
    """Makes stores; drops what they made."""
    stores = []

    def make(name, embedding=None, **options):
        store = Milvus(
            Counts() if embedding is None else embedding,
            collection_name=name,
            connection_args={"uri": uri},
            drop_old=True,
            consistency_level="Strong",
            **{"metadata_schema": TAGS, **options},
        )
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.drop()


def keys(found):
    return [document.metadata["pk"] for document in found]


def score(query, key):
    one, other = Counts().embed_query(query), Counts().embed_query(TEXTS[key][0])
    return sum(x * y for x, y in zip(one, other, strict=True))


def test_from_texts_and_searches(uri):
    store = Milvus.from_texts(
        [text for text, _ in TEXTS.values()],
        Counts(),
        metadatas=[meta for _, meta in TEXTS.values()],
        ids=list(TEXTS),
        collection_name="from_texts",
        connection_args={"uri": uri},
        index_params={"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 8}},
        drop_old=True,
        metadata_schema=TAGS,
    )
    found = store.similarity_search_with_score("whale", k=2)
    # Of three words of equal weight, and of two: 1/√2 for both.
    assert {d.metadata["pk"]: pytest.approx(s, abs=1e-5) for d, s in found} == {
        key: score("whale", key) for key in ("a", "d")
    }
    assert found[0][0].page_content in (TEXTS["a"][0], TEXTS["d"][0])
    assert keys(store.similarity_search("whale night", k=1)) == ["d"]
    with_filter = store.similarity_search("snow", k=4, expr='topic == "land" and year > 2015')
    assert keys(with_filter) == ["c"]
    tagged = store.similarity_search("snow", k=4, expr='array_contains(tags, "big")')
    assert sorted(keys(tagged)) == ["a", "c"]
    relevant = store.similarity_search_with_relevance_scores("whale sea", k=1)
    assert (keys([relevant[0][0]]), relevant[0][1]) == (["a"], pytest.approx(1.0, abs=1e-5))
    vector = Counts().embed_query("fox night snow")
    assert keys(store.similarity_search_by_vector(vector, k=1)) == ["b"]
    store.drop()


def test_mmr_takes_what_differs(made):
    store = made("mmr", index_params={"index_type": "FLAT", "metric_type": "COSINE", "params": {}})
    store.add_documents(documents(), ids=list(TEXTS))
    store.add_documents(
        [Document(page_content="The whale, the sea", metadata=TEXTS["a"][1])], ids=["e"]
    )
    alike = keys(store.similarity_search("whale sea", k=2))
    assert sorted(alike) == ["a", "e"]
    varied = keys(store.max_marginal_relevance_search("whale sea", k=2, fetch_k=5, lambda_mult=0.2))
    assert varied[0] in ("a", "e")
    assert varied[1] not in ("a", "e")


def test_keys_upserts_and_deletes(uri, made):
    store = made("changed")
    assert store.add_documents(documents(), ids=list(TEXTS)) == list(TEXTS)
    assert sorted(store.get_pks('topic == "sea"')) == ["a", "d"]
    changed = Document(
        page_content="The fox swims in the sea", metadata={**TEXTS["b"][1], "year": 1999}
    )
    store.upsert(ids=["b"], documents=[changed])
    (found,) = store.similarity_search("fox", k=1)
    assert (found.page_content, found.metadata["year"]) == (changed.page_content, 1999)
    assert store.delete(ids=["a"]) is True
    assert store.delete(expr="year == 1999") is True
    assert sorted(store.get_pks('pk != ""')) == ["c", "d"]
    assert [d.metadata["pk"] for d in store.search_by_metadata("year > 2016")] == ["c"]
    again = Milvus(Counts(), collection_name="changed", connection_args={"uri": uri})
    assert keys(again.similarity_search("glacier", k=1)) == ["c"]


def test_full_text_and_hybrid(made):
    words = BM25BuiltInFunction(input_field_names="text", output_field_names="sparse")
    store = made(
        "hybrid",
        builtin_function=words,
        vector_field=["dense", "sparse"],
        index_params=[
            {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 8}},
            {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "BM25", "params": {}},
        ],
    )
    store.add_documents(documents(), ids=list(TEXTS))
    # "moves" is in one text alone, and not among the words of the vectors.
    best = store.similarity_search(
        "moves", k=1, ranker_type="weighted", ranker_params={"weights": [0.0, 1.0]}
    )
    assert keys(best) == ["c"]
    found = store.similarity_search_with_score(
        "the whale sings at night", k=4, ranker_type="rrf", ranker_params={"k": 60}
    )
    # First in words and in vectors.
    assert (keys([found[0][0]]), found[0][1]) == (["d"], pytest.approx(2 / 61, rel=1e-4))
    # The ranker has to be named: langchain-milvus 0.4.0 sends else, from the second search on,
    # more weights than legs, which Milvus refuses as well.
    filtered = store.similarity_search("night", k=4, expr='topic == "land"', ranker_type="rrf")
    assert filtered[0].metadata["pk"] == "b"
    assert {d.metadata["topic"] for d in filtered} == {"land"}


def test_full_text_alone(uri):
    store = Milvus.from_documents(
        documents(),
        None,
        builtin_function=BM25BuiltInFunction(),
        vector_field="sparse",
        ids=list(TEXTS),
        collection_name="words_alone",
        connection_args={"uri": uri},
        drop_old=True,
        metadata_schema=TAGS,
    )
    found = store.similarity_search_with_score("glacier", k=4)
    assert keys([document for document, _ in found]) == ["c"]
    store.drop()


def test_a_partition_key_keeps_tenants_apart(made):
    store = made(
        "tenants",
        enable_dynamic_field=True,
        metadata_schema=None,
        partition_key_field="topic",
        num_partitions=4,
    )
    store.add_documents(documents(), ids=list(TEXTS))
    found = store.similarity_search("whale", k=4, expr='topic == "land"')
    assert sorted(keys(found)) == ["b", "c"]
    description = store.client.describe_collection("tenants")
    assert [f["name"] for f in description["fields"] if f.get("is_partition_key")] == ["topic"]
    assert description["num_partitions"] == 4


def test_keys_made_by_the_server_and_loose_metadata(made):
    store = made("loose", auto_id=True, enable_dynamic_field=True, metadata_schema=None)
    store.add_texts(["The whale", "The fox"], [{"page": 1}, {"other": "x"}])
    (found,) = store.similarity_search("fox", k=1)
    assert found.metadata["other"] == "x"
    assert "page" not in found.metadata
    assert [d.page_content for d in store.similarity_search("fox", k=2, expr="page == 1")] == [
        "The whale"
    ]


def test_retrievers(made):
    store = made("retrieved")
    store.add_documents(documents(), ids=list(TEXTS))
    retriever = store.as_retriever(search_kwargs={"k": 1, "expr": "year > 2005"})
    assert keys(retriever.invoke("whale")) == ["d"]
    mmr = store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "fetch_k": 4})
    assert len(mmr.invoke("whale")) == 2
    threshold = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"k": 4, "score_threshold": 0.99}
    )
    assert keys(threshold.invoke("whale sea")) == ["a"]


def test_the_asynchronous_half(uri):
    async def use():
        store = Milvus(
            Counts(),
            collection_name="soon",
            connection_args={"uri": uri},
            drop_old=True,
            metadata_schema=TAGS,
        )
        assert await store.aadd_documents(documents(), ids=list(TEXTS)) == list(TEXTS)
        found = await store.asimilarity_search("fox", k=1)
        assert keys(found) == ["b"]
        found = await store.amax_marginal_relevance_search("whale", k=2, fetch_k=4)
        assert len(found) == 2
        await store.aupsert(ids=["b"], documents=[documents()[0]])
        assert sorted(await store.aget_pks('topic == "sea"')) == ["a", "b", "d"]
        assert await store.adelete(ids=["a"]) is True
        assert sorted(await store.aget_pks('pk != ""')) == ["b", "c", "d"]
        await store.aclient.close()
        store.drop()

    asyncio.run(use())
