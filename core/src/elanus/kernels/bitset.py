"""Which rows does a set hold?

One bit per row, 64 rows to a ``uint64`` word, row 0 in the lowest bit of the first word: the form
in which native scans read alive rows and filter results. Bits past the last row are always 0.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elanus import _native
from elanus.errors import InvalidArgumentError
from elanus.kernels.formulas import COMPARISONS
from elanus.types import AnyArray, BoolArray, Int64Array, UInt64Array

_BITS_PER_WORD = 64
_SPARSE_SHARE = 8
"""With rows in fewer than one word in so many, only these words are unpacked."""
_MARKED_SHARE = 128
"""From one row in so many on it is quicker to mark rows in a mask, and to pack that."""

MOST_KNOWN_ROWS = 4_096
"""Rows of a set up to which their numbers are kept, by which few are searched."""

_ALL = 2**64 - 1
"""All bits of a word."""

if sys.byteorder != "little":
    raise ImportError("elanus: bitsets need a little-endian machine, this one is big-endian")


@dataclass(frozen=True, slots=True, eq=False)
class Bitset:
    """An immutable set of the rows ``0 .. num_bits - 1``.

    Attributes:
        words: uint64 of shape ``(ceil(num_bits / 64),)``, read-only. The array given is not
            copied; whoever made it must not change it any more.
        num_bits: Rows that the set speaks about, in it or not.

    Raises:
        InvalidArgumentError: ``words`` has the wrong dtype or shape, or a bit past the last row.
    """

    words: UInt64Array
    num_bits: int
    _count: int | None = field(default=None, repr=False)
    _run: tuple[int, int] | None = field(default=None, repr=False)
    _rows: Int64Array | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        words = self.words
        if not isinstance(words, np.ndarray) or words.dtype != np.uint64 or words.ndim != 1:
            raise InvalidArgumentError("words: expected a uint64 array of rank 1")
        if self.num_bits < 0:
            raise InvalidArgumentError(f"num_bits: expected at least 0, got {self.num_bits}")
        expected = _num_words(self.num_bits)
        if len(words) != expected:
            raise InvalidArgumentError(
                f"words: expected {expected} for {self.num_bits} rows, got {len(words)}"
            )
        if expected and int(words[-1]) & ~_last_word_mask(self.num_bits):
            raise InvalidArgumentError(f"words: a bit is set past the last of {self.num_bits} rows")
        if words.flags.writeable or not words.flags.c_contiguous:
            words = np.ascontiguousarray(words).view()
            words.flags.writeable = False
            object.__setattr__(self, "words", words)

    @classmethod
    def _of(
        cls,
        words: UInt64Array,
        num_bits: int,
        count: int | None = None,
        run: tuple[int, int] | None = None,
        rows: Int64Array | None = None,
    ) -> Bitset:
        """Return the set of words that were made here, which need no check."""
        words.flags.writeable = False
        made, put = object.__new__(cls), object.__setattr__
        put(made, "words", words)
        put(made, "num_bits", num_bits)
        put(made, "_count", count)
        put(made, "_run", run)
        put(made, "_rows", rows)
        return made

    @classmethod
    def empty(cls, num_bits: int) -> Bitset:
        """Return the set of no rows."""
        return cls(np.zeros(_num_words(num_bits), dtype=np.uint64), num_bits)

    @classmethod
    def full(cls, num_bits: int) -> Bitset:
        """Return the set of all rows."""
        words = np.full(_num_words(num_bits), _ALL, dtype=np.uint64)
        return cls(_clear_padding(words, num_bits), num_bits)

    @classmethod
    def from_mask(cls, mask: BoolArray) -> Bitset:
        """Return the rows where ``mask``, bool of shape ``(num_bits,)``, is True.

        Raises:
            InvalidArgumentError: ``mask`` is not a bool array of rank 1.
        """
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.ndim != 1:
            raise InvalidArgumentError("mask: expected a bool array of rank 1")
        words, count = _native.words_of_mask(np.ascontiguousarray(mask))
        return cls._of(words, len(mask), count)

    @classmethod
    def where(cls, values: AnyArray, comparison: str, constant: int | float) -> Bitset:
        """Return the rows whose value compares so with a constant, in one pass.

        Args:
            values: Integers or floats of ``kernels.formulas.WHOLE_TYPES`` or ``REAL_TYPES``, of
                shape ``(num_bits,)``, C-contiguous.
            comparison: One of ``kernels.formulas.COMPARISONS``.
            constant: A value of their type.

        Raises:
            TypeError: The array or the constant is of another kind.
        """
        asked: Any = values, COMPARISONS.index(comparison), constant
        words, count = _native.words_where(*asked)
        return cls._of(words, len(values), count)

    @classmethod
    def from_rows(cls, rows: Int64Array, num_bits: int) -> Bitset:
        """Return the set of the row ids ``rows``, in any order, repeated or not.

        Raises:
            InvalidArgumentError: ``rows`` are not integers in ``[0, num_bits)``.
        """
        rows = np.asarray(rows)
        if rows.size == 0:
            return cls.empty(num_bits)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise InvalidArgumentError("rows: expected an integer array of rank 1")
        if rows.min() < 0 or rows.max() >= num_bits:
            raise InvalidArgumentError(
                f"rows: expected values in [0, {num_bits}), got {rows.min()} to {rows.max()}"
            )
        mask = np.zeros(num_bits, dtype=np.bool_)
        mask[rows] = True
        return cls.from_mask(mask)

    @classmethod
    def from_ascending(cls, rows: Int64Array, num_bits: int) -> Bitset:
        """Return the set of the row ids ``rows``: int64, ascending, each once, none too large."""
        if len(rows) * _MARKED_SHARE > num_bits:
            mask = np.zeros(num_bits, dtype=np.bool_)
            mask[rows] = True
            return cls.from_mask(mask)
        words = np.zeros(_num_words(num_bits), dtype=np.uint64)
        if len(rows):
            places = rows >> 6
            bits = np.uint64(1) << (rows & 63).astype(np.uint64)
            firsts = np.flatnonzero(np.append(True, places[1:] != places[:-1]))
            words[places[firsts]] = np.bitwise_or.reduceat(bits, firsts)
        return cls._of(
            words, num_bits, len(rows), rows=rows if len(rows) <= MOST_KNOWN_ROWS else None
        )

    @classmethod
    def from_few(cls, rows: NDArray[np.uint32], num_bits: int) -> Bitset:
        """Return the set of the row ids ``rows``, ascending, each once, none too large."""
        count = len(rows)
        if count:
            first, stop = int(rows[0]), int(rows[-1]) + 1
            if stop - first == count:
                # Kept in the order of their values, such as the rows of a tenant.
                return cls.from_range(first, stop, num_bits)
        return cls.from_ascending(rows.astype(np.int64), num_bits)

    @classmethod
    def from_range(cls, start: int, stop: int, num_bits: int) -> Bitset:
        """Return the set of the rows from ``start`` up to ``stop``, none of them too large."""
        words = np.zeros(_num_words(num_bits), dtype=np.uint64)
        if start < stop:
            # With integers of Python, which are quicker one at a time.
            first, last = start >> 6, (stop - 1) >> 6
            from_first = _ALL << (start & 63) & _ALL
            to_last = _ALL >> (63 - ((stop - 1) & 63))
            if first == last:
                words[first] = from_first & to_last
            else:
                words[first], words[last] = from_first, to_last
                if last > first + 1:
                    words[first + 1 : last] = _ALL
        return cls._of(words, num_bits, max(stop - start, 0), (start, stop))

    def to_mask(self) -> BoolArray:
        """Return bool of shape ``(num_bits,)``, True for the rows of the set."""
        bits = np.unpackbits(self.words.view(np.uint8), count=self.num_bits, bitorder="little")
        return bits.view(np.bool_)

    def to_rows(self) -> Int64Array:
        """Return the row ids of the set, ascending."""
        if self._run is not None:
            return np.arange(*self._run, dtype=np.int64)
        places = np.flatnonzero(self.words)
        if len(places) * _SPARSE_SHARE > len(self.words):
            return np.flatnonzero(self.to_mask())
        packed = self.words[places].view(np.uint8)
        found = np.flatnonzero(np.unpackbits(packed, bitorder="little"))
        rows: Int64Array = (places[found >> 6] << 6) | (found & 63)
        return rows

    def known_rows(self) -> Int64Array | None:
        """Return the row ids, ascending, where they are few and need not be looked for."""
        run = self._run
        if run is None:
            return self._rows
        return np.arange(*run, dtype=np.int64) if run[1] - run[0] <= MOST_KNOWN_ROWS else None

    def count(self) -> int:
        """Return the number of rows in the set."""
        count = self._count
        if count is None:
            # A search asks more than once.
            count = int(np.bitwise_count(self.words).sum(dtype=np.int64))
            object.__setattr__(self, "_count", count)
        return count

    def __len__(self) -> int:
        return self.num_bits

    def __bool__(self) -> bool:
        return bool(self.words.any())

    def __contains__(self, row: int) -> bool:
        if not 0 <= row < self.num_bits:
            return False
        word, bit = divmod(row, _BITS_PER_WORD)
        return bool(int(self.words[word]) >> bit & 1)

    def holds(self, rows: Int64Array) -> BoolArray:
        """Return which of the row ids ``rows``, in any order, are in the set; same shape."""
        words = self.words[rows // _BITS_PER_WORD] >> (rows % _BITS_PER_WORD).astype(np.uint64)
        held: BoolArray = (words & np.uint64(1)).astype(np.bool_)
        return held

    def __and__(self, other: Bitset) -> Bitset:
        self._check_same_rows(other)
        return self._of(self.words & other.words, self.num_bits)

    def __or__(self, other: Bitset) -> Bitset:
        self._check_same_rows(other)
        return self._of(self.words | other.words, self.num_bits)

    def __xor__(self, other: Bitset) -> Bitset:
        self._check_same_rows(other)
        return Bitset(self.words ^ other.words, self.num_bits)

    def __sub__(self, other: Bitset) -> Bitset:
        self._check_same_rows(other)
        return Bitset(self.words & ~other.words, self.num_bits)

    def __invert__(self) -> Bitset:
        return Bitset(_clear_padding(~self.words, self.num_bits), self.num_bits)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bitset):
            return NotImplemented
        return self.num_bits == other.num_bits and np.array_equal(self.words, other.words)

    def __hash__(self) -> int:
        return hash((self.num_bits, self.words.tobytes()))

    def __repr__(self) -> str:
        return f"Bitset({self.count()} of {self.num_bits} rows)"

    def _check_same_rows(self, other: Bitset) -> None:
        if self.num_bits != other.num_bits:
            raise InvalidArgumentError(
                f"bitset: expected two sets over the same rows, got {self.num_bits} and "
                f"{other.num_bits}"
            )


def _num_words(num_bits: int) -> int:
    return -(-num_bits // _BITS_PER_WORD)


def _last_word_mask(num_bits: int) -> int:
    used = num_bits % _BITS_PER_WORD or _BITS_PER_WORD
    return (1 << used) - 1


def _clear_padding(words: UInt64Array, num_bits: int) -> UInt64Array:
    if len(words):
        words[-1] &= np.uint64(_last_word_mask(num_bits))
    return words
