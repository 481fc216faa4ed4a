"""What can a condition come to, going by the bounds of a column alone?

A segment whose bounds rule out that a filter is true is not read, and where they rule out all else,
all its rows pass. Whatever is not known for certain may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from elanus.filter.operators import CompareOp
from elanus.schema.ranges import ValueRange


class Outcomes(NamedTuple):
    """Whether a condition may be true, false and unknown in some row."""

    true: bool
    false: bool
    unknown: bool

    def inverted(self) -> Outcomes:
        """Return those of the negation."""
        return Outcomes(self.false, self.true, self.unknown)


ANY: Final = Outcomes(True, True, True)
CERTAIN: Final = Outcomes(True, False, False)
"""It holds in every row."""


def of_all(terms: Iterable[Outcomes]) -> Outcomes:
    """Return the outcomes of conditions that must all hold."""
    found = list(terms)
    true = all(term.true for term in found)
    return Outcomes(true, any(t.false for t in found), any(t.unknown for t in found))


def of_any(terms: Iterable[Outcomes]) -> Outcomes:
    """Return the outcomes of conditions of which one must hold."""
    found = list(terms)
    false = all(term.false for term in found)
    return Outcomes(any(t.true for t in found), false, any(t.unknown for t in found))


def of_comparison(known: ValueRange | None, op: CompareOp, constant: int | float | str) -> Outcomes:
    """Return the outcomes of ``value op constant``."""
    if known is None or constant != constant:  # NaN stands in no order
        return ANY
    # Asked for every condition of every new filter.
    if op is CompareOp.EQ:
        return _of_equality(known, constant)
    if op is CompareOp.NE:
        return _of_equality(known, constant).inverted()
    if op is CompareOp.LT or op is CompareOp.GE:
        less, rest = _is_below(known.low, constant), _reaches(known, constant)
    else:
        less, rest = _is_from(known.low, constant), _is_above(known, constant)
    true, false = (less, rest) if op is CompareOp.LT or op is CompareOp.LE else (rest, less)
    return Outcomes(true, false or known.has_nan, known.has_null)


def of_membership(known: ValueRange | None, constants: Sequence[int | float | str]) -> Outcomes:
    """Return the outcomes of ``value in constants``."""
    if known is None:
        return ANY
    found = of_any(_of_equality(known, constant) for constant in constants if constant == constant)
    return found._replace(unknown=known.has_null)


def of_prefix(known: ValueRange | None, prefix: str) -> Outcomes:
    """Return the outcomes of a question about texts whose answer is yes only behind ``prefix``."""
    if known is None or not prefix:
        return ANY
    low, high = known.low, known.high
    true = isinstance(low, str) and (low <= prefix or low.startswith(prefix))
    true = true and (high is None or (isinstance(high, str) and high >= prefix))
    return Outcomes(true, True, known.has_null)


def _of_equality(known: ValueRange, constant: int | float | str) -> Outcomes:
    low, high = known.low, known.high
    true = _is_from(low, constant) and _reaches(known, constant)
    is_single = low == high == constant
    return Outcomes(true, known.has_nan or (low is not None and not is_single), known.has_null)


def _is_below(low: int | float | str | None, constant: int | float | str) -> bool:
    """Whether some value may be less than the constant."""
    return low is not None and low < constant  # type: ignore[operator]


def _is_from(low: int | float | str | None, constant: int | float | str) -> bool:
    """Whether some value may be the constant or less."""
    return low is not None and low <= constant  # type: ignore[operator]


def _is_above(known: ValueRange, constant: int | float | str) -> bool:
    """Whether some value may be larger than the constant."""
    high = known.high
    return known.low is not None and (high is None or high > constant)  # type: ignore[operator]


def _reaches(known: ValueRange, constant: int | float | str) -> bool:
    """Whether some value may be the constant or larger."""
    high = known.high
    return known.low is not None and (high is None or high >= constant)  # type: ignore[operator]
