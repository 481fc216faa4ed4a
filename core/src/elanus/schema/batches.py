"""How do entities look as columns?

A ``ColumnBatch`` holds the same rows as one typed column per field. Every layer that touches rows
(validation, write-ahead log, memtable, segments, filters, projection) speaks these five column
kinds; dicts appear only at the edges. Columns are immutable; layouts follow Arrow (validity,
offsets, values).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np

from elanus.errors import InternalError
from elanus.kernels.bfloat16 import from_bfloat16
from elanus.kernels.lists import strings_at, strings_of
from elanus.types import (
    AnyArray,
    BoolArray,
    ByteArray,
    Float32Array,
    Int64Array,
    UInt32Array,
    VectorArray,
)

RowIds: TypeAlias = Int64Array


@dataclass(frozen=True, slots=True)
class FixedColumn:
    """Values of one width: BOOL, INT8 to INT64, FLOAT, DOUBLE, and TIMESTAMPTZ in microseconds.

    ``values`` has shape ``(n,)`` and the dtype of the field; places of nulls hold 0.
    ``validity`` is bool of shape ``(n,)``, True where a value is present; None means no nulls.
    """

    values: AnyArray
    validity: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: RowIds) -> FixedColumn:
        return FixedColumn(self.values[rows], _take_validity(self.validity, rows))

    def to_pylist(self) -> list[object]:
        return _with_nulls(self.values.tolist(), self.validity)

    def values_at(self, rows: RowIds) -> list[object]:
        """Return the Python values of the given rows."""
        values: list[object] = self.values[rows].tolist()
        return _with_nulls(values, _take_validity(self.validity, rows))


@dataclass(frozen=True, slots=True)
class StringColumn:
    """UTF-8 text: VARCHAR, JSON as its text, and GEOMETRY as its WKT.

    Row ``i`` is ``data[offsets[i]:offsets[i + 1]]``; ``offsets`` is int64 of shape ``(n + 1,)``
    and need not start at 0; ``data`` is uint8. Nulls are empty.
    """

    offsets: Int64Array
    data: ByteArray
    validity: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: RowIds) -> StringColumn:
        offsets, source = gather_ranges(self.offsets, rows)
        return StringColumn(offsets, self.data[source], _take_validity(self.validity, rows))

    def to_pylist(self) -> list[object]:
        first, last = int(self.offsets[0]), int(self.offsets[-1])
        raw = self.data[first:last].tobytes()
        ends = (self.offsets - first).tolist()
        texts: list[object] = [str(raw[a:b], "utf-8") for a, b in itertools.pairwise(ends)]
        return _with_nulls(texts, self.validity)

    def values_at(self, rows: RowIds) -> list[object]:
        """Return the texts of the given rows."""
        texts: list[object] = [*strings_at(self.offsets, self.data, rows)]
        return _with_nulls(texts, _take_validity(self.validity, rows))

    def unverified(self) -> tuple[ByteArray, tuple[Any, int] | None]:
        """Return ``data``, and what verifies bytes of it: a ``BlockVerifier``, and where in its
        file they begin; None: there is no need."""
        return self.data, None

    def json_at(self, rows: RowIds) -> list[object]:
        """Return the decoded values of the given rows of a JSON column."""
        texts = ["null" if text is None else str(text) for text in self.values_at(rows)]
        # One call of the decoder: the texts become elements of one array.
        decoded: list[object] = json.loads(f"[{','.join(texts)}]")
        return decoded


@dataclass(frozen=True, slots=True)
class ArrayColumn:
    """ARRAY: row ``i`` is ``items[offsets[i]:offsets[i + 1]]``; nulls are empty."""

    offsets: Int64Array
    items: FixedColumn | StringColumn | DenseVectorColumn
    validity: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: RowIds) -> ArrayColumn:
        offsets, source = gather_ranges(self.offsets, rows)
        return ArrayColumn(offsets, self.items.take(source), _take_validity(self.validity, rows))

    def to_pylist(self) -> list[object]:
        items = self.items.to_pylist()
        ends = self.offsets.tolist()
        rows: list[object] = [items[a:b] for a, b in itertools.pairwise(ends)]
        return _with_nulls(rows, self.validity)

    def flat_items(self) -> FixedColumn | StringColumn | DenseVectorColumn:
        """Return the elements of all rows, one row after the other, without a copy."""
        return slice_column(self.items, int(self.offsets[0]), int(self.offsets[-1]))

    def values_at(self, rows: RowIds) -> list[object]:
        """Return the lists of the given rows."""
        return self.take(rows).to_pylist()


@dataclass(frozen=True, slots=True)
class DenseVectorColumn:
    """Dense vectors: ``values`` is C-contiguous, shape ``(n, dim)``; nulls are zeros.

    The dtype is that of ``VECTOR_DTYPES`` and says of which type they are: bfloat16 is its bits
    as uint16, and binary vectors are uint8 of shape ``(n, dim / 8)``.
    """

    values: VectorArray
    validity: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: RowIds) -> DenseVectorColumn:
        return DenseVectorColumn(self.values[rows], _take_validity(self.validity, rows))

    def to_numbers(self) -> VectorArray:
        """Return the vectors as arrays that NumPy has a dtype for: bfloat16 as float32, exactly."""
        return from_bfloat16(self.values) if self.values.dtype == np.uint16 else self.values

    def to_pylist(self) -> list[object]:
        """Return float32 vectors as lists of floats, others as rows of ``to_numbers``."""
        if self.values.dtype == np.float32:
            return _with_nulls(self.values.tolist(), self.validity)
        return _with_nulls(list(self.to_numbers()), self.validity)

    def values_at(self, rows: RowIds) -> list[object]:
        """Return the vectors of the given rows, as ``to_pylist`` does."""
        return self.take(rows).to_pylist()


@dataclass(frozen=True, slots=True)
class SparseVectorColumn:
    """SPARSE_FLOAT_VECTOR in CSR form.

    Row ``i`` has dimensions ``indices[offsets[i]:offsets[i + 1]]`` (uint32, ascending, unique)
    with weights ``values`` (float32) at the same places. Nulls are empty.
    """

    offsets: Int64Array
    indices: UInt32Array
    values: Float32Array
    validity: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: RowIds) -> SparseVectorColumn:
        offsets, source = gather_ranges(self.offsets, rows)
        return SparseVectorColumn(
            offsets,
            self.indices[source],
            self.values[source],
            _take_validity(self.validity, rows),
        )

    def to_pylist(self) -> list[object]:
        ends = self.offsets.tolist()
        rows: list[object] = [
            dict(zip(self.indices[a:b].tolist(), self.values[a:b].tolist(), strict=True))
            for a, b in itertools.pairwise(ends)
        ]
        return _with_nulls(rows, self.validity)

    def values_at(self, rows: RowIds) -> list[object]:
        """Return the vectors of the given rows as dicts."""
        return self.take(rows).to_pylist()


Column: TypeAlias = (
    FixedColumn | StringColumn | ArrayColumn | DenseVectorColumn | SparseVectorColumn
)
ColumnT = TypeVar("ColumnT", bound=Column)
KindT = TypeVar("KindT")


@dataclass(frozen=True, slots=True)
class ColumnBatch:
    """The same rows, one column per stored field, in schema order."""

    num_rows: int
    columns: Mapping[str, Column]

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if len(column) != self.num_rows:
                raise InternalError(
                    f"column {name!r} has {len(column)} rows, the batch has {self.num_rows}"
                )

    def __len__(self) -> int:
        return self.num_rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    @property
    def size_bytes(self) -> int:
        """Bytes of all arrays."""
        return sum(column_bytes(column) for column in self.columns.values())

    def take(self, rows: RowIds) -> ColumnBatch:
        """Return the given rows (int64, in any order, repeats allowed) as a new batch."""
        return ColumnBatch(len(rows), {n: c.take(rows) for n, c in self.columns.items()})


def column_bytes(column: Column) -> int:
    """Return the bytes of a column's arrays."""
    size: int = 0 if column.validity is None else column.validity.nbytes
    if isinstance(column, FixedColumn | DenseVectorColumn):
        return size + column.values.nbytes
    size += column.offsets.nbytes
    if isinstance(column, StringColumn):
        return size + column.data.nbytes
    if isinstance(column, SparseVectorColumn):
        return size + column.indices.nbytes + column.values.nbytes
    return size + column_bytes(column.items)


