"""Which numbers stand for a set, and which rows may have much in common with one?

A MinHash signature holds, for each of some permutations of the 32-bit numbers, the smallest of the
set. Cut into bands, signatures of similar sets meet in at least one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from elanus import _native
from elanus.kernels.arrays import Expected, mismatch
from elanus.kernels.bitset import Bitset
from elanus.types import ByteArray, Int64Array, UInt32Array, UInt64Array

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Permutations(NamedTuple):
    """Permutations of the 32-bit numbers; both arrays are uint32 of shape ``(k,)``.

    Attributes:
        masks: What a number is xored with.
        multipliers: What it is multiplied with then, odd.
    """

    masks: UInt32Array
    multipliers: UInt32Array

    @classmethod
    def of(cls, seed: int, count: int) -> Permutations:
        """Return the first ``count`` permutations of a seed, the same on every machine.

        Source: SplitMix64, Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
        Generators", 2014.
        """
        with np.errstate(over="ignore"):
            state = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
            state = (state ^ (state >> np.uint64(30))) * _MIX1
            state = (state ^ (state >> np.uint64(27))) * _MIX2
            state ^= state >> np.uint64(31)
        return cls(
            (state >> np.uint64(32)).astype(np.uint32),
            (state | np.uint64(1)).astype(np.uint32),
        )


def minhash_signatures(
    members: UInt32Array, offsets: Int64Array, permutations: Permutations
) -> UInt32Array:
    """Return the signature of each set, the same on every CPU.

    Args:
        members: uint32, the members of all sets, end to end; repeats change nothing.
        offsets: int64 of shape ``(n + 1,)``; set ``i`` is ``members[offsets[i]:offsets[i + 1]]``.
        permutations: ``k`` of them.

    Returns:
        uint32 of shape ``(n, k)``; the empty set has the largest number in every place.

    Raises:
        InvalidArgumentError: An array has the wrong dtype or rank, ``offsets`` descend or leave
            ``members``, or a multiplier is even.

    Releases the GIL.
    """
    try:
        return _native.minhash_signatures(members, offsets, *permutations)
    except TypeError as error:
        raise mismatch(
            error,
            Expected("members", members, "uint32", 1),
            Expected("offsets", offsets, "int64", 1),
            Expected("masks", permutations.masks, "uint32", 1),
            Expected("multipliers", permutations.multipliers, "uint32", 1),
        ) from None


def shingles(
    numbers: UInt64Array, lengths: Int64Array, size: int
) -> tuple[UInt32Array, Int64Array]:
    """Return the members of each text's set of shingles.

    Args:
        numbers: uint64, of the tokens of all texts, end to end.
        lengths: int64, tokens of each text.
        size: Tokens of a shingle, at least 1. A text with fewer is one shingle.

    Returns:
        Members uint32, and offsets int64 ``(len(lengths) + 1,)`` of each text's.

    Raises:
        InvalidArgumentError: An array has the wrong dtype or rank, or the lengths are not those of
            so many tokens.

    Releases the GIL.
    """
    try:
        return _native.shingles(numbers, lengths, size)
    except TypeError as error:
        raise mismatch(
            error,
            Expected("numbers", numbers, "uint64", 1),
            Expected("lengths", lengths, "int64", 1),
        ) from None


def band_hashes(signatures: ByteArray, band_bytes: int, num_bands: int) -> UInt32Array:
    """Return the lower half of the XXH64 of each band of each signature.

    Args:
        signatures: uint8, C-contiguous, shape ``(n, width)``.
        band_bytes: Bytes of a band.
        num_bands: How many; what is left of a signature after them counts for nothing.

    Returns:
        uint32 of shape ``(num_bands, n)``.

    Raises:
        InvalidArgumentError: The bands do not fit into a signature.

    Releases the GIL.
    """
    try:
        return _native.band_hashes(signatures, band_bytes, num_bands)
    except TypeError as error:
        raise mismatch(error, Expected("signatures", signatures, "uint8", 2)) from None


class BandTables(NamedTuple):
    """For each band the hashes of all rows; both arrays are uint32 of shape ``(bands, n)``.

    Attributes:
        hashes: Ascending within a band.
        row_ids: The row that each is of, ascending among equal hashes.
    """

    hashes: UInt32Array
    row_ids: UInt32Array

    def rows(
        self,
        queries: UInt32Array,
        limit: int,
        *,
        allowed: Bitset | None = None,
        most_entries: int,
        least: int = 0,
    ) -> tuple[Int64Array, list[int]]:
        """Return the rows that share bands with each query.

        Args:
            queries: uint32 of shape ``(nq, bands)``, C-contiguous.
            limit: Rows wanted per query.
            allowed: Rows that may be returned.
            most_entries: Entries of the tables that are read for one query at most.
            least: Where fewer rows share bands, the first others follow them up to as many.

        Returns:
            int64 ``(nq, limit)``: those that share most bands first, equals in the order of their
            rows, then the first others, -1 in missing places; and how many rows there are for each
            query: -1 where more entries would have had to be read, so that none was.

        Raises:
            CorruptionError: A table names a row that does not exist.
            InvalidArgumentError: Arrays do not fit together.

        Releases the GIL. Safe from many threads at once.
        """
        words = None if allowed is None else allowed.words
        return _native.rows_in_bands(
            queries, self.hashes, self.row_ids, words, limit, most_entries, least
        )
