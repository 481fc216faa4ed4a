"""Are the bytes of this file what was written?

A block file is written once and holds named sections, each an array or bytes, aligned to 64 bytes
so that it is used straight from the map. A CRC32C per 64 KiB block lets a section be verified when
it is first touched, without reading the rest. Layout: docs/file-format.md.
"""

from __future__ import annotations

import json
import math
import struct
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus.errors import CorruptionError, FormatVersionError, InternalError, NotFoundError
from elanus.kernels.checksum import crc32c
from elanus.storage.batch_codec import DTYPES
from elanus.storage.directory import Bytes, Directory
from elanus.storage.section_stream import Section, SectionStream, section_bytes
from elanus.types import BoolArray, UInt32Array

MAGIC = b"ELANBLK\x00"
FORMAT_VERSION = 1
HEAD_BYTES = 64
BLOCK_BYTES = 64 * 1024
ALIGNMENT = 64

Verify: TypeAlias = Literal["first-touch", "full", "none"]

# magic, version, block size, file uuid, file length, footer offset, reserved zeros; then the CRC.
_HEAD = struct.Struct("<8sII16sQQ12x")
_CRC = struct.Struct("<I")
# The end of the footer: bytes of its JSON, number of blocks; then the CRC32C of the footer.
_COUNTS = struct.Struct("<II")
_TAIL = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file that was written.

    Attributes:
        path: The file.
        size: Length in bytes.
        crc: CRC32C of its footer, which covers every block of it.
    """

    path: str
    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class _Section:
    """Where one section lies; ``dtype`` is None for bytes."""

    offset: int
    length: int
    dtype: np.dtype[np.generic] | None
    shape: tuple[int, ...]


def write_block_file(
    directory: Directory,
    path: str,
    *,
    kind: str,
    header: Mapping[str, Any],
    sections: Mapping[str, Section],
    publish: bool = True,
) -> FileInfo:
    """Write a file of named sections, durably.

    Args:
        directory: Where to write.
        path: The new file.
        kind: What it is, checked when it is opened.
        header: JSON values to keep with it.
        sections: Arrays of a stored dtype (bool, integers, float32, float64), streams of them, or
            bytes. Of a stream one part at a time is in memory.
        publish: The file gets its name whole and durable. False writes it into a folder that
            ``rename_dir`` publishes later, which saves syncs.

    Raises:
        AlreadyExistsError: The name is taken.
        StorageError: The medium failed.
    """
    placed, footer_offset = _place(sections)
    file_uuid = uuid.uuid4()
    described = _describe(file_uuid, kind, header, placed)
    num_blocks = -(-footer_offset // BLOCK_BYTES)
    size = footer_offset + num_blocks * _CRC.size + len(described) + _TAIL.size
    head = _HEAD.pack(MAGIC, FORMAT_VERSION, BLOCK_BYTES, file_uuid.bytes, size, footer_offset)
    checksums = _BlockChecksums()
    crc = 0

    def chunks() -> Iterator[Bytes]:
        nonlocal crc
        yield checksums.update(head + _CRC.pack(crc32c(head)))
        position = HEAD_BYTES
        for name, value in sections.items():
            if placed[name].offset > position:
                yield checksums.update(bytes(placed[name].offset - position))
            for raw in section_bytes(name, value):
                if len(raw):
                    yield checksums.update(raw)
            position = placed[name].offset + placed[name].length
        footer = checksums.finish() + described + _COUNTS.pack(len(described), num_blocks)
        crc = crc32c(footer)
        yield footer + _CRC.pack(crc)

    (directory.write_new if publish else directory.write_file)(path, chunks())
    return FileInfo(path, size, crc)


class BlockFile:
    """An open block file. Safe from many threads at once."""

    def __init__(
        self,
        path: str,
        raw: memoryview,
        *,
        described: Mapping[str, Any],
        checksums: UInt32Array,
        crc: int,
        verify: Verify,
    ) -> None:
        """Use ``open``."""
        self._path = path
        self._raw = raw
        self._kind = str(described["kind"])
        self._uuid = uuid.UUID(described["uuid"])
        self._header: dict[str, Any] = described["header"]
        self._sections = {s["name"]: _parse_section(s) for s in described["sections"]}
        self._checksums = checksums
        self._crc = crc
        self._verify = verify
        self._verified: BoolArray = np.zeros(len(checksums), dtype=np.bool_)
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        directory: Directory,
        path: str,
        *,
        kind: str,
        crc: int | None = None,
        verify: Verify = "first-touch",
    ) -> BlockFile:
        """Map a file and read its footer.

        Args:
            directory: Where the file is.
            path: The file.
            kind: What it has to be.
            crc: The checksum of the footer that its reference holds; None skips the comparison.
            verify: ``"first-touch"`` checks the blocks of a section before it is first handed
                out, ``"full"`` all of them now, ``"none"`` only head and footer.

        Raises:
            CorruptionError: The file is missing, cut, damaged, or not the one meant.
            FormatVersionError: Written by a newer version of elanus.
        """
        try:
            raw = directory.read(path)
        except NotFoundError as error:
            raise CorruptionError(f"{path}: the file is missing", path=path) from error
        footer_offset = _read_head(raw, path)
        described, checksums, found_crc = _read_footer(raw, footer_offset, path)
        if crc is not None and crc != found_crc:
            raise _damaged(path, footer_offset, "not the file that the manifest names")
        try:
            file = cls(
                path,
                raw,
                described=described,
                checksums=checksums,
                crc=found_crc,
                verify=verify,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(
                path, footer_offset, f"the footer is not understood: {error!r}"
            ) from error
        file._check(kind, footer_offset)
        if verify == "full":
            file.verify()
        return file

    @property
    def path(self) -> str:
        return self._path

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return len(self._raw)

    @property
    def crc(self) -> int:
        """CRC32C of the footer, which covers every block."""
        return self._crc

    @property
    def header(self) -> Mapping[str, Any]:
        """The JSON values that were kept with the sections."""
        return self._header

    @property
    def section_names(self) -> tuple[str, ...]:
        """The sections, in file order."""
        return tuple(self._sections)

    def __contains__(self, name: object) -> bool:
        return name in self._sections

    def section(self, name: str) -> NDArray[Any]:
        """Return a section as a read-only array over the map; bytes come as uint8.

        Raises:
            CorruptionError: There is no such section, or its bytes are damaged.
        """
        section = self._sections.get(name)
        if section is None:
            raise CorruptionError(f"{self._path}: section {name!r} is missing", path=self._path)
        end = section.offset + section.length
        if self._verify != "none":
            self._verify_range(section.offset, end)
        dtype = np.dtype(np.uint8) if section.dtype is None else section.dtype
        return np.frombuffer(self._raw[section.offset : end], dtype=dtype).reshape(section.shape)

    def verify(self) -> None:
        """Check every block.

        Raises:
            CorruptionError: With the offset of the first damaged block.
        """
        self._verify_range(0, len(self._checksums) * BLOCK_BYTES)

    def _verify_range(self, start: int, end: int) -> None:
        first, last = start // BLOCK_BYTES, -(-end // BLOCK_BYTES)
        if self._verified[first:last].all():
            return
        data_end = self._data_end
        for block in (first + np.flatnonzero(~self._verified[first:last])).tolist():
            offset = block * BLOCK_BYTES
            found = crc32c(self._raw[offset : min(offset + BLOCK_BYTES, data_end)])
            if found != int(self._checksums[block]):
                raise _damaged(self._path, offset, "the checksum of a block does not match")
            with self._lock:
                self._verified[block] = True

    @property
    def _data_end(self) -> int:
        return int(_HEAD.unpack_from(self._raw)[5])

    def _check(self, kind: str, footer_offset: int) -> None:
        if self._uuid.bytes != _HEAD.unpack_from(self._raw)[3]:
            raise _damaged(self._path, footer_offset, "head and footer are of different files")
        if self._kind != kind:
            raise _damaged(self._path, footer_offset, f"is a {self._kind} file, expected {kind}")
        for name, section in self._sections.items():
            itemsize = 1 if section.dtype is None else section.dtype.itemsize
            elements = math.prod(section.shape)
            fits = HEAD_BYTES <= section.offset <= section.offset + section.length <= footer_offset
            if not fits or section.offset % ALIGNMENT or elements * itemsize != section.length:
                raise _damaged(self._path, footer_offset, f"section {name!r} has no valid place")


class _BlockChecksums:
    """Checksums of consecutive blocks of a stream."""

    def __init__(self) -> None:
        self._done = bytearray()
        self._current = 0
        self._filled = 0

    def update(self, chunk: Bytes) -> Bytes:
        """Take in the next bytes and return them."""
        rest = memoryview(chunk)
        while len(rest):
            part = rest[: BLOCK_BYTES - self._filled]
            self._current = crc32c(part, self._current)
            self._filled += len(part)
            if self._filled == BLOCK_BYTES:
                self._close_block()
            rest = rest[len(part) :]
        return chunk

    def finish(self) -> bytes:
        """Return the checksums, uint32 little-endian, the last one of a block that may be short."""
        if self._filled:
            self._close_block()
        return bytes(self._done)

    def _close_block(self) -> None:
        self._done += _CRC.pack(self._current)
        self._current = self._filled = 0


def _place(sections: Mapping[str, Section]) -> tuple[dict[str, _Section], int]:
    placed: dict[str, _Section] = {}
    offset = HEAD_BYTES
    for name, value in sections.items():
        if isinstance(value, np.ndarray | SectionStream):
            if value.dtype not in DTYPES:
                raise InternalError(f"section {name!r}: dtype {value.dtype} cannot be stored")
            section = _Section(offset, value.nbytes, value.dtype, value.shape)
        else:
            section = _Section(offset, len(value), None, (len(value),))
        placed[name] = section
        offset += section.length + -section.length % ALIGNMENT
    last = next(reversed(placed.values()), None)
    return placed, HEAD_BYTES if last is None else last.offset + last.length


def _describe(
    file_uuid: uuid.UUID, kind: str, header: Mapping[str, Any], placed: Mapping[str, _Section]
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


def _parse_section(stored: Mapping[str, Any]) -> _Section:
    dtype = None if stored["dtype"] is None else np.dtype(str(stored["dtype"]))
    if dtype is not None and dtype not in DTYPES:
        raise ValueError(f"unknown dtype {dtype}")
    shape = tuple(int(n) for n in stored["shape"])
    if any(n < 0 for n in shape):
        raise ValueError(f"negative shape {shape}")
    return _Section(int(stored["offset"]), int(stored["length"]), dtype, shape)


def _read_head(raw: memoryview, path: str) -> int:
    """Return where the footer starts."""
    if len(raw) < HEAD_BYTES + _TAIL.size:
        raise _damaged(path, len(raw), f"cut to {len(raw)} bytes")
    if crc32c(raw[: _HEAD.size]) != _CRC.unpack_from(raw, _HEAD.size)[0]:
        raise _damaged(path, 0, "the checksum of the head does not match")
    magic, version, block_bytes, _, size, footer_offset = _HEAD.unpack_from(raw)
    if magic != MAGIC:
        raise _damaged(path, 0, "not a block file")
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"{path}: block file format {version} was written by a newer elanus; this one reads "
            f"up to {FORMAT_VERSION}: upgrade elanus"
        )
    if size != len(raw):
        raise _damaged(path, min(size, len(raw)), f"expected {size} bytes, found {len(raw)}")
    if block_bytes != BLOCK_BYTES or not HEAD_BYTES <= footer_offset <= size - _TAIL.size:
        raise _damaged(path, 0, "the head is not understood")
    return int(footer_offset)


def _read_footer(
    raw: memoryview, footer_offset: int, path: str
) -> tuple[dict[str, Any], UInt32Array, int]:
    """Return what the footer says, the checksums of the blocks, and its own."""
    json_bytes, num_blocks, crc = _TAIL.unpack_from(raw, len(raw) - _TAIL.size)
    if crc32c(raw[footer_offset : len(raw) - _CRC.size]) != crc:
        raise _damaged(path, footer_offset, "the checksum of the footer does not match")
    json_offset = footer_offset + num_blocks * _CRC.size
    if num_blocks != -(
        -footer_offset // BLOCK_BYTES
    ) or json_offset + json_bytes + _TAIL.size != len(raw):
        raise _damaged(path, footer_offset, "the footer is not understood")
    try:
        described = json.loads(bytes(raw[json_offset : json_offset + json_bytes]))
    except ValueError as error:
        raise _damaged(path, json_offset, f"the footer is not JSON: {error}") from error
    if not isinstance(described, dict):
        raise _damaged(path, json_offset, "the footer is not understood")
    checksums = np.frombuffer(raw[footer_offset:json_offset], dtype="<u4")
    return described, checksums, crc


def _damaged(path: str, offset: int, what: str) -> CorruptionError:
    return CorruptionError(f"{path}: damaged at byte {offset}: {what}", path=path, offset=offset)