def concat_batches(parts: Sequence[ColumnBatch]) -> ColumnBatch:
    """Join batches with the same columns end to end."""
    first = parts[0]
    return ColumnBatch(
        sum(map(len, parts)),
        {name: concat_columns([part.columns[name] for part in parts]) for name in first},
    )


def concat_columns(parts: Sequence[Column]) -> Column:
    """Join columns of one kind end to end."""
    first = parts[0]
    if len(parts) == 1:
        return first
    validity = _concat_validity(parts)
    if isinstance(first, FixedColumn):
        return FixedColumn(np.concatenate([_as(FixedColumn, p).values for p in parts]), validity)
    if isinstance(first, DenseVectorColumn):
        dense = [_as(DenseVectorColumn, p).values for p in parts]
        return DenseVectorColumn(np.concatenate(dense), validity)
    if isinstance(first, StringColumn):
        texts = [_as(StringColumn, p) for p in parts]
        data = np.concatenate([p.data[p.offsets[0] : p.offsets[-1]] for p in texts])
        return StringColumn(_concat_offsets([p.offsets for p in texts]), data, validity)
    if isinstance(first, ArrayColumn):
        arrays = [_as(ArrayColumn, p) for p in parts]
        items = concat_columns([p.flat_items() for p in arrays])
        if not isinstance(items, FixedColumn | StringColumn | DenseVectorColumn):
            raise InternalError("array items must be scalars or vectors")
        return ArrayColumn(_concat_offsets([p.offsets for p in arrays]), items, validity)
    sparse = [_as(SparseVectorColumn, p) for p in parts]
    return SparseVectorColumn(
        _concat_offsets([p.offsets for p in sparse]),
        np.concatenate([p.indices[p.offsets[0] : p.offsets[-1]] for p in sparse]),
        np.concatenate([p.values[p.offsets[0] : p.offsets[-1]] for p in sparse]),
        validity,
    )


