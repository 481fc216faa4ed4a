"""How does a column grow without disturbing those who read it?

A growing column appends into spare room behind its rows and moves to a much larger buffer when
that is used up: room that nothing was written to is only address space, while every move copies
all rows. A view sees the rows that were there when it was taken: appending writes only
behind them, and a buffer that was left behind lives for as long as a view of it.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from elanus.errors import InternalError
from elanus.schema.batches import (
    ArrayColumn,
    Column,
    DenseVectorColumn,
    FixedColumn,
    SparseVectorColumn,
    StringColumn,
)
from elanus.schema.fields import Field
from elanus.types import (
    NUMPY_DTYPES,
    TEXT_TYPES,
    VECTOR_DTYPES,
    BoolArray,
    DataType,
    Int64Array,
    vector_width,
)

INITIAL_ROWS = 64
SMALL_BYTES = 4 << 20
"""Size from which a buffer is not doubled any more: it gets ``FULL_BYTES`` at once."""
FULL_BYTES = 96 << 20
"""Address space of a buffer that has become large: more than a memtable holds when it is flushed,
so that no write has to wait while tens of megabytes are moved."""

KindT = TypeVar("KindT")


class GrowingColumn(Protocol):
    """One column of a memtable. One thread appends, any number take views."""

    @property
    def size_bytes(self) -> int:
        """Bytes in use, without spare room."""

    def append(self, column: Column) -> None:
        """Add rows at the end."""

    def view(self, num_rows: int) -> Column:
        """Return the first ``num_rows`` rows; nothing is copied and they never change."""


def growing_column(field: Field) -> GrowingColumn:
    """Return an empty column for a field."""
    if field.dtype in NUMPY_DTYPES:
        return GrowingFixed(NUMPY_DTYPES[field.dtype])
    if field.dtype in TEXT_TYPES:
        return GrowingStrings()
    if field.dtype.is_dense_vector:
        width = vector_width(field.dtype, field.dim or 0)
        return GrowingVectors(VECTOR_DTYPES[field.dtype], width)
    if field.dtype is DataType.SPARSE_FLOAT_VECTOR:
        return GrowingSparse()
    element = field.element_type
    if field.dtype is not DataType.ARRAY or element is None:
        raise InternalError(f"field {field.name!r}: no column kind for {field.dtype.name}")
    if element is DataType.VARCHAR:
        return GrowingArrays(GrowingStrings())
    if element.is_dense_vector:
        width = vector_width(element, field.dim or 0)
        return GrowingArrays(GrowingVectors(VECTOR_DTYPES[element], width))
    return GrowingArrays(GrowingFixed(NUMPY_DTYPES[element]))


class GrowingArray:
    """An array that grows along its first axis."""

    def __init__(self, dtype: DTypeLike, width: tuple[int, ...] = ()) -> None:
        self._buffer: NDArray[Any] = np.empty((INITIAL_ROWS, *width), dtype=dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def size_bytes(self) -> int:
        return self._length * self._buffer.strides[0]

    def append(self, values: NDArray[Any]) -> None:
        """Add values at the end."""
        end = self._length + len(values)
        if end > len(self._buffer):
            room = max(end, 2 * len(self._buffer))
            row_bytes = self._buffer.strides[0]
            if room * row_bytes > SMALL_BYTES:
                room = max(room, FULL_BYTES // row_bytes)
            grown = np.empty((room, *self._buffer.shape[1:]), dtype=self._buffer.dtype)
            grown[: self._length] = self._buffer[: self._length]
            # Readers take the buffer once and cut it: old and new hold the same rows.
            self._buffer = grown
        self._buffer[self._length : end] = values
        self._length = end

    def view(self, length: int) -> NDArray[Any]:
        """Return the first ``length`` values, read-only."""
        cut = self._buffer[:length]
        cut.flags.writeable = False
        return cut


class _GrowingOffsets:
    """Offsets of lists that are appended one after the other."""

    def __init__(self) -> None:
        self._offsets = GrowingArray(np.int64)
        self._offsets.append(np.zeros(1, dtype=np.int64))
        self._last = 0

    @property
    def size_bytes(self) -> int:
        return self._offsets.size_bytes

    def append(self, offsets: Int64Array) -> None:
        self._offsets.append(offsets[1:] + (self._last - int(offsets[0])))
        self._last += int(offsets[-1] - offsets[0])

    def view(self, num_rows: int) -> Int64Array:
        return self._offsets.view(num_rows + 1)


class _GrowingValidity:
    """Validity that costs nothing until the first null."""

    def __init__(self) -> None:
        self._bits: GrowingArray | None = None
        self._rows = 0

    @property
    def size_bytes(self) -> int:
        return self._bits.size_bytes if self._bits else 0

    def append(self, validity: BoolArray | None, rows: int) -> None:
        bits = self._bits
        if bits is None and validity is not None:
            bits = GrowingArray(np.bool_)
            bits.append(np.ones(self._rows, dtype=np.bool_))
        if bits is not None:
            bits.append(np.ones(rows, dtype=np.bool_) if validity is None else validity)
            # Assigned only when complete: a reader sees no bits, or all of its rows.
            self._bits = bits
        self._rows += rows

    def view(self, num_rows: int) -> BoolArray | None:
        return None if self._bits is None else self._bits.view(num_rows)


class GrowingFixed:
    """Values of one width."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._values = GrowingArray(dtype)
        self._validity = _GrowingValidity()

    @property
    def size_bytes(self) -> int:
        return self._values.size_bytes + self._validity.size_bytes

    def append(self, column: Column) -> None:
        given = _as(FixedColumn, column)
        self._values.append(given.values)
        self._validity.append(given.validity, len(given))

    def view(self, num_rows: int) -> FixedColumn:
        return FixedColumn(self._values.view(num_rows), self._validity.view(num_rows))


