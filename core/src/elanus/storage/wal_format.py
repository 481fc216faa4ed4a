"""What is a write-ahead log, byte by byte?

A log is one file that only grows. Each frame carries a checksum, the salt of its file, so that
stale bytes never look valid, and the length of the file that was known to be synced when the frame
was written. That length tells a torn tail from damage: bytes below it had been acknowledged, bytes
above it had not. Layout: docs/file-format.md.
"""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elanus.errors import CorruptionError, FormatVersionError
from elanus.kernels.checksum import crc32c
from elanus.storage.directory import Bytes, Directory, join_path

MAGIC = b"ELANWAL\x00"
FORMAT_VERSION = 1
HEADER_BYTES = 64
FRAME_HEAD_BYTES = 32
MAX_PAYLOAD_BYTES = 2**31 - 64
"""Frames larger than 2 GiB would need several writes and are refused."""

# magic, version, salt, database uuid, number of the file, length of the log before this one that
# counts (0: all of it), reserved zeros; then the CRC32C.
HEADER_LAYOUT = struct.Struct("<8sII16sQQ12x")
# CRC32C of all that follows, payload length, salt, type, reserved zeros, seq, synced length.
FRAME_LAYOUT = struct.Struct("<IIIB3xQQ")
CRC_LAYOUT = struct.Struct("<I")
FRAME_ALIGNMENT = 8
SALT_OFFSET = 8
CRC_BYTES = 4
_NAME = re.compile(r"([0-9]{4})-([0-9]{20})\.wal\Z")
WAL_FOLDER = "wal"


@dataclass(frozen=True, slots=True)
class Frame:
    """One record to append.

    Attributes:
        type: What the payload means, 0 to 255; the log does not look at it.
        seq: Sequence number of the write.
        payload: The bytes, as buffers that are written end to end.
    """

    type: int
    seq: int
    payload: Sequence[Bytes]


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """One record that was read.

    Attributes:
        type: What the payload means, 0 to 255.
        seq: Sequence number of the write.
        payload: The bytes, aligned to 8 bytes in the file; a view, nothing is copied.
        offset: Where the frame starts in the file.
    """

    type: int
    seq: int
    payload: memoryview
    offset: int


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``start`` to ``end`` of a file."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WalHeader:
    """The first bytes of a log.

    Attributes:
        salt: Marks every frame of this file.
        previous_end: Bytes of the log before this one that count; 0 for all of them.
    """

    salt: int
    previous_end: int


@dataclass(frozen=True, slots=True)
class WalContents:
    """What a log holds.

    Attributes:
        path: The file.
        salt: The salt of its frames; None when the file was torn while it was created.
        frames: The frames that verify, in file order.
        valid_end: Length of the file without its torn tail.
        torn_bytes: Bytes of unacknowledged writes after ``valid_end``.
        damage: Ranges that do not verify; only with ``salvage``.
    """

    path: str
    salt: int | None
    frames: tuple[StoredFrame, ...]
    valid_end: int
    torn_bytes: int
    damage: tuple[ByteRange, ...] = ()


def encode_wal_header(header: WalHeader, db_uuid: uuid.UUID, number: int) -> bytes:
    """Return the first bytes of a log."""
    packed = HEADER_LAYOUT.pack(
        MAGIC, FORMAT_VERSION, header.salt, db_uuid.bytes, number, header.previous_end
    )
    return packed + CRC_LAYOUT.pack(crc32c(packed))


def wal_path(path: str, number: int, *, shard: int = 0) -> str:
    """Return the file of a log of the collection in folder ``path``."""
    return join_path(path, WAL_FOLDER, f"{shard:04d}-{number:020d}.wal")


def list_wals(directory: Directory, path: str, *, shard: int = 0) -> list[int]:
    """Return the numbers of a collection's logs, ascending. Other files are ignored."""
    found = map(_NAME.match, directory.list_names(join_path(path, WAL_FOLDER)))
    return sorted(int(match[2]) for match in found if match and int(match[1]) == shard)


def is_torn_header(raw: memoryview) -> bool:
    """Whether a file was torn while it was created."""
    # The header is synced before the first frame, so nothing was acknowledged in such a file.
    if len(raw) < HEADER_BYTES:
        return True
    return raw[:HEADER_BYTES] == bytes(HEADER_BYTES) and not np.frombuffer(raw, np.uint8).any()


def parse_wal_header(raw: memoryview, path: str, db_uuid: uuid.UUID) -> WalHeader:
    """Return the header of a log.

    Raises:
        CorruptionError: It is damaged, or belongs to another database.
        FormatVersionError: Written by a newer version of elanus.
    """
    header = raw[: HEADER_LAYOUT.size]
    if crc32c(header) != CRC_LAYOUT.unpack_from(raw, HEADER_LAYOUT.size)[0]:
        raise CorruptionError(
            f"{path}: damaged: the checksum of the header does not match", path=path, offset=0
        )
    magic, version, salt, owner, _, previous_end = HEADER_LAYOUT.unpack(header)
    if magic != MAGIC:
        raise CorruptionError(f"{path}: damaged: not a write-ahead log", path=path, offset=0)
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"{path}: write-ahead log format {version} was written by a newer elanus; this one "
            f"reads up to {FORMAT_VERSION}: upgrade elanus"
        )
    if owner != db_uuid.bytes:
        raise CorruptionError(
            f"{path}: belongs to database {uuid.UUID(bytes=owner)}, expected {db_uuid}",
            path=path,
            offset=0,
        )
    return WalHeader(salt, previous_end)
