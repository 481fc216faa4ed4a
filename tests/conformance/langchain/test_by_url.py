"""A store by the URL of a server answers as one in this process, whatever it searches by."""

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import index

from elanus.errors import CollectionNotFoundError, EntityError, FilterError
from elanus.filter import field
from langchain_elanus import BM25, ElanusVectorStore
from langchain_elanus.extras import ElanusRecordManager
from support.langchain_models import WordSparse

EMBEDDINGS = DeterministicFakeEmbedding(size=6)
KINDS = [
    *[(kind, metric) for kind in ("dense", "hybrid") for metric in ("COSINE", "IP", "L2")],
    ("bm25", None),
    ("sparse", None),
]
TEXTS = [f"word{i % 7} word{i % 3} text{i}" for i in range(40)]
IDS = [f"it's {i:02}" for i in range(40)]
METADATAS: list[dict[str, Any]] = [
    {"id": i, "s": f"Graph {i % 4}", "tags": ["eu", "us"][: i % 3], "deep": {"a.b": [i, None]}}
    | ({"n": i / 2} if i % 5 else {"n": None})
    | ({'quo"te': "x' or 1 == 1"} if i % 2 else {})
    for i in range(40)
]
CONDITIONS: list[Any] = [
    {"n": 3},
    {"n": {"$ne": 3}},
    {"n": {"$gt": 2, "$lte": 9}},
    {"n": {"$between": [2, 4]}},
    {"id": {"$in": [1, 2, 99]}},
    {"id": {"$nin": [1, 2]}},
    {"tags": {"$contains": "us"}},
    {"tags": {"$contains_any": ["us", "x"]}},
    {"tags": {"$contains_all": ["eu", "us"]}},
    {"s": {"$like": "G%3"}},
    {"s": {"$itext_match": "GRAPH 1"}},
    {'quo"te': {"$exists": True}},
    {"tags": {"$empty": True}},
    {'quo"te': "x' or 1 == 1"},
    {"$not": {"$or": [{"n": None}, {"deep": {"a.b": {"$contains": 4}}}]}},
    "n >= 5 and s like 'G%'",
    (field("n") >= 5) & ~field("tags").contains("us"),
    {"s": '" or 1 == 1 or "'},
]


def make_store(uri: str, kind: str, metric: str | None, model: WordSparse) -> ElanusVectorStore:
    sparse = {"dense": None, "hybrid": BM25(), "bm25": BM25(), "sparse": model}[kind]
    embeddings = EMBEDDINGS if metric else None
    return ElanusVectorStore(embeddings, uri=uri, sparse=sparse, search_mode=kind, metric=metric)


def answers(store: ElanusVectorStore) -> list[Any]:
    """Return what every kind of read answers."""
    query = "word1 word2"
    threshold = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.4, "k": 9}
    )
    found: list[Any] = [
        store.similarity_search_with_score(query, k=30),
        store.similarity_search_with_relevance_scores(query, k=30),
        store.similarity_search(query, k=5, offset=3),
        threshold.invoke(query),
        store.get_by_ids([IDS[3], "missing", IDS[1], IDS[3]]),
        store.get(limit=3, offset=2),
        store.count(),
    ]
    for condition in CONDITIONS:
        matching = store.similarity_search(query, k=40, filter=condition)
        found += [store.get(condition), store.count(condition), matching]
    if store.embeddings is not None:
        found += [
            store.max_marginal_relevance_search(query, k=5, fetch_k=15, lambda_mult=0.3),
            store.similarity_search_by_vector(EMBEDDINGS.embed_query("x"), k=4),
        ]
    return found


@pytest.mark.parametrize(("kind", "metric"), KINDS)
def test_every_read_and_write_answers_alike(server_url: str, kind: str, metric: str | None) -> None:
    model = WordSparse()
    with (
        make_store(":memory:", kind, metric, model) as here,
        make_store(server_url, kind, metric, model) as there,
    ):
        for store in (here, there):
            assert store.similarity_search_with_relevance_scores("word1") == []
            assert store.add_texts(iter(TEXTS), METADATAS, ids=IDS) == IDS
        first = answers(here)
        assert len(first[0]) >= 10
        # Each condition but the last holds for some rows, and for some not.
        assert [0 < here.count(c) < len(IDS) for c in CONDITIONS[:-1]] == [True] * 17
        assert answers(there) == first
        for store in (here, there):
            store.add_texts(["word1", "word1 again"], [{"n": 1}, {}], ids=[IDS[0], IDS[0]])
            assert store.delete([IDS[1], "missing"]) is True
            assert store.delete(filter={"n": {"$gt": 15}}) is True
            assert store.delete([]) is True
            with pytest.raises(FilterError):
                store.delete(filter="n >=")
        assert answers(there) == answers(here)
        assert 0 < there.count() < len(IDS) - 1
        assert there.delete() is True
        assert there.get() == []


