"""Modes, scores, options and diversity of searches."""

import math
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from elanus import DBSF, Boost, Decay
from elanus.errors import InvalidArgumentError
from elanus.plugins import RerankerInfo, ScoreKind
from langchain_elanus import (
    BM25,
    RRF,
    ElanusReranker,
    ElanusVectorStore,
    SparseVector,
    Weighted,
)
from support.langchain_models import TableEmbeddings, WordSparse

TABLE = {
    "alpha beta": [1.0, 0.0],
    "beta gamma": [0.8, 0.6],
    "gamma delta": [0.0, 1.0],
    "delta delta": [-1.0, 0.0],
    "query beta": [2.0, 0.0],
    "nothing shared": [0.0, 2.0],
}
TEXTS = list(TABLE)[:4]


def make_store(**options: Any) -> ElanusVectorStore:
    store = ElanusVectorStore(TableEmbeddings(TABLE), uri=":memory:", **options)
    store.add_texts(TEXTS, [{"n": i} for i in range(4)], ids=["a", "b", "c", "d"])
    return store


def ids(documents: list[Document]) -> list[str | None]:
    return [d.id for d in documents]


@pytest.mark.parametrize(
    ("metric", "scores", "relevances"),
    [
        ("COSINE", [1.0, 0.8, 0.0, -1.0], [1.0, 0.9, 0.5, 0.0]),
        (
            "IP",
            [2.0, 1.6, 0.0, -2.0],
            [0.5 + math.atan(s) / math.pi for s in (2.0, 1.6, 0.0, -2.0)],
        ),
        (
            "L2",
            [1.0, 1.8, 5.0, 9.0],
            [1 - 2 * math.atan(d) / math.pi for d in (1.0, 1.8, 5.0, 9.0)],
        ),
    ],
)
def test_dense_scores_and_relevance(
    metric: str, scores: list[float], relevances: list[float]
) -> None:
    store = make_store(metric=metric)
    found = store.similarity_search_with_score("query beta")
    assert ids([d for d, _ in found]) == ["a", "b", "c", "d"]
    assert [s for _, s in found] == pytest.approx(scores, abs=1e-6)
    relevant = store.similarity_search_with_relevance_scores("query beta")
    assert [s for _, s in relevant] == pytest.approx(relevances, abs=1e-6)
    relevance_fn = store._select_relevance_score_fn()
    assert [relevance_fn(s) for _, s in found] == pytest.approx(relevances, abs=1e-6)


def test_rrf_scores_and_relevance_are_those_of_the_formula() -> None:
    store = make_store(sparse=BM25())
    found = store.similarity_search_with_score("query beta", k=4)
    # Dense ranks a, b, c, d; BM25 finds the equally long a and b, ordered by id.
    expected = [2 / 61, 2 / 62, 1 / 63, 1 / 64]
    assert ids([d for d, _ in found]) == ["a", "b", "c", "d"]
    assert [s for _, s in found] == pytest.approx(expected)
    relevant = store.similarity_search_with_relevance_scores("query beta", k=4)
    assert [s for _, s in relevant] == pytest.approx([e / (2 / 61) for e in expected])
    relevance_fn = store._select_relevance_score_fn()
    assert relevance_fn(2 / 61) == pytest.approx(1.0)


def test_weighted_fusion_by_every_spelling() -> None:
    store = make_store(sparse=BM25())
    expected = store.similarity_search_with_score("query beta", fusion=Weighted(0.3, 0.7))
    scored = store.similarity_search_with_score("query beta", search_mode="bm25")
    bm25 = {d.id: s for d, s in scored}
    first = 0.3 * 1.0 + 0.7 * 2 * math.atan(bm25["a"]) / math.pi
    assert expected[0][1] == pytest.approx(first)
    assert store.similarity_search_with_score("query beta", alpha=0.3) == expected
    assert store.similarity_search_with_score("query beta", weights=[0.3, 0.7]) == expected
    by_field = {"dense": 0.3, "bm25": 0.7}
    assert store.similarity_search_with_score("query beta", weights=by_field) == expected
    with pytest.raises(TypeError, match="'fusion' and 'alpha'"):
        store.similarity_search("query beta", fusion=RRF(), alpha=0.3)


@pytest.mark.parametrize(("alpha", "mode"), [(1.0, "dense"), (0.0, "bm25")])
def test_alpha_endpoints_equal_single_legs(alpha: float, mode: str) -> None:
    store = make_store(sparse=BM25())
    single = store.similarity_search("query beta", search_mode=mode)
    assert store.similarity_search("query beta", alpha=alpha) == single


