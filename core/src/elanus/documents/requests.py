"""What may be asked of a document store?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from elanus.api.options import SearchOptions
from elanus.documents.options import (
    HYBRID_WINDOW,
    HYBRID_WINDOW_FACTOR,
    SearchMode,
    check_options,
)
from elanus.documents.rows import SparseVector
from elanus.errors import InvalidArgumentError
from elanus.filter import Node
from elanus.query.highlighter import Highlighter
from elanus.query.rankers import Ranker
from elanus.query.requests import MAX_LIMIT, Fusion
from elanus.types import Float32Array


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents are meant; all conditions that are given hold together.

    Attributes:
        filter: On metadata: filter text, a dict of operators, or a filter tree. None and an empty
            dict mean every document.
        condition: A filter tree over the fields of the collection, made by an adapter.
        ids: Only these documents. Empty means none.
        ref_doc_ids: Only documents of these sources. Empty means none.
    """

    filter: Any = None
    condition: Node | None = None
    ids: Sequence[str] | None = None
    ref_doc_ids: Sequence[str] | None = None

    def __post_init__(self) -> None:
        # Its letters would be ids, and some of them may exist.
        for name in ("ids", "ref_doc_ids"):
            given = getattr(self, name)
            if isinstance(given, str | bytes):
                raise InvalidArgumentError(
                    f"{name}: expected a list of str, got one {type(given).__name__}; write "
                    f"[{given!r}]"
                )

    @property
    def is_empty(self) -> bool:
        """Whether no document can be meant, because a list is given and has nothing in it."""
        return any(given is not None and not given for given in (self.ids, self.ref_doc_ids))

    @property
    def only_ids(self) -> Sequence[str] | None:
        """The ids, when nothing else restricts; then documents are looked up, not searched for."""
        if self.filter or self.condition is not None or self.ref_doc_ids is not None:
            return None
        return self.ids


@dataclass(frozen=True, slots=True)
class DocumentSearch:
    """A ranked search over documents.

    Attributes:
        mode: Which parts of the documents are searched.
        limit: Hits wanted, at least 1.
        dense: Query vector, for dense and hybrid.
        dense_field: Name of another dense field to search, in a collection that has several.
        sparse: Sparse query vector, for sparse and hybrid.
        text: Query text, for BM25 and hybrid.
        selection: Only these documents are ranked.
        offset: Hits to leave out at the front.
        fusion: How hybrid joins its legs; None takes the store's default.
        ranker: What ranks the hits anew, one or several, as in ``Collection.search``; of a hybrid
            search after the fusion. Decays and filters of boosts name metadata keys.
        windows: Candidates of each hybrid leg, by mode; a leg that is not named contributes
            ``max(4 * (limit + offset), 100)``.
        with_vectors: Return the dense vector of each hit.
        params: Engine parameters: ``recall``, ``ef`` and ``candidates``, also nested under
            ``"params"`` as in Milvus.
        explain: Return the parts of each score.
        highlight: Mark words in the texts of the hits; needs BM25 or hybrid.
    """

    mode: SearchMode
    limit: int = 10
    dense: Sequence[float] | Float32Array | None = None
    dense_field: str | None = None
    sparse: SparseVector | None = None
    text: str | None = None
    selection: Selection = field(default_factory=Selection)
    offset: int = 0
    fusion: Fusion | None = None
    ranker: Ranker | Sequence[Ranker] | None = None
    windows: Mapping[SearchMode, int] = field(default_factory=dict)
    with_vectors: bool = False
    params: Mapping[str, Any] | None = None
    explain: bool = False
    highlight: Highlighter | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name, least, said in (("limit", 1, "at least 1"), ("offset", 0, "0 or more")):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, Integral):
                raise InvalidArgumentError(
                    f"{name}: expected an integer, {said}, got {type(given).__name__} {given!r}"
                )
            if given < least:
                raise InvalidArgumentError(f"{name}: expected {said}, got {given}")
        if self.fusion is not None and not isinstance(self.fusion, Fusion):
            raise InvalidArgumentError(
                f"fusion: expected RRF(...), Weighted(...) or DBSF(...), got "
                f"{type(self.fusion).__name__}"
            )

    @property
    def query_of(self) -> dict[SearchMode, Any]:
        """What each leg looks for, of the legs that have something to look for."""
        given = {
            SearchMode.DENSE: self.dense,
            SearchMode.SPARSE: self.sparse,
            SearchMode.BM25: self.text,
        }
        return {mode: query for mode, query in given.items() if query is not None}

    def window(self, leg: SearchMode) -> int:
        """Return how many candidates a hybrid leg contributes."""
        wanted = self.limit + self.offset
        window = self.windows.get(leg) or max(HYBRID_WINDOW_FACTOR * wanted, HYBRID_WINDOW)
        return min(window, MAX_LIMIT)


def engine_options(request: DocumentSearch) -> SearchOptions:
    """Return the options of the engine call that answers ``request``.

    ``recall``, ``ef`` and ``candidates`` may stand in ``request.params`` directly, or under
    ``"params"`` as in Milvus.

    Raises:
        TypeError: A parameter that does not exist, with the nearest one.
    """
    options = SearchOptions(offset=request.offset, explain=request.explain)
    if request.ranker is not None:
        options["ranker"] = request.ranker
    if request.highlight is not None:
        options["highlight"] = request.highlight
    given = dict(request.params or {})
    given.update(given.pop("params", None) or {})
    # Milvus' clients send the metric with every search; the field's own metric decides here.
    given.pop("metric_type", None)
    check_options(given, ("recall", "ef", "candidates"), "search_params")
    if "recall" in given:
        options["recall"] = given["recall"]
    if "ef" in given:
        options["ef"] = given["ef"]
    if "candidates" in given:
        options["candidates"] = given["candidates"]
    return options
