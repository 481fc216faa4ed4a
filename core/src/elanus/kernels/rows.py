"""How do a few rows of columns become dicts?"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from elanus import _native
from elanus.types import AnyArray, BoolArray, ByteArray, Int64Array

TextOrder: TypeAlias = _native.TextOrder
"""``find(text)`` gives the place of a text in UTF-8, or -1, and ``lower(text)`` that of the first
that is not below it. Bytes are compared, which is the order of code points."""


def order_of_texts(offsets: Int64Array, data: ByteArray) -> TextOrder:
    """Return what looks ascending texts up.

    Args:
        offsets: int64 ``(n + 1,)``: text ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
        data: uint8.
    """
    return _native.TextOrder(np.ascontiguousarray(offsets), np.ascontiguousarray(data))


class RowReader:
    """Reads rows of some columns as dicts, the columns in the order in which they were added.

    Values are those of ``ndarray.tolist``, ``str`` and ``json.loads``. Safe from many threads once
    all columns are added.

    Args:
        num_rows: Rows of every column.
    """

    def __init__(self, num_rows: int) -> None:
        self.native = _native.RowReader(num_rows)
        self.read = self.native.read

    read: Any
    """``read(rows)`` with int64 ``(n,)`` gives ``n`` dicts. None where a row is not there or
    damaged, or holds what Python has to read (numbers of more than 18 digits, deep nesting, text
    that is no UTF-8): it finds the error, or the value."""

    def add_numbers(self, name: str, values: AnyArray, validity: BoolArray | None) -> bool:
        """Add numbers or bools, C-contiguous ``(num_rows,)``; False for any other dtype.

        Args:
            name: Key in the dicts.
            values: The column.
            validity: False where a value is None; None: nowhere.
        """
        if values.dtype.kind not in "bif" or not values.flags.c_contiguous:
            return False
        return self.native.add_numbers(name, values, validity)

    def add_texts(
        self,
        name: str,
        offsets: Int64Array,
        data: ByteArray,
        validity: BoolArray | None,
        *,
        guard: tuple[_native.BlockVerifier, int] | None,
        is_json: bool,
    ) -> None:
        """Add texts, or JSON as its text.

        Args:
            name: Key in the dicts.
            offsets: int64 ``(num_rows + 1,)``.
            data: uint8; row ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
            validity: As in ``add_numbers``.
            guard: What verifies bytes before they are read, and where ``data`` begins in its file.
            is_json: Rows are decoded.
        """
        verifier, base = (None, 0) if guard is None else guard
        self.native.add_texts(name, offsets, data, validity, verifier, base, is_json)
