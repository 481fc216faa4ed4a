"""Which rows does a filter allow?

A bound condition gives a truth per row: true, false, or unknown where a typed field is null.
``not`` of unknown is unknown, ``and`` and ``or`` follow Kleene's logic, and only rows that are
true are allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from elanus.filter.ast import CompareOp, Quantifier
from elanus.filter.columns import FilterColumns
from elanus.filter.constants import Constant
from elanus.filter.elements import JsonElement, elements_of
from elanus.filter.json_operands import JsonValue
from elanus.filter.numbers import PYTHON_OPERATORS, compare_numbers
from elanus.filter.operands import (
    Constants,
    Container,
    Operand,
    Path,
    Values,
    both,
)
from elanus.filter.strings import NO_TEXT, CodedStrings
from elanus.filter.struct_operands import ListField
from elanus.filter.typed_operands import ArrayField
from elanus.types import BoolArray


@dataclass(frozen=True, slots=True)
class Truth:
    """Truth of a condition per row; bool arrays of shape ``(n,)``.

    Attributes:
        true: Where it holds.
        unknown: Where that cannot be said; never where ``true``. None: nowhere.
    """

    true: BoolArray
    unknown: BoolArray | None = None


class Condition(Protocol):
    """A bound condition."""

    def evaluate(self, columns: FilterColumns) -> Truth:
        """Return its truth in each row."""
        ...


def truth_of(holds: BoolArray, known: BoolArray | None) -> Truth:
    """Return a truth that is unknown where nothing is known."""
    return Truth(holds) if known is None else Truth(holds & known, ~known)


def _nowhere(columns: FilterColumns) -> BoolArray:
    return np.zeros(columns.num_rows, dtype=np.bool_)


# --- logic ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Always:
    """The same truth in every row; None is unknown."""

    value: bool | None

    def evaluate(self, columns: FilterColumns) -> Truth:
        unknown = np.ones(columns.num_rows, dtype=np.bool_) if self.value is None else None
        return Truth(np.full(columns.num_rows, self.value is True, dtype=np.bool_), unknown)


@dataclass(frozen=True, slots=True)
class Negation:
    """``not term``."""

    term: Condition

    def evaluate(self, columns: FilterColumns) -> Truth:
        truth = self.term.evaluate(columns)
        if truth.unknown is None:
            return Truth(~truth.true)
        return Truth(~(truth.true | truth.unknown), truth.unknown)


@dataclass(frozen=True, slots=True)
class Conjunction:
    """All terms; a false one decides, else an unknown one."""

    terms: tuple[Condition, ...]

    def evaluate(self, columns: FilterColumns) -> Truth:
        total = self.terms[0].evaluate(columns)
        for term in self.terms[1:]:
            if total.unknown is None and not total.true.any():
                break
            further = term.evaluate(columns)
            true = total.true & further.true
            if total.unknown is None and further.unknown is None:
                total = Truth(true)
            else:
                total = Truth(true, _maybe(total) & _maybe(further) & ~true)
        return total


@dataclass(frozen=True, slots=True)
class Disjunction:
    """Any term; a true one decides, else an unknown one."""

    terms: tuple[Condition, ...]

    def evaluate(self, columns: FilterColumns) -> Truth:
        total = self.terms[0].evaluate(columns)
        for term in self.terms[1:]:
            further = term.evaluate(columns)
            true = total.true | further.true
            if total.unknown is None or further.unknown is None:
                unknown = further.unknown if total.unknown is None else total.unknown
            else:
                unknown = total.unknown | further.unknown
            total = Truth(true, None if unknown is None else unknown & ~true)
        return total


def _maybe(truth: Truth) -> BoolArray:
    return truth.true if truth.unknown is None else truth.true | truth.unknown


# --- comparisons ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CompareConstant:
    """``operand op constant``; a bool constant is 0 or 1."""

    operand: Operand
    op: CompareOp
    constant: int | float | str

    def evaluate(self, columns: FilterColumns) -> Truth:
        values = self.operand.load(columns)
        holds = _nowhere(columns)
        if isinstance(self.constant, str):
            if values.strings is not None:
                holds = values.strings.compare(self.op, self.constant)
        elif values.numbers is not None:
            holds = values.numbers.compare(self.op, self.constant)
            if values.is_number is not None:
                holds = holds & values.is_number
        return truth_of(holds, values.known)


@dataclass(frozen=True, slots=True)
class CompareList:
    """``operand == list`` or ``!=``; not equal are arrays only."""

    operand: Container
    op: CompareOp
    values: tuple[Constant, ...]

    def evaluate(self, columns: FilterColumns) -> Truth:
        holds = self.operand.equals(columns, self.values)
        if self.op is CompareOp.NE:
            holds = self.operand.is_container(columns, or_text=False) & ~holds
        return truth_of(holds, self.operand.validity(columns))


@dataclass(frozen=True, slots=True)
class CompareValues:
    """``left op right`` with values of the same row on both sides."""

    left: Operand
    op: CompareOp
    right: Operand

    def evaluate(self, columns: FilterColumns) -> Truth:
        left, right = self.left.load(columns), self.right.load(columns)
        holds = _nowhere(columns)
        if left.numbers is not None and right.numbers is not None:
            numbers = compare_numbers(left.numbers, self.op, right.numbers)
            are_numbers = both(left.is_number, right.is_number)
            holds |= numbers if are_numbers is None else numbers & are_numbers
        if left.strings is not None and right.strings is not None:
            holds |= _compare_texts(left.strings, self.op, right.strings)
        return truth_of(holds, both(left.known, right.known))


def _compare_texts(left: CodedStrings, op: CompareOp, right: CodedStrings) -> BoolArray:
    rows = np.flatnonzero((left.codes != NO_TEXT) & (right.codes != NO_TEXT))
    holds = np.zeros(len(left.codes), dtype=np.bool_)
    # Two columns have two dictionaries, so that their texts are compared, not their codes.
    holds[rows] = PYTHON_OPERATORS[op](left.texts()[rows], right.texts()[rows])
    return holds


@dataclass(frozen=True, slots=True)
class Membership:
    """``operand in [...]``."""

    operand: Operand
    wanted: Constants

    def evaluate(self, columns: FilterColumns) -> Truth:
        if isinstance(self.operand, JsonValue | JsonElement):
            return Truth(self.operand.is_in(columns, self.wanted))
        values = self.operand.load(columns)
        return truth_of(self._holds(values, columns), values.known)

    def _holds(self, values: Values, columns: FilterColumns) -> BoolArray:
        holds = _nowhere(columns)
        if self.wanted.numbers and values.numbers is not None:
            holds = values.numbers.is_in(self.wanted.numbers)
            if values.is_number is not None:
                holds = holds & values.is_number
        elif self.wanted.texts and values.strings is not None:
            holds = values.strings.is_in(self.wanted.texts)
        return holds


@dataclass(frozen=True, slots=True)
class TextTest:
    """Something about a text; False where no text stands."""

    operand: Operand
    matches: Callable[[str], bool]

    def evaluate(self, columns: FilterColumns) -> Truth:
        values = self.operand.load(columns)
        if values.strings is None:
            return truth_of(_nowhere(columns), values.known)
        return truth_of(values.strings.matches(self.matches), values.known)


@dataclass(frozen=True, slots=True)
class LanguageTest:
    """Something about a text, asked in the way that another field of the row names.

    Attributes:
        operand: The text.
        by_field: The other field.
        numbers: Returns the place in ``matchers`` for each value of it, int64.
        matchers: Tell whether it is so.
    """

    operand: Operand
    by_field: str
    numbers: Callable[[Sequence[object]], NDArray[np.int64]]
    matchers: tuple[Callable[[str], bool], ...]

    def evaluate(self, columns: FilterColumns) -> Truth:
        values = self.operand.load(columns)
        strings = values.strings
        if strings is None:
            return truth_of(_nowhere(columns), values.known)
        num_rows = columns.num_rows
        said = columns.strings(self.by_field).strings(num_rows).first(num_rows)
        chosen = self.numbers(said.dictionary.texts().tolist())[said.codes]
        holds = _nowhere(columns)
        for number in np.unique(chosen).tolist():
            rows = np.flatnonzero(chosen == number)
            holds[rows] = strings.take(rows).matches(self.matchers[number], few=True)
        return truth_of(holds, values.known)


# --- presence and arrays ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NullTest:
    """``path is null``; always known."""

    path: Path

    def evaluate(self, columns: FilterColumns) -> Truth:
        return Truth(self.path.is_null(columns))


@dataclass(frozen=True, slots=True)
class ExistsTest:
    """``exists path``; always known."""

    path: Path

    def evaluate(self, columns: FilterColumns) -> Truth:
        return Truth(self.path.exists(columns))


@dataclass(frozen=True, slots=True)
class EmptyTest:
    """``is_empty(path)``; always known."""

    path: Path

    def evaluate(self, columns: FilterColumns) -> Truth:
        return Truth(self.path.is_empty(columns))


@dataclass(frozen=True, slots=True)
class HoldsAny:
    """An array holds one of the constants, or a text one of ``parts``."""

    container: Container
    wanted: Constants
    parts: tuple[str, ...]

    def evaluate(self, columns: FilterColumns) -> Truth:
        holds = self.container.holds(columns, self.wanted)
        if self.parts:
            holds |= self.container.holds_text(columns, self.parts)
        return truth_of(holds, self.container.validity(columns))


@dataclass(frozen=True, slots=True)
class IsContainer:
    """An array stands there, or also a text."""

    container: Container
    or_text: bool

    def evaluate(self, columns: FilterColumns) -> Truth:
        holds = self.container.is_container(columns, or_text=self.or_text)
        return truth_of(holds, self.container.validity(columns))


@dataclass(frozen=True, slots=True)
class ElementTest:
    """So many elements meet a condition; one for which it is unknown does not."""

    container: ArrayField | JsonValue | ListField
    condition: Condition
    quantifier: Quantifier
    count: int

    def evaluate(self, columns: FilterColumns) -> Truth:
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
        if is_array is not None:
            holds = holds & is_array
        return truth_of(holds, self.container.validity(columns))
