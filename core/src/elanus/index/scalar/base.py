"""What does a scalar index answer?

A question about values becomes spans of an ascending list of values, and those become rows. An
answer knows how many rows it has before they are gathered, which is what a plan is made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus.kernels.bitset import Bitset
from elanus.types import BoolArray, Int64Array, UInt64Array

Span: TypeAlias = tuple[int, int]
"""Places of values from the first up to the second, which is not included."""

SORTED_SHARE, MARKED_SHARE = 8, 128
"""To number rows, more than one in eight are marked in a mask and looked for there; to make a set
of them, more than one in 128 are. Fewer are sorted. Measured on a million rows."""


class Found(Protocol):
    """Rows of one segment that an index has found."""

    @property
    def count(self) -> int:
        """Number of rows; no fewer than there are where a row may be found twice."""
        ...

    @property
    def is_exact(self) -> bool:
        """False when some of the rows may not hold what was asked for."""
        ...

    @property
    def num_gathered(self) -> int:
        """Numbers that are read to answer: what ``mask`` costs."""
        ...

    @property
    def is_marked(self) -> bool:
        """Whether ``bits`` marks the rows in a mask first."""
        ...

    def rows(self) -> Int64Array:
        """Return the rows, ascending, each once."""
        ...

    def bits(self) -> Bitset:
        """Return the rows as a set."""
        ...

    def mask(self) -> BoolArray:
        """Return the rows as bool of shape ``(num_rows,)``."""
        ...


@dataclass(frozen=True, slots=True)
class FoundRows:
    """Lists of rows.

    Attributes:
        lists: Rows in any order; a row may stand in several.
        num_rows: Rows of the segment.
        is_exact: Every row holds what was asked for.
        others: Where every row stands once in an index: all rows that are not in ``lists``.
        ascends: There is one list, whose rows ascend.
    """

    lists: Sequence[NDArray[np.uint32]]
    num_rows: int
    is_exact: bool = True
    others: Sequence[NDArray[np.uint32]] | None = None
    ascends: bool = False

    @property
    def count(self) -> int:
        return sum(map(len, self.lists))

    @property
    def num_gathered(self) -> int:
        return self.num_rows - self.count if self._takes_others else self.count

    @property
    def is_marked(self) -> bool:
        return not self.ascends and self.count * MARKED_SHARE > self.num_rows

    @property
    def _takes_others(self) -> bool:
        return self.others is not None and 2 * self.count > self.num_rows

    def rows(self) -> Int64Array:
        if self.count * SORTED_SHARE > self.num_rows:
            return np.flatnonzero(self.mask())
        if not self.lists:
            return np.empty(0, dtype=np.int64)
        if self.ascends:
            return self.lists[0].astype(np.int64)
        found = np.sort(np.concatenate(self.lists))
        is_new = np.ones(len(found), dtype=np.bool_)
        np.not_equal(found[1:], found[:-1], out=is_new[1:])
        return found[is_new].astype(np.int64)

    def bits(self) -> Bitset:
        if self.ascends:
            return Bitset.from_few(self.lists[0], self.num_rows)
        if self.is_marked:
            return Bitset.from_mask(self.mask())
        return Bitset.from_ascending(self.rows(), self.num_rows)

    def mask(self) -> BoolArray:
        if self._takes_others:
            found = np.ones(self.num_rows, dtype=np.bool_)
            for rows in self.others or ():
                found[rows] = False
            return found
        found = np.zeros(self.num_rows, dtype=np.bool_)
        for rows in self.lists:
            found[rows] = True
        return found


@dataclass(frozen=True, slots=True)
class FoundBits:
    """Sets of rows.

    Attributes:
        sets: uint64 words each, as in ``kernels.bitset``.
        counts: Rows of each.
        num_rows: Rows of the segment.
    """

    sets: Sequence[UInt64Array]
    counts: Sequence[int]
    num_rows: int

    @property
    def is_exact(self) -> bool:
        return True

    @property
    def count(self) -> int:
        return min(sum(self.counts), self.num_rows)

    @property
    def num_gathered(self) -> int:
        # Words are read one after the other, eight in the time that it takes to mark one row.
        return sum(map(len, self.sets)) // 8

    @property
    def is_marked(self) -> bool:
        return False

    def rows(self) -> Int64Array:
        return self.bits().to_rows()

    def mask(self) -> BoolArray:
        return self.bits().to_mask()

    def bits(self) -> Bitset:
        if not self.sets:
            return Bitset.empty(self.num_rows)
        words = self.sets[0]
        for further in self.sets[1:]:
            words = words | further
        return Bitset(words, self.num_rows)
