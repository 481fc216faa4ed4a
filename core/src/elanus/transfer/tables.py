"""Rows that are in memory already: dicts, columns, DataFrames and Arrow tables.

pandas is read without pyarrow, column by column. Everything else that speaks Arrow's C stream
interface (polars, pyarrow, DuckDB, ...) is read through pyarrow without a copy.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus.errors import EntityError, InvalidArgumentError
from elanus.schema.batches import Column
from elanus.schema.converters import matrix_rows
from elanus.schema.faults import fail
from elanus.schema.fields import Field
from elanus.transfer.chunks import Chunk, Extent, Position, Values
from elanus.transfer.values import PlainValues, plain_parts
from elanus.types import DataType

EXACT_FLOAT_INTEGERS = 2**53
"""Integers up to this are exact as float64."""


class DictReader:
    """An iterable of dicts.

    Args:
        entities: The rows; an iterator is read once.
    """

    def __init__(self, entities: Iterable[Mapping[str, Any]]) -> None:
        self._entities = entities

    @property
    def extent(self) -> Extent:
        rows = len(self._entities) if isinstance(self._entities, Sequence) else None
        return Extent(rows)

    def chunks(self, start: Position, batch_rows: int) -> Iterator[Chunk]:
        row = 0
        remaining = iter(self._entities)
        while part := list(itertools.islice(remaining, batch_rows)):
            rows = np.arange(row, row + len(part), dtype=np.int64)
            row += len(part)
            yield Chunk("rows", rows, Position(0, row), entities=part)

    def close(self) -> None:
        """Nothing is open."""


class ColumnsReader:
    """A dict of columns: arrays (also mapped ones), sparse matrices of SciPy, or lists."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        # Sparse matrices are cut by rows.
        self._columns = {n: v.tocsr() if hasattr(v, "tocsr") else v for n, v in columns.items()}
        lengths = {name: _length(name, values) for name, values in columns.items()}
        self._num_rows = next(iter(lengths.values()), 0)
        for name, length in lengths.items():
            if length != self._num_rows:
                raise EntityError(
                    f"columns differ in length: {next(iter(lengths))!r} has {self._num_rows}, "
                    f"{name!r} has {length}",
                    field=name,
                )

    @property
    def extent(self) -> Extent:
        return Extent(self._num_rows)

    def chunks(self, start: Position, batch_rows: int) -> Iterator[Chunk]:
        for first in range(0, self._num_rows, batch_rows):
            stop = min(first + batch_rows, self._num_rows)
            columns: dict[str, Values] = {
                name: PlainValues(values[first:stop])
                if not hasattr(values, "tocsr")
                else SparseRows(values[first:stop])
                for name, values in self._columns.items()
            }
            yield _table_chunk("columns", first, stop, columns)

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class SparseRows:
    """Rows of a sparse matrix of SciPy, in CSR form."""

    matrix: Any

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def slice(self, start: int, stop: int) -> SparseRows:
        return SparseRows(self.matrix[start:stop])

    def column(self, field: Field) -> Column:
        if field.dtype is not DataType.SPARSE_FLOAT_VECTOR:
            fail(field, f"expected {field.dtype.name}, got a sparse matrix")
        return PlainValues(matrix_rows(self.matrix)).column(field)

    def parts(self, field: Field) -> dict[str, Column]:
        fail(field, "expected lists of structs, got a sparse matrix")

    def pylist(self) -> list[Any]:
        pairs = itertools.pairwise(self.matrix.indptr)
        indices, data = self.matrix.indices, self.matrix.data
        return [dict(zip(indices[a:b].tolist(), data[a:b].tolist(), strict=True)) for a, b in pairs]


