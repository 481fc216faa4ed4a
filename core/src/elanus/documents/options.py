"""How is a collection of documents stored and searched?

Frozen option sets that the ``Documents`` class and the framework adapters share. Every value is
checked when it is made; an option that does not exist is refused by ``unknown_option``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn, TypeVar

from elanus.errors import InvalidArgumentError
from elanus.plugins.protocols import Embedder, SparseEmbedder
from elanus.query.requests import RRF, Fusion
from elanus.schema.fields import AnalyzerSpec
from elanus.types import DENSE_METRICS, MetricType

HYBRID_WINDOW = 100
"""Fewest candidates that each leg of a hybrid search contributes, in rows."""
HYBRID_WINDOW_FACTOR = 4
"""Candidates of each leg of a hybrid search for every row that is asked for."""

_E = TypeVar("_E", bound=StrEnum)


class SearchMode(StrEnum):
    """Which parts of a document a search reads."""

    DENSE = "dense"
    SPARSE = "sparse"
    BM25 = "bm25"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class BM25:
    """Ask for full-text search over the text of the documents.

    Attributes:
        language: Name of the analyzer: ``"standard"``, ``"english"`` and so on.
        k1: Saturation of the term frequency, 0 or larger.
        b: Share of length normalisation, from 0 (none) to 1 (full).
        analyzer: Parameters of an analyzer in Milvus' form; used instead of ``language``.
    """

    language: str = "standard"
    k1: float = 1.2
    b: float = 0.75
    analyzer: AnalyzerSpec | None = None

    @property
    def analyzer_spec(self) -> AnalyzerSpec:
        """The analyzer to declare on the text field."""
        return self.language if self.analyzer is None else self.analyzer


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Names of the fields that hold the parts of a document.

    The defaults are the layout that every elanus integration writes. Other names open a
    collection that was made elsewhere.
    """

    id: str = "id"
    text: str = "text"
    dense: str = "dense"
    sparse: str = "sparse"
    bm25: str = "bm25"
    metadata: str = "metadata"
    ref_doc_id: str = "ref_doc_id"
    node: str = "node"


_INDEXED_TYPES = ("BOOL", "DOUBLE", "VARCHAR", "ARRAY_BOOL", "ARRAY_DOUBLE", "ARRAY_VARCHAR")


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What a ``DocumentStore`` makes of a collection that does not exist yet.

    Attributes:
        metric: COSINE, IP or L2. None takes that of an existing collection, else COSINE.
        dim: Dimensions of the dense vectors; None takes those of the first write.
        index: Type of the dense index: AUTO, HNSW or FLAT.
        bm25: Full-text search over the text, or None for what an existing collection has.
        sparse: Documents carry a learned sparse vector.
        fusion: Default of hybrid searches.
        partition_key: Metadata key that separates tenants, promoted to a field of its own.
        model: Name of the embedding model, recorded in the collection.
        embedder: The plug-in behind the dense vectors, when there is one. Its fingerprint is
            recorded, and a collection that was written with another model is refused.
        sparse_embedder: The same for the learned sparse vectors.
        metadata_indexes: Indexes of metadata keys, by key the type of its values: BOOL, DOUBLE,
            VARCHAR, or ARRAY_ before it for lists. They make filters quicker.
        fields: Names of the fields.
    """

    metric: MetricType | str | None = None
    dim: int | None = None
    index: str = "AUTO"
    bm25: BM25 | None = None
    sparse: bool = False
    fusion: Fusion = field(default_factory=RRF)
    partition_key: str | None = None
    model: str = ""
    embedder: Embedder | None = None
    sparse_embedder: SparseEmbedder | None = None
    metadata_indexes: Mapping[str, str] = field(default_factory=dict)
    fields: FieldNames = field(default_factory=FieldNames)

    def __post_init__(self) -> None:
        if self.metric is not None:
            name = str(self.metric).upper()
            if name not in DENSE_METRICS:
                names = ", ".join(DENSE_METRICS)
                raise InvalidArgumentError(f"metric {self.metric!r}: expected one of {names}")
            object.__setattr__(self, "metric", MetricType(name))
        for key, kind in self.metadata_indexes.items():
            # Refused now and not by the first write, which would leave an empty collection.
            if kind not in _INDEXED_TYPES:
                raise InvalidArgumentError(
                    f"metadata_indexes[{key!r}]: expected one of {', '.join(_INDEXED_TYPES)}, got "
                    f"{kind!r}"
                )
        if not isinstance(self.fusion, Fusion):
            raise InvalidArgumentError(
                f"fusion: expected RRF(...), Weighted(...) or DBSF(...), got "
                f"{type(self.fusion).__name__}"
            )


_PLACE = "uri=, a folder or the URL of a server, and token= where it has users"
_HITS = "k= (LangChain) or similarity_top_k= (LlamaIndex)"
_ELSEWHERE = {
    **dict.fromkeys(("connection_args", "host", "path", "persist_dir", "url"), _PLACE),
    "persist_directory": "uri=, the folder",
    **dict.fromkeys(("client", "client_settings", "chroma_collection"), "uri= or database="),
    **dict.fromkeys(("expr", "string_expr", "where", "qdrant_filters"), "filter="),
    "where_document": "search_mode='bm25' to search by words",
    **dict.fromkeys(("limit", "n_results", "top_k"), _HITS),
    "collection": "collection_name=",
}
"""What other stores call an option, and what it is called here."""


def parse_enum(kind: type[_E], value: object, what: str) -> _E:
    """Return the member of ``kind`` that ``value`` names.

    Raises:
        InvalidArgumentError: With the names that exist.
    """
    try:
        return kind(str(value).lower())
    except ValueError:
        names = ", ".join(repr(str(m)) for m in kind)
        raise InvalidArgumentError(f"{what} {value!r}: expected one of {names}") from None


def unknown_option(name: str, known: Iterable[str], where: str) -> NoReturn:
    """Refuse an option that ``where`` does not have.

    Raises:
        TypeError: Always, naming the nearest option.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if name in _ELSEWHERE:
        hint = f"; write {_ELSEWHERE[name]}"
    elif near:
        hint = f"; did you mean {near[0]!r}?"
    else:
        hint = f"; expected one of {', '.join(names)}"
    raise TypeError(f"{where} has no option {name!r}{hint}")


def check_options(given: Mapping[str, object], known: Iterable[str], where: str) -> None:
    """Refuse the first of ``given`` that is not in ``known``.

    Raises:
        TypeError: Naming the unknown option and the nearest known one.
    """
    names = set(known)
    for name in given:
        if name not in names:
            unknown_option(name, names, where)
