"""How many rows does a comparison let through, and what does it take by columns?

Estimates without a look at rows, from which the order of conditions is made.
"""

from __future__ import annotations

import math

import numpy as np

from elanus.filter.columns import FilterColumns
from elanus.filter.json.json_operands import JsonValue
from elanus.filter.operators import CompareOp
from elanus.filter.values.operands import Computed
from elanus.filter.values.typed_operands import NumberField, TextField
from elanus.schema.ranges import ValueRange
from elanus.types import DataType


def share_of(
    operand: object, op: CompareOp, constant: int | float | str, columns: FilterColumns
) -> float | None:
    """Return about which share of rows a comparison lets through, as if the values of a field were
    evenly spread between its bounds, and texts alike frequent; None: that is not known."""
    if isinstance(operand, TextField):
        num_texts = columns.num_texts(operand.name)
        if not num_texts or op not in SHARES:
            return None
        share = 1 / num_texts
    elif isinstance(operand, NumberField) and not isinstance(constant, str):
        known = columns.value_range(operand.name)
        low, high = (None, None) if known is None else (known.low, known.high)
        if isinstance(low, str) or isinstance(high, str) or low is None or high is None:
            return None
        width = float(high) - float(low)
        if not math.isfinite(width) or width <= 0:
            return None
        if op in SHARES:
            share = min(1 / width, 1.0)
        else:
            share = min(max((float(constant) - float(low)) / width, 0.0), 1.0)
    else:
        return None
    is_rest = op in (CompareOp.NE, CompareOp.GT, CompareOp.GE)
    return 1 - share if is_rest else share


def bounds_of(operand: object, columns: FilterColumns) -> ValueRange | None:
    """Return the bounds of an operand; None: they are not known."""
    if isinstance(operand, NumberField | TextField):
        return columns.value_range(operand.name)
    return None


def as_compared(operand: object, constant: int | float | str) -> int | float | str:
    """Return a constant as it is compared with an operand: FLOAT rounds it as it did its values."""
    is_single = isinstance(operand, NumberField) and operand.dtype is DataType.FLOAT
    if not is_single or isinstance(constant, str):
        return constant
    with np.errstate(over="ignore"):
        return float(np.float32(constant))


def row_ns(operand: object, op: CompareOp, constant: object) -> float:
    """Return about what it takes to compare a value of an operand with a constant."""
    if isinstance(constant, str):
        # Codes are compared with one, or looked up in a table of texts.
        return 0.1 if op in SHARES else 0.9
    if isinstance(operand, NumberField):
        return 0.12 if operand.dtype in _NARROW else 0.23
    if isinstance(operand, Computed):
        return CALCULATED_NS
    return 0.18 if isinstance(operand, JsonValue) else 5.0  # made from others, mostly


_NARROW = frozenset({DataType.BOOL, DataType.INT8, DataType.INT16, DataType.INT32, DataType.FLOAT})
"""Types of up to 4 bytes. Measured on a million rows, and so is what two bounds take of one, and at
most the values of a list. Integers inside JSON are narrow mostly, and doubles are not."""
CALCULATED_NS = 1.3
"""What arithmetic with one operator takes, a division also."""
RANGE_FACTOR, MAX_FACTOR = 2.0, 8
SHARES = {CompareOp.EQ: 0.05, CompareOp.NE: 0.95}
"""Guessed shares of rows; other comparisons let a third through."""
