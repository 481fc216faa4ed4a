"""How do searches become legs that are joined?

One search alone may be joined as well: its hits get the scores that a join gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from elanus import Leg, SearchResult, Weighted
from elanus_server.service.context import Hosted

_OF_LEGS = ("params", "ef", "recall", "radius", "range_filter", "analyzer_name")
"""Options of a search that each leg has for itself."""


def leg_of(
    field: str,
    queries: Sequence[Any],
    limit: int,
    filter: str | None,
    options: Mapping[str, Any],
) -> Leg:
    """Return a search as a leg.

    Args:
        field: That is searched.
        queries: At least one.
        limit: Hits of each query that are joined.
        filter: Which entities may be hits; None: all.
        options: Of the search, of which a leg has some.
    """
    own = {name: options[name] for name in _OF_LEGS if name in options}
    data = queries[0] if len(queries) == 1 else queries
    return Leg(field, data, limit=limit, filter=filter, **own)


def as_in_milvus(hosted: Hosted, legs: Sequence[Leg], fusion: Any) -> tuple[Any, bool]:
    """Return a fusion as Milvus has it, and whether its scores are distances with a turned sign.

    Distances of one kind are added up as they are; of several, each is mapped.
    """
    if not isinstance(fusion, Weighted) or fusion.norm_score:
        return fusion, False
    metrics = [hosted.collection.schema.field(leg.field).metric_type for leg in legs]
    sums_distances = all(metric.is_distance for metric in metrics)
    return replace(fusion, negate=sums_distances), sums_distances


def search_joined(
    hosted: Hosted,
    leg: Leg,
    fusion: Any,
    limit: int,
    output: Sequence[str],
    options: Mapping[str, Any],
) -> tuple[Sequence[SearchResult], bool]:
    """Return a result for each query of one leg, and whether its scores are turned distances.

    Args:
        hosted: The collection.
        leg: What is searched.
        fusion: That gives the hits their scores.
        limit: Hits wanted of each query.
        output: Names for elanus.
        options: Of the search that the leg was made of.
    """
    fusion, is_negated = as_in_milvus(hosted, [leg], fusion)
    shared = {name: value for name, value in options.items() if name not in _OF_LEGS}
    found = hosted.collection.hybrid_search([leg], fusion, limit, output=output, **shared)
    return found if isinstance(found, list) else [found], is_negated
