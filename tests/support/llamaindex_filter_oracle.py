"""What LlamaIndex's metadata filters mean, in plain Python: nested, and never an error."""

from collections.abc import Callable, Mapping
from typing import Any

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

Op = FilterOperator


def matches(filters: MetadataFilters, metadata: Mapping[str, Any]) -> bool:
    """Return whether a node with this metadata passes."""
    if not filters.filters:
        return True
    # A group without members restricts nothing, whatever surrounds it.
    members = [m for m in filters.filters if isinstance(m, MetadataFilter) or not _says_nothing(m)]
    if not members:
        return True
    found = [
        matches(m, metadata) if isinstance(m, MetadataFilters) else _holds(m, metadata)
        for m in members
    ]
    if filters.condition is FilterCondition.OR:
        return any(found)
    if filters.condition is FilterCondition.NOT:
        return not any(found)
    return all(found)


def _says_nothing(group: MetadataFilters) -> bool:
    return all(isinstance(m, MetadataFilters) and _says_nothing(m) for m in group.filters)


def _holds(one: MetadataFilter, metadata: Mapping[str, Any]) -> bool:
    have, want = metadata.get(one.key), one.value
    if one.operator is Op.IS_EMPTY:
        return have is None or have in ("", [])
    if one.operator is Op.NE:
        return not _equal(have, want)
    if one.operator is Op.NIN:
        return not any(_equal(have, w) for w in _list(want))
    return have is not None and _TESTS[one.operator](have, want)


def _equal(have: Any, want: Any) -> bool:
    return bool(have == want)


def _list(want: Any) -> list[Any]:
    return want if isinstance(want, list) else [want]


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(have: Any, want: Any) -> bool:
        texts = isinstance(have, str) and isinstance(want, str)
        numbers = isinstance(have, int | float) and isinstance(want, int | float)
        return (texts or numbers) and compare(have, want)

    return test


def _contains(have: Any, want: Any) -> bool:
    if isinstance(have, list):
        return want in have
    return isinstance(have, str) and isinstance(want, str) and want in have


def _part(fold: Callable[[str], str]) -> Callable[[Any, Any], bool]:
    def test(have: Any, want: Any) -> bool:
        return isinstance(have, str) and isinstance(want, str) and fold(want) in fold(have)

    return test


_TESTS: dict[FilterOperator, Callable[[Any, Any], bool]] = {
    Op.EQ: _equal,
    Op.GT: _ordered(lambda a, b: a > b),
    Op.GTE: _ordered(lambda a, b: a >= b),
    Op.LT: _ordered(lambda a, b: a < b),
    Op.LTE: _ordered(lambda a, b: a <= b),
    Op.IN: lambda have, want: any(_equal(have, w) for w in _list(want)),
    Op.CONTAINS: _contains,
    Op.ANY: lambda have, want: any(_contains(have, w) for w in _list(want)),
    Op.ALL: lambda have, want: all(_contains(have, w) for w in _list(want)),
    Op.TEXT_MATCH: _part(str),
    Op.TEXT_MATCH_INSENSITIVE: _part(str.lower),
}
