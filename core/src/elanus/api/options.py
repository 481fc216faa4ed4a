"""What can be said about a search, besides what is searched?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

import numpy as np

from elanus.api.context import Filter
from elanus.errors import InvalidArgumentError
from elanus.kernels.cancel import Cancellation as Cancellation
from elanus.query.highlighter import Highlighter
from elanus.query.rankers import Ranker
from elanus.query.requests import MAX_LIMIT, Fusion
from elanus.schema.collection import did_you_mean


class ReadOptions(TypedDict, total=False):
    """Further options of ``get``, ``query``, ``count``, ``aggregate``, ``facets``.

    Attributes:
        params: Values of the ``{name}`` templates in a filter text.
        root: JSON field whose keys the names in the filter are; None: fields of the schema.
        partitions: Name of a partition, or several, to read; None reads all.
        as_of: Read the state of a moment in the past, as in ``SearchOptions``.
        consistency: As in ``SearchOptions``.
        at_least: As in ``SearchOptions``.
        timezone: As in ``SearchOptions``.
    """

    params: Mapping[str, Any] | None
    root: str | None
    partitions: Sequence[str] | str | None
    as_of: datetime | int | str | None
    consistency: str | None
    at_least: int | None
    timezone: str | None


class SearchOptions(TypedDict, total=False):
    """Further options of ``search`` and ``hybrid_search``.

    Attributes:
        offset: Hits to leave out at the front; 0.
        params: Values of the ``{name}`` templates in a filter text.
        root: JSON field whose keys the names in the filter are; None: fields of the schema.
        recall: Share of the true nearest rows wanted, in (0, 1]; 0.95. 1.0 searches exactly.
        ef: Candidate list of a graph search in rows, or ``nprobe`` of inverted lists; goes before
            ``recall``. Inverted lists are all read where ``radius`` or ``range_filter`` is given.
        drop_ratio_search: Share of the weights of a sparse query, or of the terms of a text, from 0
            to below 1: the smallest weights that choose no hits. Hits are still scored with all of
            them; what matches only dropped ones is not found. 0, the default, finds every hit.
        analyzer_name: For texts, where the rows of the field have several analyzers: the name or
            alias of that of the query; None: ``default``.
        radius: Scores of hits must be better than it: larger for COSINE, IP and BM25, smaller for
            L2, HAMMING and JACCARD. For ``search`` only; a hybrid search has it in its legs.
        range_filter: Scores of hits must not be better than it. Both bounds are those of Milvus'
            range search: ``radius < score <= range_filter``, or ``range_filter <= distance <
            radius``.
        group_by: Field of whole numbers, bools, moments, texts or JSON, or path of a JSON field
            (``meta["source"]``), or a list of up to 10 of them: hits come in groups that share its
            value, or a tuple of values, ``limit`` and ``offset`` count groups, and
            ``result.groups`` has them. With a ranker they are groups of the hits
            as it leaves them.
        group_size: Most hits of a group; 1. A group has as many where there are as many.
        strict_group_size: Taken for the sake of Milvus' programs: groups are always filled.
        per_element: Each vector of a list is a hit of its own, with its place as ``hit.offset``,
            and those of one entity may be several hits; not for MAX_SIM metrics. Of an array of
            structs only elements that meet an ``element_filter`` of the filter are hits. Grouped by
            the primary key, hits are entities again.
        ranker: ``Decay``, ``Boost``, ``FunctionScore``, ``Rerank`` or ``MMR``, or a list of them
            that are applied in order; in a hybrid search the fusion may come first.
        candidates: Candidates that the rankers begin with; ``max(4 * (limit + offset), 100)``, of a
            hybrid search for each leg. ``"exact"`` looks at as many as it takes until no other row
            can be a hit.
        round_decimal: Decimals that scores are rounded to; -1, the default, leaves them.
        order_by: In which order the hits that were found come back, instead of by score:
            ``"year"``, ``"year desc"``, or several, the most important first: scalar fields of
            numbers, bools, moments or texts. Nulls and NaN come last, equals by score;
            ``"year desc nulls first"`` puts nulls to the front. Which hits there are does not
            change. With ``group_by`` it is the order of the groups, by their first hits.
        explain: Attach the matched terms of BM25 hits, and to ``result.explanation`` how filters
            were answered, which takes as long as answering them once more.
        highlight: Mark words in the texts of the hits: ``Highlighter(...)``, or a dict of its
            attributes. ``hit.highlights`` then has marked fragments by text field.
        timeout: Seconds after which the search ends with ``SearchTimeoutError``, more than 0; None
            waits for it.
        partitions: Name of a partition, or several, to search; None searches all.
        consistency: How recent the answer is in a process that only reads: ``strong``, ``bounded``,
            ``session`` or ``eventually``, as in ``Collection.set_consistency``; None takes that of
            the collection.
        at_least: Wait until the write with this sequence number is visible, such as ``last_seq``
            of the process that wrote.
        as_of: Search the state of a moment in the past: a ``datetime`` (a naive one is local
            time), a sequence number, or the name of a snapshot; None: what is visible now.
        timezone: In which zone moments come back, and are read in filters where they have no offset
            from UTC: a name such as ``"Europe/Berlin"``; None: that of the collection.
    """

    offset: int
    params: Mapping[str, Any] | None
    root: str | None
    recall: float
    ef: int | None
    drop_ratio_search: float
    analyzer_name: str | None
    radius: float | None
    range_filter: float | None
    group_by: str | Sequence[str] | None
    group_size: int
    strict_group_size: bool
    per_element: bool
    ranker: Ranker | Sequence[Ranker | Fusion] | None
    candidates: int | str | None
    round_decimal: int
    order_by: str | Sequence[str]
    explain: bool
    highlight: Highlighter | Mapping[str, Any] | None
    timeout: float | None
    partitions: Sequence[str] | str | None
    consistency: str | None
    at_least: int | None
    as_of: datetime | int | str | None
    timezone: str | None


@dataclass(frozen=True, slots=True)
class Leg:
    """One part of a hybrid search.

    Attributes:
        field: Vector field to search.
        data: Query vector (a matrix for lists of vectors with a MAX_SIM metric), sparse vector
            (``{dimension: weight}``), or text for a BM25 field; or several of these.
        limit: Candidates of this leg; None: ``max(4 * limit, 100)`` of the whole search.
        filter: Rows must pass it, and the filter of the whole search.
        params: Values of the ``{name}`` templates in its filter; None: those of the whole search.
        recall: Share of the true nearest rows wanted; None: that of the whole search.
        ef: As in ``SearchOptions``, for this leg; None: that of the whole search.
        radius: As in ``SearchOptions``, for the scores of this leg.
        range_filter: As in ``SearchOptions``, for the scores of this leg.
        analyzer_name: As in ``SearchOptions``, for this leg; None: that of the whole search.
        ranker: Ranks the candidates of this leg anew before the legs are joined, as in
            ``SearchOptions``: it looks at ``max(4 * limit, 100)`` and leaves the best ``limit``.
    """

    field: str
    data: Any
    limit: int | None = None
    filter: Filter | None = None
    recall: float | None = None
    radius: float | None = None
    range_filter: float | None = None
    analyzer_name: str | None = None
    ranker: Ranker | Sequence[Ranker] | None = None
    params: Mapping[str, Any] | None = None
    ef: int | None = None


_SEARCH_OPTIONS = frozenset(SearchOptions.__annotations__)
_READ_OPTIONS = frozenset(ReadOptions.__annotations__)


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ``TypeError``, as Python does, for an option of a search that does not exist."""
    _check_names(options, "search", _SEARCH_OPTIONS)


