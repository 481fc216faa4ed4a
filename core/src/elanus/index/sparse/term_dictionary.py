"""Which number has this term in a sealed segment?

The terms lie sorted by their UTF-8 bytes, end to end, as one array of offsets and one of bytes, so
that opening a dictionary of any size reads nothing. Looking a term up is a binary search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import cast

import numpy as np

from elanus.errors import CorruptionError
from elanus.kernels.rows import order_of_texts
from elanus.types import ByteArray, Int64Array

_ITERATED_AT_ONCE = 1 << 14
_MAX_KNOWN = 1 << 14  # Look-ups remembered: query terms repeat, and a dictionary outlives queries.


class TermDictionary:
    """Sorted, immutable terms; the number of a term is its place. Safe from many threads.

    Args:
        offsets: int64, shape ``(num_terms + 1,)``: term ``i`` is
            ``data[offsets[i]:offsets[i + 1]]``.
        data: uint8, the UTF-8 bytes of all terms, ascending.

    Raises:
        CorruptionError: The offsets do not fit the bytes.
    """

    def __init__(self, offsets: Int64Array, data: ByteArray) -> None:
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(data):
            raise CorruptionError(
                f"term dictionary: the offsets do not span the {len(data)} bytes of the terms"
            )
        self.offsets = offsets
        self.data = data
        self._bytes = data.data
        self._ends = offsets.data
        self._order = order_of_texts(offsets, data)
        self._known: dict[str, int] = {}

    @classmethod
    def from_terms(cls, terms: Sequence[str]) -> TermDictionary:
        """Make a dictionary of distinct terms in ascending order of code points."""
        return cls.from_bytes([term.encode("utf-8") for term in terms])

    @classmethod
    def from_bytes(cls, terms: Sequence[bytes]) -> TermDictionary:
        """Make a dictionary of distinct terms in UTF-8, in ascending order."""
        offsets = np.zeros(len(terms) + 1, dtype=np.int64)
        np.cumsum(np.fromiter(map(len, terms), dtype=np.int64, count=len(terms)), out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(terms), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[bytes]:
        """Yield the terms as UTF-8, ascending."""
        for first in range(0, len(self), _ITERATED_AT_ONCE):
            ends = self._ends[first : first + _ITERATED_AT_ONCE + 1].tolist()
            raw = self._bytes[ends[0] : ends[-1]].tobytes()
            for start, stop in pairwise(ends):
                yield raw[start - ends[0] : stop - ends[0]]

    def find(self, term: str) -> int:
        """Return the number of ``term``, or -1 if no row holds it."""
        number = self._known.get(term)
        return self._look_up(term) if number is None else number

    def find_all(self, terms: Sequence[str]) -> list[int]:
        """Return the number of each term, or -1 if no row holds it."""
        numbers = list(map(self._known.get, terms))
        if None in numbers:
            return [self.find(term) for term in terms]
        return cast("list[int]", numbers)

    def _look_up(self, term: str) -> int:
        number = self._order.find(term.encode("utf-8", "surrogatepass"))
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[term] = number
        return number
