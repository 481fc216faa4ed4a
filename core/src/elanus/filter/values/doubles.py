"""Which operands are known to be doubles before rows are seen?"""

from __future__ import annotations

from elanus.filter.operators import ArithmeticOp
from elanus.filter.values.elements import ArrayElement
from elanus.filter.values.operands import Computed, ConstantOperand, Operand
from elanus.filter.values.typed_operands import ElementOf, NumberField
from elanus.types import DataType


def is_double(operand: Operand) -> bool:
    """Whether an operand is known to be an integer in no row."""
    match operand:
        case ConstantOperand(value):
            return isinstance(value, float)
        case NumberField(_, dtype):
            return dtype in (DataType.FLOAT, DataType.DOUBLE)
        case ElementOf(array) | ArrayElement(array):
            return array.element_type in (DataType.FLOAT, DataType.DOUBLE)
        case Computed(op, left, right):
            return op is ArithmeticOp.POW or is_double(left) or is_double(right)
    return False
