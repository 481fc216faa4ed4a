"""What can a filter say?

The tree that text, dicts and Python code all become. Nodes are frozen and hashable; two nodes are
equal when they say the same, wherever they stand in a text. Values are data: nothing in a
``Literal`` is ever read as part of an expression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from elanus.errors import FilterError
from elanus.filter.constants import (
    Constant,
    checked_text,
    is_same,
    to_constant,
)
from elanus.filter.operators import ArithmeticOp, CompareOp, Quantifier, Relation, parse_op


@dataclass(frozen=True, slots=True)
class Node:
    """Part of a filter.

    Conditions join with ``&``, ``|`` and ``~``.

    Attributes:
        position: Offset of the node in the text it was read from, or None.
    """

    _: KW_ONLY
    position: int | None = field(default=None, compare=False, repr=False)

    # A chain of the same operator stays flat, so that a loop may join any number of conditions.
    def __and__(self, other: Node) -> And:
        return And((*self.terms, other) if isinstance(self, And) else (self, other))

    def __or__(self, other: Node) -> Or:
        return Or((*self.terms, other) if isinstance(self, Or) else (self, other))

    def __invert__(self) -> Not:
        return Not(self)

    def children(self) -> Iterator[Node]:
        """Yield the nodes directly below this one, in the order of the text."""
        for name in attribute_names(self):
            value = getattr(self, name)
            if isinstance(value, Node):
                yield value
            elif name == "terms":
                yield from value


# --- values -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Literal(Node):
    """A constant: null, bool, int, float, str, or a list of them.

    Lists become tuples. NumPy scalars and arrays become Python values; ``datetime``, ``date`` and
    ``time`` their ISO 8601 text, ``UUID``, ``Path`` and ``Decimal`` their text, ``Enum`` its
    value, as in stored metadata.

    Raises:
        FilterError: The value is of another type, NaN, or not writable as UTF-8.
    """

    value: Constant

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", to_constant(self.value))

    # 1, 1.0 and True are equal in Python, but they do not say the same: 3 / 2 is not 3 / 2.0.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and is_same(self.value, other.value)

    def __hash__(self) -> int:
        return hash((Literal, self.value))


@dataclass(frozen=True, slots=True)
class Moment(Node):
    """``ISO '2025-01-31T00:00:00Z'``: a moment, to be compared with TIMESTAMPTZ fields.

    Attributes:
        iso: Text of ISO 8601; without an offset from UTC it is in the time zone of the schema.
    """

    iso: str

    def __post_init__(self) -> None:
        checked_text(self.iso)


@dataclass(frozen=True, slots=True)
class Interval(Node):
    """``INTERVAL 'P1M'``: what is added to a moment or taken from it.

    Attributes:
        iso: A duration of ISO 8601.
    """

    iso: str

    def __post_init__(self) -> None:
        checked_text(self.iso)


@dataclass(frozen=True, slots=True)
class FieldRef(Node):
    """The value of a field, or of an undeclared key where the schema or a root allows one."""

    name: str

    def __post_init__(self) -> None:
        checked_text(self.name)


@dataclass(frozen=True, slots=True)
class JsonPath(Node):
    """A value inside a JSON field, or one element of an ARRAY field.

    Attributes:
        field: Name of the field.
        keys: Keys of objects (str, any text) and places in arrays (int from 0).
    """

    field: str
    keys: tuple[str | int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(self.keys))
        for key in (self.field, *self.keys):
            if isinstance(key, str):
                checked_text(key)
            is_place = isinstance(key, int) and not isinstance(key, bool) and key >= 0
            if not isinstance(key, str) and not is_place:
                raise FilterError(
                    f"path in {self.field!r}: expected keys of str or int from 0, got {key!r}"
                )


@dataclass(frozen=True, slots=True)
class Element(Node):
    """``$``: the element of which an ``ElementMatch`` asks its condition.

    Attributes:
        key: A field of the element, of an array of structs (``$[page]``).
    """

    key: str | None = None


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """``{name}``: a value that is given when the filter is compiled."""

    name: str


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """``left op right`` on numbers, or a moment and an interval."""

    op: ArithmeticOp
    left: Node
    right: Node

    def __post_init__(self) -> None:
        object.__setattr__(self, "op", parse_op(ArithmeticOp, self.op))


@dataclass(frozen=True, slots=True)
class ArrayLength(Node):
    """The number of elements of an ARRAY field or a JSON array."""

    operand: Node


# --- conditions -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """``left op right``."""

    op: CompareOp
    left: Node
    right: Node

    def __post_init__(self) -> None:
        object.__setattr__(self, "op", parse_op(CompareOp, self.op))


@dataclass(frozen=True, slots=True)
class Between(Node):
    """``low <= operand <= high``, each end with or without equality."""

    operand: Node
    low: Node
    high: Node
    includes_low: bool = True
    includes_high: bool = True


@dataclass(frozen=True, slots=True)
class In(Node):
    """The operand equals one of the values, a ``Literal`` list or a ``Parameter``."""

    operand: Node
    values: Node


@dataclass(frozen=True, slots=True)
class Like(Node):
    """The text matches a pattern: ``%`` any text, ``_`` one character, ``\\`` takes both away."""

    operand: Node
    pattern: Node
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class RegexMatch(Node):
    """The text holds a match of a regular expression in the syntax of RE2, anywhere."""

    operand: Node
    pattern: Node


@dataclass(frozen=True, slots=True)
class TextContains(Node):
    """The text holds another text, anywhere."""

    operand: Node
    text: Node
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class TextMatch(Node):
    """The text holds at least ``minimum`` terms of another, as the field's analyzer cuts them."""

    operand: Node
    text: Node
    minimum: Node = field(default_factory=lambda: Literal(1))


