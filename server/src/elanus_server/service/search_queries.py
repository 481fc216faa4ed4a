"""What does a search look for: what is given, or what stored entities hold?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elanus import DataType, Field, SearchResult
from elanus_server.codec.requests import decode_ids, decode_queries
from elanus_server.failures import invalid
from elanus_server.service.context import Hosted

MAX_QUERIES = 16_384


def queries_of(hosted: Hosted, request: Any, field: Field) -> list[Any]:
    """Return the queries of a request; None for those of entities whose value is null.

    Args:
        hosted: Collection that is searched.
        request: Of a search, or of one leg.
        field: That is searched.

    Raises:
        MilvusError: They do not fit the field, there are too few or too many, or no entity has a
            key that is given.
    """
    keys = decode_ids(request.ids)
    if keys:
        _check_count(len(keys))
        return _stored(hosted, keys, field)
    queries = decode_queries(request.placeholder_group, field)
    _check_count(len(queries))
    return queries


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_QUERIES:
        raise invalid(
            f"nq [{count}] is invalid, nq (number of search vector per search request) "
            f"should be in range [1, {MAX_QUERIES}], but got {count}"
        )


def _stored(hosted: Hosted, keys: Sequence[Any], field: Field) -> list[Any]:
    if len(set(keys)) < len(keys):
        raise invalid("duplicate IDs found in search request")
    primary = hosted.collection.schema.primary
    is_text = primary.dtype is DataType.VARCHAR
    if isinstance(keys[0], str) is not is_text:
        kind = "varchar" if is_text else "int64"
        raise invalid(f"primary key is {kind}, but IDs type mismatch")
    if field.is_vector_list and not field.metric_type.is_max_sim:
        raise invalid(
            f"search by ids: an entity has several vectors in {field.name}, of which each is "
            f"searched by itself; give the vector as data"
        )
    collection = hosted.collection
    name = field.name if field.source is None else field.source.field
    found = {e[primary.name]: _value(e, name) for e in collection.get(keys, [name])}
    missing = [key for key in keys if key not in found]
    if missing:
        raise invalid(f"search by ids: no entity has the primary key {missing[0]!r}")
    return [found[key] for key in keys]


def _value(entity: Mapping[str, Any], name: str) -> Any:
    """Return what is in a field, of a part of an array of structs all; None where nothing is."""
    struct, _, part = name.partition("[")
    value = entity.get(struct)
    if not part:
        return value
    return [element[part[:-1]] for element in value or ()] or None


def without_nulls(queries: Sequence[Any], what: str) -> Sequence[Any]:
    """Return the queries.

    Raises:
        MilvusError: One is null, and ``what`` is done with all.
    """
    if any(query is None for query in queries):
        raise invalid(f"search by ids: an entity has null in the searched field: no {what}")
    return queries


def in_places(
    queries: Sequence[Any], results: Sequence[SearchResult]
) -> Sequence[SearchResult | None]:
    """Return a result for each query, None for those that are null.

    Args:
        queries: All.
        results: Of those that are not null, in order.
    """
    if len(results) == len(queries):
        return results
    left = iter(results)
    return [None if query is None else next(left) for query in queries]
