"""How does Python code say a filter?

``field("year") >= 2020``, ``field("meta")["tags"].contains("eu") & ~field("done").is_null()``.
Comparisons of a ``FieldExpression`` give nodes; nodes join with ``&``, ``|`` and ``~``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from elanus.errors import FilterError
from elanus.filter.ast import (
    Arithmetic,
    Between,
    Compare,
    Contains,
    ContainsAll,
    ContainsAny,
    Element,
    ElementMatch,
    Exists,
    FieldRef,
    FuzzyMatch,
    In,
    Interval,
    IsEmpty,
    IsNull,
    JsonPath,
    Like,
    Literal,
    Node,
    PhraseMatch,
    RandomSample,
    RegexMatch,
    Spatial,
    TextContains,
    TextMatch,
)
from elanus.filter.operators import ArithmeticOp, CompareOp, Quantifier, Relation
from elanus.schema.collection import did_you_mean
from elanus.schema.times import interval_text


class FieldExpression:
    """A field or a path, waiting to be compared.

    Attributes:
        node: The node that it stands for.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, node: FieldRef | JsonPath | Element | Arithmetic) -> None:
        self.node = node

    def __getitem__(self, key: str | int) -> FieldExpression:
        if isinstance(self.node, Element):
            if self.node.key is not None or not isinstance(key, str):
                raise FilterError("the elements of an array are single values and have no keys")
            return FieldExpression(Element(key))
        if isinstance(self.node, Arithmetic):
            raise FilterError("the result of a calculation has no keys")
        if isinstance(self.node, FieldRef):
            return FieldExpression(JsonPath(self.node.name, (key,)))
        return FieldExpression(JsonPath(self.node.field, (*self.node.keys, key)))

    # Indexing would otherwise make it look like a sequence.
    __iter__ = None

    def __eq__(self, value: object) -> Node:  # type: ignore[override]
        return Compare(CompareOp.EQ, self.node, _operand(value))

    def __ne__(self, value: object) -> Node:  # type: ignore[override]
        return Compare(CompareOp.NE, self.node, _operand(value))

    def __lt__(self, value: object) -> Node:
        return Compare(CompareOp.LT, self.node, _operand(value))

    def __le__(self, value: object) -> Node:
        return Compare(CompareOp.LE, self.node, _operand(value))

    def __gt__(self, value: object) -> Node:
        return Compare(CompareOp.GT, self.node, _operand(value))

    def __ge__(self, value: object) -> Node:
        return Compare(CompareOp.GE, self.node, _operand(value))

    def __add__(self, value: object) -> FieldExpression:
        return FieldExpression(Arithmetic(ArithmeticOp.ADD, self.node, _operand(value)))

    def __sub__(self, value: object) -> FieldExpression:
        return FieldExpression(Arithmetic(ArithmeticOp.SUB, self.node, _operand(value)))

    def between(self, low: object, high: object) -> Node:
        """Both ends included."""
        return Between(self.node, _operand(low), _operand(high))

    def is_in(self, values: Iterable[object]) -> Node:
        """Equal to one of ``values``."""
        return In(self.node, _operand(list(values)))

    def like(self, pattern: str, *, ignore_case: bool = False) -> Node:
        """Match a pattern of ``%`` and ``_``."""
        return Like(self.node, Literal(pattern), ignore_case)

    def regex(self, pattern: str) -> Node:
        """Hold a match of a regular expression, anywhere."""
        return RegexMatch(self.node, Literal(pattern))

    def text_match(self, text: str, *, minimum_should_match: int = 1) -> Node:
        """Hold terms of ``text``, as the field's analyzer cuts them."""
        return TextMatch(self.node, Literal(text), Literal(minimum_should_match))

    def text_match_fuzzy(self, text: str, *, max_edit_distance: int) -> Node:
        """Hold a term that up to so many edits, 0 to 2, make of a term of ``text``."""
        return FuzzyMatch(self.node, Literal(text), Literal(max_edit_distance))

    def phrase_match(self, text: str, *, slop: int = 0) -> Node:
        """Hold the terms of ``text`` in order, shifted by ``slop`` places at most."""
        return PhraseMatch(self.node, Literal(text), Literal(slop))

    def has_text(self, text: str, *, ignore_case: bool = False) -> Node:
        """Hold a text, anywhere."""
        return TextContains(self.node, Literal(text), ignore_case)

    def contains(self, value: object) -> Node:
        """An array that holds ``value``, or a text that holds it as a part."""
        return Contains(self.node, _operand(value))

    def contains_any(self, values: Iterable[object]) -> Node:
        """``contains`` for at least one value."""
        return ContainsAny(self.node, _operand(list(values)))

    def contains_all(self, values: Iterable[object]) -> Node:
        """``contains`` for every value."""
        return ContainsAll(self.node, _operand(list(values)))

    def match_any(self, condition: Node) -> Node:
        """An array of which an element meets a condition on ``element()``."""
        return ElementMatch(self.node, condition)

    def element_filter(self, condition: Node) -> Node:
        """As ``match_any``; a search of single elements finds only those that meet it."""
        return ElementMatch(self.node, condition, chooses=True)

    def match_all(self, condition: Node) -> Node:
        """An array of which every element meets it."""
        return ElementMatch(self.node, condition, Quantifier.ALL)

    def match_least(self, condition: Node, threshold: int) -> Node:
        """An array of which at least ``threshold`` elements meet it."""
        return ElementMatch(self.node, condition, Quantifier.LEAST, Literal(threshold))

    def match_most(self, condition: Node, threshold: int) -> Node:
        """An array of which at most ``threshold`` elements meet it."""
        return ElementMatch(self.node, condition, Quantifier.MOST, Literal(threshold))

    def match_exact(self, condition: Node, threshold: int) -> Node:
        """An array of which ``threshold`` elements meet it, no more and no less."""
        return ElementMatch(self.node, condition, Quantifier.EXACT, Literal(threshold))

    def st(self, relation: Relation | str, wkt: str, distance: float | None = None) -> Node:
        """Stand in a relation to a geometry: ``st("within", "POLYGON ((...))")``.

        Args:
            relation: ``equals``, ``touches``, ``overlaps``, ``crosses``, ``contains``,
                ``intersects``, ``within`` or ``dwithin``.
            wkt: The other geometry.
            distance: Meters of ``dwithin``.

        Raises:
            FilterError: No such relation, or a distance where none belongs.
        """
        meters = None if distance is None else Literal(distance)
        return Spatial(_relation(relation), self.node, Literal(wkt), meters)

    def is_valid_geometry(self) -> Node:
        """A geometry that follows the rules of OGC, such as that rings do not cross."""
        return Spatial(Relation.IS_VALID, self.node)

    def is_null(self) -> Node:
        """Null; inside JSON also missing."""
        return IsNull(self.node)

    def exists(self) -> Node:
        """There, if only with null."""
        return Exists(self.node)

    def is_empty(self) -> Node:
        """Missing, null, "" or []."""
        return IsEmpty(self.node)


def field(name: str) -> FieldExpression:
    """Return a field by name, ready to be compared."""
    return FieldExpression(FieldRef(name))


def element() -> FieldExpression:
    """Return the element of an array, for the conditions of ``match_any`` and its like."""
    return FieldExpression(Element())


def random_sample(fraction: float, *, seed: int | None = None) -> Node:
    """Return a condition that about a fraction of all rows meets; the same ones for each seed."""
    return RandomSample(Literal(fraction), None if seed is None else Literal(seed))


def _relation(name: str) -> Relation:
    try:
        return Relation(name if name.startswith("st_") else f"st_{name}")
    except ValueError:
        known = [relation.removeprefix("st_") for relation in Relation]
        raise FilterError(f"unknown relation {name!r}{did_you_mean(name, known)}") from None


def _operand(value: object) -> Node:
    if isinstance(value, FieldExpression):
        return value.node
    if isinstance(value, timedelta):
        return Interval(interval_text(value))
    return value if isinstance(value, Node) else Literal(value)  # type: ignore[arg-type]
