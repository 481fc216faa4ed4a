"""How does a search of the store become one engine call, and its hits documents?

A ``SearchPlan`` holds everything that is known before the models run; ``run_plan`` does everything
that comes after. Between the two lies only the embedding of the query, which is all that
synchronous and asynchronous searches do differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from langchain_core.documents.compressor import BaseDocumentCompressor

from elanus.documents import (
    DocumentSearch,
    DocumentStore,
    SearchMode,
    Selection,
    rerank_window,
    select_diverse,
)
from elanus.errors import InvalidArgumentError
from langchain_elanus.documents import Found, to_found
from langchain_elanus.encoders import Encoders, QueryVectors
from langchain_elanus.options import SearchSettings, StoreSettings
from langchain_elanus.reranker import ElanusReranker


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """One search, before its query is embedded.

    Attributes:
        store: The documents to search, of one tenant or of all.
        settings: The options of the search.
        mode: Which parts of the documents are searched.
        legs: The fields that the mode reads.
        k: Documents wanted.
        reranker: Orders the candidates, or None.
        with_vectors: The hits carry their dense vectors.
        relevance: Turns the score of a hit into a relevance instead of the built-in map.
    """

    store: DocumentStore
    settings: SearchSettings
    mode: SearchMode
    legs: tuple[SearchMode, ...]
    k: int
    reranker: BaseDocumentCompressor | None
    with_vectors: bool = False
    relevance: Callable[[float], float] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, Integral):
            raise InvalidArgumentError(
                f"k: expected an integer, got {type(self.k).__name__} {self.k!r}"
            )


def default_mode(store: DocumentStore, encoders: Encoders, wanted: SearchMode | None) -> SearchMode:
    """Return the mode of a search that names none: the store's, else hybrid if possible.

    Raises:
        InvalidArgumentError: The store has no model for anything that the collection offers.
    """
    if wanted is not None:
        return wanted
    legs = [leg for leg in store.legs if encoders.can_query(leg)]
    if not legs:
        raise InvalidArgumentError(
            f"collection {store.name!r} offers {', '.join(store.legs)}, and the store has no model "
            f"for any of it; pass embedding= or sparse="
        )
    return SearchMode.HYBRID if len(legs) > 1 else legs[0]


def make_plan(
    store: DocumentStore,
    encoders: Encoders,
    settings: StoreSettings,
    *,
    mode: SearchMode | None,
    k: int,
    options: Mapping[str, Any],
) -> SearchPlan:
    """Return the plan of a search by text.

    Raises:
        TypeError: An option does not exist.
        InvalidArgumentError: The mode is not one that the store can search.
    """
    parsed = SearchSettings.parse(options)
    view = store if parsed.tenant is None else store.for_tenant(parsed.tenant)
    chosen = parsed.search_mode or default_mode(view, encoders, mode)
    usable = tuple(leg for leg in view.legs if encoders.can_query(leg))
    legs = usable if chosen is SearchMode.HYBRID else (chosen,)
    if not set(legs) <= set(usable) or (chosen is SearchMode.HYBRID and len(legs) < 2):
        raise InvalidArgumentError(
            f"search mode {str(chosen)!r}: collection {view.name!r} can be searched by "
            f"{', '.join(usable) or 'nothing'}; hybrid needs two of dense, sparse, bm25"
        )
    reranker = settings.reranker if parsed.rerank is not False else None
    if parsed.rerank and reranker is None:
        raise InvalidArgumentError("rerank=True: the store has no reranker; pass reranker= to it")
    relevance = settings.relevance_score_fn
    return SearchPlan(view, parsed, chosen, legs, k, reranker, relevance=relevance)


def plan_by_vector(
    store: DocumentStore,
    settings: StoreSettings,
    mode: SearchMode,
    k: int,
    options: Mapping[str, Any],
) -> SearchPlan:
    """Return the plan of a search by a finished vector, which has no text to rerank by.

    Raises:
        TypeError: An option does not exist.
        InvalidArgumentError: Reranking was asked for.
    """
    parsed = SearchSettings.parse(options)
    if parsed.rerank:
        raise InvalidArgumentError("rerank=True: a search by vector has no text to rerank by")
    view = store if parsed.tenant is None else store.for_tenant(parsed.tenant)
    relevance = settings.relevance_score_fn
    return SearchPlan(view, parsed, mode, (mode,), k, None, relevance=relevance)


def plan_mmr(plan: SearchPlan, fetch_k: int) -> SearchPlan:
    """Return ``plan`` for the candidates of maximal marginal relevance.

    Raises:
        InvalidArgumentError: Reranking was asked for.
    """
    if plan.settings.rerank:
        raise InvalidArgumentError(
            "rerank=True: mmr chooses by vectors; pass the reranker as the retriever's compressor"
        )
    return replace(plan, k=max(fetch_k, plan.k), reranker=None, with_vectors=True)


def run_plan(plan: SearchPlan, query: str | None, vectors: QueryVectors) -> list[Found]:
    """Search, rerank and cut; the one engine call of a search.

    Args:
        plan: What to search.
        query: The text, or None for a search by vector.
        vectors: What the models made of it.
    """
    settings = plan.settings
    limit, offset = plan.k, settings.offset
    wanted = limit + offset
    # Fewer candidates than documents wanted would return fewer documents.
    window = None if settings.fetch_k is None else max(settings.fetch_k, wanted)
    if plan.reranker is not None:
        limit, offset = window or rerank_window(wanted), 0
    request = DocumentSearch(
        mode=plan.mode,
        limit=limit,
        dense=vectors.dense,
        sparse=vectors.sparse,
        text=query if SearchMode.BM25 in plan.legs else None,
        selection=Selection(filter=settings.filter),
        offset=offset,
        fusion=settings.fusion,
        ranker=settings.ranker,
        windows={} if window is None else dict.fromkeys(plan.legs, window),
        with_vectors=plan.with_vectors,
        params=settings.search_params,
    )
    found = [to_found(hit) for hit in plan.store.search(request)]
    if plan.reranker is not None:
        ranked = _rerank(plan.reranker, query or "", found)
        found = ranked[settings.offset : settings.offset + plan.k]
    if plan.relevance is not None:
        found = [replace(f, relevance=plan.relevance(f.score)) for f in found]
    if settings.score_threshold is not None:
        found = [f for f in found if f.relevance >= settings.score_threshold]
    return found


def _rerank(reranker: BaseDocumentCompressor, query: str, found: Sequence[Found]) -> list[Found]:
    documents = [f.document for f in found]
    if isinstance(reranker, ElanusReranker):
        ranked = reranker.rank(query, [d.page_content for d in documents])
        return [Found(documents[i], score, relevance) for i, score, relevance in ranked]
    kept = reranker.compress_documents(documents, query)
    # Compressors of other packages say in the metadata how sure they are, if at all.
    scores = [float(d.metadata.get("relevance_score", 0.0)) for d in kept]
    return [
        Found(d, score, min(1.0, max(0.0, score))) for d, score in zip(kept, scores, strict=True)
    ]


def select_mmr(
    found: Sequence[Found], query: Sequence[float] | None, k: int, lambda_mult: float
) -> list[Found]:
    """Return ``k`` hits that are near the query and far from each other.

    Raises:
        InvalidArgumentError: The collection or the query has no dense vector.
    """
    vectors = [f.vector for f in found if f.vector is not None]
    if len(vectors) != len(found) or query is None:
        raise InvalidArgumentError(
            "mmr needs dense vectors of documents and query; open the store with embedding="
        )
    if not vectors:
        return []
    chosen = select_diverse(np.asarray(query), np.stack(vectors), k, lambda_mult)
    return [found[i] for i in chosen]
