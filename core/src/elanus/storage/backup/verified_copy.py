"""Are the bytes that are being copied the ones that were written?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from elanus.errors import CorruptionError
from elanus.kernels.checksum import crc32c
from elanus.storage.block_format import BLOCK_BYTES, Layout, damaged, read_layout


def block_checksums(layout: Layout) -> list[int]:
    """Return the checksum of each block."""
    found: list[int] = np.frombuffer(layout.checksums, dtype="<u4").tolist()
    return found


def check_block_file(raw: memoryview, path: str, *, size: int, crc: int) -> None:
    """Check that head and footer are those of the file that was meant.

    Raises:
        CorruptionError: The file is cut, damaged there, or another one.
    """
    if len(raw) != size:
        raise damaged(path, min(size, len(raw)), f"expected {size} bytes, found {len(raw)}")
    layout = read_layout(raw, path)
    if layout.crc != crc:
        raise damaged(path, layout.footer_offset, "not the file that was named")


def verified_blocks(raw: memoryview, path: str, *, size: int, crc: int) -> Iterator[memoryview]:
    """Yield the bytes of a block file, each block after its checksum was compared.

    Raises:
        CorruptionError: With the offset of the first damaged block.
    """
    check_block_file(raw, path, size=size, crc=crc)
    layout = read_layout(raw, path)
    for block, expected in enumerate(block_checksums(layout)):
        start = block * BLOCK_BYTES
        content = raw[start : min(start + BLOCK_BYTES, layout.footer_offset)]
        if crc32c(content) != expected:
            raise damaged(path, start, "the checksum of a block does not match")
        yield content
    yield raw[layout.footer_offset :]


def verified_bytes(raw: memoryview, path: str, *, size: int, crc: int) -> memoryview:
    """Return the bytes of any other file after comparing one checksum over all of them.

    Raises:
        CorruptionError: The file is cut or damaged.
    """
    if len(raw) != size:
        raise damaged(path, min(size, len(raw)), f"expected {size} bytes, found {len(raw)}")
    if crc32c(raw) != crc:
        raise CorruptionError(f"{path}: damaged: the checksum does not match", path=path)
    return raw