def check_read_options(options: Mapping[str, Any], call: str) -> None:
    """Raise ``TypeError``, as Python does, for an option of a read that does not exist."""
    _check_names(options, call, _READ_OPTIONS)


_OTHER_WORDS = {
    "anns_field": "field",
    "expr": "filter",
    "k": "limit",
    "n_results": "limit",
    "output_fields": "output",
    "search_params": "ef",
    "similarity_top_k": "limit",
    "top_k": "limit",
    "topk": "limit",
    "where": "filter",
}
"""What other databases call arguments that reads have."""


def _check_names(options: Mapping[str, Any], call: str, known: frozenset[str]) -> None:
    for name in options:
        if name in known:
            continue
        if name in _OTHER_WORDS:
            hint = f"; did you mean {_OTHER_WORDS[name]!r}?"
        else:
            hint = did_you_mean(name, sorted(known | {"limit", "filter", "output"}))
        raise TypeError(f"{call}() has no option {name!r}{hint}")


def check_page(limit: int, offset: int) -> None:
    """Raise ``InvalidArgumentError`` unless limit and offset describe a page of hits."""
    is_plain = type(limit) is int and type(offset) is int
    if is_plain and limit >= 1 and offset >= 0 and limit + offset <= MAX_LIMIT:
        return
    for name, value, least in (("limit", limit, 1), ("offset", offset, 0)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise InvalidArgumentError(f"{name} must be an integer >= {least}, got {value!r}")
    if limit + offset > MAX_LIMIT:
        raise InvalidArgumentError(
            f"limit + offset must be at most {MAX_LIMIT}, got {limit + offset}; "
            f"query() has no such bound"
        )
