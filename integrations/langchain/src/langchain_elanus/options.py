"""Which options does a store take, and which does a search?

An option that does not exist is a ``TypeError`` naming the nearest one; none is ever swallowed.
Spellings of other stores are accepted: ``expr`` and ``param`` (Milvus), ``alpha`` and ``weights``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings

from elanus import DBSF, RRF, Weighted
from elanus.documents import FieldNames, SearchMode, check_options, parse_enum

Fusion = RRF | Weighted | DBSF

_FIELD_OPTIONS = {f"{f.name}_field": f.name for f in fields(FieldNames)}


class StoreOptions(TypedDict, total=False):
    """Further options of ``ElanusVectorStore``.

    Attributes:
        embedding_function: Another name for ``embedding``.
        metric: COSINE, IP or L2; that of an existing collection, else COSINE.
        index: Type of the dense index of a new collection: AUTO, HNSW or FLAT.
        fusion: How hybrid searches join their legs; ``RRF(k=60)``.
        reranker: Orders the hits of every search, such as ``ElanusReranker()``.
        partition_key: Metadata key that separates tenants.
        metadata_indexes: Metadata keys that a new collection has an index of, with the type of
            their values: ``{"year": "DOUBLE", "tags": "ARRAY_VARCHAR"}``; also BOOL and VARCHAR.
        batch_size: Texts embedded per call of the model; 512.
        drop_old: Remove an existing collection first.
        relevance_score_fn: Turns a score into a relevance, instead of the built-in map.
        database: An open ``elanus.Database`` to use instead of ``uri``.
        id_field, text_field, dense_field, sparse_field, bm25_field, metadata_field: Names of the
            fields in a collection that was made elsewhere.
    """

    embedding_function: Embeddings | None
    metric: str | None
    index: str
    fusion: Fusion
    reranker: BaseDocumentCompressor | None
    partition_key: str | None
    metadata_indexes: Mapping[str, str]
    batch_size: int
    drop_old: bool
    relevance_score_fn: Callable[[float], float] | None
    database: Any
    id_field: str
    text_field: str
    dense_field: str
    sparse_field: str
    bm25_field: str
    metadata_field: str


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The options of a store, parsed."""

    metric: str | None
    index: str
    fusion: Fusion
    reranker: BaseDocumentCompressor | None
    partition_key: str | None
    metadata_indexes: Mapping[str, str]
    batch_size: int
    drop_old: bool
    relevance_score_fn: Callable[[float], float] | None
    database: Any
    field_names: FieldNames

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> StoreSettings:
        """Return the settings that ``options`` describe.

        Raises:
            TypeError: An option does not exist.
            ValueError: ``batch_size`` is below 1.
        """
        check_options(options, StoreOptions.__annotations__, "ElanusVectorStore")
        batch_size = options.get("batch_size", 512)
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        names = {_FIELD_OPTIONS[o]: v for o, v in options.items() if o in _FIELD_OPTIONS}
        return cls(
            metric=options.get("metric"),
            index=options.get("index", "AUTO"),
            fusion=options.get("fusion") or RRF(),
            reranker=options.get("reranker"),
            partition_key=options.get("partition_key"),
            metadata_indexes=dict(options.get("metadata_indexes") or {}),
            batch_size=batch_size,
            drop_old=options.get("drop_old", False),
            relevance_score_fn=options.get("relevance_score_fn"),
            database=options.get("database"),
            field_names=FieldNames(**names),
        )


_SEARCH_OPTIONS = (
    "filter",
    "search_mode",
    "fetch_k",
    "fusion",
    "ranker",
    "rerank",
    "score_threshold",
    "offset",
    "search_params",
    "tenant",
)
_ALIASES = {"expr": "filter", "param": "search_params"}


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The options of one search, parsed.

    Attributes:
        filter: On metadata: dict, text or tree; None for all.
        search_mode: None takes the store's.
        fetch_k: Candidates of each hybrid leg, or of MMR; None takes the default.
        fusion: None takes the store's.
        ranker: ``Decay``, ``Boost`` and others of elanus by metadata keys; one or a list.
        rerank: None reranks when the store has a reranker.
        score_threshold: Least relevance of a hit, in [0, 1].
        offset: Hits to leave out at the front.
        search_params: ``recall``, ``ef`` and ``candidates``.
        tenant: Search only this tenant.
    """

    filter: Any = None
    search_mode: SearchMode | None = None
    fetch_k: int | None = None
    fusion: Fusion | None = None
    ranker: Any = None
    rerank: bool | None = None
    score_threshold: float | None = None
    offset: int = 0
    search_params: Mapping[str, Any] | None = None
    tenant: str | None = None

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> SearchSettings:
        """Return the settings that ``options`` describe.

        Raises:
            TypeError: An option does not exist, or two of them mean the same.
        """
        known = (*_SEARCH_OPTIONS, *_ALIASES, "alpha", "weights")
        check_options(options, known, "search")
        given = {o: v for o, v in options.items() if v is not None}
        for alias, name in _ALIASES.items():
            if alias in given:
                if name in given:
                    raise TypeError(f"search got both {name!r} and its other spelling {alias!r}")
                given[name] = given.pop(alias)
        _parse_fusion(given)
        if "search_mode" in given:
            given["search_mode"] = parse_enum(SearchMode, given["search_mode"], "search_mode")
        return cls(**given)


def _parse_fusion(given: dict[str, Any]) -> None:
    """Put ``alpha`` or ``weights`` into ``fusion``."""
    named = [name for name in ("fusion", "alpha", "weights") if name in given]
    if len(named) > 1:
        raise TypeError(f"search got {' and '.join(map(repr, named))}; one of them decides")
    if "alpha" in given:
        alpha = float(given.pop("alpha"))
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha: expected 0 (sparse) to 1 (dense), got {alpha}")
        given["fusion"] = Weighted(dense=alpha, sparse=1.0 - alpha)
    elif "weights" in given:
        weights: Sequence[float] | Mapping[str, float] = given.pop("weights")
        kept = dict(weights) if isinstance(weights, Mapping) else tuple(weights)
        given["fusion"] = Weighted(weights=kept)
