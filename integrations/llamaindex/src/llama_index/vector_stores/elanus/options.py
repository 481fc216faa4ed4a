"""Which options does a store take, and which does a query?

An option that does not exist is a ``TypeError`` naming the nearest one; none is ever swallowed.
Option names of the Milvus and Qdrant stores are taken and mapped, so that changing the class name
is enough for most programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from llama_index.core.postprocessor.types import BaseNodePostprocessor

from elanus import DBSF, RRF, Weighted
from elanus.documents import BM25, FieldNames, check_options

Fusion = RRF | Weighted | DBSF

_FIELD_OPTIONS = {f"{f.name}_field": f.name for f in fields(FieldNames)}
_RANKERS = ("RRFRanker", "WeightedRanker")


class StoreOptions(TypedDict, total=False):
    """Further options of ``ElanusVectorStore``.

    Attributes:
        metric: COSINE, IP or L2; that of an existing collection, else COSINE.
        index: Type of the dense index of a new collection: AUTO, HNSW or FLAT.
        fusion: How hybrid queries join their legs when ``alpha`` is not given; ``RRF(k=60)``.
        reranker: Orders the nodes of ``SEMANTIC_HYBRID`` queries and of those with
            ``rerank=True``.
        partition_key: Metadata key that separates tenants.
        tenant: Bind the store to one tenant.
        batch_size: Texts per call of the sparse model; 512.
        database: An open ``elanus.Database`` to use instead of ``uri``.
        field_names: Names of the fields in a collection that was made elsewhere.
        text_field, ...: The same, one by one.
        bm25: Parameters of ``sparse=BM25(...)`` as a dict.
        similarity_metric: As ``metric`` (Milvus).
        enable_sparse, sparse_embedding_function: As ``sparse`` (Milvus).
        hybrid_ranker, hybrid_ranker_params: As ``fusion`` (Milvus).
        enable_hybrid: As ``sparse=BM25()`` (Qdrant).
    """

    metric: str | None
    index: str
    fusion: Fusion | Mapping[str, Any]
    reranker: BaseNodePostprocessor | None
    partition_key: str | None
    tenant: str | None
    batch_size: int
    database: Any
    field_names: FieldNames | Mapping[str, str]
    id_field: str
    text_field: str
    dense_field: str
    sparse_field: str
    bm25_field: str
    metadata_field: str
    bm25: Mapping[str, Any] | None
    similarity_metric: str
    enable_sparse: bool
    sparse_embedding_function: Any
    hybrid_ranker: str
    hybrid_ranker_params: Mapping[str, Any]
    enable_hybrid: bool


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The options of a store, parsed.

    ``sparse_model`` is any kind of learned sparse model, ``bm25`` full-text search; either or both
    may be None.
    """

    metric: str | None
    index: str
    fusion: Fusion
    reranker: BaseNodePostprocessor | None
    partition_key: str | None
    tenant: str | None
    batch_size: int
    database: Any
    field_names: FieldNames
    bm25: BM25 | None
    sparse_model: Any

    @classmethod
    def parse(cls, sparse: Any, options: Mapping[str, Any]) -> StoreSettings:
        """Return the settings that ``sparse`` and ``options`` describe.

        Raises:
            TypeError: An option does not exist.
            ValueError: A value is out of range, or two options contradict each other.
        """
        check_options(options, StoreOptions.__annotations__, "ElanusVectorStore")
        batch_size = options.get("batch_size", 512)
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        bm25, model = _sparse_sources(sparse, options)
        return cls(
            metric=options.get("metric") or options.get("similarity_metric"),
            index=options.get("index", "AUTO"),
            fusion=_fusion(options),
            reranker=options.get("reranker"),
            partition_key=options.get("partition_key"),
            tenant=options.get("tenant"),
            batch_size=batch_size,
            database=options.get("database"),
            field_names=_field_names(options),
            bm25=bm25,
            sparse_model=model,
        )


def _sparse_sources(sparse: Any, options: Mapping[str, Any]) -> tuple[BM25 | None, Any]:
    """Return full-text search and learned sparse model out of everything that may name them."""
    # A pair of functions is one model, a list of other things is several sources.
    is_list = isinstance(sparse, list | tuple) and not all(map(callable, sparse))
    sources = [s for s in (sparse if is_list else [sparse]) if s is not None]
    if options.get("sparse_embedding_function") is not None:
        sources.append(options["sparse_embedding_function"])
    texts = [s for s in sources if isinstance(s, BM25)]
    models = [s for s in sources if not isinstance(s, BM25)]
    if options.get("bm25") is not None:
        texts.append(BM25(**options["bm25"]))
    if (options.get("enable_sparse") or options.get("enable_hybrid")) and not texts + models:
        texts.append(BM25())
    if len(texts) > 1 or len(models) > 1:
        raise ValueError(
            f"sparse: at most one BM25 and one model, got {len(texts)} and {len(models)}"
        )
    return (texts[0] if texts else None), (models[0] if models else None)


def _fusion(options: Mapping[str, Any]) -> Fusion:
    given = options.get("fusion")
    if isinstance(given, Fusion):
        return given
    if isinstance(given, Mapping):
        return RRF(**given) if "k" in given else Weighted(**given)
    if given is not None:
        raise TypeError(f"fusion: expected RRF, Weighted or DBSF, got {type(given).__name__}")
    params = options.get("hybrid_ranker_params") or {}
    ranker = options.get("hybrid_ranker", "RRFRanker")
    if ranker not in _RANKERS:
        raise ValueError(f"hybrid_ranker {ranker!r}: expected one of {', '.join(_RANKERS)}")
    if ranker == "RRFRanker":
        return RRF(k=params.get("k", 60))
    weights = params.get("weights")
    return Weighted() if weights is None else Weighted(weights=tuple(weights))


def _field_names(options: Mapping[str, Any]) -> FieldNames:
    given = options.get("field_names")
    if isinstance(given, FieldNames):
        return given
    names = dict(given or {})
    names.update({_FIELD_OPTIONS[o]: v for o, v in options.items() if o in _FIELD_OPTIONS})
    return FieldNames(**names)


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The keyword arguments of a query, parsed.

    Attributes:
        search_params: ``recall``, ``ef`` and ``candidates``.
        fusion: How hybrid joins its legs; None takes ``alpha``, then the store's.
        ranker: ``Decay``, ``Boost`` and others of elanus, by metadata keys; one or a list.
        rerank: Order the nodes by the store's reranker.
        tenant: Search only this tenant.
        filter: On metadata, beside ``query.filters``: text, dict or tree.
        mmr_threshold: 1 looks only at nearness, 0 only at diversity.
        mmr_prefetch_factor: Candidates of MMR for every node that is asked for.
        mmr_prefetch_k: Candidates of MMR.
    """

    search_params: Mapping[str, Any] | None = None
    fusion: Fusion | None = None
    ranker: Any = None
    rerank: bool = False
    tenant: str | None = None
    filter: Any = None
    mmr_threshold: float | None = None
    mmr_prefetch_factor: float | None = None
    mmr_prefetch_k: int | None = None

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> QueryOptions:
        """Return the options that ``options`` describe.

        Raises:
            TypeError: An option does not exist.
            ValueError: Both sizes of the MMR prefetch are given.
        """
        known: Sequence[str] = [f.name for f in fields(cls)]
        check_options(options, known, "query")
        if options.get("mmr_prefetch_factor") is not None and options.get("mmr_prefetch_k"):
            raise ValueError("mmr_prefetch_factor and mmr_prefetch_k: only one of them decides")
        return cls(**options)
