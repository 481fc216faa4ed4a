"""Which terms are spelled almost as another?

An edit inserts, removes or replaces one character, or exchanges two neighbours; no character is
edited twice (the restricted distance of Damerau and Levenshtein, as in Tantivy and Lucene).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from elanus.types import Int64Array, UInt8Array, UInt32Array

MAX_EDITS = 2
"""Most edits that a question may allow, as in Milvus."""


def is_within(term: str, other: str, most: int) -> bool:
    """Whether ``most`` edits make one term of another."""
    if abs(len(term) - len(other)) > most:
        return False
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, letter in enumerate(term, 1):
        row = [i]
        for j, facing in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != facing))
            if i > 1 and j > 1 and letter == other[j - 2] and term[i - 2] == facing:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return False
        before, above = above, row
    return above[-1] <= most


class _Group(NamedTuple):
    """Terms of one length: their numbers ``(n,)``, and their characters ``(length, n)``."""

    numbers: Int64Array
    letters: UInt32Array


class SpelledTerms:
    """The letters of terms, by length, so that all terms of a length are compared at once.

    Terms have numbers from 0 in the order in which they are added. Not safe from many threads.
    """

    def __init__(self) -> None:
        self._groups: dict[int, _Group] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, terms: Sequence[str]) -> int:
        """Add terms; return how many bytes they take."""
        lengths = np.fromiter(map(len, terms), np.int64, len(terms))
        letters = np.frombuffer("".join(terms).encode("utf-32-le", "surrogatepass"), np.uint32)
        starts = np.cumsum(lengths) - lengths
        for length in np.unique(lengths).tolist():
            chosen = np.flatnonzero(lengths == length)
            spelled = letters[np.arange(length)[:, None] + starts[chosen]]
            known = self._groups.get(length)
            numbers = chosen + self._size
            if known is not None:
                numbers = np.concatenate([known.numbers, numbers])
                spelled = np.concatenate([known.letters, spelled], axis=1)
            self._groups[length] = _Group(numbers, spelled)
        self._size += len(terms)
        return 4 * len(letters) + 8 * len(terms)

    def within(self, term: str, most: int) -> Int64Array:
        """Return the numbers of the terms that ``most`` edits make of ``term``, ``(m,)``."""
        found = [np.empty(0, dtype=np.int64)]
        for length in range(max(len(term) - most, 0), len(term) + most + 1):
            group = self._groups.get(length)
            if group is not None:
                found.append(group.numbers[_edits(term, group.letters, most) <= most])
        return np.concatenate(found)


def _edits(term: str, letters: UInt32Array, most: int) -> UInt8Array:
    """Return how many edits make each term of one length of another, ``(n,)``; above ``most``
    only that it is more."""
    length, count = letters.shape
    beyond = np.full(count, most + 1, dtype=np.uint8)
    # Columns of the usual table, one per length of a beginning of the terms; only those near the
    # diagonal can be low enough.
    before: dict[int, UInt8Array] = {}
    above = {j: np.full(count, j, dtype=np.uint8) for j in range(min(length, most) + 1)}
    codes = [ord(letter) for letter in term]
    for i, code in enumerate(codes, 1):
        row: dict[int, UInt8Array] = {}
        for j in _band(i, length, most):
            if j == 0:
                row[0] = np.full(count, i, dtype=np.uint8)
                continue
            best = np.minimum(above.get(j, beyond), row.get(j - 1, beyond)) + np.uint8(1)
            kept = above.get(j - 1, beyond) + (letters[j - 1] != code)
            np.minimum(best, kept, out=best)
            if i > 1 and j > 1:
                swapped = (letters[j - 2] == code) & (letters[j - 1] == codes[i - 2])
                exchanged = before.get(j - 2, beyond) + np.uint8(1)
                np.minimum(best, exchanged, out=best, where=swapped)
            row[j] = best
        before, above = above, row
    return above.get(length, beyond)


def _band(i: int, length: int, most: int) -> Iterator[int]:
    yield from range(max(i - most, 0), min(i + most, length) + 1)
