"""Which row has this primary key?

Tables of keys in memory, for numbers and for strings. One thread adds, any number look up at the
same time. A key that is put again points to its newest row.
"""

from __future__ import annotations

from elanus import _native
from elanus.kernels.arrays import Expected, mismatch
from elanus.types import ByteArray, Int64Array


class IntKeyTable:
    """Newest row of each key that is a number; 24 to 48 bytes a key."""

    def __init__(self) -> None:
        self._table = _native.IntKeyTable()

    @property
    def size_bytes(self) -> int:
        """Bytes held, spare room included."""
        return self._table.size_bytes

    def put(self, keys: Int64Array, first_row: int) -> Int64Array:
        """Point key ``i`` to row ``first_row + i``.

        Args:
            keys: int64, shape ``(n,)``; repeats are allowed, the last one counts.
            first_row: Row of the first key, at least 0; rows stay below ``2**32 - 1``.

        Returns:
            int64, shape ``(n,)``: the row that each key pointed to just before, -1 if none.

        Raises:
            InvalidArgumentError: ``keys`` has the wrong dtype or rank, or there are too many rows.
        """
        try:
            return self._table.put(keys, first_row)
        except TypeError as error:
            raise mismatch(error, Expected("keys", keys, "int64", 1)) from None

    def find(self, keys: Int64Array) -> Int64Array:
        """Return the newest row of each key, int64, -1 where there is none.

        Raises:
            InvalidArgumentError: ``keys`` has the wrong dtype or rank.
        """
        try:
            return self._table.find(keys)
        except TypeError as error:
            raise mismatch(error, Expected("keys", keys, "int64", 1)) from None


class StringKeyTable:
    """Newest row of each key that is a string; 32 to 56 bytes a key besides its text.

    Keys are told apart by their bytes; their hash (XXH64) only says where to look.
    """

    def __init__(self) -> None:
        self._table = _native.StringKeyTable()

    @property
    def size_bytes(self) -> int:
        """Bytes held, spare room included."""
        return self._table.size_bytes

    def put(self, offsets: Int64Array, data: ByteArray, first_row: int) -> Int64Array:
        """Point string ``i`` to row ``first_row + i``; as ``IntKeyTable.put``.

        Args:
            offsets: int64, shape ``(n + 1,)``; string ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
            data: uint8, UTF-8 text.
            first_row: Row of the first string.

        Raises:
            InvalidArgumentError: An array has the wrong dtype or rank, ``offsets`` descend or
                leave ``data``, or there are too many rows.
        """
        try:
            return self._table.put(offsets, data, first_row)
        except TypeError as error:
            raise _mismatch(error, offsets, data) from None

    def find(self, offsets: Int64Array, data: ByteArray) -> Int64Array:
        """Return the newest row of each string, int64, -1 where there is none.

        Raises:
            InvalidArgumentError: As in ``put``.
        """
        try:
            return self._table.find(offsets, data)
        except TypeError as error:
            raise _mismatch(error, offsets, data) from None


def _mismatch(error: TypeError, offsets: Int64Array, data: ByteArray) -> Exception:
    return mismatch(
        error, Expected("offsets", offsets, "int64", 1), Expected("data", data, "uint8", 1)
    )
