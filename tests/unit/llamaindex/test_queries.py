"""Query modes, limits, weights and restrictions."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores.types import (
    FilterCondition,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

import elanus
from elanus.errors import InvalidArgumentError
from elanus.plugins import RerankerInfo, ScoreKind
from llama_index.vector_stores.elanus import (
    BM25,
    RRF,
    ElanusReranker,
    ElanusVectorStore,
    Weighted,
)
from support.llamaindex_models import WordSparse, make_node

Mode = VectorStoreQueryMode
ROWS = {
    "a": ("alpha beta", [1.0, 0.0]),
    "b": ("beta gamma", [0.8, 0.6]),
    "c": ("gamma delta", [0.0, 1.0]),
    "d": ("delta delta", [-1.0, 0.0]),
}


def make_store(**options: Any) -> ElanusVectorStore:
    store = ElanusVectorStore(":memory:", **options)
    store.add([make_node(i, text, vector, f"doc-{i}", n=i) for i, (text, vector) in ROWS.items()])
    return store


def ask(mode: VectorStoreQueryMode, text: str | None = "delta", **arguments: Any) -> Any:
    defaults: dict[str, Any] = {"query_embedding": [2.0, 0.0], "similarity_top_k": 4}
    return VectorStoreQuery(query_str=text, mode=mode, **(defaults | arguments))


@pytest.fixture(scope="module")
def store() -> Iterator[ElanusVectorStore]:
    with make_store(sparse=[BM25(), WordSparse()]) as opened:
        yield opened


@pytest.mark.parametrize(
    ("mode", "ids"),
    [
        (Mode.DEFAULT, ["a", "b", "c", "d"]),
        (Mode.SPARSE, ["d", "c"]),
        (Mode.TEXT_SEARCH, ["d", "c"]),
        (Mode.HYBRID, ["d", "c", "a", "b"]),
        (Mode.MMR, ["a", "d", "b", "c"]),
    ],
)
async def test_query_modes(store: ElanusVectorStore, mode: Any, ids: list[str]) -> None:
    needs_vector = mode in (Mode.DEFAULT, Mode.HYBRID, Mode.MMR)
    query = ask(mode, query_embedding=[2.0, 0.0] if needs_vector else None)
    query.mmr_threshold = 0.3
    result = store.query(query)
    assert result.ids == ids
    assert [n.node_id for n in result.nodes] == ids
    assert len(result.similarities) == len(ids)
    again = await store.aquery(query)
    assert (again.ids, again.similarities) == (result.ids, result.similarities)


def test_scores_of_single_modes(store: ElanusVectorStore) -> None:
    dense = store.query(ask(Mode.DEFAULT))
    assert dense.similarities == pytest.approx([1.0, 0.8, 0.0, -1.0])
    sparse = store.query(ask(Mode.SPARSE))
    assert sparse.similarities == [2.0, 1.0]
    # One leg each: rank 1 of BM25 and of the sparse model, rank 4 of the dense field.
    fused = store.query(ask(Mode.HYBRID))
    assert fused.similarities[0] == pytest.approx(2 / 61 + 1 / 64)


@pytest.mark.parametrize("mode", [Mode.SVM, Mode.LOGISTIC_REGRESSION, Mode.LINEAR_REGRESSION])
def test_modes_that_nobody_supports(store: ElanusVectorStore, mode: Any) -> None:
    with pytest.raises(ValueError, match="expected one of default, sparse, text_search, hybrid"):
        store.query(ask(mode))


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        (Mode.SPARSE, {}),
        (Mode.TEXT_SEARCH, {}),
        (Mode.HYBRID, {}),
        (Mode.SEMANTIC_HYBRID, {}),
        (Mode.SEMANTIC_HYBRID, {"sparse": BM25()}),
    ],
)
def test_no_silent_fallback(mode: Any, options: dict[str, Any]) -> None:
    store = make_store(**options)
    with pytest.raises(ValueError, match=f"query mode '{mode.value}'"):
        store.query(ask(mode))


@pytest.mark.parametrize(
    ("mode", "arguments", "missing"),
    [
        (Mode.DEFAULT, {"query_embedding": None}, "query_embedding"),
        (Mode.MMR, {"query_embedding": None}, "query_embedding"),
        (Mode.HYBRID, {"query_embedding": None}, "query_embedding"),
        (Mode.HYBRID, {"text": None}, "query_str"),
        (Mode.TEXT_SEARCH, {"text": None}, "query_str"),
    ],
)
def test_inputs_that_a_mode_needs(
    store: ElanusVectorStore, mode: Any, arguments: dict[str, Any], missing: str
) -> None:
    with pytest.raises(ValueError, match=missing):
        store.query(ask(mode, **arguments))


def test_text_modes_take_what_is_configured() -> None:
    only_bm25 = make_store(sparse=BM25())
    only_sparse = make_store(sparse=WordSparse())
    for mode in (Mode.SPARSE, Mode.TEXT_SEARCH):
        assert only_bm25.query(ask(mode)).ids == ["d", "c"]
        assert only_sparse.query(ask(mode)).similarities == [2.0, 1.0]


@pytest.mark.parametrize(("alpha", "mode"), [(1.0, Mode.DEFAULT), (0.0, Mode.TEXT_SEARCH)])
async def test_alpha_endpoints_equal_single_legs(alpha: float, mode: Any) -> None:
    store = make_store(sparse=BM25())
    single = store.query(ask(mode))
    assert store.query(ask(Mode.HYBRID, alpha=alpha)).ids == single.ids
    assert (await store.aquery(ask(Mode.HYBRID, alpha=alpha))).ids == single.ids


def test_alpha_weighs_the_legs() -> None:
    store = make_store(sparse=BM25())
    bm25 = store.query(ask(Mode.TEXT_SEARCH)).similarities or []
    half = store.query(ask(Mode.HYBRID, alpha=0.5))
    weighted = dict(zip(half.ids or [], half.similarities or [], strict=True))
    assert weighted["d"] == pytest.approx(0.5 * 0.0 + 0.5 * 2 * math.atan(bm25[0]) / math.pi)
    assert weighted["a"] == pytest.approx(0.5 * 1.0)
    # Not given: the store's own fusion.
    assert store.query(ask(Mode.HYBRID)).similarities[0] == pytest.approx(1 / 61 + 1 / 64)
    other = make_store(sparse=BM25(), fusion=Weighted(0.5, 0.5))
    assert other.query(ask(Mode.HYBRID)).similarities == half.similarities
    by_call = store.query(ask(Mode.HYBRID, alpha=0.9), fusion=Weighted(0.5, 0.5))
    assert by_call.similarities == half.similarities
    with pytest.raises(ValueError, match="alpha"):
        store.query(ask(Mode.HYBRID, alpha=1.5))


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        # Dense finds a, b; BM25 finds d, c: the union, two by two.
        ({"similarity_top_k": 2}, ["a", "d"]),
        ({"similarity_top_k": 2, "hybrid_top_k": 4}, ["a", "d", "b", "c"]),
        ({"similarity_top_k": 2, "sparse_top_k": 1, "hybrid_top_k": 4}, ["a", "d", "b"]),
        ({"similarity_top_k": 1, "sparse_top_k": 2, "hybrid_top_k": 4}, ["a", "d", "c"]),
    ],
)
def test_hybrid_limits(arguments: dict[str, Any], ids: list[str]) -> None:
    assert make_store(sparse=BM25()).query(ask(Mode.HYBRID, **arguments)).ids == ids


@pytest.mark.parametrize(
    ("metric", "similarities"),
    [
        ("COSINE", [1.0, 0.8, 0.0, -1.0]),
        ("IP", [2.0, 1.6, 0.0, -2.0]),
        ("L2", [1 - 2 * math.atan(d) / math.pi for d in (1.0, 1.8, 5.0, 9.0)]),
    ],
)
def test_larger_similarity_is_nearer_for_every_metric(
    metric: str, similarities: list[float]
) -> None:
    result = make_store(metric=metric).query(ask(Mode.DEFAULT))
    assert result.ids == ["a", "b", "c", "d"]
    assert result.similarities == pytest.approx(similarities)
    found = [
        NodeWithScore(node=n, score=s)
        for n, s in zip(result.nodes or [], result.similarities or [], strict=True)
    ]
    cutoff = (similarities[1] + similarities[2]) / 2
    kept = SimilarityPostprocessor(similarity_cutoff=cutoff).postprocess_nodes(found)
    assert [n.node_id for n in kept] == ["a", "b"]


# --- restrictions -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.TEXT_SEARCH, Mode.HYBRID, Mode.MMR])
@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ({"node_ids": ["d", "c", "missing"]}, {"c", "d"}),
        ({"doc_ids": ["doc-d"]}, {"d"}),
        ({"doc_ids": []}, set()),
        ({"doc_ids": ["doc-d", "doc-c"], "node_ids": ["c"]}, {"c"}),
        ({"doc_ids": ["it's", '"']}, set()),
    ],
)
def test_restrictions(
    store: ElanusVectorStore, mode: Any, arguments: dict[str, Any], ids: set[str]
) -> None:
    result = store.query(ask(mode, **arguments))
    assert set(result.ids or []) == ids
    assert (len(result.nodes or []), len(result.similarities or [])) == (len(ids), len(ids))
    if not ids:
        assert (result.ids, result.nodes, result.similarities) == ([], [], [])


def test_empty_node_ids_are_what_an_index_passes_for_all(store: ElanusVectorStore) -> None:
    assert store.query(ask(Mode.DEFAULT, node_ids=[])).ids == ["a", "b", "c", "d"]


def test_filters_nest_and_join_with_the_filter_of_the_call(store: ElanusVectorStore) -> None:
    def one(value: str) -> MetadataFilter:
        return MetadataFilter(key="n", value=value)

    either = MetadataFilters(filters=[one("a"), one("c")], condition=FilterCondition.OR)
    neither = MetadataFilters(filters=[either], condition=FilterCondition.NOT)
    outer = MetadataFilters(filters=[neither, MetadataFilters(filters=[])])
    assert store.query(ask(Mode.DEFAULT, filters=outer)).ids == ["b", "d"]
    for spelling in ({"n": {"$ne": "b"}}, 'n != "b"'):
        assert store.query(ask(Mode.DEFAULT, filters=outer), filter=spelling).ids == ["d"]


def test_empty_result_shape() -> None:
    empty = ElanusVectorStore(":memory:", sparse=BM25())
    for mode in (Mode.DEFAULT, Mode.TEXT_SEARCH, Mode.HYBRID, Mode.MMR):
        result = empty.query(ask(mode))
        assert (result.ids, result.nodes, result.similarities) == ([], [], [])
    assert make_store(sparse=BM25()).query(ask(Mode.TEXT_SEARCH, "zebra")).ids == []


def test_output_fields_limit_the_metadata() -> None:
    store = ElanusVectorStore(":memory:")
    store.add([make_node("a", x=1, y=2, z=3)])
    result = store.query(ask(Mode.DEFAULT, output_fields=["x", "z", "missing"]))
    assert [n.metadata for n in result.nodes or []] == [{"x": 1, "z": 3}]


def test_embedding_field_selects_a_dense_field() -> None:
    fields = [
        elanus.Field("id", elanus.VARCHAR, primary=True),
        elanus.Field("text", elanus.VARCHAR),
        elanus.Field("metadata", elanus.JSON),
        elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2),
        elanus.Field("title", elanus.FLOAT_VECTOR, dim=3),
    ]
    with elanus.connect(":memory:") as database:
        collection = database.create_collection("mine", elanus.Schema(fields))
        row = {"text": "x", "metadata": {}}
        collection.insert([{"id": "a", "dense": [1, 0], "title": [0, 0, 1], **row}])
        collection.insert([{"id": "b", "dense": [0, 1], "title": [1, 0, 0], **row}])
        store = ElanusVectorStore(collection_name="mine", database=database)
        query = ask(Mode.DEFAULT, query_embedding=[1, 0, 0], embedding_field="title")
        assert store.query(query).ids == ["b", "a"]
        assert store.query(ask(Mode.DEFAULT)).ids == ["a", "b"]


# --- options ----------------------------------------------------------------------------------


def test_unknown_option(store: ElanusVectorStore) -> None:
    with pytest.raises(TypeError, match="did you mean 'mmr_threshold'"):
        store.query(ask(Mode.MMR), mmr_treshold=0.5)
    with pytest.raises(TypeError, match="did you mean 'metric'"):
        ElanusVectorStore(":memory:", metrics="L2")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="did you mean 'recall'"):
        store.query(ask(Mode.DEFAULT), search_params={"recal": 1})
    with pytest.raises(TypeError, match="add has no option"):
        store.add([], batch=1)


def test_mmr_prefetch(store: ElanusVectorStore) -> None:
    # Among the two nearest there is nothing else to choose.
    query = ask(Mode.MMR, similarity_top_k=2, mmr_threshold=0.3)
    assert store.query(query, mmr_prefetch_k=2).ids == ["a", "b"]
    assert store.query(query, mmr_prefetch_factor=1.0).ids == ["a", "b"]
    assert store.query(query, mmr_prefetch_factor=2.0).ids == ["a", "d"]
    with pytest.raises(ValueError, match="only one of them"):
        store.query(query, mmr_prefetch_k=2, mmr_prefetch_factor=2.0)


class ByName:
    """The text that comes last in the alphabet is best; it starts with the metadata, "n: a"."""

    info = RerankerInfo(name="by-name", score_kind=ScoreKind.LOGIT)

    def score(self, query: str, documents: Any) -> Any:
        order = sorted(documents)
        return np.array([order.index(d) for d in documents], dtype=np.float32)


async def test_semantic_hybrid_reranks() -> None:
    store = make_store(sparse=BM25(), reranker=ElanusReranker(reranker=ByName()))
    query = ask(Mode.SEMANTIC_HYBRID, similarity_top_k=2)
    result = store.query(query)
    # Four candidates (a, b dense; d, c BM25), ordered by their text, two kept.
    assert (result.ids, result.similarities) == (["d", "c"], [3.0, 2.0])
    assert (await store.aquery(query)).ids == ["d", "c"]
    assert store.query(ask(Mode.DEFAULT, similarity_top_k=3), rerank=True).ids == ["d", "c", "b"]
    with pytest.raises(ValueError, match="MMR chooses by vectors"):
        store.query(ask(Mode.MMR), rerank=True)


def test_names_of_milvus_and_qdrant_are_mapped() -> None:
    milvus = make_store(
        similarity_metric="IP",
        enable_sparse=True,
        hybrid_ranker="WeightedRanker",
        hybrid_ranker_params={"weights": [1.0, 0.0]},
    )
    assert milvus.query(ask(Mode.DEFAULT)).similarities == pytest.approx([2.0, 1.6, 0.0, -2.0])
    assert milvus.query(ask(Mode.HYBRID)).ids == ["a", "b", "c", "d"]
    rrf = make_store(enable_hybrid=True, hybrid_ranker="RRFRanker", hybrid_ranker_params={"k": 1})
    expected = make_store(sparse=BM25(), fusion=RRF(k=1))
    assert rrf.query(ask(Mode.HYBRID)).similarities == expected.query(ask(Mode.HYBRID)).similarities
    learned = make_store(enable_sparse=True, sparse_embedding_function=WordSparse())
    assert learned.query(ask(Mode.SPARSE)).similarities == [2.0, 1.0]
    with pytest.raises(ValueError, match="RRFRanker, WeightedRanker"):
        ElanusVectorStore(":memory:", hybrid_ranker="Best")


def test_search_mode_of_default_queries() -> None:
    store = make_store(sparse=BM25(), search_mode="hybrid")
    assert store.query(ask(Mode.DEFAULT)).ids == store.query(ask(Mode.HYBRID)).ids
    text_only = ElanusVectorStore(":memory:", sparse=BM25("english"), search_mode="bm25")
    text_only.add([make_node("a", "rotating keys").model_copy(update={"embedding": None})])
    assert text_only.query(ask(Mode.DEFAULT, "rotate", query_embedding=None)).ids == ["a"]
    with pytest.raises(InvalidArgumentError, match="search_mode 'nearest'"):
        ElanusVectorStore(":memory:", search_mode="nearest")


def test_rankers_read_metadata(store: ElanusVectorStore) -> None:
    boost = elanus.Boost("n == 'c' or n == 'b'", 10.0)
    found = store.query(ask(Mode.DEFAULT), ranker=boost)
    assert [i.split("-")[-1] for i in found.ids or []] == ["b", "a", "c", "d"]
    assert found.similarities == pytest.approx([8.0, 1.0, 0.0, -1.0])
    joined = store.query(ask(Mode.HYBRID), fusion=elanus.DBSF(), ranker=[boost])
    assert (joined.ids or [])[0] == "c"
