"""NumPy files: ``.npz`` holds one array per column, ``.npy`` one column of vectors or a structured
array.

Arrays are read row by row from the file, never whole. Text is an array of ``<U``; sparse vectors,
arrays and JSON values are JSON text in one. NumPy has no nulls, which JSON has, and no bfloat16:
those vectors are written as float32.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.schema.batches import Column, ColumnBatch, DenseVectorColumn, FixedColumn, StringColumn
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.structs import struct_rows
from elanus.transfer.chunks import Chunk, Output, Position
from elanus.transfer.files import plain_files
from elanus.transfer.object_arrays import ObjectArray, read_objects
from elanus.transfer.values import PlainValues
from elanus.types import NUMPY_DTYPES, VECTOR_DTYPES, DataType, vector_width

_SUFFIX = ".npy"
_COPY_BYTES = 1 << 20
_COPY_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class _Header:
    """What an ``.npy`` says before its values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def rows(self, raw: bytes, count: int) -> np.ndarray[Any, Any]:
        return np.frombuffer(raw, dtype=self.dtype).reshape(count, *self.shape[1:])


def _read_header(file: IO[bytes], name: str) -> _Header:
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    except ValueError as error:
        raise CorruptionError(f"{name}: not a NumPy file: {error}", path=name) from error
    if dtype.hasobject:
        raise InvalidArgumentError(
            f"{name}: holds pickled objects, which may run code; save arrays of numbers or text"
        )
    if not shape:
        raise InvalidArgumentError(f"{name}: holds a single value, expected one per row")
    if fortran and len(shape) > 1:
        raise InvalidArgumentError(
            f"{name}: is stored column by column; save numpy.ascontiguousarray(...) of it"
        )
    return _Header(shape, dtype)


class _Array:
    """The values of an ``.npy``, read from its file row by row.

    Args:
        file: At its first byte.
        name: What it is, for messages.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._header = _read_header(file, name)
        self._name = name
        self.num_rows = self._header.shape[0]

    def skip(self, rows: int) -> None:
        """Go on behind the next rows."""
        self._file.seek(rows * self._header.row_bytes, 1)

    def read(self, count: int) -> np.ndarray[Any, Any]:
        """Return the next rows."""
        try:
            raw = self._file.read(count * self._header.row_bytes)
        except zipfile.BadZipFile as error:
            message = f"{self._name} is damaged: {error}"
            raise CorruptionError(message, path=self._name) from error
        if len(raw) != count * self._header.row_bytes:
            raise CorruptionError(f"{self._name}: the file is cut", path=self._name)
        return self._header.rows(raw, count)


class NpyFormat:
    """Reads one array as the rows of a collection. Positions are rows.

    Args:
        schema: Says which field an array without a name of its own is.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def num_rows(self, path: Path) -> int | None:
        with path.open("rb") as file:
            return _Array(file, str(path)).num_rows

    def chunks(self, path: Path, start: Position, batch_rows: int) -> Iterator[Chunk]:
        with path.open("rb") as file:
            array = _Array(file, str(path))
            array.skip(start.row)
            for first in range(start.row, array.num_rows, batch_rows):
                count = min(batch_rows, array.num_rows - first)
                values = array.read(count)
                columns = self._columns(path, values)
                yield _chunk(str(path), columns, Position(start.file, first + count), values.nbytes)

    def _columns(self, path: Path, values: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        names = values.dtype.names
        if names:
            return {name: values[name] for name in names}
        if path.stem in self._schema:
            return {path.stem: values}
        dense = [f.name for f in self._schema.fields if f.dtype.is_dense_vector]
        return {dense[0] if values.ndim == 2 and len(dense) == 1 else path.stem: values}


_Members = Mapping[str, _Array | ObjectArray]


class NpzFormat:
    """Reads an archive of arrays of one length, one per column. Positions are rows."""

    def open_members(self, path: Path, stack: ExitStack) -> _Members:
        """Return the arrays by name; ``stack`` closes them."""
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except zipfile.BadZipFile as error:
            message = f"{path}: not a NumPy archive: {error}"
            raise CorruptionError(message, path=str(path)) from error
        members = {
            name.removesuffix(_SUFFIX): _Array(
                stack.enter_context(archive.open(name)),
                f"{path}: array {name.removesuffix(_SUFFIX)!r}",
            )
            for name in archive.namelist()
        }
        if not members:
            raise InvalidArgumentError(f"{path}: the archive holds no arrays")
        return members

    def num_rows(self, path: Path) -> int | None:
        with ExitStack() as stack:
            return _common_length(path, self.open_members(path, stack))

    def chunks(self, path: Path, start: Position, batch_rows: int) -> Iterator[Chunk]:
        with ExitStack() as stack:
            members = self.open_members(path, stack)
            num_rows = _common_length(path, members)
            for array in members.values():
                array.skip(start.row)
            for first in range(start.row, num_rows, batch_rows):
                count = min(batch_rows, num_rows - first)
                columns = {name: array.read(count) for name, array in members.items()}
                size = sum(values.nbytes for values in columns.values())
                yield _chunk(str(path), columns, Position(start.file, first + count), size)


class NpyFolderFormat(NpzFormat):
    """Reads a folder with one ``.npy`` per column, as pymilvus writes it. Positions are rows."""

    def open_members(self, path: Path, stack: ExitStack) -> _Members:
        members: dict[str, _Array | ObjectArray] = {}
        for column in plain_files(path):
            file = stack.enter_context(column.open("rb"))
            objects = read_objects(file, str(column))
            members[column.stem] = _Array(file, str(column)) if objects is None else objects
        return members


def _common_length(path: Path, members: _Members) -> int:
    lengths = {name: array.num_rows for name, array in members.items()}
    first = next(iter(lengths))
    for name, length in lengths.items():
        if length != lengths[first]:
            raise InvalidArgumentError(
                f"{path}: arrays differ in length: {first!r} has {lengths[first]} rows, {name!r} "
                f"has {length}"
            )
    return lengths[first]


def _chunk(
    source: str, columns: Mapping[str, np.ndarray[Any, Any]], after: Position, size_bytes: int
) -> Chunk:
    count = len(next(iter(columns.values())))
    return Chunk(
        source,
        np.arange(after.row - count, after.row, dtype=np.int64),
        after,
        columns={name: PlainValues(array, json_is_text=True) for name, array in columns.items()},
        size_bytes=size_bytes,
    )


class NpzWriter:
    """Writes an archive, one column after the other.

    An array says how long it is and how wide its text before its values, so columns wait in
    temporary files until all rows are there.
    """

    def __init__(self, file: IO[bytes], output: Output) -> None:
        self._file = file
        self._columns = [_ColumnFile(field, output.location) for field in output.fields]

    def write(self, batch: ColumnBatch) -> None:
        for column in self._columns:
            if column.field.struct is not None:
                column.append_texts(struct_rows(column.field, batch.columns))
            else:
                column.append(batch.columns[column.field.name])

    def close(self) -> None:
        if self._file.closed:
            return
        with zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED) as archive:
            for column in self._columns:
                with archive.open(column.field.name + _SUFFIX, "w", force_zip64=True) as member:
                    column.finish(member)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self._file.close()
        for column in self._columns:
            column.discard()


