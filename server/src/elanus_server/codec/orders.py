"""In which order do hits, entities and groups come?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from elanus_server.failures import invalid


def search_order(text: str) -> list[tuple[str, bool]]:
    """Return fields to order hits by, and whether each is descending, of ``a:desc,b:asc``."""
    return [
        (name.strip(), _is_descending(direction))
        for name, _, direction in (part.partition(":") for part in _parts(text))
    ]


class OrderTerm(NamedTuple):
    """A field that entities are ordered by."""

    field: str
    is_descending: bool
    nulls_first: bool

    def text(self) -> str:
        """Return it as ``Collection.query`` takes it."""
        direction = "desc" if self.is_descending else "asc"
        return f"{self.field} {direction} nulls {'first' if self.nulls_first else 'last'}"


def query_order(text: str) -> list[OrderTerm]:
    """Return what entities are ordered by, of ``a:desc,b:asc:nulls_first``.

    Nulls are greater than everything, as in Milvus, where it is not said where they stand.

    Raises:
        MilvusError: A direction or a place of nulls that is none.
    """
    return [_order_term(part) for part in _parts(text)]


def _order_term(text: str) -> OrderTerm:
    name, _, said = text.partition(":")
    direction, _, nulls = said.partition(":")
    is_descending = _is_descending(direction)
    nulls = nulls.strip().lower()
    if nulls not in ("", "nulls_first", "nulls_last"):
        raise invalid(f"invalid null ordering '{nulls}', must be 'nulls_first' or 'nulls_last'")
    nulls_first = nulls == "nulls_first" if nulls else is_descending
    return OrderTerm(name.strip(), is_descending, nulls_first)


def _is_descending(direction: str) -> bool:
    said = direction.strip().lower()
    if said not in ("", "asc", "ascending", "desc", "descending"):
        raise invalid(f"order_by_fields: expected asc or desc, got {direction!r}")
    return said.startswith("desc")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def places_in_order(entities: Sequence[Any], order: Sequence[OrderTerm]) -> list[int]:
    """Return the places of hits or entities in the order that is asked for."""
    places = list(range(len(entities)))
    for name, is_descending, nulls_first in reversed(order):
        known = [place for place in places if entities[place].get(name) is not None]
        nulls = [place for place in places if entities[place].get(name) is None]
        known.sort(key=lambda place: entities[place][name], reverse=is_descending)
        places = nulls + known if nulls_first else known + nulls
    return places
