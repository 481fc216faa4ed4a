"""How does a query of LlamaIndex become one engine call, and its hits a result?

A ``QueryPlan`` holds what is known before the sparse model runs, ``run_query`` does everything
after it; synchronous and asynchronous queries differ only in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import (
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from elanus import Weighted
from elanus.documents import (
    DocumentHit,
    DocumentSearch,
    DocumentStore,
    SearchMode,
    Selection,
    rerank_window,
)
from elanus.errors import InvalidArgumentError
from elanus.types import MetricType
from llama_index.vector_stores.elanus.filters import metadata_filters_to_tree
from llama_index.vector_stores.elanus.nodes import document_to_node
from llama_index.vector_stores.elanus.options import QueryOptions, StoreSettings

DEFAULT_MMR_THRESHOLD = 0.5
DEFAULT_MMR_PREFETCH_FACTOR = 4.0

_Mode = VectorStoreQueryMode
SUPPORTED_MODES = (
    _Mode.DEFAULT,
    _Mode.SPARSE,
    _Mode.TEXT_SEARCH,
    _Mode.HYBRID,
    _Mode.SEMANTIC_HYBRID,
    _Mode.MMR,
)


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """One query, before its sparse vector is made.

    Attributes:
        store: The documents to search, of one tenant or of all.
        query: As LlamaIndex asked it.
        options: The keyword arguments.
        mode: What is searched.
        legs: The fields that the mode reads.
        limit: Hits wanted of the engine.
        size: Nodes wanted in the result.
        windows: Candidates of each hybrid leg.
        reranker: Orders the hits, or None.
    """

    store: DocumentStore
    query: VectorStoreQuery
    options: QueryOptions
    mode: SearchMode
    legs: tuple[SearchMode, ...]
    limit: int
    size: int
    windows: dict[SearchMode, int] = field(default_factory=dict)
    reranker: BaseNodePostprocessor | None = None

    @property
    def sparse_text(self) -> str | None:
        """The text that the sparse model has to encode, or None."""
        return self.query.query_str if SearchMode.SPARSE in self.legs else None

    @property
    def is_mmr(self) -> bool:
        """Whether the hits are chosen by maximal marginal relevance."""
        return self.query.mode is _Mode.MMR


def make_plan(
    store: DocumentStore,
    settings: StoreSettings,
    default: SearchMode,
    query: VectorStoreQuery,
    options: QueryOptions,
) -> QueryPlan:
    """Return the plan of a query.

    Args:
        store: The documents.
        settings: Of the vector store.
        default: What ``DEFAULT`` queries search.
        query: As LlamaIndex asked it.
        options: Its keyword arguments.

    Raises:
        ValueError: The mode is not supported or not configured, or what it looks for is missing.
    """
    if not isinstance(query, VectorStoreQuery):
        raise InvalidArgumentError(
            f"query: expected VectorStoreQuery, got {type(query).__name__}; "
            f"ElanusRetriever(store).retrieve(...) takes a text"
        )
    view = store if options.tenant is None else store.for_tenant(options.tenant)
    usable = tuple(
        leg
        for leg in view.legs
        if leg is not SearchMode.SPARSE or settings.sparse_model is not None
    )
    mode = _mode_of(query.mode, default, usable)
    legs = usable if mode is SearchMode.HYBRID else (mode,)
    _check_configured(query, mode, legs, usable)
    _check_inputs(query, legs)
    reranker = settings.reranker if _wants_reranker(query, options, settings) else None
    top_k = query.similarity_top_k
    if mode is not SearchMode.HYBRID:
        limit = _prefetch(query, options) if query.mode is _Mode.MMR else top_k
        limit = rerank_window(top_k) if reranker is not None else limit
        return QueryPlan(view, query, options, mode, legs, limit, top_k, reranker=reranker)
    sparse_k = query.sparse_top_k or top_k
    windows = {leg: top_k if leg is SearchMode.DENSE else sparse_k for leg in legs}
    size = query.hybrid_top_k or top_k
    limit = sum(windows.values()) if reranker is not None else size
    return QueryPlan(view, query, options, mode, legs, limit, size, windows, reranker)


def run_query(plan: QueryPlan, sparse: dict[int, float] | None) -> VectorStoreQueryResult:
    """Search, select or rerank, and return three lists of one length."""
    query = plan.query
    hits = plan.store.search(
        DocumentSearch(
            mode=plan.mode,
            limit=plan.limit,
            dense=query.query_embedding if SearchMode.DENSE in plan.legs else None,
            dense_field=query.embedding_field,
            sparse=sparse,
            text=query.query_str if SearchMode.BM25 in plan.legs else None,
            selection=Selection(
                filter=plan.options.filter,
                condition=metadata_filters_to_tree(query.filters, plan.store.field_names),
                # VectorStoreIndex.as_retriever() passes the ids of the nodes that it keeps in its
                # docstore, which is an empty list when the store keeps them all.
                ids=query.node_ids or None,
                ref_doc_ids=query.doc_ids,
            ),
            fusion=_fusion_of(plan),
            ranker=plan.options.ranker,
            windows=plan.windows,
            with_vectors=plan.is_mmr,
            params=plan.options.search_params,
        )
    )
    if plan.is_mmr:
        return _select_mmr(plan, hits)
    nodes = [document_to_node(hit, query.output_fields) for hit in hits]
    scores = _similarities(plan, hits)
    if plan.reranker is not None:
        return _rerank(plan, nodes, scores)
    return _result(nodes[: plan.size], scores[: plan.size])


def _mode_of(
    asked: VectorStoreQueryMode, default: SearchMode, usable: Sequence[SearchMode]
) -> SearchMode:
    if asked is _Mode.DEFAULT:
        return default
    if asked is _Mode.MMR:
        return SearchMode.DENSE
    if asked in (_Mode.HYBRID, _Mode.SEMANTIC_HYBRID):
        return SearchMode.HYBRID
    if asked is _Mode.SPARSE:
        return SearchMode.SPARSE if SearchMode.SPARSE in usable else SearchMode.BM25
    if asked is _Mode.TEXT_SEARCH:
        return SearchMode.BM25 if SearchMode.BM25 in usable else SearchMode.SPARSE
    names = ", ".join(mode.value for mode in SUPPORTED_MODES)
    raise ValueError(f"query mode {asked.value!r} is not supported; expected one of {names}")


def _check_configured(
    query: VectorStoreQuery,
    mode: SearchMode,
    legs: Sequence[SearchMode],
    usable: Sequence[SearchMode],
) -> None:
    if not set(legs) <= set(usable) or (mode is SearchMode.HYBRID and len(legs) < 2):
        raise ValueError(
            f"query mode {query.mode.value!r}: the store is configured for "
            f"{', '.join(usable) or 'nothing'}; open it with sparse=BM25(...) or a sparse model"
        )


def _check_inputs(query: VectorStoreQuery, legs: Sequence[SearchMode]) -> None:
    if SearchMode.DENSE in legs and query.query_embedding is None:
        raise ValueError(f"query mode {query.mode.value!r} needs query_embedding")
    if set(legs) - {SearchMode.DENSE} and query.query_str is None:
        raise ValueError(f"query mode {query.mode.value!r} needs query_str")


def _wants_reranker(
    query: VectorStoreQuery, options: QueryOptions, settings: StoreSettings
) -> bool:
    wanted = options.rerank or query.mode is _Mode.SEMANTIC_HYBRID
    if wanted and query.mode is _Mode.MMR:
        raise ValueError("rerank=True: MMR chooses by vectors; rerank with a node postprocessor")
    if wanted and settings.reranker is None:
        raise ValueError(
            f"query mode {query.mode.value!r} with reranking: the store has no reranker; open it "
            f"with reranker=ElanusReranker(...)"
        )
    if wanted and query.query_str is None:
        raise ValueError("reranking needs query_str")
    return wanted


def _prefetch(query: VectorStoreQuery, options: QueryOptions) -> int:
    if options.mmr_prefetch_k is not None:
        return max(options.mmr_prefetch_k, query.similarity_top_k)
    factor = options.mmr_prefetch_factor
    factor = DEFAULT_MMR_PREFETCH_FACTOR if factor is None else factor
    return max(int(factor * query.similarity_top_k), query.similarity_top_k)


def _fusion_of(plan: QueryPlan) -> Any:
    """Return the fusion of the call, then that of ``alpha``, then None for the store's."""
    if plan.options.fusion is not None or plan.query.alpha is None:
        return plan.options.fusion
    alpha = plan.query.alpha
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha: expected 0 (sparse) to 1 (dense), got {alpha}")
    return Weighted(dense=alpha, sparse=1.0 - alpha)


