"""In which rows does a single condition hold?

Each class is one kind of question, asked of columns, and of an index where there is one that can
tell. ``filter/logic.py`` joins them and chooses between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elanus.filter.columns import FilterColumns
from elanus.filter.constants import Constant
from elanus.filter.json.json_operands import JsonValue
from elanus.filter.logic import (
    FEW_ROWS,
    TAKEN_TEXT_NS,
    Condition,
    Leaf,
    Truth,
    truth_of,
)
from elanus.filter.lookup import find_any, find_comparisons, find_equal, find_texts
from elanus.filter.matching.hints import TextHint
from elanus.filter.matching.text_scan import DISTINCT_SHARE, matching_rows, matching_texts, scan_ns
from elanus.filter.operators import CompareOp
from elanus.filter.outcomes import ANY, Outcomes, of_all, of_comparison, of_membership, of_prefix
from elanus.filter.shares import (
    MAX_FACTOR,
    RANGE_FACTOR,
    SHARES,
    as_compared,
    bounds_of,
    row_ns,
    share_of,
)
from elanus.filter.strings import NO_TEXT, CodedStrings
from elanus.filter.values.elements import JsonElement
from elanus.filter.values.formulas import compare_calculated
from elanus.filter.values.numbers import (
    PYTHON_OPERATORS,
    compare_array,
    compare_numbers,
    compared_rows,
)
from elanus.filter.values.operands import (
    Computed,
    ConstantOperand,
    Constants,
    Container,
    Operand,
    Values,
    both,
)
from elanus.filter.values.typed_operands import ElementOf, NumberField, TextField
from elanus.index.scalar.base import Found
from elanus.index.scalar.registry import ScalarIndex
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import StringColumn
from elanus.types import BoolArray


def _nowhere(columns: FilterColumns) -> BoolArray:
    return np.zeros(columns.num_rows, dtype=np.bool_)


def _index_of(operand: object, columns: FilterColumns) -> ScalarIndex | None:
    """Return the index of single values at an operand."""
    index = None
    if isinstance(operand, NumberField | TextField):
        index = columns.index(operand.name, ())
    elif isinstance(operand, ElementOf):
        index = columns.index(operand.array.name, (operand.place,))
    elif isinstance(operand, JsonValue):
        index = columns.index(operand.name, operand.keys)
        if index is not None and index.is_cast is not operand.is_cast:
            return None  # the one that was asked for is still to be built
    return None if index is None or index.of_elements else index


def _known(operand: object, columns: FilterColumns) -> BoolArray | None:
    """Return where the field of an operand that has an index is not null; None: everywhere."""
    if isinstance(operand, JsonValue):
        return None
    name = operand.array.name if isinstance(operand, ElementOf) else operand.name  # type: ignore[attr-defined]
    return columns.column(name).validity


def _truth_where(holds: BoolArray, known: BoolArray | None) -> Truth:
    """Return the truth that holds nowhere but where it is known."""
    return Truth(holds, None if known is None else ~known)


def named(found: Found | None, index: ScalarIndex | None) -> tuple[Found | None, str]:
    """Return what was found and the type of the index that was asked; None: there is none."""
    return found, "" if index is None else index.type


# --- comparisons ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CompareConstant(Leaf):
    """``operand op constant``; a bool constant is 0 or 1."""

    operand: Operand
    op: CompareOp
    constant: int | float | str

    def scan(self, columns: FilterColumns) -> Truth:
        operand = self.operand
        if isinstance(operand, NumberField) and not isinstance(self.constant, str):
            column = operand.stored(columns)
            holds = compare_array(column.values, self.op, self.constant)
            return truth_of(holds, column.validity)
        if isinstance(operand, Computed):
            constant = ConstantOperand(self.constant)
            found = compare_calculated(operand, self.op, constant, columns)
            if found is not None:
                return _truth_where(*found)
        return self._of_values(operand.load(columns), columns)

    def scanned(self, columns: FilterColumns) -> Bitset:
        operand, constant = self.operand, self.constant
        if isinstance(constant, str):
            if self.op is CompareOp.EQ:
                values = operand.load(columns)
                if values.strings is not None and values.known is None:
                    return values.strings.rows_of(constant)
        elif isinstance(operand, NumberField):
            column = operand.stored(columns)
            if column.validity is None:
                return compared_rows(column.values, self.op, constant)
        return Leaf.scanned(self, columns)

    def _of_values(self, values: Values, columns: FilterColumns) -> Truth:
        holds: BoolArray | None = None
        if isinstance(self.constant, str):
            if values.strings is not None:
                holds = values.strings.compare(self.op, self.constant)
        elif values.numbers is not None:
            holds = values.numbers.compare(self.op, self.constant)
            if values.is_number is not None:
                holds = holds & values.is_number
        return truth_of(_nowhere(columns) if holds is None else holds, values.known)

    def known(self, columns: FilterColumns) -> BoolArray | None:
        return _known(self.operand, columns)

    def find(self, columns: FilterColumns) -> tuple[Found | None, str]:
        index = _index_of(self.operand, columns)
        asked = [(self.op, self.constant)]
        return named(None if index is None else find_comparisons(index, asked), index)

    def rows(self, columns: FilterColumns) -> NDArray[np.uint32] | None:
        """Return the rows where it is true, ascending, if an index keeps them so; else None."""
        if self.op is not CompareOp.EQ:
            return None
        index = _index_of(self.operand, columns)
        return None if index is None else find_equal(index, self.constant)

    def few(self, columns: FilterColumns) -> Bitset | None:
        """Return where it is true, if an index finds that these are few rows; else None."""
        if self.op is not CompareOp.EQ:
            return None
        rows = self.rows(columns)
        if rows is not None:
            is_few = len(rows) * FEW_ROWS <= columns.num_rows
            return Bitset.from_few(rows, columns.num_rows) if is_few else None
        found, _ = self.find(columns)
        is_few = found is not None and found.count * FEW_ROWS <= columns.num_rows
        return found.bits() if found is not None and is_few else None

    def guess(self) -> tuple[float, float]:
        return SHARES.get(self.op, 0.33), row_ns(self.operand, self.op, self.constant)

    def share(self, columns: FilterColumns) -> float | None:
        return share_of(self.operand, self.op, self.constant, columns)

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        operand = self.operand
        known = bounds_of(operand, columns)
        if known is None:
            return ANY
        return of_comparison(known, self.op, as_compared(operand, self.constant))


@dataclass(frozen=True, slots=True)
class CompareRange(Leaf):
    """Two comparisons of one operand with constants, both of which must hold."""

    low: CompareConstant
    high: CompareConstant

    def scan(self, columns: FilterColumns) -> Truth:
        low, high = self.low.scan(columns), self.high.scan(columns)
        # Of one operand: what is unknown for one is unknown for both.
        return Truth(low.true & high.true, low.unknown)

    def known(self, columns: FilterColumns) -> BoolArray | None:
        return _known(self.low.operand, columns)

    def find(self, columns: FilterColumns) -> tuple[Found | None, str]:
        index = _index_of(self.low.operand, columns)
        asked = [(bound.op, bound.constant) for bound in (self.low, self.high)]
        return named(None if index is None else find_comparisons(index, asked), index)

    def guess(self) -> tuple[float, float]:
        return 0.2, RANGE_FACTOR * self.low.guess()[1]

    def share(self, columns: FilterColumns) -> float | None:
        low, high = self.low.share(columns), self.high.share(columns)
        return None if low is None or high is None else max(low + high - 1, 0.0)

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        return of_all([self.low.outcomes(columns), self.high.outcomes(columns)])


_LOWER, _UPPER = (CompareOp.GT, CompareOp.GE), (CompareOp.LT, CompareOp.LE)


def range_of(left: Condition, right: Condition) -> CompareRange | None:
    """Return a lower and an upper bound of one operand as one condition; None: they are not."""
    if not isinstance(left, CompareConstant) or not isinstance(right, CompareConstant):
        return None
    ops = left.op, right.op
    is_range = any(op in _LOWER for op in ops) and any(op in _UPPER for op in ops)
    return CompareRange(left, right) if is_range and left.operand == right.operand else None


@dataclass(frozen=True, slots=True)
class CompareList(Leaf):
    """``operand == list`` or ``!=``; not equal are arrays only."""

    operand: Container
    op: CompareOp
    values: tuple[Constant, ...]

    def scan(self, columns: FilterColumns) -> Truth:
        holds = self.operand.equals(columns, self.values)
        if self.op is CompareOp.NE:
            holds = self.operand.is_container(columns, or_text=False) & ~holds
        return truth_of(holds, self.operand.validity(columns))


@dataclass(frozen=True, slots=True)
class CompareValues(Leaf):
    """``left op right`` with values of the same row on both sides."""

    left: Operand
    op: CompareOp
    right: Operand

    def scan(self, columns: FilterColumns) -> Truth:
        found = compare_calculated(self.left, self.op, self.right, columns)
        if found is not None:
            return _truth_where(*found)
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
class Membership(Leaf):
    """``operand in [...]``."""

    operand: Operand
    wanted: Constants

    def scan(self, columns: FilterColumns) -> Truth:
        if isinstance(self.operand, JsonValue | JsonElement):
            return Truth(self.operand.is_in(columns, self.wanted))
        values = self.operand.load(columns)
        return truth_of(self._holds(values, columns), values.known)

    def known(self, columns: FilterColumns) -> BoolArray | None:
        return _known(self.operand, columns)

    def find(self, columns: FilterColumns) -> tuple[Found | None, str]:
        index = _index_of(self.operand, columns)
        wanted = self.wanted
        if index is None or wanted.lists or wanted.has_null:
            return None, ""
        return named(find_any(index, wanted.numbers, wanted.texts), index)

    def guess(self) -> tuple[float, float]:
        values = (*self.wanted.numbers, *self.wanted.texts)
        one_ns = row_ns(self.operand, CompareOp.EQ, values[-1] if values else None)
        return 0.1, min(len(values), MAX_FACTOR) * one_ns

    def share(self, columns: FilterColumns) -> float | None:
        wanted = self.wanted
        one = share_of(self.operand, CompareOp.EQ, next(iter(wanted.numbers), ""), columns)
        num_values = len(wanted.numbers) + len(wanted.texts)
        return None if one is None else min(one * num_values, 1.0)

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        wanted = self.wanted
        if wanted.lists or wanted.has_null:
            return ANY
        known = bounds_of(self.operand, columns)
        constants = [as_compared(self.operand, c) for c in (*wanted.numbers, *wanted.texts)]
        return of_membership(known, constants)

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
class TextTest(Leaf):
    """Something about a text; False where no text stands."""

    operand: Operand
    matches: Callable[[str], bool]
    hint: TextHint | None = None

    extra_ns = TAKEN_TEXT_NS

    def scan(self, columns: FilterColumns) -> Truth:
        holds = self._by_bytes(columns)
        if holds is not None:
            return truth_of(holds, self.known(columns))
        values = self.operand.load(columns)
        if values.strings is None:
            return truth_of(_nowhere(columns), values.known)
        return truth_of(matching_rows(values.strings, self.hint, self.matches), values.known)

    def _by_bytes(self, columns: FilterColumns) -> BoolArray | None:
        """Return what the bytes of a field say; None: its texts are better numbered."""
        if self.hint is None or not isinstance(self.operand, TextField):
            return None
        num_texts = columns.num_texts(self.operand.name)
        if num_texts is not None and num_texts * DISTINCT_SHARE < columns.num_rows:
            return None
        column = columns.column(self.operand.name)
        if not isinstance(column, StringColumn):
            return None
        return matching_texts(column, self.hint, self.matches)

    def known(self, columns: FilterColumns) -> BoolArray | None:
        return _known(self.operand, columns)

    def find(self, columns: FilterColumns) -> tuple[Found | None, str]:
        index = _index_of(self.operand, columns)
        if index is None:
            return None, ""
        return named(find_texts(index, self.hint, self.matches), index)

    def guess(self) -> tuple[float, float]:
        return 0.2, scan_ns(self.matches)

    def outcomes(self, columns: FilterColumns) -> Outcomes:
        prefix = "" if self.hint is None else self.hint.prefix
        return of_prefix(bounds_of(self.operand, columns), prefix)


@dataclass(frozen=True, slots=True)
class LanguageTest(Leaf):
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

    def scan(self, columns: FilterColumns) -> Truth:
        values = self.operand.load(columns)
        strings = values.strings
        if strings is None:
            return truth_of(_nowhere(columns), values.known)
        said = columns.strings(self.by_field)
        chosen = self.numbers(said.dictionary.texts().tolist())[said.codes]
        holds = _nowhere(columns)
        for number in np.unique(chosen).tolist():
            rows = np.flatnonzero(chosen == number)
            holds[rows] = strings.take(rows).matches(self.matchers[number], few=True)
        return truth_of(holds, values.known)
