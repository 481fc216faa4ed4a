"""How do moments and intervals enter a filter?

A moment is the int64 microseconds that a TIMESTAMPTZ field holds, so that it is compared as a
number; only its type is another. Adding an interval may lead out of the years 1 to 9999, where
there is no value, as with an integer outside int64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from elanus.filter.columns import FilterColumns
from elanus.filter.values.numbers import Numbers
from elanus.filter.values.operands import ConstantOperand, Operand, Values, ValueType, both
from elanus.schema.times import Interval


@dataclass(frozen=True, slots=True)
class Shifted:
    """A moment, an interval later or earlier.

    Attributes:
        moment: An operand of type TIME.
        interval: The distance.
        sign: 1, or -1 for earlier.
    """

    moment: Operand
    interval: Interval
    sign: int

    @property
    def type(self) -> ValueType:
        return ValueType.TIME

    def describe(self) -> str:
        return f"{self.moment.describe()} {'+' if self.sign > 0 else '-'} an interval"

    def load(self, columns: FilterColumns) -> Values:
        values = self.moment.load(columns)
        if values.numbers is None:
            return values
        made, inside = self.interval.after(values.numbers.as_ints(), self.sign)
        known = values.known if inside.all() else both(values.known, inside)
        return Values(numbers=Numbers(ints=made), known=known)


def shifted(moment: Operand, interval: Interval, sign: int) -> Operand:
    """Return a moment and an interval added up, once if the moment is a constant."""
    made = Shifted(moment, interval, sign)
    if not isinstance(moment, ConstantOperand):
        return made
    start = np.array([cast(int, moment.value)], dtype=np.int64)
    found, inside = interval.after(start, sign)
    return ConstantOperand(int(found[0]) if inside[0] else None, is_time=True)