class GrowingVectors:
    """Dense vectors."""

    def __init__(self, dtype: DTypeLike, width: int) -> None:
        self._values = GrowingArray(dtype, (width,))
        self._validity = _GrowingValidity()

    @property
    def size_bytes(self) -> int:
        return self._values.size_bytes + self._validity.size_bytes

    def append(self, column: Column) -> None:
        given = _as(DenseVectorColumn, column)
        self._values.append(given.values)
        self._validity.append(given.validity, len(given))

    def view(self, num_rows: int) -> DenseVectorColumn:
        return DenseVectorColumn(self._values.view(num_rows), self._validity.view(num_rows))


class GrowingStrings:
    """UTF-8 text."""

    def __init__(self) -> None:
        self._offsets = _GrowingOffsets()
        self._data = GrowingArray(np.uint8)
        self._validity = _GrowingValidity()

    @property
    def size_bytes(self) -> int:
        return self._offsets.size_bytes + self._data.size_bytes + self._validity.size_bytes

    def append(self, column: Column) -> None:
        given = _as(StringColumn, column)
        self._data.append(given.data[given.offsets[0] : given.offsets[-1]])
        self._offsets.append(given.offsets)
        self._validity.append(given.validity, len(given))

    def view(self, num_rows: int) -> StringColumn:
        offsets = self._offsets.view(num_rows)
        return StringColumn(
            offsets, self._data.view(int(offsets[-1])), self._validity.view(num_rows)
        )


class GrowingSparse:
    """Sparse vectors."""

    def __init__(self) -> None:
        self._offsets = _GrowingOffsets()
        self._indices = GrowingArray(np.uint32)
        self._values = GrowingArray(np.float32)
        self._validity = _GrowingValidity()

    @property
    def size_bytes(self) -> int:
        lists = self._indices.size_bytes + self._values.size_bytes
        return self._offsets.size_bytes + lists + self._validity.size_bytes

    def append(self, column: Column) -> None:
        given = _as(SparseVectorColumn, column)
        first, last = given.offsets[0], given.offsets[-1]
        self._indices.append(given.indices[first:last])
        self._values.append(given.values[first:last])
        self._offsets.append(given.offsets)
        self._validity.append(given.validity, len(given))

    def view(self, num_rows: int) -> SparseVectorColumn:
        offsets = self._offsets.view(num_rows)
        length = int(offsets[-1])
        return SparseVectorColumn(
            offsets,
            self._indices.view(length),
            self._values.view(length),
            self._validity.view(num_rows),
        )


class GrowingArrays:
    """Lists of scalars or dense vectors."""

    def __init__(self, items: GrowingFixed | GrowingStrings | GrowingVectors) -> None:
        self._offsets = _GrowingOffsets()
        self._items = items
        self._validity = _GrowingValidity()

    @property
    def size_bytes(self) -> int:
        return self._offsets.size_bytes + self._items.size_bytes + self._validity.size_bytes

    def append(self, column: Column) -> None:
        given = _as(ArrayColumn, column)
        self._items.append(given.flat_items())
        self._offsets.append(given.offsets)
        self._validity.append(given.validity, len(given))

    def view(self, num_rows: int) -> ArrayColumn:
        offsets = self._offsets.view(num_rows)
        return ArrayColumn(
            offsets, self._items.view(int(offsets[-1])), self._validity.view(num_rows)
        )


def _as(kind: type[KindT], column: object) -> KindT:
    if not isinstance(column, kind):
        raise InternalError(f"expected {kind.__name__}, got {type(column).__name__}")
    return column
