"""What can a filter ask about lists of vectors and arrays of structs?

Whether there is one, and how long it is; of an array of structs also its elements: ``$[page]`` is a
field of one, and ``chunks[page]`` that field of all of them, an array like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from elanus.errors import InternalError
from elanus.filter.columns import FilterColumns
from elanus.filter.values.operands import Values, ValueType
from elanus.filter.values.typed_operands import ArrayField
from elanus.schema.fields import Field
from elanus.schema.structs import stored_parts
from elanus.types import BoolArray, DataType, IntArray


@dataclass(frozen=True, slots=True)
class ListField:
    """A field whose elements have no single value.

    Attributes:
        name: The field.
        lists: A column of it: where its lists begin and end.
        parts: What a struct holds that can be compared: field and column, in order.
        struct: Whether the elements are structs.
    """

    name: str
    lists: ArrayField
    parts: tuple[tuple[str, ArrayField], ...] = ()
    struct: bool = False

    @property
    def type(self) -> ValueType:
        return ValueType.ARRAY

    def describe(self) -> str:
        return f"field {self.name!r} (ARRAY of {'STRUCT' if self.struct else 'vectors'})"

    def load(self, columns: FilterColumns) -> Values:
        raise InternalError(f"{self.describe()} has no single value per row")

    def validity(self, columns: FilterColumns) -> BoolArray | None:
        return self.lists.validity(columns)

    def is_null(self, columns: FilterColumns) -> BoolArray:
        return self.lists.is_null(columns)

    def exists(self, columns: FilterColumns) -> BoolArray:
        return self.lists.exists(columns)

    def is_empty(self, columns: FilterColumns) -> BoolArray:
        return self.lists.is_empty(columns)

    def lengths(self, columns: FilterColumns) -> tuple[IntArray, BoolArray | None]:
        return self.lists.lengths(columns)


def list_field(field: Field) -> ListField:
    """Return what a field of vectors or structs is in a filter."""
    if field.struct is None:
        return ListField(field.name, _array(field))
    columns = stored_parts(field)
    both = zip(field.struct, columns, strict=True)
    parts = [(part.name, _array(column)) for part, column in both if not column.is_vector_list]
    return ListField(field.name, _array(columns[0]), tuple(parts), struct=True)


def _array(column: Field) -> ArrayField:
    return ArrayField(column.name, column.element_type or DataType.INT64)


def parts_by_name(container: ListField) -> Mapping[str, ArrayField]:
    """Return the columns that ``$[name]`` can mean."""
    return dict(container.parts)
