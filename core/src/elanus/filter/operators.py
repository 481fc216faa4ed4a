"""Which comparisons, arithmetic, quantifiers and relations can a filter name?"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from elanus.errors import FilterError


class CompareOp(StrEnum):
    """Comparison of two values."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="

    @property
    def flipped(self) -> CompareOp:
        """The operator that says the same with its sides exchanged."""
        return _FLIPPED.get(self, self)


_FLIPPED = {
    CompareOp.LT: CompareOp.GT,
    CompareOp.LE: CompareOp.GE,
    CompareOp.GT: CompareOp.LT,
    CompareOp.GE: CompareOp.LE,
}


class ArithmeticOp(StrEnum):
    """Arithmetic on two numbers; the last three on two integers."""

    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"
    MOD = "%"
    POW = "**"
    BIT_AND = "&"
    BIT_OR = "|"
    BIT_XOR = "^"

    @property
    def is_bitwise(self) -> bool:
        """Whether it takes integers bit by bit."""
        return self in (ArithmeticOp.BIT_AND, ArithmeticOp.BIT_OR, ArithmeticOp.BIT_XOR)


class Quantifier(StrEnum):
    """How many elements must meet a condition."""

    ANY = "any"
    ALL = "all"
    LEAST = "least"
    MOST = "most"
    EXACT = "exact"

    @property
    def has_count(self) -> bool:
        """Whether a number belongs to it."""
        return self not in (Quantifier.ANY, Quantifier.ALL)


class Relation(StrEnum):
    """How a geometry stands to another, by the rules of OGC; the value is the name in text."""

    EQUALS = "st_equals"
    TOUCHES = "st_touches"
    OVERLAPS = "st_overlaps"
    CROSSES = "st_crosses"
    CONTAINS = "st_contains"
    INTERSECTS = "st_intersects"
    WITHIN = "st_within"
    DWITHIN = "st_dwithin"
    IS_VALID = "st_isvalid"


OpT = TypeVar("OpT", CompareOp, ArithmeticOp)


def parse_op(kind: type[OpT], op: str) -> OpT:
    """Return the operator that is written so.

    Raises:
        FilterError: There is none.
    """
    try:
        return kind(op)
    except ValueError:
        names = " ".join(kind)
        raise FilterError(f"unknown operator {op!r}; expected one of {names}") from None
