"""Which rows hold one of some elements?"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from elanus import _native
from elanus.types import AnyArray, BoolArray, Int64Array


def rows_holding(
    values: AnyArray, wanted: Collection[int], offsets: Int64Array, num_rows: int
) -> BoolArray:
    """Return which rows hold an element equal to one of some integers, bool of shape ``(n,)``.

    Args:
        values: The elements of all rows one after the other, shape ``(m,)``: integers of up to 64
            bits with a sign, or bool, which is 0 or 1.
        wanted: A few integers, each of which is compared with all elements.
        offsets: int64 ``(n + 1,)``, ascending: row ``i`` has the elements ``offsets[i]`` to
            ``offsets[i + 1]``, counted from ``offsets[0]``.
        num_rows: Rows.

    Raises:
        InvalidArgumentError: Offsets do not fit the elements or the rows.

    Releases the GIL. The token over this thread ends it.
    """
    values, offsets = np.ascontiguousarray(values), np.ascontiguousarray(offsets)
    return _native.rows_holding(_numbers(values), list(wanted), offsets, num_rows).view(np.bool_)


def rows_holding_at(
    values: AnyArray, wanted: Collection[int], rows: Int64Array, num_rows: int
) -> BoolArray:
    """Return the same where ``rows``, int64 ``(m,)``, is the row of each element.

    Raises:
        InvalidArgumentError: There are not as many, or one is none of the rows.

    Releases the GIL. The token over this thread ends it.
    """
    values, rows = np.ascontiguousarray(values), np.ascontiguousarray(rows)
    return _native.rows_holding_at(_numbers(values), list(wanted), rows, num_rows).view(np.bool_)


def _numbers(values: AnyArray) -> Any:
    return values.view(np.uint8) if values.dtype.kind == "b" else values