async def test_asynchronous_methods_answer_alike(server_url: str) -> None:
    with ElanusVectorStore(EMBEDDINGS, uri=server_url, sparse=BM25()) as store:
        assert await store.aadd_texts(TEXTS, METADATAS, ids=IDS) == IDS
        for mode in ("dense", "bm25", "hybrid"):
            expected = store.similarity_search("word1", search_mode=mode)
            assert await store.asimilarity_search("word1", search_mode=mode) == expected
            assert await store.as_retriever(search_type=mode).ainvoke("word1") == expected
        expected = store.max_marginal_relevance_search("word1")
        assert await store.amax_marginal_relevance_search("word1") == expected
        assert await store.aget_by_ids(IDS[:2]) == store.get_by_ids(IDS[:2])
        assert await store.adelete(IDS[:2]) is True
        assert store.count() == len(IDS) - 2


def test_many_loops_many_threads(server_url: str) -> None:
    with ElanusVectorStore(EMBEDDINGS, uri=server_url, sparse=BM25()) as store:
        store.add_texts(TEXTS, ids=IDS)

        def in_own_loop(number: int) -> list[int]:
            async def work() -> list[int]:
                await store.aadd_texts([f"more {number}"], ids=[f"more-{number}"])
                searches = (store.asimilarity_search("word1", k=5) for _ in range(4))
                return [len(found) for found in await asyncio.gather(*searches)]

            return asyncio.run(work())

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(in_own_loop, range(8))) == [[5] * 4] * 8
        assert store.count() == len(IDS) + 8


def test_long_text_and_large_batch(server_url: str) -> None:
    text = "wörd " * 200_000 + "needle"
    with ElanusVectorStore(EMBEDDINGS, uri=server_url, sparse=BM25()) as store:
        store.add_texts([text], [{"long": text}], ids=["long"])
        expected = [Document(id="long", page_content=text, metadata={"long": text})]
        assert store.get_by_ids(["long"]) == expected
        assert store.similarity_search("needle", search_mode="bm25") == expected
        many = [str(i) for i in range(10_000)]
        assert store.add_texts(many, ids=many) == many
        assert store.count() == 10_001
        assert store.similarity_search("4711", k=1, search_mode="bm25")[0].id == "4711"


def test_opening_again(server_url: str) -> None:
    with pytest.raises(CollectionNotFoundError, match="'nope'"):
        ElanusVectorStore.from_existing_collection(
            EMBEDDINGS, collection_name="nope", uri=server_url
        )
    first = ElanusVectorStore(EMBEDDINGS, uri=server_url)
    second = ElanusVectorStore(EMBEDDINGS, uri=server_url)
    first.add_texts(["x"], ids=["a"])
    assert [d.id for d in second.similarity_search("x")] == ["a"]
    first.close()
    second.add_texts(["y"], ids=["b"])
    with pickle.loads(pickle.dumps(second)) as again:
        assert [d.id for d in again.get()] == ["a", "b"]
    with ElanusVectorStore(DeterministicFakeEmbedding(size=5), uri=server_url) as wrong:
        with pytest.raises(EntityError, match=r"dim 6, got 5 \(row 0\)"):
            wrong.add_texts(["z"])
        with pytest.raises(ValueError, match=r"dim 6, got shape \(5,\)"):
            wrong.similarity_search("x")
    assert second.count() == 2
    second.close()


def test_tenants_are_apart(server_url: str) -> None:
    options: dict[str, Any] = {"uri": server_url, "partition_key": "tenant", "sparse": BM25()}
    with ElanusVectorStore(EMBEDDINGS, **options) as store:
        acme, other = store.for_tenant("acme"), store.for_tenant("it's")
        acme.add_texts(["shared words"], ids=["1"])
        other.add_texts(["shared words", "more"], ids=["1", "2"])
        anyone = {"$or": [{"tenant": {"$exists": True}}, {"tenant": None}]}
        for mode in ("dense", "bm25", "hybrid"):
            found = acme.similarity_search("shared", search_mode=mode, filter=anyone)
            assert [(d.id, d.metadata) for d in found] == [("1", {})]
        acme.delete(["2"])
        acme.delete()
        assert acme.count() == 0
        assert sorted(d.id or "" for d in other.get()) == ["1", "2"]


def test_indexing_api(server_url: str) -> None:
    old = [Document(page_content=t, metadata={"source": "s"}) for t in ("one", "two")]
    new = [Document(page_content=t, metadata={"source": "s"}) for t in ("one", "three")]
    with (
        ElanusVectorStore(EMBEDDINGS, uri=server_url) as store,
        ElanusRecordManager("test", uri=server_url) as records,
    ):
        records.create_schema()
        for documents, expected in ((old, (2, 0, 0)), (old, (0, 2, 0)), (new, (1, 1, 1))):
            done = index(documents, records, store, cleanup="full", key_encoder="sha256")
            numbers = (done["num_added"], done["num_skipped"], done["num_deleted"])
            assert numbers == expected
        assert {d.page_content for d in store.get()} == {"one", "three"}
