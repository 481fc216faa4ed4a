"""Which functions can an expression call?

One row per name. ``json_*`` and ``array_*`` are Milvus' names and look into arrays only; the
others also look into text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from elanus.filter.ast import (
    ArrayLength,
    Contains,
    ContainsAll,
    ContainsAny,
    IsEmpty,
    Node,
    PhraseMatch,
    RandomSample,
    TextContains,
    TextMatch,
)


@dataclass(frozen=True, slots=True)
class Function:
    """How a call becomes a node.

    Attributes:
        num_arguments: How many arguments a call has.
        make: Builds the node from the arguments and the position of the call.
        option: Name of one further argument at the end, with or without its name; "": none.
    """

    num_arguments: int
    make: Callable[[list[Node], int], Node]
    option: str = ""


def _contains(
    kind: type[Contains] | type[ContainsAny] | type[ContainsAll], arrays_only: bool
) -> Function:
    return Function(2, lambda a, at: kind(a[0], a[1], arrays_only, position=at))


def _text_contains(ignore_case: bool) -> Function:
    return Function(2, lambda a, at: TextContains(a[0], a[1], ignore_case, position=at))


FUNCTIONS: dict[str, Function] = {
    "contains": _contains(Contains, arrays_only=False),
    "contains_any": _contains(ContainsAny, arrays_only=False),
    "contains_all": _contains(ContainsAll, arrays_only=False),
    "json_contains": _contains(Contains, arrays_only=True),
    "json_contains_any": _contains(ContainsAny, arrays_only=True),
    "json_contains_all": _contains(ContainsAll, arrays_only=True),
    "array_contains": _contains(Contains, arrays_only=True),
    "array_contains_any": _contains(ContainsAny, arrays_only=True),
    "array_contains_all": _contains(ContainsAll, arrays_only=True),
    "array_length": Function(1, lambda a, at: ArrayLength(a[0], position=at)),
    "text_contains": _text_contains(ignore_case=False),
    "text_icontains": _text_contains(ignore_case=True),
    "text_match": Function(2, lambda a, at: TextMatch(*a, position=at), "minimum_should_match"),
    "phrase_match": Function(2, lambda a, at: PhraseMatch(*a, position=at), "slop"),
    "random_sample": Function(1, lambda a, at: RandomSample(*a, position=at), "seed"),
    "is_empty": Function(1, lambda a, at: IsEmpty(a[0], position=at)),
}
"""Functions by name, in small letters; calls may use any case."""
