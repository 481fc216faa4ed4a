"""In which texts does an automaton say yes?

The kernel reads the bytes of the texts and remembers transitions; what it has not met yet it asks
for.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from elanus import _native
from elanus.types import BoolArray, ByteArray, Int64Array


class Teacher(Protocol):
    """Knows an automaton. States are numbered from 0 in the order in which they are told.

    A state is its number, whether a text that leads to it matches (None: that is still open), and
    whether numbers begin anew with this one, because too many were told.
    """

    def start(self) -> tuple[int, bool | None, bool]:
        """Return the state in front of a text."""
        ...

    def step(self, state: int, code_point: int) -> tuple[int, bool | None, bool]:
        """Return the state behind a character."""
        ...

    def may_end(self, state: int) -> bool:
        """Return whether a text that ends in a state, in which that is open, matches."""
        ...


def match_texts(offsets: Int64Array, data: ByteArray, teacher: Teacher) -> BoolArray:
    """Return which texts match, bool of shape ``(n,)``.

    Args:
        offsets: int64 ``(n + 1,)``: text ``i`` is ``data[offsets[i]:offsets[i + 1]]``, in UTF-8.
        data: uint8, C-contiguous.
        teacher: Asked by this thread, once for each transition until numbers begin anew.

    Raises:
        InvalidArgumentError: Offsets do not ascend within the data.
        CorruptionError: A text is no UTF-8.

    Releases the GIL. The token over this thread ends it.
    """
    found = _native.match_texts(np.ascontiguousarray(offsets), np.ascontiguousarray(data), teacher)
    return found.view(np.bool_)
