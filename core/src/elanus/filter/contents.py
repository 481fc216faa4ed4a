"""In which rows is there something, and what do arrays hold?

Conditions on their own, as those of ``filter/evaluator.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elanus.filter.columns import FilterColumns
from elanus.filter.evaluator import named
from elanus.filter.json.json_operands import JsonValue
from elanus.filter.logic import TAKEN_LIST_NS, Condition, Leaf, Truth, truth_of
from elanus.filter.lookup import find_any
from elanus.filter.operators import Quantifier
from elanus.filter.outcomes import ANY, Outcomes
from elanus.filter.shares import bounds_of
from elanus.filter.values.elements import elements_of
from elanus.filter.values.operands import Constants, Container, Path, both
from elanus.filter.values.struct_operands import ListField
from elanus.filter.values.typed_operands import ArrayField
from elanus.index.scalar.base import Found
from elanus.types import BoolArray

LISTS_NS, HELD_NS = 1.0, 0.8
"""What it takes a row to look through arrays of three elements, and for each constant besides."""


@dataclass(frozen=True, slots=True)
class NullTest(Leaf):
    """``path is null``; always known."""

    path: Path

    def scan(self, columns: FilterColumns) -> Truth:
        return Truth(self.path.is_null(columns))

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        known = bounds_of(self.path, columns)
        if known is None:
            return ANY
        return Outcomes(known.has_null, known.low is not None or known.has_nan, False)


@dataclass(frozen=True, slots=True)
class ExistsTest(Leaf):
    """``exists path``; always known."""

    path: Path

    def scan(self, columns: FilterColumns) -> Truth:
        return Truth(self.path.exists(columns))

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        known = bounds_of(self.path, columns)
        if known is None:
            return ANY
        return Outcomes(known.low is not None or known.has_nan, known.has_null, False)


@dataclass(frozen=True, slots=True)
class EmptyTest(Leaf):
    """``is_empty(path)``; always known."""

    path: Path

    def scan(self, columns: FilterColumns) -> Truth:
        return Truth(self.path.is_empty(columns))


@dataclass(frozen=True, slots=True)
class HoldsAny(Leaf):
    """An array holds one of the constants, or a text one of ``parts``."""

    container: Container
    wanted: Constants
    parts: tuple[str, ...]

    extra_ns = TAKEN_LIST_NS

    def scan(self, columns: FilterColumns) -> Truth:
        holds = self.container.holds(columns, self.wanted)
        if self.parts:
            holds |= self.container.holds_text(columns, self.parts)
        return truth_of(holds, self.container.validity(columns))

    def known(self, columns: FilterColumns) -> BoolArray | None:
        return self.container.validity(columns)

    def find(self, columns: FilterColumns) -> tuple[Found | None, str]:
        container, wanted = self.container, self.wanted
        if isinstance(container, ArrayField):
            index = columns.index(container.name, ())
        elif isinstance(container, JsonValue) and not self.parts:
            index = columns.index(container.name, container.keys)
        else:
            return None, ""
        if index is None or not index.of_elements or wanted.lists or wanted.has_null:
            return None, ""
        return named(find_any(index, wanted.numbers, wanted.texts), index)

    def guess(self) -> tuple[float, float]:
        num_values = len(self.wanted.numbers) + len(self.wanted.texts)
        return 0.1, LISTS_NS + HELD_NS * num_values


@dataclass(frozen=True, slots=True)
class IsContainer(Leaf):
    """An array stands there, or also a text."""

    container: Container
    or_text: bool

    def scan(self, columns: FilterColumns) -> Truth:
        holds = self.container.is_container(columns, or_text=self.or_text)
        return truth_of(holds, self.container.validity(columns))


@dataclass(frozen=True, slots=True)
class ElementTest(Leaf):
    """So many elements meet a condition; one for which it is unknown does not.

    Where no array stands it is unknown, as in Milvus.
    """

    container: ArrayField | JsonValue | ListField
    condition: Condition
    quantifier: Quantifier
    count: int

    extra_ns = TAKEN_LIST_NS

    def meeting(self, columns: FilterColumns) -> BoolArray:
        """Return which elements meet the condition, those of all rows one after the other."""
        return self.condition.evaluate(elements_of(self.container, columns)[1]).true

    def scan(self, columns: FilterColumns) -> Truth:
        rows, elements = elements_of(self.container, columns)
        meeting = rows[self.condition.evaluate(elements).true]
        counts = np.bincount(meeting, minlength=columns.num_rows)
        lengths, is_array = self.container.lengths(columns)
        match self.quantifier:
            case Quantifier.ANY:
                holds = counts > 0
            case Quantifier.ALL:
                holds = counts == lengths
            case Quantifier.LEAST:
                holds = counts >= self.count
            case Quantifier.MOST:
                holds = counts <= self.count
            case Quantifier.EXACT:
                holds = counts == self.count
        return truth_of(holds, both(is_array, self.container.validity(columns)))