@dataclass(frozen=True, slots=True)
class FuzzyMatch(Node):
    """The text holds a term that so many edits make of a term of another."""

    operand: Node
    text: Node
    max_edit_distance: Node


@dataclass(frozen=True, slots=True)
class PhraseMatch(Node):
    """The text holds the terms of another in order; ``slop`` is how far they may be shifted."""

    operand: Node
    text: Node
    slop: Node = field(default_factory=lambda: Literal(0))


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    """The field is null; inside JSON: the value is null or missing."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Exists(Node):
    """The path is there, if only with null as its value; a field exists when it is not null."""

    operand: Node


@dataclass(frozen=True, slots=True)
class IsEmpty(Node):
    """Missing, null, ``""`` or ``[]``."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Contains(Node):
    """An array holds the value; a text holds it as a part, unless ``arrays_only``."""

    operand: Node
    value: Node
    arrays_only: bool = False


@dataclass(frozen=True, slots=True)
class ContainsAny(Node):
    """``Contains`` for at least one value of a list."""

    operand: Node
    values: Node
    arrays_only: bool = False


@dataclass(frozen=True, slots=True)
class ContainsAll(Node):
    """``Contains`` for every value of a list."""

    operand: Node
    values: Node
    arrays_only: bool = False


@dataclass(frozen=True, slots=True)
class ElementMatch(Node):
    """So many elements of an array meet a condition on ``Element()``.

    Attributes:
        operand: The array.
        condition: Asked of each element.
        quantifier: How many must meet it.
        count: The number that belongs to ``LEAST``, ``MOST`` and ``EXACT``.
        chooses: Only elements that meet it are found by a search of single elements
            (``element_filter``). It goes with ``ANY``, and allows the same rows.
    """

    operand: Node
    condition: Node
    quantifier: Quantifier = Quantifier.ANY
    count: Node = field(default_factory=lambda: Literal(1))
    chooses: bool = False


@dataclass(frozen=True, slots=True)
class Spatial(Node):
    """A GEOMETRY field stands in a relation to a geometry.

    Attributes:
        relation: Which one; ``IS_VALID`` is about the field alone.
        operand: The field.
        shape: WKT of the other geometry, a text; None for ``IS_VALID``.
        distance: Meters of ``DWITHIN``; None for the others.
    """

    relation: Relation
    operand: Node
    shape: Node | None = None
    distance: Node | None = None

    def __post_init__(self) -> None:
        for part in (self.shape, self.distance):
            if part is not None and not isinstance(part, Node):
                raise FilterError(
                    f"a filter tree holds nodes, got {type(part).__name__}; "
                    f"write a constant as Literal(...)"
                )
        has_shape = self.relation is not Relation.IS_VALID
        has_distance = self.relation is Relation.DWITHIN
        if (self.shape is not None, self.distance is not None) != (has_shape, has_distance):
            raise FilterError(
                f"{self.relation} takes {'a' if has_shape else 'no'} shape "
                f"and {'a' if has_distance else 'no'} distance"
            )


@dataclass(frozen=True, slots=True)
class RandomSample(Node):
    """About a fraction of all rows, chosen by primary key and seed.

    Attributes:
        fraction: Above 0, up to 1.
        seed: The same seed chooses the same rows; None: another one each time it is compiled.
    """

    fraction: Node
    seed: Node | None = None


@dataclass(frozen=True, slots=True)
class And(Node):
    """Every term holds. At least one term."""

    terms: tuple[Node, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", _checked_terms("And", self.terms))


@dataclass(frozen=True, slots=True)
class Or(Node):
    """At least one term holds. At least one term."""

    terms: tuple[Node, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", _checked_terms("Or", self.terms))


@dataclass(frozen=True, slots=True)
class Not(Node):
    """The term does not hold."""

    term: Node


# --- helpers ----------------------------------------------------------------------------------


def attribute_names(node: Node) -> tuple[str, ...]:
    """Return the attributes of a node in declaration order, without its position."""
    kind: Any = type(node)
    names: tuple[str, ...] = kind.__match_args__
    return names


def _checked_terms(name: str, terms: object) -> tuple[Node, ...]:
    if isinstance(terms, Node) or not isinstance(terms, list | tuple) or not terms:
        raise FilterError(f"{name} takes a tuple of at least one node")
    return tuple(terms)
