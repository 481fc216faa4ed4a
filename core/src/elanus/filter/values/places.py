"""Which operand does a field, or a place inside one, become?"""

from __future__ import annotations

from typing import TypeAlias

from elanus.filter.ast import FieldRef, JsonPath
from elanus.filter.json.json_operands import JsonValue
from elanus.filter.names import Scope
from elanus.filter.spatial.geometry import GeometryField
from elanus.filter.values.struct_operands import ListField, list_field
from elanus.filter.values.typed_operands import ArrayField, ElementOf, NumberField, TextField
from elanus.types import DataType

PathOperand: TypeAlias = (
    NumberField | TextField | GeometryField | ArrayField | ElementOf | JsonValue | ListField
)


def place_of(
    node: FieldRef | JsonPath, name: str, keys: tuple[str | int, ...], scope: Scope
) -> PathOperand:
    """Return the operand of a resolved name.

    Args:
        node: For errors.
        name: Name of a declared field.
        keys: What stands behind it.
        scope: The schema.

    Raises:
        FilterError: The field cannot be filtered, or has no such places.
    """
    field = scope.schema.field(name)
    if field.dtype.is_vector:
        raise scope.error(f"field {name!r} is a {field.dtype.name} and cannot be filtered", node)
    if field.dtype is DataType.JSON:
        return JsonValue(name, keys, (name, keys) in scope.casts)
    if field.vector_type.is_vector or field.struct is not None:
        if keys:
            raise scope.error(f"{list_field(field).describe()} has no values", node)
        return list_field(field)
    if field.dtype is DataType.ARRAY:
        array = ArrayField(name, field.element_type or DataType.INT64)
        if isinstance(node, FieldRef):
            return array
        if len(keys) == 1 and isinstance(keys[0], int):
            return ElementOf(array, keys[0])
        raise scope.error(f"{array.describe()} takes one place, as in {name}[0]", node)
    if keys:
        raise scope.error(
            f"field {name!r} ({field.dtype.name}) has no keys; only JSON and ARRAY do", node
        )
    if field.dtype is DataType.VARCHAR:
        return TextField(name)
    if field.dtype is DataType.GEOMETRY:
        return GeometryField(name)
    return NumberField(name, field.dtype)
