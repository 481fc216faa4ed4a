"""How do structs that a user gives become columns?

The value of a row is a list of dicts, or one dict of columns: equally long lists or arrays, such as
the matrix of a text's token vectors, which is much the faster form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elanus.schema.batches import ArrayColumn, Column
from elanus.schema.collection import did_you_mean
from elanus.schema.converters import MISSING, array_items, joined_rows
from elanus.schema.faults import fail, shown
from elanus.schema.fields import MAX_ARRAY_CAPACITY, Field
from elanus.schema.structs import stored_parts
from elanus.types import BoolArray, Int64Array

_Row = Sequence[Any] | Mapping[str, Any]


def struct_columns(field: Field, values: Any, num_rows: int) -> dict[str, Column]:
    """Return the columns of a struct field by their names.

    Args:
        field: An ARRAY of STRUCT.
        values: One value per row, in the forms above; None when no entity gives any.
        num_rows: Number of rows.

    Raises:
        EntityError: A value does not fit, with its row.
    """
    rows, validity = _present(field, [MISSING] * num_rows if values is None else list(values))
    names = [part.name for part in field.struct or ()]
    lengths = [_length(field, names, value, row) for row, value in enumerate(rows)]
    offsets: Int64Array = np.zeros(num_rows + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return {
        part.name: ArrayColumn(
            offsets, array_items(part, _elements(part, rows, name, offsets), offsets), validity
        )
        for name, part in zip(names, stored_parts(field), strict=True)
    }


def _present(field: Field, values: list[Any]) -> tuple[list[_Row], BoolArray | None]:
    absent = [row for row, value in enumerate(values) if value is None or value is MISSING]
    if not absent:
        return values, None
    if not field.nullable:
        given = "missing" if values[absent[0]] is MISSING else "None"
        fail(field, f"expected a list of structs (not nullable), got {given}", absent[0])
    validity = np.ones(len(values), dtype=np.bool_)
    validity[absent] = False
    for row in absent:
        values[row] = ()
    return values, validity


def _length(field: Field, names: list[str], value: Any, row: int) -> int:
    """Return how many elements a row has, after checking which names they have."""
    if isinstance(value, Mapping):
        _check_names(field, names, value, row)
        lengths = {name: _column_length(field, name, value[name], row) for name in names}
        length = lengths[names[0]]
        for name, other in lengths.items():
            if other != length:
                fail(field, f"{names[0]!r} has {length} elements, {name!r} has {other}", row)
    elif isinstance(value, list | tuple | np.ndarray):
        for element in value:
            if not isinstance(element, Mapping):
                fail(field, f"expected a list of dicts, got one of {shown(element)}", row)
            if element.keys() != set(names):
                _check_names(field, names, element, row)
        length = len(value)
    else:
        fail(field, f"expected a list of dicts, or a dict of columns, got {shown(value)}", row)
    capacity = field.max_capacity or MAX_ARRAY_CAPACITY
    if length > capacity:
        fail(field, f"{length} elements exceed max_capacity={capacity}", row)
    return length


def _column_length(field: Field, name: str, column: Any, row: int) -> int:
    if isinstance(column, str | bytes) or not hasattr(column, "__len__"):
        fail(field, f"{name!r}: expected a list or an array, got {shown(column)}", row)
    return len(column)


def _check_names(field: Field, names: list[str], given: Mapping[str, Any], row: int) -> None:
    for name in names:
        if name not in given:
            fail(field, f"an element has no {name!r}", row)
    for name in given:
        if name not in names:
            fail(field, f"the struct has no field {name!r}{did_you_mean(name, names)}", row)


def _elements(part: Field, rows: list[_Row], name: str, offsets: Int64Array) -> Any:
    """Return one field of all elements, those of all rows one after the other."""
    if rows and all(isinstance(row, Mapping) for row in rows):
        return joined_rows([row[name] for row in rows])  # type: ignore[call-overload]
    flat: list[Any] = []
    # One look-up per element: dicts have no columnar form.
    for row in rows:
        flat.extend(row[name] if isinstance(row, Mapping) else [one[name] for one in row])
    for place, value in enumerate(flat):
        if value is None:
            row_number = int(np.searchsorted(offsets, place, side="right")) - 1
            fail(part, "None in a struct; its fields are never null", row_number)
    return flat
