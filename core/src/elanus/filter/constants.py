"""Which values can stand in a filter?

Null, bools, numbers, texts and lists of them. What else Python code gives becomes one of these by
the rules for stored metadata.
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TypeAlias
from uuid import UUID

import numpy as np

from elanus.errors import FilterError

MAX_DEPTH = 64
"""Deepest nesting of a tree: a level costs the parser up to five of Python's 1000 frames."""
MAX_JOINED = 4_096
"""Most conditions that ``and`` and ``or`` join in one filter."""
MAX_LIST_LENGTH = 2**20
"""Most values in one list."""

Scalar: TypeAlias = bool | int | float | str | None
Constant: TypeAlias = Scalar | tuple["Constant", ...]


def too_deep(expression: str = "", position: int | None = None) -> FilterError:
    """Return the error of a filter that is nested too deeply."""
    return FilterError(
        f"the filter is nested deeper than {MAX_DEPTH} levels",
        expression=expression,
        position=position,
        hint="join many conditions flat, as in 'a or b or c', or use 'in [...]'",
    )


def too_many(expression: str = "", position: int | None = None) -> FilterError:
    """Return the error of a filter that joins too many conditions."""
    return FilterError(
        f"the filter joins more than {MAX_JOINED} conditions",
        expression=expression,
        position=position,
        hint="ask for many values at once: 'name in [...]', or 'name in {values}' with params=",
    )


def to_constant(value: object, depth: int = 0) -> Constant:
    """Return a Python value as a constant of a filter.

    Raises:
        FilterError: It has no form as a constant.
    """
    # bool before int, str before Enum: an Enum may be either as well.
    if isinstance(value, Enum):
        return to_constant(value.value, depth + 1)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return checked_text(value)
    if isinstance(value, float):
        if value != value:
            raise FilterError("NaN equals nothing and cannot be a value of a filter")
        return float(value)
    if isinstance(value, np.generic):
        return to_constant(value.item(), depth + 1)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID | PurePath | Decimal):
        return str(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple | set | frozenset):
        if depth > MAX_DEPTH:
            raise too_deep()
        if len(value) > MAX_LIST_LENGTH:
            raise FilterError(f"a list of {len(value)} values exceeds {MAX_LIST_LENGTH}")
        return tuple(to_constant(v, depth + 1) for v in value)
    raise FilterError(
        f"{type(value).__name__} cannot be a value of a filter; expected None, bool, int, float, "
        f"str, or a list of them"
    )


def stored_constant(value: Constant) -> Constant:
    """Return a constant as rows hold it: integers outside int64 are doubles."""
    if isinstance(value, tuple):
        return tuple(map(stored_constant, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -(2**63) <= value < 2**63 else to_float(value)
    return value


def to_float(value: int) -> float:
    """Return the double nearest to an integer outside int64, which may be infinite."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def checked_text(text: str) -> str:
    """Return ``text``.

    Raises:
        FilterError: It cannot be written as UTF-8.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise FilterError(f"text cannot be written as UTF-8: {error.reason}") from None
    return str(text)


def is_same(left: Constant, right: Constant) -> bool:
    """Whether two constants are equal and of the same type, throughout."""
    if type(left) is not type(right) or left != right:
        return False
    if isinstance(left, tuple) and isinstance(right, tuple):
        return all(map(is_same, left, right))
    return True
