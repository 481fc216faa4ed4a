"""Which rows hold values between two others?

Values in ascending order, and the rows of each. Three layouts share the questions: ``STL_SORT``
keeps one value for each row, ``INVERTED`` and ``TRIE`` each distinct value with the list of its
rows, ``BITMAP`` each distinct value with a set of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elanus.errors import CorruptionError
from elanus.index.scalar.base import Found, FoundBits, FoundRows, Span
from elanus.index.scalar.values import SortedNumbers, SortedTexts, values_from
from elanus.kernels.bitset import Bitset
from elanus.types import AnyArray, Int64Array, UInt64Array


@dataclass(frozen=True, slots=True)
class IndexedValues:
    """What an index is built from.

    Attributes:
        values: Ascending distinct numbers or texts.
        codes: Number of the value of each occurrence: integers of shape ``(n,)``.
        rows: int64 of shape ``(n,)``, its row, ascending. A row without a value does not occur,
            one that holds an array occurs with each element.
        num_rows: Rows of the segment.
        of_elements: The values are elements of arrays.
        is_cast: Texts that are numbers are among the numbers.
    """

    values: SortedNumbers | SortedTexts
    codes: NDArray[np.integer[Any]]
    rows: Int64Array
    num_rows: int
    of_elements: bool = False
    is_cast: bool = False


class SortedIndex:
    """One of the three layouts.

    Args:
        type_name: Name of its type.
        num_rows: Rows of the segment.
        values: What the rows hold.
        rows: uint32 of shape ``(n,)``: rows in the order of their values.
        starts: Where the rows of each value begin, int64 ``(len(values) + 1,)``; None: value
            ``i`` is that of ``rows[i]``.
        words: Instead of ``rows``: uint64 ``(len(values), ceil(num_rows / 64))``.
        of_elements: The values are elements of arrays, of which a row may have many.
        is_cast: Texts that are numbers are among the numbers.
    """

    def __init__(
        self,
        type_name: str,
        num_rows: int,
        values: SortedNumbers | SortedTexts,
        rows: NDArray[np.uint32] | None,
        starts: Int64Array | None,
        *,
        words: UInt64Array | None = None,
        of_elements: bool = False,
        is_cast: bool = False,
    ) -> None:
        self.type = type_name
        self.num_rows = num_rows
        self.values = values
        self._rows = rows
        self._starts = starts
        # Single numbers are read quickest from there.
        self._ends = None if starts is None else np.ascontiguousarray(starts).data
        self._words = words
        self.of_elements = of_elements
        self.is_cast = is_cast

    @classmethod
    def build(cls, type_name: str, given: IndexedValues) -> SortedIndex:
        """Build the layout of a type: ``STL_SORT``, ``BITMAP``, ``INVERTED`` or ``TRIE``."""
        num_values = len(given.values)
        counts = np.bincount(given.codes, minlength=num_values)
        starts = np.zeros(num_values + 1, dtype=np.int64)
        np.cumsum(counts, out=starts[1:])
        order = np.argsort(given.codes, kind="stable")
        rows = given.rows[order].astype(np.uint32)
        if type_name == "BITMAP":
            num_words = -(-given.num_rows // 64)
            words = np.zeros((num_values, num_words), dtype=np.uint64)
            for value in range(num_values):
                part = rows[starts[value] : starts[value + 1]].astype(np.int64)
                words[value] = Bitset.from_rows(part, given.num_rows).words
            return cls(
                type_name,
                given.num_rows,
                given.values,
                None,
                starts,
                words=words,
                of_elements=given.of_elements,
                is_cast=given.is_cast,
            )
        values: SortedNumbers | SortedTexts = given.values
        kept: Int64Array | None = starts
        if type_name == "STL_SORT" and isinstance(values, SortedNumbers):
            values, kept = SortedNumbers(values.arrays()["values"][given.codes[order]]), None
        return cls(
            type_name,
            given.num_rows,
            values,
            rows,
            kept,
            of_elements=given.of_elements,
            is_cast=given.is_cast,
        )

    def found(self, spans: Sequence[Span]) -> Found:
        """Return the rows whose values stand in ``spans``, which do not overlap."""
        kept = [(a, b) for a, b in spans if a < b]
        if self._words is not None:
            places = [place for a, b in kept for place in range(a, b)]
            starts = self._all_starts()
            counts = [int(starts[p + 1] - starts[p]) for p in places]
            return FoundBits([self._words[p] for p in places], counts, self.num_rows)
        rows = self._all_rows()
        lists = [rows[self._start(a) : self._start(b)] for a, b in kept]
        # The rows of one value stand as they were given, ascending.
        is_one = self._starts is not None and len(kept) == 1 and kept[0][1] - kept[0][0] == 1
        if is_one and 0 < 2 * len(lists[0]) <= self.num_rows:
            return FoundRows(lists, self.num_rows, ascends=True)
        others = None
        if not self.of_elements and len(rows) == self.num_rows:
            ends = [0, *(end for span in sorted(kept) for end in span), len(self.values)]
            gaps = zip(ends[::2], ends[1::2], strict=True)
            others = [rows[self._start(a) : self._start(b)] for a, b in gaps]
        return FoundRows(lists, self.num_rows, others=others)

    def rows_of_one(self, start: int, stop: int) -> NDArray[np.uint32] | None:
        """Return the rows of one value, or of none, that stands there, ascending; None: that is
        not how they are kept."""
        rows, ends = self._rows, self._ends
        if rows is not None and ends is None:
            return rows[start:stop]  # a value for each row, equal ones in the order of these
        if rows is None or ends is None or stop - start > 1:
            return None
        return rows[ends[start] : ends[stop]]

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return header and arrays to store."""
        header = {"type": self.type, "num_rows": self.num_rows, "of_elements": self.of_elements}
        if self.is_cast:
            header["is_cast"] = True
        stored = {"rows": self._rows, "starts": self._starts, "words": self._words}
        arrays = {name: array for name, array in stored.items() if array is not None}
        return header, {**self.values.arrays(), **arrays}

    @classmethod
    def from_arrays(cls, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> SortedIndex:
        """Return the index that ``to_arrays`` stored.

        Raises:
            CorruptionError: The arrays do not fit each other.
        """
        try:
            made = cls(
                str(header["type"]),
                int(header["num_rows"]),
                values_from(arrays),
                arrays.get("rows"),
                arrays.get("starts"),
                words=arrays.get("words"),
                of_elements=bool(header["of_elements"]),
                is_cast=bool(header.get("is_cast", False)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptionError(f"a scalar index is not understood: {error!r}") from error
        made.check()
        return made

    def check(self) -> None:
        """Raise unless the arrays fit each other.

        Raises:
            CorruptionError: They do not.
        """
        starts, rows, words = self._starts, self._rows, self._words
        fits = starts is None or len(starts) == len(self.values) + 1
        if words is None:
            fits = fits and rows is not None
            if rows is not None:
                last = len(self.values) if starts is None or not len(starts) else int(starts[-1])
                fits = fits and last == len(rows)
        else:
            fits = fits and starts is not None
            fits = fits and words.shape == (len(self.values), -(-self.num_rows // 64))
        if not fits:
            raise CorruptionError("a scalar index has arrays that do not fit each other")

    def _start(self, place: int) -> int:
        return place if self._starts is None else int(self._starts[place])

    def _all_rows(self) -> NDArray[np.uint32]:
        return np.empty(0, dtype=np.uint32) if self._rows is None else self._rows

    def _all_starts(self) -> Int64Array:
        return np.zeros(1, dtype=np.int64) if self._starts is None else self._starts
