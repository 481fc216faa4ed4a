"""Which texts can hold this part?

Every run of ``min_gram`` to ``max_gram`` characters of a text is hashed, and for each hash the rows
are kept. A part that is looked for has the hashes of its own runs: only rows that have all of them
can hold it. Two runs with one hash add rows that are looked at in vain, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from elanus.errors import CorruptionError
from elanus.index.scalar.base import FoundRows
from elanus.types import AnyArray, BoolArray, Int64Array

TYPE: Final = "NGRAM"
CHUNK_CHARACTERS = 1 << 21
"""Characters that are cut into runs at once: a few dozen bytes of memory each."""
COMMON_SHARE = 2
"""Runs in more than one text in so many are not asked: to look at a text that lacks one takes
hardly longer than to find out that it does."""
PROBED_SHARE = 32
"""So many times as long as what is left, a list is looked up; shorter ones are marked in a mask."""
_FACTOR: Final = np.uint32(2654435761)  # Knuth's multiplicative hashing: 2^32 / golden ratio


class NgramIndex:
    """Rows by the hash of the runs of characters in their text.

    Args:
        num_rows: Rows of the segment.
        sizes: Shortest and longest run.
        hashes: uint32, ascending.
        starts: int64 ``(len(hashes) + 1,)``, where the rows of each begin.
        rows: uint32, ascending for each hash.
    """

    type = TYPE
    of_elements = False
    is_cast = False

    def __init__(
        self,
        num_rows: int,
        sizes: tuple[int, int],
        hashes: NDArray[np.uint32],
        starts: Int64Array,
        rows: NDArray[np.uint32],
    ) -> None:
        self.num_rows = num_rows
        self._sizes = sizes
        self._hashes = hashes
        self._starts = starts
        self._rows = rows

    @classmethod
    def build(
        cls, texts: Sequence[str], rows: Int64Array, num_rows: int, sizes: tuple[int, int]
    ) -> NgramIndex:
        """Build the index of texts and the row of each."""
        pairs: list[NDArray[np.uint64]] = []
        start = 0
        while start < len(texts):
            stop, characters = start, 0
            while stop < len(texts) and (stop == start or characters < CHUNK_CHARACTERS):
                characters += len(texts[stop])
                stop += 1
            pairs.append(_pairs(texts[start:stop], rows[start:stop], sizes))
            start = stop
        ordered = np.concatenate([np.empty(0, dtype=np.uint64), *pairs])
        pairs.clear()
        ordered.sort()
        ordered = ordered[_is_new(ordered)]
        hashes = (ordered >> np.uint64(32)).astype(np.uint32)
        firsts = np.flatnonzero(_is_new(hashes))
        starts = np.append(firsts, len(hashes)).astype(np.int64)
        return cls(num_rows, sizes, hashes[firsts], starts, ordered.astype(np.uint32))

    def candidates(self, parts: Sequence[str]) -> FoundRows | None:
        """Return the rows that can hold all of ``parts``; None when all of them are too short."""
        shortest, longest = self._sizes
        wanted: set[int] = set()
        for part in parts:
            size = min(longest, len(part))
            if size >= shortest:
                wanted.update(_runs(np.array([len(part)]), _code_points([part]), size)[0].tolist())
        if not wanted:
            return None
        lists = sorted((self._list(run) for run in wanted), key=len)
        found = lists[0]
        for further in lists[1:]:
            if len(further) * COMMON_SHARE > self.num_rows:
                break  # and so are those behind it
            if len(found) * PROBED_SHARE < len(further):
                places = np.searchsorted(further, found)
                inside = places < len(further)
                places = np.where(inside, places, 0)
                found = found[inside & (further[places] == found)]
            else:
                has_run = np.zeros(self.num_rows, dtype=np.bool_)
                has_run[further] = True
                found = found[has_run[found]]
        return FoundRows([found], self.num_rows, is_exact=False)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return header and arrays to store."""
        header = {"type": TYPE, "num_rows": self.num_rows, "sizes": list(self._sizes)}
        arrays: dict[str, AnyArray] = {
            "hashes": self._hashes,
            "starts": self._starts,
            "rows": self._rows,
        }
        return header, arrays

    @classmethod
    def from_arrays(cls, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> NgramIndex:
        """Return the index that ``to_arrays`` stored.

        Raises:
            CorruptionError: The arrays do not fit each other.
        """
        try:
            shortest, longest = header["sizes"]
            hashes, starts, rows = arrays["hashes"], arrays["starts"], arrays["rows"]
            made = cls(int(header["num_rows"]), (int(shortest), int(longest)), hashes, starts, rows)
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptionError(f"an NGRAM index is not understood: {error!r}") from error
        if len(starts) != len(hashes) + 1 or int(starts[-1]) != len(rows):
            raise CorruptionError("an NGRAM index has arrays that do not fit each other")
        return made

    def _list(self, run: int) -> NDArray[np.uint32]:
        place = int(np.searchsorted(self._hashes, np.uint32(run)))
        if place == len(self._hashes) or int(self._hashes[place]) != run:
            return self._rows[:0]
        return self._rows[int(self._starts[place]) : int(self._starts[place + 1])]


def _pairs(texts: Sequence[str], rows: Int64Array, sizes: tuple[int, int]) -> NDArray[np.uint64]:
    """Return the pairs of hash (high bits) and row (low bits) of some texts."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    characters = _code_points(texts)
    made = []
    for size in range(sizes[0], sizes[1] + 1):
        runs, text_of = _runs(lengths, characters, size)
        made.append(runs.astype(np.uint64) << np.uint64(32) | rows[text_of].astype(np.uint64))
    return np.concatenate(made)


def _runs(
    lengths: Int64Array, characters: NDArray[np.uint32], size: int
) -> tuple[NDArray[np.uint32], Int64Array]:
    """Return the hash of every run of ``size`` characters within a text, and the text it is of."""
    num_runs = np.maximum(lengths - size + 1, 0)
    text_of = np.repeat(np.arange(len(lengths), dtype=np.int64), num_runs)
    begins = np.cumsum(lengths) - lengths
    firsts = np.cumsum(num_runs) - num_runs
    places = np.arange(len(text_of), dtype=np.int64) + (begins - firsts)[text_of]
    # Runs of different sizes share the table: each size begins with another number.
    hashes = np.full(len(places), size, dtype=np.uint32)
    for offset in range(size):
        hashes = (hashes ^ characters[places + offset]) * _FACTOR
        hashes ^= hashes >> np.uint32(15)
    return hashes, text_of


def _code_points(texts: Sequence[str]) -> NDArray[np.uint32]:
    return np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)


def _is_new(ordered: NDArray[np.unsignedinteger[Any]]) -> BoolArray:
    """Return where an ascending number differs from the one before it."""
    is_new = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    return is_new
