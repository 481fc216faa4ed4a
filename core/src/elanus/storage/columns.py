"""How does a column become named arrays, and how do arrays become a column again?

The layout follows Arrow: validity bits (least significant bit first), int64 offsets, values. The
same arrays are the sections of a segment's column file and the buffers of a write-ahead log
record. Reading checks every length and offset, so that wrong bytes raise ``CorruptionError`` and
never lead a kernel outside its memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from elanus.errors import CorruptionError, InternalError
from elanus.schema.batches import (
    ArrayColumn,
    Column,
    DenseVectorColumn,
    FixedColumn,
    SparseVectorColumn,
    StringColumn,
)
from elanus.schema.fields import Field
from elanus.schema.times import all_times
from elanus.types import (
    NUMPY_DTYPES,
    TEXT_TYPES,
    VECTOR_DTYPES,
    AnyArray,
    BoolArray,
    DataType,
    Int64Array,
    vector_width,
)

ITEM_PREFIX = "items."
"""Prefix of the arrays that hold the elements of an ARRAY column."""

INVERSE_NORMS = "inverse_norms"
"""Section beside the values of a COSINE field: float32, 1 / length of each vector, 0 for a zero
one; of all vectors of the lists of a field one after the other. Derivable, and absent in segments
of older versions."""

SECTION_NAMES = (
    "validity",
    "offsets",
    "values",
    "data",
    "indices",
    "items.offsets",
    "items.values",
    "items.data",
)
"""Every array that a column can have. The position of a name is its code in stored batches, so
names are only ever added at the end."""


def column_to_sections(column: Column) -> dict[str, AnyArray]:
    """Return the arrays of a column, C-contiguous, with offsets that start at 0.

    Arrays that already are so are not copied.
    """
    sections: dict[str, AnyArray] = {}
    if column.validity is not None:
        sections["validity"] = np.packbits(column.validity, bitorder="little")
    if isinstance(column, FixedColumn | DenseVectorColumn):
        sections["values"] = np.ascontiguousarray(column.values)
        return sections
    first, last = int(column.offsets[0]), int(column.offsets[-1])
    sections["offsets"] = np.ascontiguousarray(column.offsets - first if first else column.offsets)
    if isinstance(column, StringColumn):
        sections["data"] = np.ascontiguousarray(column.data[first:last])
    elif isinstance(column, SparseVectorColumn):
        sections["indices"] = np.ascontiguousarray(column.indices[first:last])
        sections["values"] = np.ascontiguousarray(column.values[first:last])
    else:
        for name, array in _items_to_sections(column.items, first, last).items():
            sections[ITEM_PREFIX + name] = array
    return sections


def _items_to_sections(
    items: FixedColumn | StringColumn | DenseVectorColumn, first: int, last: int
) -> dict[str, AnyArray]:
    if items.validity is not None and not items.validity[first:last].all():
        raise InternalError("the elements of an ARRAY cannot be null")
    if isinstance(items, DenseVectorColumn):
        return column_to_sections(DenseVectorColumn(items.values[first:last]))
    if isinstance(items, FixedColumn):
        return column_to_sections(FixedColumn(items.values[first:last]))
    return column_to_sections(StringColumn(items.offsets[first : last + 1], items.data))


def sections_to_column(
    field: Field, num_rows: int, sections: Mapping[str, AnyArray], *, path: str = ""
) -> Column:
    """Return the column of a field as views of its stored arrays.

    Args:
        field: Tells which kind of column it is, and its dtype or dim.
        num_rows: Rows that the column has to have.
        sections: Arrays by name, as ``column_to_sections`` makes them.
        path: Where they come from, for messages.

    Raises:
        CorruptionError: An array is missing, or its dtype, length or offsets do not fit.
    """
    return _SectionReader(field.name, sections, path).column(field, num_rows)


class _SectionReader:
    """Takes checked arrays out of a mapping."""

    def __init__(self, field: str, sections: Mapping[str, AnyArray], path: str) -> None:
        self._field = field
        self._sections = sections
        self._path = path

    def column(self, field: Field, num_rows: int) -> Column:
        validity = self._validity(num_rows)
        if field.dtype in NUMPY_DTYPES:
            return replace(self._fixed(field.dtype, num_rows), validity=validity)
        if field.dtype in TEXT_TYPES:
            return replace(self._strings(num_rows), validity=validity)
        if field.dtype.is_dense_vector:
            return replace(self._vectors(field, num_rows), validity=validity)
        offsets = self._offsets("offsets", num_rows)
        length = int(offsets[-1])
        if field.dtype is DataType.SPARSE_FLOAT_VECTOR:
            indices = self._take("indices", np.uint32, length)
            weights = self._take("values", np.float32, length)
            return SparseVectorColumn(offsets, indices, weights, validity)
        element = field.element_type
        if field.dtype is not DataType.ARRAY or element is None:
            raise InternalError(f"field {field.name!r}: no column kind for {field.dtype.name}")
        items: FixedColumn | StringColumn | DenseVectorColumn
        if element is DataType.VARCHAR:
            items = self._strings(length, ITEM_PREFIX)
        elif element.is_dense_vector:
            items = self._vectors(field, length, ITEM_PREFIX)
        else:
            items = self._fixed(element, length, ITEM_PREFIX)
        return ArrayColumn(offsets, items, validity)

    def _vectors(self, field: Field, length: int, prefix: str = "") -> DenseVectorColumn:
        held = field.vector_type
        width = vector_width(held, field.dim or 0)
        values = self._take(prefix + "values", VECTOR_DTYPES[held], length * width)
        return DenseVectorColumn(values.reshape(length, width))

    def _fixed(self, dtype: DataType, length: int, prefix: str = "") -> FixedColumn:
        values = self._take(prefix + "values", NUMPY_DTYPES[dtype], length)
        if dtype is DataType.BOOL and length and int(values.view(np.uint8).max()) > 1:
            raise self._damaged(f"{prefix}values holds booleans other than 0 and 1")
        if dtype is DataType.TIMESTAMPTZ and not all_times(values):
            raise self._damaged(f"{prefix}values holds moments outside of the years 1 to 9999")
        return FixedColumn(values)

    def _strings(self, length: int, prefix: str = "") -> StringColumn:
        offsets = self._offsets(prefix + "offsets", length)
        return StringColumn(offsets, self._take(prefix + "data", np.uint8, int(offsets[-1])))

    def _validity(self, num_rows: int) -> BoolArray | None:
        if "validity" not in self._sections:
            return None
        packed = self._take("validity", np.uint8, (num_rows + 7) // 8)
        bits: BoolArray = np.unpackbits(packed, count=num_rows, bitorder="little").view(np.bool_)
        bits.flags.writeable = False
        return bits

    def _offsets(self, name: str, length: int) -> Int64Array:
        offsets: Int64Array = self._take(name, np.int64, length + 1)
        if offsets[0] != 0 or (length and bool((offsets[1:] < offsets[:-1]).any())):
            raise self._damaged(f"{name} must start at 0 and never descend")
        return offsets

    def _take(self, name: str, dtype: DTypeLike, length: int) -> NDArray[Any]:
        found = self._sections.get(name)
        expected = np.dtype(dtype)
        if found is None:
            raise self._damaged(f"{name} is missing")
        if found.dtype != expected:
            raise self._damaged(f"{name} has dtype {found.dtype}, expected {expected}")
        if found.size != length:
            raise self._damaged(f"{name} has {found.size} elements, expected {length}")
        return found.reshape(-1)

    def _damaged(self, what: str) -> CorruptionError:
        where = f"{self._path}: " if self._path else ""
        return CorruptionError(f"{where}damaged: column {self._field!r}: {what}", path=self._path)