def _similarities(plan: QueryPlan, hits: Sequence[DocumentHit]) -> list[float]:
    """Return scores of which the larger one is nearer, so that cut-offs work for every metric."""
    layout = plan.store.layout
    is_distance = (
        plan.mode is SearchMode.DENSE and layout is not None and layout.metric is MetricType.L2
    )
    return [hit.relevance if is_distance else hit.score for hit in hits]


def _select_mmr(plan: QueryPlan, hits: Sequence[DocumentHit]) -> VectorStoreQueryResult:
    if not hits:
        return _result([], [])
    threshold = plan.options.mmr_threshold
    if threshold is None:
        threshold = plan.query.mmr_threshold
    scores, places = get_top_k_mmr_embeddings(
        plan.query.query_embedding or [],
        [hit.vector.tolist() if hit.vector is not None else [] for hit in hits],
        similarity_top_k=plan.size,
        embedding_ids=list(range(len(hits))),
        mmr_threshold=DEFAULT_MMR_THRESHOLD if threshold is None else threshold,
    )
    nodes = [document_to_node(hits[i], plan.query.output_fields) for i in places]
    for node in nodes:
        node.embedding = None
    return _result(nodes, [float(score) for score in scores])


def _rerank(
    plan: QueryPlan, nodes: Sequence[BaseNode], scores: Sequence[float]
) -> VectorStoreQueryResult:
    found = [NodeWithScore(node=n, score=s) for n, s in zip(nodes, scores, strict=True)]
    if plan.reranker is None or not found:
        return _result([], [])
    ranked = plan.reranker.postprocess_nodes(
        found, query_bundle=QueryBundle(plan.query.query_str or "")
    )[: plan.size]
    return _result([n.node for n in ranked], [n.score or 0.0 for n in ranked])


def _result(nodes: Sequence[BaseNode], scores: Sequence[float]) -> VectorStoreQueryResult:
    return VectorStoreQueryResult(
        nodes=list(nodes), similarities=list(scores), ids=[node.node_id for node in nodes]
    )