def slice_column(column: ColumnT, start: int, stop: int) -> ColumnT:
    """Return rows ``start`` to ``stop`` as views; nothing is copied."""
    if start == 0 and stop == len(column):
        return column
    validity = None if column.validity is None else column.validity[start:stop]
    made: Column
    if isinstance(column, FixedColumn):
        made = FixedColumn(column.values[start:stop], validity)
    elif isinstance(column, DenseVectorColumn):
        made = DenseVectorColumn(column.values[start:stop], validity)
    elif isinstance(column, StringColumn):
        made = StringColumn(column.offsets[start : stop + 1], column.data, validity)
    elif isinstance(column, ArrayColumn):
        made = ArrayColumn(column.offsets[start : stop + 1], column.items, validity)
    else:
        made = SparseVectorColumn(
            column.offsets[start : stop + 1], column.indices, column.values, validity
        )
    return made  # type: ignore[return-value]


def strings_to_column(values: Sequence[str | None]) -> StringColumn:
    """Encode texts as UTF-8; None becomes a null."""
    validity = None
    if None in values:
        validity = np.array([v is not None for v in values], dtype=np.bool_)
    texts = list(values) if validity is None else [v or "" for v in values]
    fast = strings_of(texts)  # type: ignore[arg-type]
    if fast is not None:
        return StringColumn(*fast, validity)
    # Subclasses of str; and here a lone surrogate raises.
    encoded = [text.encode("utf-8") for text in texts if text is not None]
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(e) for e in encoded], out=offsets[1:])
    return StringColumn(offsets, np.frombuffer(b"".join(encoded), dtype=np.uint8), validity)


def gather_ranges(offsets: Int64Array, rows: RowIds) -> tuple[Int64Array, Int64Array]:
    """Return new offsets, and the source position of every element of the given rows."""
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    taken = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(lengths, out=taken[1:])
    source = np.arange(taken[-1], dtype=np.int64) + np.repeat(starts - taken[:-1], lengths)
    return taken, source


def _take_validity(validity: BoolArray | None, rows: RowIds) -> BoolArray | None:
    return None if validity is None else validity[rows]


def _with_nulls(values: list[object], validity: BoolArray | None) -> list[object]:
    if validity is None:
        return values
    return [v if ok else None for v, ok in zip(values, validity.tolist(), strict=True)]


def _concat_validity(parts: Sequence[Column]) -> BoolArray | None:
    if all(p.validity is None for p in parts):
        return None
    return np.concatenate(
        [np.ones(len(p), dtype=np.bool_) if p.validity is None else p.validity for p in parts]
    )


def _concat_offsets(parts: Sequence[Int64Array]) -> Int64Array:
    lengths = np.concatenate([np.diff(p) for p in parts])
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _as(kind: type[KindT], value: object) -> KindT:
    if not isinstance(value, kind):
        raise InternalError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value
