"""How is a block file laid out?

A head, the sections, then a footer with a checksum per block and the places of the sections in
JSON: docs/file-format.md. Everything that is read here is checked before it is used.
"""

from __future__ import annotations

import json
import math
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus.errors import CorruptionError, FormatVersionError, InternalError
from elanus.kernels.checksum import crc32c
from elanus.storage.batch_codec import DTYPES
from elanus.storage.section_stream import Section, SectionStream

MAGIC = b"ELANBLK\x00"
FORMAT_VERSION = 1
HEAD_BYTES = 64
BLOCK_BYTES = 64 * 1024
ALIGNMENT = 64

# magic, version, block size, file uuid, file length, footer offset, reserved zeros; then the CRC.
HEAD = struct.Struct("<8sII16sQQ12x")
CRC = struct.Struct("<I")
# The end of the footer: bytes of its JSON, number of blocks; then the CRC32C of the footer.
COUNTS = struct.Struct("<II")
TAIL = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class PlacedSection:
    """Where one section lies; ``dtype`` is None for bytes."""

    offset: int
    length: int
    dtype: np.dtype[np.generic] | None
    shape: tuple[int, ...]


def place(sections: Mapping[str, Section]) -> tuple[dict[str, PlacedSection], int]:
    """Return where each section will lie, and where the last one ends.

    Raises:
        InternalError: A dtype that is not stored.
    """
    placed: dict[str, PlacedSection] = {}
    offset = HEAD_BYTES
    for name, value in sections.items():
        if isinstance(value, np.ndarray | SectionStream):
            if value.dtype not in DTYPES:
                raise InternalError(f"section {name!r}: dtype {value.dtype} cannot be stored")
            section = PlacedSection(offset, value.nbytes, value.dtype, value.shape)
        else:
            section = PlacedSection(offset, len(value), None, (len(value),))
        placed[name] = section
        offset += section.length + -section.length % ALIGNMENT
    last = next(reversed(placed.values()), None)
    return placed, HEAD_BYTES if last is None else last.offset + last.length


def describe(
    file_uuid: uuid.UUID, kind: str, header: Mapping[str, Any], placed: Mapping[str, PlacedSection]
) -> bytes:
    """Return the JSON of the footer.

    It repeats the identifier: the checksum of a block that holds the head followed by the head's
    own checksum does not depend on what the head says, so that of the footer would not either.
    """
    sections = [
        {
            "name": name,
            "offset": section.offset,
            "length": section.length,
            "dtype": None if section.dtype is None else section.dtype.str,
            "shape": list(section.shape),
        }
        for name, section in placed.items()
    ]
    content = {
        "kind": kind,
        "uuid": str(file_uuid),
        "header": dict(header),
        "sections": sections,
    }
    return json.dumps(content, ensure_ascii=False).encode("utf-8")


def parse_section(stored: Mapping[str, Any]) -> PlacedSection:
    """Return what the footer says about one section.

    Raises:
        KeyError, TypeError, ValueError: It is not understood.
    """
    dtype = None if stored["dtype"] is None else np.dtype(str(stored["dtype"]))
    if dtype is not None and dtype not in DTYPES:
        raise ValueError(f"unknown dtype {dtype}")
    shape = tuple(int(n) for n in stored["shape"])
    if any(n < 0 for n in shape):
        raise ValueError(f"negative shape {shape}")
    return PlacedSection(int(stored["offset"]), int(stored["length"]), dtype, shape)


@dataclass(frozen=True, slots=True)
class Layout:
    """What head and footer of a file say.

    Attributes:
        footer_offset: Where the footer starts and the blocks end.
        kind: What the file is.
        header: JSON values of the kind.
        sections: Places of the sections by name, in file order.
        checksums: CRC32C of each block, uint32 little-endian.
        crc: CRC32C of the footer.
    """

    footer_offset: int
    kind: str
    header: dict[str, Any]
    sections: dict[str, PlacedSection]
    checksums: memoryview
    crc: int


def read_layout(raw: memoryview, path: str) -> Layout:
    """Read and check head and footer.

    Raises:
        CorruptionError: The file is cut or damaged there.
        FormatVersionError: Written by a newer version of elanus.
    """
    footer_offset, file_uuid = _read_head(raw, path)
    described, checksums, crc = _read_footer(raw, footer_offset, path)
    try:
        layout = Layout(
            footer_offset,
            str(described["kind"]),
            described["header"],
            {s["name"]: parse_section(s) for s in described["sections"]},
            checksums,
            crc,
        )
        described_uuid = uuid.UUID(described["uuid"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, footer_offset, f"the footer is not understood: {error!r}") from error
    if described_uuid.bytes != file_uuid:
        raise damaged(path, footer_offset, "head and footer are of different files")
    for name, section in layout.sections.items():
        itemsize = 1 if section.dtype is None else section.dtype.itemsize
        elements = math.prod(section.shape)
        fits = HEAD_BYTES <= section.offset <= section.offset + section.length <= footer_offset
        if not fits or section.offset % ALIGNMENT or elements * itemsize != section.length:
            raise damaged(path, footer_offset, f"section {name!r} has no valid place")
    return layout


def _read_head(raw: memoryview, path: str) -> tuple[int, bytes]:
    """Return where the footer starts, and the identifier of the file."""
    if len(raw) < HEAD_BYTES + TAIL.size:
        raise damaged(path, len(raw), f"cut to {len(raw)} bytes")
    if crc32c(raw[: HEAD.size]) != CRC.unpack_from(raw, HEAD.size)[0]:
        raise damaged(path, 0, "the checksum of the head does not match")
    magic, version, block_bytes, file_uuid, size, footer_offset = HEAD.unpack_from(raw)
    if magic != MAGIC:
        raise damaged(path, 0, "not a block file")
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"{path}: block file format {version} was written by a newer elanus; this one reads "
            f"up to {FORMAT_VERSION}: upgrade elanus"
        )
    if size != len(raw):
        raise damaged(path, min(size, len(raw)), f"expected {size} bytes, found {len(raw)}")
    if block_bytes != BLOCK_BYTES or not HEAD_BYTES <= footer_offset <= size - TAIL.size:
        raise damaged(path, 0, "the head is not understood")
    return int(footer_offset), file_uuid


def _read_footer(
    raw: memoryview, footer_offset: int, path: str
) -> tuple[dict[str, Any], memoryview, int]:
    """Return what the footer says, the checksums of the blocks, and its own."""
    json_bytes, num_blocks, crc = TAIL.unpack_from(raw, len(raw) - TAIL.size)
    if crc32c(raw[footer_offset : len(raw) - CRC.size]) != crc:
        raise damaged(path, footer_offset, "the checksum of the footer does not match")
    json_offset = footer_offset + num_blocks * CRC.size
    if num_blocks != -(
        -footer_offset // BLOCK_BYTES
    ) or json_offset + json_bytes + TAIL.size != len(raw):
        raise damaged(path, footer_offset, "the footer is not understood")
    try:
        described = json.loads(bytes(raw[json_offset : json_offset + json_bytes]))
    except ValueError as error:
        raise damaged(path, json_offset, f"the footer is not JSON: {error}") from error
    if not isinstance(described, dict):
        raise damaged(path, json_offset, "the footer is not understood")
    return described, raw[footer_offset:json_offset], crc


def damaged(path: str, offset: int, what: str) -> CorruptionError:
    """Return the error for a file that is damaged at ``offset``."""
    return CorruptionError(f"{path}: damaged at byte {offset}: {what}", path=path, offset=offset)
