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
    ElementMatch,
    FuzzyMatch,
    IsEmpty,
    Literal,
    Node,
    PhraseMatch,
    RandomSample,
    Spatial,
    TextContains,
    TextMatch,
)
from elanus.filter.operators import Quantifier, Relation


@dataclass(frozen=True, slots=True)
class Function:
    """How a call becomes a node.

    Attributes:
        num_arguments: How many arguments a call has.
        make: Builds the node from the arguments and the position of the call.
        option: Name of one further argument at the end, with or without its name; "": none.
        needs_option: Whether that one must be given.
    """

    num_arguments: int
    make: Callable[[list[Node], int], Node]
    option: str = ""
    needs_option: bool = False

    @property
    def numbers(self) -> tuple[int, ...]:
        """How many arguments a call may have."""
        if not self.option:
            return (self.num_arguments,)
        more = self.num_arguments + 1
        return (more,) if self.needs_option else (self.num_arguments, more)


def _contains(
    kind: type[Contains] | type[ContainsAny] | type[ContainsAll], arrays_only: bool
) -> Function:
    return Function(2, lambda a, at: kind(a[0], a[1], arrays_only, position=at))


def _text_contains(ignore_case: bool) -> Function:
    return Function(2, lambda a, at: TextContains(a[0], a[1], ignore_case, position=at))


def _elements(quantifier: Quantifier, *, chooses: bool = False) -> Function:
    def make(arguments: list[Node], at: int) -> Node:
        operand, condition, *count = arguments
        number = count[0] if count else Literal(1)
        return ElementMatch(operand, condition, quantifier, number, chooses, position=at)

    has_count = quantifier.has_count
    return Function(2, make, "threshold" if has_count else "", needs_option=has_count)


def _spatial(relation: Relation) -> Function:
    num_arguments = {Relation.IS_VALID: 1, Relation.DWITHIN: 3}.get(relation, 2)
    return Function(num_arguments, lambda a, at: Spatial(relation, *a, position=at))


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
    "text_match_fuzzy": Function(
        2, lambda a, at: FuzzyMatch(*a, position=at), "max_edit_distance", needs_option=True
    ),
    "phrase_match": Function(2, lambda a, at: PhraseMatch(*a, position=at), "slop"),
    "random_sample": Function(1, lambda a, at: RandomSample(*a, position=at), "seed"),
    "element_filter": _elements(Quantifier.ANY, chooses=True),
    **{f"match_{quantifier}": _elements(quantifier) for quantifier in Quantifier},
    **{str(relation): _spatial(relation) for relation in Relation},
    "is_empty": Function(1, lambda a, at: IsEmpty(a[0], position=at)),
}
"""Functions by name, in small letters; calls may use any case."""
