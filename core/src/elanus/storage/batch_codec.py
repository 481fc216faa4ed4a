"""How does a batch of rows look inside a write-ahead log record?

A head, the names of the columns, a table of buffers, then the buffers, each aligned to 8 bytes.
Encoding copies no column; decoding returns views. Layout: docs/file-format.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from elanus.errors import CorruptionError, FormatVersionError
from elanus.schema.batches import ColumnBatch
from elanus.schema.fields import Field
from elanus.storage.columns import SECTION_NAMES, column_to_sections, sections_to_column
from elanus.storage.directory import Bytes
from elanus.types import AnyArray

BATCH_VERSION = 1

# version, columns, buffers, bytes of the names, rows.
_HEAD = struct.Struct("<IIIIQ")
# column, section, dtype, reserved zeros, offset from the start of the batch, length in bytes.
_BUFFER = struct.Struct("<HBB4xQQ")
_ALIGNMENT = 8

DTYPES: tuple[np.dtype[np.generic], ...] = tuple(
    np.dtype(code)
    for code in ("|b1", "|i1", "<i2", "<i4", "<i8", "<f4", "<f8", "|u1", "<u2", "<u4", "<u8", "<f2")
)
"""Every dtype that is stored. The position is its code in stored batches, so dtypes are only ever
added at the end."""

_DTYPE_CODES = {dtype: code for code, dtype in enumerate(DTYPES)}
_SECTION_CODES = {name: code for code, name in enumerate(SECTION_NAMES)}


def encode_batch(batch: ColumnBatch) -> list[Bytes]:
    """Return a batch as buffers to be written end to end.

    They share memory with the columns, which must not change before they are written.
    """
    # Single rows are written often enough for every look-up here to count.
    names = "\0".join(batch.columns).encode("utf-8")
    names += bytes(-len(names) % _ALIGNMENT)
    arrays = [
        (position, section, array)
        for position, column in enumerate(batch.columns.values())
        for section, array in column_to_sections(column).items()
    ]
    offset = _HEAD.size + len(names) + len(arrays) * _BUFFER.size
    table = bytearray()
    buffers: list[Bytes] = []
    for position, section, array in arrays:
        size = array.nbytes
        table += _BUFFER.pack(
            position, _SECTION_CODES[section], _DTYPE_CODES[array.dtype], offset, size
        )
        if size:
            buffers.append(array.data.cast("B"))
        padding = -size % _ALIGNMENT
        if padding:
            buffers.append(bytes(padding))
        offset += size + padding
    head = _HEAD.pack(BATCH_VERSION, len(batch.columns), len(arrays), len(names), batch.num_rows)
    return [head + names + table, *buffers]


def decode_batch(raw: memoryview, fields: Sequence[Field], *, path: str = "") -> ColumnBatch:
    """Return the batch that ``encode_batch`` wrote, as views of ``raw``.

    Args:
        raw: The bytes.
        fields: The columns that the batch has to have, in order: ``schema.stored_fields`` for
            inserted rows.
        path: Where the bytes come from, for messages.

    Raises:
        CorruptionError: The bytes are not such a batch. No bytes lead to any other failure.
        FormatVersionError: Written by a newer version of elanus.
    """
    raw = raw.toreadonly()
    if len(raw) < _HEAD.size:
        raise _damaged(path, f"{len(raw)} bytes are too few for a batch")
    version, num_columns, num_buffers, names_bytes, num_rows = _HEAD.unpack_from(raw)
    if version > BATCH_VERSION:
        raise FormatVersionError(
            f"{path}: batch format {version} was written by a newer elanus; this one reads up to "
            f"{BATCH_VERSION}: upgrade elanus"
        )
    table = _HEAD.size + names_bytes
    if table + num_buffers * _BUFFER.size > len(raw):
        raise _damaged(path, "the table of buffers leaves the record")
    stored = bytes(raw[_HEAD.size : table]).rstrip(b"\0").split(b"\0")
    expected = [f.name.encode("utf-8") for f in fields]
    if stored != expected or num_columns != len(fields):
        raise _damaged(
            path,
            f"expected columns {', '.join(f.name for f in fields)}; "
            f"found {', '.join(name.decode('utf-8', 'replace') for name in stored)}",
        )
    sections: list[dict[str, AnyArray]] = [{} for _ in fields]
    for entry in range(num_buffers):
        position, name, array = _read_buffer(raw, table + entry * _BUFFER.size, path)
        if position >= len(fields) or name in sections[position]:
            raise _damaged(path, f"buffer {entry} belongs to no column or is there twice")
        sections[position][name] = array
    return ColumnBatch(
        num_rows,
        {
            field.name: sections_to_column(field, num_rows, arrays, path=path)
            for field, arrays in zip(fields, sections, strict=True)
        },
    )


def _read_buffer(raw: memoryview, entry: int, path: str) -> tuple[int, str, AnyArray]:
    position, section, code, offset, length = _BUFFER.unpack_from(raw, entry)
    if section >= len(SECTION_NAMES) or code >= len(DTYPES):
        raise _damaged(path, f"unknown section {section} or dtype {code}")
    dtype = DTYPES[code]
    if offset + length > len(raw) or length % dtype.itemsize:
        raise _damaged(path, f"{SECTION_NAMES[section]} leaves the record")
    return position, SECTION_NAMES[section], np.frombuffer(raw[offset : offset + length], dtype)


def _damaged(path: str, what: str) -> CorruptionError:
    where = f"{path}: " if path else ""
    return CorruptionError(f"{where}damaged: {what}", path=path)
