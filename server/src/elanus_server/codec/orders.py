"""In which order do hits, entities and groups come?"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from elanus import DataType, Schema
from elanus_server.failures import invalid
from elanus_server.wire import schema as messages

_WITH_ORDER = (DataType.BOOL, DataType.VARCHAR, DataType.TIMESTAMPTZ)
_ASCENDING = ("", "asc", "ascending")
_DESCENDING = ("desc", "descending")
_NULLS = ("", "nulls_first", "nulls_last")


class OrderTerm(NamedTuple):
    """A field that entities are ordered by."""

    field: str
    is_descending: bool
    nulls_first: bool

    def text(self) -> str:
        """Return it as ``Collection.query`` takes it."""
        direction = "desc" if self.is_descending else "asc"
        return f"{self.field} {direction} nulls {'first' if self.nulls_first else 'last'}"


def search_order(text: str, schema: Schema) -> list[OrderTerm]:
    """Return what hits are ordered by, of ``a:desc,b["c"]:asc:nulls_first``.

    Nulls are greater than everything, as in Milvus, where it is not said where they stand.

    Raises:
        MilvusError: A direction or a place of nulls that is none, or a field that is not there or
            whose values have no order.
    """
    terms = [_order_term(part, "expected") for part in _parts(text)]
    for term in terms:
        _check_hits(term.field, schema)
    return terms


def query_order(text: str) -> list[OrderTerm]:
    """Return what entities are ordered by, as ``search_order`` does for hits.

    Raises:
        MilvusError: A direction or a place of nulls that is none.
    """
    return [_order_term(part, "must be") for part in _parts(text)]


def check_query_order(order: Sequence[OrderTerm], schema: Schema) -> None:
    """Refuse to order entities by what has no order.

    Raises:
        MilvusError: A field is not there, or its values have no order.
    """
    for term in order:
        dtype = schema.field(term.field).dtype if term.field in schema else None
        if dtype is None and not _is_path(term.field, schema):
            raise _not_there(term.field)
        if dtype is not None and not _has_order(dtype):
            raise invalid(
                f"order_by field '{term.field}' has type {name_of(dtype)} which is not sortable"
            )


def places_in_order(entities: Sequence[Any], order: Sequence[OrderTerm]) -> list[int]:
    """Return the places of hits or entities in the order that is asked for."""
    places = list(range(len(entities)))
    for name, is_descending, nulls_first in reversed(order):
        known = [place for place in places if entities[place].get(name) is not None]
        nulls = [place for place in places if entities[place].get(name) is None]
        key = _key({type(entities[place][name]) for place in known})
        known.sort(
            key=lambda place, name=name, key=key: key(entities[place][name]),  # type: ignore[misc]
            reverse=is_descending,
        )
        places = nulls + known if nulls_first else known + nulls
    return places


def page_in_order(
    entities: Sequence[Mapping[str, Any]],
    groups: Sequence[int],
    order: Sequence[OrderTerm],
    page: slice,
) -> list[int]:
    """Return the places of the hits of a page in the order that is asked for.

    Args:
        entities: Of the hits, as they were found.
        groups: Hits of each group, which stay together and are ordered by the first of each; empty
            where hits are not grouped.
        order: Of hits or of groups.
        page: Of hits or of groups, once they are in order.
    """
    if not groups:
        return places_in_order(entities, order)[page]
    starts = list(itertools.accumulate(groups, initial=0))
    firsts = [entities[start] for start in starts[:-1]]
    chosen = places_in_order(firsts, order)[page]
    return [place for group in chosen for place in range(starts[group], starts[group + 1])]


def _key(kinds: set[type]) -> Callable[[Any], Any]:
    """Return by what values are compared; those that are unlike by what they look like in JSON."""
    is_plain = kinds <= {int, float} or (len(kinds) == 1 and not kinds & {list, dict})
    return (lambda value: value) if is_plain else json.dumps


def _order_term(part: str, allowed: str) -> OrderTerm:
    """Return a term; ``allowed`` is how an error says what may stand in place of what is wrong."""
    end = part.rfind("]") + 1
    if "[" in part and not end:
        # A path without an end: no field has this name.
        return OrderTerm(part, is_descending=False, nulls_first=False)
    name, _, said = part[end:].partition(":")
    name = (part[:end] + name).strip()
    direction, _, nulls = (one.strip().lower() for one in said.partition(":"))
    if direction not in _ASCENDING + _DESCENDING:
        raise invalid(
            f"invalid order direction '{direction}' for field '{name}', {allowed} 'asc' or 'desc'"
        )
    if nulls not in _NULLS:
        raise invalid(f"invalid null ordering '{nulls}', {allowed} 'nulls_first' or 'nulls_last'")
    is_descending = direction in _DESCENDING
    return OrderTerm(name, is_descending, nulls == _NULLS[1] if nulls else is_descending)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _check_hits(name: str, schema: Schema) -> None:
    if not name:
        raise invalid("empty field name in order_by_fields")
    if name in schema:
        dtype = schema.field(name).dtype
        if not _has_order(dtype):
            raise invalid(
                f"order_by field '{name}' has unsortable type {name_of(dtype)}; supported types: "
                "bool, int8/16/32/64, float, double, string, varchar; for JSON fields use path "
                'syntax like field["key"]'
            )
    elif "]" in name:
        _check_path(name, schema)
    elif not schema.dynamic:
        raise _not_there(name)


def _check_path(name: str, schema: Schema) -> None:
    base = name.partition("[")[0]
    if base in schema and schema.field(base).dtype is not DataType.JSON:
        raise invalid(f"order_by field '{name}' has brackets but is not a JSON type")
    if not _is_path(name, schema):
        raise invalid(f"order_by field '{base}' not found in schema and no dynamic field available")


def _is_path(name: str, schema: Schema) -> bool:
    """Whether a name that no field has may be that of an undeclared field, or of a JSON path."""
    base, bracket, _ = name.partition("[")
    if base in schema:
        return bool(bracket) and schema.field(base).dtype is DataType.JSON
    return bool(base) and schema.dynamic


def _not_there(name: str) -> Exception:
    return invalid(f"order_by field '{name}' does not exist in collection schema")


def _has_order(dtype: DataType) -> bool:
    return dtype.is_number or dtype in _WITH_ORDER


def name_of(dtype: DataType) -> str:
    """Return how Milvus names a type."""
    name: str = messages.DataType.Name(dtype.value)
    return name
