"""How is an array of structs stored?

As one ARRAY column for each field of the struct, named ``chunks[text]`` for the field ``text`` of
``chunks``: what reads and writes arrays of scalars and lists of vectors needs to know of no
structs. The columns of one struct have equal offsets and validity.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from elanus.errors import CorruptionError, InternalError
from elanus.schema.batches import ArrayColumn, Column
from elanus.schema.fields import Field
from elanus.types import DataType


def part_name(struct: str, name: str) -> str:
    """Return the name of a field of a struct, which is that of its column."""
    return f"{struct}[{name}]"


def struct_of(name: str) -> str:
    """Return the struct field that a part belongs to; any other name is itself."""
    return name.partition("[")[0]


def part_of(entity: Mapping[str, Any], name: str) -> Any:
    """Return the value of a field, or of a part of a struct as a list, in an entity."""
    struct = struct_of(name)
    value = entity[struct]
    if struct == name or value is None:
        return value
    key = name[len(struct) + 1 : -1]
    return [element[key] for element in value]


def stored_parts(field: Field) -> tuple[Field, ...]:
    """Return the columns of a field: one for each field of a struct, itself for others."""
    if field.struct is None:
        return (field,)
    return tuple([_as_part(field, part) for part in field.struct])


def element_field(part: Field) -> Field:
    """Return a field whose values are the elements of an ARRAY, under the name of the array."""
    made = Field(
        "element",
        part.element_type or DataType.INT64,
        max_length=part.max_length,
        dim=part.dim,
        metric=part.metric,
    )
    return _renamed(made, part.name)


def narrowed(field: Field, parts: Sequence[str]) -> Field | None:
    """Return a struct field that holds only those of its parts whose columns are named, if any."""
    kept = [part for part in field.struct or () if part_name(field.name, part.name) in parts]
    return replace(field, struct=kept) if kept else None


def struct_rows(field: Field, columns: Mapping[str, Column]) -> list[list[dict[str, Any]] | None]:
    """Return the elements of each row as dicts; None where there is none.

    Args:
        field: A struct field; may be ``narrowed``.
        columns: Columns by name, with those of all its parts; of equal length.

    Raises:
        CorruptionError: The columns of the struct do not fit each other.
    """
    names = [part.name for part in field.struct or ()]
    parts = [_as_list(field, columns[part_name(field.name, name)]) for name in names]
    first = parts[0]
    if not all(np.array_equal(np.diff(part.offsets), np.diff(first.offsets)) for part in parts):
        raise CorruptionError(
            f"field {field.name!r}: its parts differ in the number of elements; run 'elanus check'",
            path="",
        )
    lists = [part.flat_items().to_pylist() for part in parts]
    elements = [dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True)]
    ends = (first.offsets - first.offsets[0]).tolist()
    rows = [elements[start:stop] for start, stop in itertools.pairwise(ends)]
    if first.validity is None:
        return [*rows]
    return [row if ok else None for row, ok in zip(rows, first.validity.tolist(), strict=True)]


def _as_list(field: Field, column: Column) -> ArrayColumn:
    if not isinstance(column, ArrayColumn):
        raise InternalError(f"field {field.name!r}: a {type(column).__name__} is no part of it")
    return column


def _as_part(field: Field, part: Field) -> Field:
    made = Field(
        field.name,
        DataType.ARRAY,
        element_type=part.dtype,
        nullable=field.nullable,
        max_length=part.max_length,
        max_capacity=field.max_capacity,
        dim=part.dim,
        metric=part.metric,
        description=part.description,
    )
    return _renamed(made, part_name(field.name, part.name))


def _renamed(field: Field, name: str) -> Field:
    # Brackets are outside the names a user may give, so no declared field can collide with it.
    object.__setattr__(field, "name", name)
    return field
