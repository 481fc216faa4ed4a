"""Searching by what stored entities hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elanus import Field
from elanus_server.failures import invalid
from elanus_server.service.context import Hosted


def stored_queries(hosted: Hosted, field: Field, keys: Sequence[Any]) -> list[Any]:
    """Return what entities hold in the field that is searched, as queries.

    Args:
        hosted: The collection.
        field: That is searched; of one that is computed what it is computed of is read.
        keys: Of the entities.

    Raises:
        MilvusError: An entity has nothing there, or more than one query.
    """
    if field.is_vector_list and not field.metric_type.is_max_sim:
        raise invalid(
            f"search by ids: an entity has several vectors in {field.name}, of which each is "
            f"searched by itself; give the vector as data"
        )
    collection = hosted.collection
    name = field.name if field.source is None else field.source.field
    found = {
        entity[collection.schema.primary.name]: _value(entity, name)
        for entity in collection.get(keys, [name])
    }
    missing = [key for key in keys if found.get(key) is None]
    if missing:
        raise invalid(f"search by ids: no entity has something in {name} under {missing[0]!r}")
    return [found[key] for key in keys]


def _value(entity: dict[str, Any], name: str) -> Any:
    """Return what is in a field, of a part of an array of structs all; None where nothing is."""
    struct, _, part = name.partition("[")
    value = entity[struct]
    if not part:
        return value
    return [element[part[:-1]] for element in value or ()] or None