def test_every_mode_of_a_store_with_three_legs() -> None:
    sparse = WordSparse()
    store = make_store(sparse=[BM25(), sparse])
    assert sparse.batches == [4]
    assert ids(store.similarity_search("query beta", search_mode="bm25")) == ["a", "b"]
    found = store.similarity_search_with_score("delta delta", search_mode="sparse")
    assert [(d.id, s) for d, s in found] == [("d", 4.0), ("c", 2.0)]
    fused = store.similarity_search_with_score("delta delta", search_mode="hybrid", k=1)
    assert fused == [(Document(id="d", page_content="delta delta", metadata={"n": 3}), 3 / 61)]
    assert store.similarity_search("delta delta", k=1) == [fused[0][0]]


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, "bm25"),
        ({}, "sparse"),
        ({}, "hybrid"),
        ({"sparse": BM25()}, "sparse"),
    ],
)
def test_mode_that_is_not_configured_raises(options: dict[str, Any], mode: str) -> None:
    store = make_store(**options)
    with pytest.raises(InvalidArgumentError, match=f"search mode '{mode}'"):
        store.similarity_search("query beta", search_mode=mode)


def test_bm25_alone_needs_no_embeddings() -> None:
    with ElanusVectorStore(uri=":memory:", sparse=BM25("english")) as store:
        store.add_texts(["rotating keys", "apples"], ids=["a", "b"])
        assert ids(store.similarity_search("rotate a key")) == ["a"]
        assert store.similarity_search_with_relevance_scores("zebra") == []
        with pytest.raises(InvalidArgumentError, match="embedding="):
            store.max_marginal_relevance_search("rotate")


def test_a_store_with_nothing_to_search_by_says_so() -> None:
    store = ElanusVectorStore(uri=":memory:")
    with pytest.raises(InvalidArgumentError, match="nothing to search by"):
        store.add_texts(["a"])


def test_search_by_vector_dense_and_sparse() -> None:
    sparse = WordSparse()
    store = make_store(sparse=sparse)
    found = store.similarity_search_with_score_by_vector([0.0, 1.0], k=2)
    assert [(d.id, pytest.approx(s)) for d, s in found] == [("c", 1.0), ("b", 0.6)]
    assert ids(store.similarity_search_by_vector([0.0, 1.0], k=1)) == ["c"]
    delta = sparse.words["delta"]
    assert ids(store.similarity_search_by_vector({delta: 1.0})) == ["d", "c"]
    as_object = SparseVector(indices=[delta], values=[1.0])
    assert ids(store.similarity_search_by_vector(as_object)) == ["d", "c"]


def test_dim_of_a_query_is_checked() -> None:
    store = make_store()
    with pytest.raises(InvalidArgumentError, match=r"dim 2, got shape \(3,\)"):
        store.similarity_search_by_vector([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("query", "k", "words"),
    [
        (None, 4, "query: expected a str, got NoneType"),
        (["query beta"], 4, "query: expected a str, got list"),
        ("query beta", "4", "k: expected an integer, got str '4'"),
        ("query beta", None, "k: expected an integer, got NoneType None"),
        ("query beta", 0, "limit: expected at least 1, got 0"),
    ],
)
async def test_a_search_says_what_it_cannot_take(query: Any, k: Any, words: str) -> None:
    store = make_store()
    with pytest.raises(InvalidArgumentError, match=words):
        store.similarity_search(query, k=k)
    with pytest.raises(InvalidArgumentError, match=words):
        await store.asimilarity_search(query, k=k)


# --- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "hint"),
    [("filters", "'filter'"), ("searchmode", "search_mode"), ("fetchk", "fetch_k")],
)
def test_unknown_option(option: str, hint: str) -> None:
    store = make_store()
    for call in (
        store.similarity_search,
        store.similarity_search_with_score,
        store.similarity_search_with_relevance_scores,
        store.max_marginal_relevance_search,
    ):
        with pytest.raises(TypeError, match=hint):
            call("query beta", **{option: 1})
    with pytest.raises(TypeError, match=hint):
        store.as_retriever(search_kwargs={option: 1}).invoke("query beta")
    with pytest.raises(TypeError, match="metric"):
        ElanusVectorStore(uri=":memory:", metrics="L2")  # type: ignore[call-arg]


def test_offset_continues_a_search() -> None:
    store = make_store(sparse=BM25())
    whole = store.similarity_search("query beta", k=4)
    assert store.similarity_search("query beta", k=2) == whole[:2]
    assert store.similarity_search("query beta", k=2, offset=2) == whole[2:]


