"""Can two things be compared, and how?

A comparison that could never hold because of the declared types is an error; inside JSON, where
types are known only row by row, it holds nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn, TypeVar

from elanus.errors import InternalError
from elanus.filter.ast import (
    Arithmetic,
    Node,
)
from elanus.filter.constants import Constant
from elanus.filter.evaluator import (
    CompareConstant,
    CompareList,
    CompareValues,
    Membership,
)
from elanus.filter.json.json_operands import JsonValue
from elanus.filter.json.json_paths import freeze
from elanus.filter.language.text import constant_to_text
from elanus.filter.logic import Always, Condition
from elanus.filter.names import Scope
from elanus.filter.operators import CompareOp
from elanus.filter.values.numbers import PYTHON_OPERATORS, calculated
from elanus.filter.values.operands import ConstantOperand, Constants, Operand, ValueType
from elanus.filter.values.typed_operands import ArrayField, ElementOf
from elanus.schema.times import time_of

OperandT = TypeVar("OperandT", bound=Operand)


class Comparisons:
    """Makes comparisons of bound operands.

    Args:
        scope: The text, for error messages.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def compare(self, op: CompareOp, left: Operand, right: Operand, node: Node) -> Condition:
        """Return the condition ``left op right``.

        Raises:
            FilterError: It could never hold.
        """
        if isinstance(left, ConstantOperand) and not isinstance(right, ConstantOperand):
            left, right, op = right, left, op.flipped
        if ValueType.TIME in (left.type, right.type):
            left, right = self._as_moment(left, node), self._as_moment(right, node)
        self._check_types(op, left, right, node)
        if not isinstance(right, ConstantOperand):
            return CompareValues(left, op, right)
        if isinstance(left, ConstantOperand):
            return _compare_constants(op, left, right)
        if right.value is None:
            return Always(None)
        if isinstance(right.value, tuple):
            if not isinstance(left, ArrayField | JsonValue):
                raise InternalError("a list is compared with arrays only")
            return CompareList(left, op, right.value)
        is_bool = isinstance(right.value, bool)
        return CompareConstant(left, op, int(right.value) if is_bool else right.value)

    def moment(self, iso: str, node: Node) -> ConstantOperand:
        """Return the moment that a text of ISO 8601 says.

        Raises:
            FilterError: It says none.
        """
        try:
            return ConstantOperand(time_of(iso, self._scope.schema.zone), is_time=True)
        except (ValueError, OverflowError) as error:
            raise self._scope.error(
                f"{constant_to_text(iso)} is no moment: {error}",
                node,
                "write it as ISO 8601, such as '2025-01-31T08:00:00+01:00'",
            ) from None

    def _as_moment(self, operand: OperandT, node: Node) -> OperandT | ConstantOperand:
        """Return what a constant text says; anything else is returned as it is."""
        if isinstance(operand, ConstantOperand) and isinstance(operand.value, str):
            return self.moment(operand.value, node)
        return operand

    def _check_types(self, op: CompareOp, left: Operand, right: Operand, node: Node) -> None:
        kinds = {left.type, right.type}
        if ValueType.GEOMETRY in kinds:
            self._refuse(left, right, node, "use st_equals(field, 'POINT (1 2)') and its like")
        if ValueType.ARRAY in kinds:
            is_list = isinstance(right, ConstantOperand) and right.type is ValueType.ARRAY
            is_array = isinstance(left, ArrayField | JsonValue)
            if op not in (CompareOp.EQ, CompareOp.NE) or not (is_list and is_array):
                self._refuse(left, right, node, "use 'in', contains(...), or one element as a[0]")
            if isinstance(left, ArrayField):
                self.check_elements(left, _constants_of(right), node)
        elif kinds == {ValueType.JSON, ValueType.TIME}:
            hint = "moments inside JSON are texts: compare them with a text"
            self._refuse(left, right, node, hint)
        elif ValueType.JSON not in kinds:
            if len(kinds) > 1:
                self._refuse(left, right, node)
            if ValueType.BOOL in kinds and op not in (CompareOp.EQ, CompareOp.NE):
                raise self._scope.error(f"bools have no order; '{op}' takes numbers or text", node)

    def _refuse(
        self, left: Operand, right: Operand, node: Node, hint: str | None = None
    ) -> NoReturn:
        raise self._scope.error(
            f"{left.describe()} cannot be compared with {right.describe()}", node, hint
        )

    def check_elements(self, operand: Operand, values: Sequence[Constant], node: Node) -> None:
        """Check that constants have the type of a field or of an array's elements."""
        wanted = _element_type(operand)
        for value in values:
            if value is None:
                raise self._scope.error("null equals nothing", node, "use 'x is null'")
            constant = ConstantOperand(value)
            if wanted is not None and constant.type is not wanted:
                self._refuse(operand, constant, node)

    def membership(self, operand: Operand, values: tuple[Constant, ...], node: Node) -> Condition:
        """Return the condition that an operand is one of ``values``.

        Raises:
            FilterError: It could never be one of them.
        """
        if operand.type is ValueType.TIME:
            moments = [self._as_moment(ConstantOperand(value), node) for value in values]
            for moment in moments:
                self._check_types(CompareOp.EQ, operand, moment, node)
            return Membership(operand, sort_constants([m.value for m in moments]))
        if operand.type is ValueType.GEOMETRY:
            hint = "use st_equals(field, 'POINT (1 2)') and its like"
            raise self._scope.error(f"'in' takes no {operand.describe()}", node, hint)
        self.check_elements(operand, values, node)
        return Membership(operand, sort_constants(values))


def sort_constants(values: Sequence[Constant]) -> Constants:
    """Sort constants by kind."""
    return Constants(
        numbers=tuple(
            int(v) if isinstance(v, bool) else v for v in values if isinstance(v, int | float)
        ),
        texts=tuple(v for v in values if isinstance(v, str)),
        lists=frozenset(freeze(v) for v in values if isinstance(v, tuple)),
        has_null=None in values,
    )


def folded(node: Arithmetic, left: ConstantOperand, right: ConstantOperand) -> ConstantOperand:
    """Calculate with constants once, by the rules for rows."""
    if left.value is None or right.value is None:
        return ConstantOperand(None)
    operands = [v for v in (left.value, right.value) if isinstance(v, int | float)]
    return ConstantOperand(calculated(node.op, *operands))


def _compare_constants(op: CompareOp, left: ConstantOperand, right: ConstantOperand) -> Always:
    if left.value is None or right.value is None:
        return Always(None)
    return Always(bool(PYTHON_OPERATORS[op](left.value, right.value)))


def _constants_of(operand: Operand) -> tuple[Constant, ...]:
    if isinstance(operand, ConstantOperand) and isinstance(operand.value, tuple):
        return operand.value
    return ()


def _element_type(operand: Operand) -> ValueType | None:
    if isinstance(operand, ArrayField):
        return ElementOf(operand, 0).type
    return operand.type if operand.type is not ValueType.JSON else None