class NpyWriter(NpzWriter):
    """Writes one array: the export has one field, which NumPy has a type for."""

    def __init__(self, file: IO[bytes], output: Output) -> None:
        if len(output.fields) != 1:
            raise InvalidArgumentError(
                f"{output.location}: an .npy file holds one field, the export has "
                f"{len(output.fields)}; choose one with output=[...], or export as npz"
            )
        super().__init__(file, output)

    def close(self) -> None:
        if not self._file.closed:
            self._columns[0].finish(self._file)
            self._file.close()


class _ColumnFile:
    """One column on its way into an archive."""

    def __init__(self, field: Field, location: str) -> None:
        self.field = field
        self._location = location
        folder = os.path.dirname(location) or "."
        self._values = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by discard
        self._lengths = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._rows = 0
        self._width = 1
        self._dtype: np.dtype[Any] | None = (NUMPY_DTYPES | VECTOR_DTYPES).get(field.dtype)
        if field.dtype is DataType.BFLOAT16_VECTOR:
            self._dtype = np.dtype(np.float32)  # NumPy has no bfloat16
        if field.dtype is DataType.TIMESTAMPTZ:
            self._dtype = np.dtype("<M8[us]")  # of UTC

    def append(self, column: Column) -> None:
        is_json = self._dtype is None and self.field.dtype in (
            DataType.JSON,
            DataType.ARRAY,
            DataType.SPARSE_FLOAT_VECTOR,
        )
        if not is_json and column.validity is not None and not column.validity.all():
            raise InvalidArgumentError(
                f"{self._location}: field {self.field.name!r} holds nulls, which NumPy files "
                f"cannot hold; leave it out with output=[...], or export as jsonl, parquet or arrow"
            )
        if isinstance(column, DenseVectorColumn):
            self._rows += len(column)
            self._values.write(np.ascontiguousarray(column.to_numbers()).data)
        elif isinstance(column, FixedColumn):
            self._rows += len(column)
            self._values.write(np.ascontiguousarray(column.values).data)
        else:
            self.append_texts(column.to_pylist(), encoded=isinstance(column, StringColumn))

    def append_texts(self, texts: Sequence[Any], *, encoded: bool = False) -> None:
        """Append values as text: JSON unless they are ``encoded`` already."""
        self._rows += len(texts)
        if not encoded:
            texts = [
                json.dumps(value, ensure_ascii=False, default=np.ndarray.tolist) for value in texts
            ]
        texts = ["null" if text is None else text for text in texts]
        for text in texts:
            if str(text).endswith("\0"):
                raise InvalidArgumentError(
                    f"{self._location}: field {self.field.name!r} holds text that ends with a zero "
                    f"character, which NumPy drops; export as jsonl, parquet or arrow"
                )
        raws = [str(text).encode("utf-8") for text in texts]
        self._width = max(self._width, *(len(str(text)) for text in texts))
        self._values.write(b"".join(raws))
        self._lengths.write(np.array([len(raw) for raw in raws], dtype=np.int64).tobytes())

    def finish(self, target: IO[bytes]) -> None:
        """Write the array with its header."""
        self._values.seek(0)
        is_dense = self.field.dtype.is_dense_vector
        width = (vector_width(self.field.dtype, self.field.dim or 0),) if is_dense else ()
        dtype = self._dtype or np.dtype(f"<U{self._width}")
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (self._rows, *width),
        }
        np.lib.format.write_array_header_2_0(target, header)
        if self._dtype is not None:
            shutil.copyfileobj(self._values, target, _COPY_BYTES)
            return
        self._lengths.seek(0)
        while raw := self._lengths.read(8 * _COPY_ROWS):
            lengths = np.frombuffer(raw, dtype=np.int64).tolist()
            texts = [self._values.read(length).decode("utf-8") for length in lengths]
            target.write(np.array(texts, dtype=dtype).tobytes())

    def discard(self) -> None:
        """Delete the temporary files. Idempotent."""
        self._values.close()
        self._lengths.close()