def test_score_threshold_in_every_search() -> None:
    store = make_store()
    assert ids(store.similarity_search("query beta", score_threshold=0.9)) == ["a", "b"]
    assert ids(store.similarity_search("query beta", score_threshold=0.95)) == ["a"]
    retriever = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.5}
    )
    assert ids(retriever.invoke("query beta")) == ["a", "b", "c"]


def test_own_relevance_function() -> None:
    store = make_store(relevance_score_fn=lambda score: score / 10)
    found = store.similarity_search_with_relevance_scores("query beta", k=2)
    assert [s for _, s in found] == pytest.approx([0.1, 0.08])


def test_search_params_in_both_spellings() -> None:
    store = make_store()
    expected = store.similarity_search("query beta")
    assert store.similarity_search("query beta", search_params={"recall": 1.0}) == expected
    milvus = {"metric_type": "COSINE", "params": {"ef": 64}}
    assert store.similarity_search("query beta", param=milvus) == expected
    with pytest.raises(TypeError, match="did you mean 'recall'"):
        store.similarity_search("query beta", search_params={"recal": 1.0})


@pytest.mark.parametrize("mode", ["dense", "bm25", "sparse", "hybrid"])
@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
def test_relevance_bounds(metric: str, mode: str) -> None:
    texts = [f"word{i % 7} word{i % 3} text{i}" for i in range(40)]
    store = ElanusVectorStore(
        DeterministicFakeEmbedding(size=5),
        uri=":memory:",
        metric=metric,
        sparse=[BM25(), WordSparse()],
        search_mode=mode,
    )
    assert store.similarity_search_with_relevance_scores("word1") == []
    store.add_texts(texts)
    scored = store.similarity_search_with_score("word1 word2", k=40)
    relevant = store.similarity_search_with_relevance_scores("word1 word2", k=40)
    assert [d for d, _ in relevant] == [d for d, _ in scored]
    values = [r for _, r in relevant]
    assert len(values) >= 15
    assert all(0.0 <= value <= 1.0 for value in values)
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize(
    "options",
    [
        {"fusion": RRF(k=5)},
        {"fusion": Weighted(0.9, 0.1)},
        {"fusion": DBSF()},
        {"reranker": ElanusReranker(model="lexical")},
    ],
)
@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
def test_relevance_bounds_of_every_fusion(metric: str, options: dict[str, Any]) -> None:
    texts = [f"word{i % 7} word{i % 3} text{i}" for i in range(40)]
    embeddings = DeterministicFakeEmbedding(size=5)
    store = ElanusVectorStore(embeddings, uri=":memory:", metric=metric, sparse=BM25(), **options)
    assert store.similarity_search_with_relevance_scores("word1") == []
    store.add_texts(texts)
    scored = store.similarity_search_with_score("word1 word2", k=40)
    relevant = store.similarity_search_with_relevance_scores("word1 word2", k=40)
    assert [d for d, _ in relevant] == [d for d, _ in scored]
    values = [r for _, r in relevant]
    assert len(values) == 40
    assert all(0.0 <= value <= 1.0 for value in values)
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("k", [1, 7, 60, 150, 200])
def test_hybrid_returns_k(k: int) -> None:
    texts = [f"word{i % 7} text{i}" for i in range(150)]
    store = ElanusVectorStore(DeterministicFakeEmbedding(size=5), uri=":memory:", sparse=BM25())
    store.add_texts(texts)
    assert len(store.similarity_search("word3", k=k)) == min(k, 150)
    assert len(store.similarity_search("word3", k=k, fetch_k=5)) == min(k, 150)
    assert len(store.similarity_search("word3", k=k, filter={"no": None})) == min(k, 150)


@pytest.mark.parametrize("mode", ["dense", "bm25", "sparse", "hybrid"])
def test_repeated_search_is_equal(mode: str) -> None:
    texts = [f"word{i % 7} word{i % 3}" for i in range(150)]
    store = ElanusVectorStore(
        DeterministicFakeEmbedding(size=5),
        uri=":memory:",
        sparse=[BM25(), WordSparse()],
        search_mode=mode,
    )
    store.add_texts(texts, ids=[str(i) for i in range(150)])
    # Many texts are equal, so that only the order of their ids decides.
    first = store.similarity_search_with_score("word3 word1", k=60)
    assert len(first) == 60
    for _ in range(3):
        assert store.similarity_search_with_score("word3 word1", k=60) == first
        store.similarity_search("word3", fusion=Weighted(0.1, 0.9)) if mode == "hybrid" else None
        store.max_marginal_relevance_search("word3")
    assert store.similarity_search_with_score("word3 word1", k=60) == first


# --- filters reach every search ---------------------------------------------------------------