class PandasReader:
    """A pandas DataFrame; its index is no column."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        names = [str(name) for name in frame.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidArgumentError(f"the DataFrame has two columns {twice[0]!r}; rename one")

    @property
    def extent(self) -> Extent:
        return Extent(len(self._frame))

    def chunks(self, start: Position, batch_rows: int) -> Iterator[Chunk]:
        for first in range(0, len(self._frame), batch_rows):
            part = self._frame.iloc[first : first + batch_rows]
            columns: dict[str, Values] = {
                str(name): _series_values(part[name]) for name in part.columns
            }
            yield _table_chunk("DataFrame", first, first + len(part), columns)

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class NullableValues:
    """A typed array with gaps, as pandas holds them.

    Attributes:
        values: One per row; anything where there is none.
        absent: bool, True where there is none.
        maybe: Whether ``absent`` stands for NaN, which is a value in a float field that takes no
            nulls.
    """

    values: np.ndarray[Any, Any]
    absent: np.ndarray[Any, np.dtype[np.bool_]]
    maybe: bool

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, start: int, stop: int) -> NullableValues:
        return NullableValues(self.values[start:stop], self.absent[start:stop], self.maybe)

    def parts(self, field: Field) -> dict[str, Column]:
        return plain_parts(field, self.pylist())

    def pylist(self) -> list[Any]:
        pairs = zip(self.values.tolist(), self.absent.tolist(), strict=True)
        return [None if absent else value for value, absent in pairs]

    def column(self, field: Field) -> Column:
        takes_none = field.nullable or field.default is not None
        if not self.absent.any() or (self.maybe and field.dtype.is_float and not takes_none):
            if field.dtype.is_integer and self.values.dtype.kind == "f":
                return PlainValues(self._integers(field)).column(field)
            return PlainValues(self.values).column(field)
        values = self._integers(field) if field.dtype.is_integer else self.values
        pairs = zip(values.tolist(), self.absent.tolist(), strict=True)
        return PlainValues([None if absent else value for value, absent in pairs]).column(field)

    def _integers(self, field: Field) -> np.ndarray[Any, Any]:
        """Return floats as the integers that they stand for: pandas turns integers with gaps into
        floats."""
        if self.values.dtype.kind != "f":
            return self.values
        values = np.where(self.absent, 0, self.values)
        with np.errstate(invalid="ignore"):
            wrong = (values != np.floor(values)) | (np.abs(values) > EXACT_FLOAT_INTEGERS)
        if wrong.any():
            row = int(np.argmax(wrong))
            fail(
                field,
                f"{values[row]} is no exact integer; pandas turns integers with gaps into floats: "
                f"use the dtype 'Int64'",
                row,
            )
        return values.astype(np.int64)


@dataclass(frozen=True, slots=True)
class ObjectValues:
    """Python objects in which NaN and ``pandas.NA`` stand for no value."""

    values: Sequence[Any]

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, start: int, stop: int) -> ObjectValues:
        return ObjectValues(self.values[start:stop])

    def parts(self, field: Field) -> dict[str, Column]:
        return plain_parts(field, self.pylist())

    def pylist(self) -> list[Any]:
        return [None if _is_gap(value) else value for value in self.values]

    def column(self, field: Field) -> Column:
        if field.dtype.is_float and not field.nullable and field.default is None:
            return PlainValues(self.values).column(field)
        is_text = all(isinstance(value, str) or _is_gap(value) for value in self.values)
        return PlainValues(self.pylist(), json_is_text=is_text).column(field)


def _is_gap(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def _series_values(series: Any) -> Values:
    """Return a column of a DataFrame."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind == "m":
            raise EntityError(
                f"column {series.name!r} holds {dtype}, which no field has; convert it to text or "
                f"to a number, or leave it out with columns={{{series.name!r}: None}}",
                field=str(series.name),
            )
        if dtype.kind == "M":
            return ObjectValues(series.astype(object).tolist())
        if dtype.kind == "f":
            values = series.to_numpy()
            return NullableValues(values, np.isnan(values), maybe=True)
        if dtype.kind != "O":
            return PlainValues(series.to_numpy())
        return ObjectValues(series.tolist())
    numpy_dtype = getattr(dtype, "numpy_dtype", None)
    if numpy_dtype is not None and numpy_dtype.kind in "biuf":
        absent = series.isna().to_numpy()
        values = series.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0))
        return NullableValues(values, absent, maybe=False)
    return ObjectValues(series.astype(object).tolist())


def _table_chunk(source: str, first: int, stop: int, columns: Mapping[str, Values]) -> Chunk:
    rows = np.arange(first, stop, dtype=np.int64)
    return Chunk(source, rows, Position(0, stop), columns=columns)


def _length(name: str, values: Any) -> int:
    if hasattr(values, "tocsr"):  # a sparse matrix has no len()
        return int(values.shape[0])
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise EntityError(
            f"column {name!r}: expected a list or an array, got {type(values).__name__}", field=name
        )
    return len(values)
