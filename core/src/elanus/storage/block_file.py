"""Are the bytes of this file what was written?

A block file is written once and holds named sections, each an array or bytes, aligned to 64 bytes
so that it is used straight from the map. A CRC32C per 64 KiB block lets a section be verified when
it is first touched, without reading the rest. Layout: docs/file-format.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus.errors import CorruptionError, NotFoundError
from elanus.kernels.checksum import BlockVerifier, crc32c
from elanus.kernels.threads import in_threads
from elanus.storage.block_format import (
    ALIGNMENT,
    BLOCK_BYTES,
    COUNTS,
    CRC,
    FORMAT_VERSION,
    HEAD,
    HEAD_BYTES,
    MAGIC,
    TAIL,
    Layout,
    PlacedSection,
    damaged,
    describe,
    place,
    read_layout,
)
from elanus.storage.directory import Bytes, Directory
from elanus.storage.section_stream import Section, section_bytes
from elanus.types import Int64Array

__all__ = [
    "ALIGNMENT",
    "BLOCK_BYTES",
    "FORMAT_VERSION",
    "MAGIC",
    "BlockFile",
    "FileInfo",
    "RowGuard",
    "Verify",
    "write_block_file",
]

PART_BYTES = 8 << 20
"""Bytes of a large section that one thread verifies at a time."""

Verify: TypeAlias = Literal["first-touch", "full", "none"]


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
        sections: Arrays of a stored dtype, streams of them (one part at a time), or bytes.
        publish: The file gets its name whole and durable. False writes it into a folder that
            ``rename_dir`` publishes later, which saves syncs.

    Raises:
        AlreadyExistsError: The name is taken.
        StorageError: The medium failed.
    """
    placed, footer_offset = place(sections)
    file_uuid = uuid.uuid4()
    described = describe(file_uuid, kind, header, placed)
    num_blocks = -(-footer_offset // BLOCK_BYTES)
    size = footer_offset + num_blocks * CRC.size + len(described) + TAIL.size
    head = HEAD.pack(MAGIC, FORMAT_VERSION, BLOCK_BYTES, file_uuid.bytes, size, footer_offset)
    checksums = _BlockChecksums()
    crc = 0

    def chunks() -> Iterator[Bytes]:
        nonlocal crc
        yield checksums.update(head + CRC.pack(crc32c(head)))
        position = HEAD_BYTES
        for name, value in sections.items():
            if placed[name].offset > position:
                yield checksums.update(bytes(placed[name].offset - position))
            for raw in section_bytes(name, value):
                if len(raw):
                    yield checksums.update(raw)
            position = placed[name].offset + placed[name].length
        footer = checksums.finish() + described + COUNTS.pack(len(described), num_blocks)
        crc = crc32c(footer)
        yield footer + CRC.pack(crc)

    (directory.write_new if publish else directory.write_file)(path, chunks())
    return FileInfo(path, size, crc)


class RowGuard:
    """Verifies rows of a section before they are read. Safe from many threads at once."""

    def __init__(self, file: BlockFile, section: PlacedSection) -> None:
        self._file = file
        self._offset = section.offset
        self._num_rows = section.shape[0] if section.shape else 0
        self._row_bytes = section.length // max(self._num_rows, 1)

    @property
    def row_bytes(self) -> int:
        """Width of a row."""
        return self._row_bytes

    def native(self) -> tuple[BlockVerifier, int] | None:
        """Return the verifier of the file and the offset of row 0; None when nothing is checked."""
        verifier = self._file.verifier
        return None if verifier is None else (verifier, self._offset)

    def check_all(self) -> None:
        """Verify every row.

        Raises:
            CorruptionError: With the offset of the first damaged block.
        """
        self.check_range(0, self._num_rows)

    def check_range(self, start: int, stop: int) -> None:
        """Verify the rows ``start .. stop - 1``.

        Raises:
            CorruptionError: With the offset of the first damaged block among them.
        """
        first = self._offset + start * self._row_bytes
        self._file.verify_range(first, self._offset + stop * self._row_bytes)

    def check_spans(self, offsets: Int64Array, rows: Int64Array) -> None:
        """Verify the bytes ``offsets[row] .. offsets[row + 1]`` of each row; both arrays int64.

        Raises:
            CorruptionError: With the offset of a damaged block among them.
        """
        self._file.verify_spans(self._offset, offsets, rows)

    def check_rows(self, rows: Int64Array) -> None:
        """Verify the blocks of some rows: int64, in any order.

        Raises:
            CorruptionError: With the offset of a damaged block among them.
        """
        if len(rows) and self._row_bytes:
            self._file.verify_rows(self._offset, self._row_bytes, self._num_rows, rows)


class BlockFile:
    """An open block file. Safe from many threads at once."""

    def __init__(self, path: str, raw: memoryview, layout: Layout, verify: Verify) -> None:
        """Use ``open`` or ``over``."""
        self._path = path
        self._raw = raw
        self._layout = layout
        self._verifier: BlockVerifier | None = None
        if verify != "none":
            blocks = raw[: layout.footer_offset]
            self._verifier = BlockVerifier(blocks, layout.checksums, BLOCK_BYTES)

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
        return cls.over(raw, path, kind=kind, crc=crc, verify=verify)

    @classmethod
    def over(
        cls,
        raw: memoryview,
        path: str,
        *,
        kind: str,
        crc: int | None = None,
        verify: Verify = "first-touch",
    ) -> BlockFile:
        """Like ``open``, for the bytes of a file that is mapped already."""
        layout = read_layout(raw, path)
        if crc is not None and crc != layout.crc:
            raise damaged(path, layout.footer_offset, "not the file that the manifest names")
        if layout.kind != kind:
            raise damaged(path, layout.footer_offset, f"is a {layout.kind} file, expected {kind}")
        file = cls(path, raw, layout, verify)
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
        return self._layout.crc

    @property
    def header(self) -> Mapping[str, Any]:
        """The JSON values that were kept with the sections."""
        return self._layout.header

    @property
    def section_names(self) -> tuple[str, ...]:
        """The sections, in file order."""
        return tuple(self._layout.sections)

    def __contains__(self, name: object) -> bool:
        return name in self._layout.sections

    def section(self, name: str) -> NDArray[Any]:
        """Return a section as a read-only array over the map; bytes come as uint8.

        Raises:
            CorruptionError: There is no such section, or its bytes are damaged.
        """
        section = self._place_of(name)
        self.verify_range(section.offset, section.offset + section.length)
        return self._array(section)

    def guarded(self, name: str) -> tuple[NDArray[Any], RowGuard]:
        """Return a section like ``section``, not verified, and what verifies rows of it.

        Whoever reads a row has its guard check it first.

        Raises:
            CorruptionError: There is no such section.
        """
        section = self._place_of(name)
        return self._array(section), RowGuard(self, section)

    def verify(self) -> None:
        """Check every block.

        Raises:
            CorruptionError: With the offset of the first damaged block.
        """
        self.verify_range(0, self._layout.footer_offset)

    def verify_range(self, start: int, end: int) -> None:
        """Check the blocks of the bytes from ``start`` to ``end`` that were not checked yet.

        Raises:
            CorruptionError: With the offset of the first damaged block.
        """
        verifier = self._verifier
        if verifier is None:
            return

        def verify(first: int, step: int) -> int:
            """Return the first damaged block of every ``step``-th part, or -1."""
            for part in range(start + first * PART_BYTES, end, step * PART_BYTES):
                damaged_block = verifier.verify_range(part, min(part + PART_BYTES, end))
                if damaged_block >= 0:
                    return damaged_block
            return -1

        if end - start <= PART_BYTES or verifier.is_verified(start, end):
            self._refuse(verifier.verify_range(start, end))
            return
        damaged_blocks = [block for block in in_threads(verify, end - start) if block >= 0]
        self._refuse(min(damaged_blocks, default=-1))

    @property
    def verifier(self) -> BlockVerifier | None:
        """Checks the blocks of the file, each once; None when nothing is checked."""
        return self._verifier

    def verify_rows(self, offset: int, row_bytes: int, num_rows: int, rows: Int64Array) -> None:
        """Check the blocks of some rows of one width that were not checked yet.

        Args:
            offset: Where row 0 starts.
            row_bytes: Bytes of a row.
            num_rows: How many there are.
            rows: The rows to check, int64, in any order.

        Raises:
            CorruptionError: With the offset of a damaged block.
        """
        if self._verifier is not None:
            self._refuse(self._verifier.verify_rows(offset, row_bytes, num_rows, rows))

    def verify_spans(self, base: int, offsets: Int64Array, rows: Int64Array) -> None:
        """Check the blocks of some rows of any width that were not checked yet.

        Args:
            base: Where the bytes that the offsets count begin.
            offsets: int64; row ``i`` lies from ``offsets[i]`` to ``offsets[i + 1]``.
            rows: The rows to check, int64, in any order.

        Raises:
            CorruptionError: With the offset of a damaged block.
        """
        if self._verifier is not None:
            self._refuse(self._verifier.verify_spans(base, offsets, rows))

    def _refuse(self, block: int) -> None:
        if block >= 0:
            raise damaged(self._path, block * BLOCK_BYTES, "the checksum of a block does not match")

    def _place_of(self, name: str) -> PlacedSection:
        section = self._layout.sections.get(name)
        if section is None:
            raise CorruptionError(f"{self._path}: section {name!r} is missing", path=self._path)
        return section

    def _array(self, section: PlacedSection) -> NDArray[Any]:
        dtype = np.dtype(np.uint8) if section.dtype is None else section.dtype
        raw = self._raw[section.offset : section.offset + section.length]
        return np.frombuffer(raw, dtype=dtype).reshape(section.shape)


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
        self._done += CRC.pack(self._current)
        self._current = self._filled = 0
