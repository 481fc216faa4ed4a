"""How do lists of Python values become arrays?"""

from __future__ import annotations

from collections.abc import Sequence

from elanus import _native
from elanus.types import ByteArray, Float32Array, Int64Array


def matrix_of(rows: list[Sequence[float]], dim: int) -> Float32Array | None:
    """Return rows of plain floats and ints as float32 of shape ``(len(rows), dim)``.

    The same numbers as ``np.array(rows, dtype=np.float32)``, many times faster.

    Args:
        rows: Lists or tuples of ``dim`` numbers each.
        dim: Length of every row.

    Returns:
        None when a row is anything else, or an int is too large for a float: NumPy knows more
        kinds of rows, and better messages.
    """
    return _native.matrix_of(rows, dim)


def strings_at(offsets: Int64Array, data: ByteArray, rows: Int64Array) -> list[str]:
    """Return the texts of some rows of a column.

    Args:
        offsets: int64 of shape ``(n + 1,)``; row ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
        data: uint8, UTF-8.
        rows: int64, in any order, repeats allowed.

    Raises:
        InvalidArgumentError: A row is outside of the column.
        CorruptionError: Offsets leave ``data``.
        UnicodeDecodeError: A text is not UTF-8.
    """
    return _native.strings_at(offsets, data, rows)


def strings_of(texts: list[str]) -> tuple[Int64Array, ByteArray] | None:
    """Return texts as one column: offsets, int64 of shape ``(n + 1,)``, and UTF-8, uint8.

    Returns:
        None when an element is not a plain ``str``, or holds a lone surrogate.
    """
    return _native.strings_of(texts)
