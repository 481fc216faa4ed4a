"""Are these bytes what was written?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from elanus import _native
from elanus._native import BlockVerifier
from elanus.types import AnyArray

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["BlockVerifier", "crc32c"]


def crc32c(data: Buffer | AnyArray, seed: int = 0) -> int:
    """Return the CRC32C (Castagnoli) of a contiguous bytes-like object.

    Args:
        data: ``bytes``, ``bytearray``, ``memoryview``, ``mmap`` or a C-contiguous NumPy array.
        seed: Checksum of the bytes before these, so that ``crc32c(b, crc32c(a))`` equals
            ``crc32c(a + b)``.

    Returns:
        A number in ``[0, 2**32)``.

    Raises:
        TypeError: ``data`` has no buffer.
        BufferError: ``data`` is not contiguous.

    Releases the GIL for 64 KiB or more. Source: RFC 3720, appendix B.4.
    """
    return _native.crc32c(data, seed)