def test_filter_in_every_spelling_and_search() -> None:
    store = make_store(sparse=BM25())
    for spelling in ({"n": {"$gte": 1}}, "n >= 1"):
        assert ids(store.similarity_search("query beta", filter=spelling)) == ["b", "c", "d"]
        assert ids(store.max_marginal_relevance_search("query beta", filter=spelling))[0] == "b"
    assert ids(store.similarity_search("query beta", expr="n >= 3")) == ["d"]
    assert len(store.similarity_search("query beta", filter={})) == 4
    with pytest.raises(TypeError, match="other spelling 'expr'"):
        store.similarity_search("query beta", filter={"n": 1}, expr="n == 1")


# --- diversity --------------------------------------------------------------------------------


@pytest.mark.parametrize("lambda_mult", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"metric": "IP"},
        {"metric": "L2"},
        {"sparse": BM25()},
        {"sparse": [BM25(), WordSparse()], "fusion": DBSF()},
    ],
)
def test_mmr_matches_reference(options: dict[str, Any], lambda_mult: float) -> None:
    embeddings = DeterministicFakeEmbedding(size=4)
    texts = [f"text{i} word{i % 5}" for i in range(30)]
    store = ElanusVectorStore(embeddings, uri=":memory:", **options)
    store.add_texts(texts)
    candidates = store.similarity_search("word2", k=12)
    chosen = maximal_marginal_relevance(
        np.array(embeddings.embed_query("word2")),
        [embeddings.embed_query(d.page_content) for d in candidates],
        lambda_mult=lambda_mult,
        k=5,
    )
    found = store.max_marginal_relevance_search("word2", k=5, fetch_k=12, lambda_mult=lambda_mult)
    assert found == [candidates[i] for i in chosen]
    if not options:
        vector = embeddings.embed_query("word2")
        by_vector = store.max_marginal_relevance_search_by_vector(
            vector, k=5, fetch_k=12, lambda_mult=lambda_mult
        )
        assert by_vector == found


def test_mmr_of_an_empty_store() -> None:
    with ElanusVectorStore(DeterministicFakeEmbedding(size=4), uri=":memory:") as store:
        assert store.max_marginal_relevance_search("x") == []


# --- reranking --------------------------------------------------------------------------------


class ByLength:
    """Longer texts are better."""

    def __init__(self) -> None:
        self.info = RerankerInfo(name="by-length", score_kind=ScoreKind.LOGIT)
        self.seen: list[int] = []

    def score(self, query: str, documents: Any) -> Any:
        self.seen.append(len(documents))
        return np.array([len(d) - 10 for d in documents], dtype=np.float32)


def test_reranker_of_the_store() -> None:
    plugin = ByLength()
    store = make_store(reranker=ElanusReranker(model=plugin))
    found = store.similarity_search_with_score("query beta", k=3)
    assert [(d.id, s) for d, s in found] == [("c", 1.0), ("d", 1.0), ("a", 0.0)]
    assert found[0][0].metadata == {"n": 2}
    assert plugin.seen == [4]
    relevant = store.similarity_search_with_relevance_scores("query beta", k=3)
    assert [s for _, s in relevant] == pytest.approx([1 / (1 + math.exp(-1))] * 2 + [0.5])
    assert ids(store.similarity_search("query beta", k=2, rerank=False)) == ["a", "b"]
    assert ids(store.similarity_search("query beta", k=2, offset=1)) == ["d", "a"]
    assert ids(store.similarity_search("query beta", k=2, fetch_k=2)) == ["a", "b"]
    with pytest.raises(InvalidArgumentError, match="no reranker"):
        make_store().similarity_search("query beta", rerank=True)


def test_rankers_read_metadata() -> None:
    store = make_store(sparse=[BM25()])
    decay = Decay("n", "exp", origin=1, scale=1)
    found = store.similarity_search_with_score("query beta", k=3, search_mode="dense", ranker=decay)
    assert [(d.id, s) for d, s in found] == [
        ("b", pytest.approx(0.8)),
        ("a", pytest.approx(0.5)),
        ("c", 0.0),
    ]
    boosted = store.similarity_search(
        "query beta",
        k=1,
        search_mode="dense",
        ranker=[decay, Boost({"n": 2}, 0.0), Boost("n < 1", 9)],
    )
    assert ids(boosted) == ["a"]
    joined = store.similarity_search("query beta", k=2, fusion=DBSF(), ranker=decay)
    assert ids(joined)[0] == "b"
    diverse = store.max_marginal_relevance_search("query beta", k=2, fetch_k=3, ranker=decay)
    assert ids(diverse)[0] == "a"
