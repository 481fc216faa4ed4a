"""In which texts does a pattern of fixed pieces match?"""

from __future__ import annotations

from typing import Final

import numpy as np

from elanus import _native
from elanus.types import BoolArray, ByteArray, Int64Array

ANY_TEXT: Final = b"\xfe"
ANY_CHARACTER: Final = b"\xff"
"""Bytes of a pattern that no text in UTF-8 holds: any text, also none, and one character."""


def match_pattern(
    offsets: Int64Array, data: ByteArray, pattern: bytes, *, ignores_case: bool = False
) -> tuple[BoolArray, Int64Array]:
    """Return which texts match, and which have to be asked in another way.

    Args:
        offsets: int64 ``(n + 1,)``: text ``i`` is ``data[offsets[i]:offsets[i + 1]]``, in UTF-8.
        data: uint8.
        pattern: What a text is from its begin to its end: UTF-8 with ``ANY_TEXT`` and
            ``ANY_CHARACTER`` in it; in small letters when case is ignored.
        ignores_case: Compare in small letters.

    Returns:
        bool of shape ``(n,)``; int64, ascending: texts that may match and hold letters beyond
        ASCII, whose small form is not known here. None unless case is ignored.

    Raises:
        InvalidArgumentError: Offsets do not ascend within the data.

    Releases the GIL. The token over this thread ends it.
    """
    offsets, data = np.ascontiguousarray(offsets), np.ascontiguousarray(data)
    found, undecided = _native.match_pattern(offsets, data, pattern, ignores_case)
    return found.view(np.bool_), undecided
