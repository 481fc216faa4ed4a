"""Which 64-bit number stands for a string?"""

from __future__ import annotations

from elanus import _native
from elanus.kernels.arrays import Expected, mismatch
from elanus.types import ByteArray, Int64Array, UInt64Array


def hash64_strings(offsets: Int64Array, data: ByteArray) -> UInt64Array:
    """Return the XXH64 (seed 0) of each string of a column.

    The function is part of the file format and never changes.

    Args:
        offsets: int64 of shape ``(n + 1,)``; string ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
        data: uint8, UTF-8 text.

    Returns:
        uint64 of shape ``(n,)``.

    Raises:
        InvalidArgumentError: An array has the wrong dtype or rank, or ``offsets`` descend or
            leave ``data``.

    Releases the GIL. Source: xxHash fast digest algorithm, XXH64,
    https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
    """
    try:
        return _native.hash64_strings(offsets, data)
    except TypeError as error:
        raise mismatch(
            error, Expected("offsets", offsets, "int64", 1), Expected("data", data, "uint8", 1)
        ) from None
