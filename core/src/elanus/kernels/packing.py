"""How are the postings of a sealed segment packed into bytes?

``core/native/sparse/packed_format.h`` has the layout; ``kernels/postings.py`` searches it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from elanus import _native
from elanus.errors import InvalidArgumentError
from elanus.kernels.arrays import Expected, mismatch
from elanus.types import ByteArray, Float32Array, Int64Array, UInt32Array

POSTINGS_PADDING: int = _native.POSTINGS_PADDING
"""Bytes behind packed terms, which vector loads may read."""
POSTINGS_UNIT: int = _native.POSTINGS_UNIT
"""Bytes of a unit of ``PackedPostings.starts``."""
_MAX_UNITS = (1 << 32) - 1
_FREQUENCY_MASK = np.uint32((1 << 29) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class FrequencyCoding:
    """How sealed term frequencies are coded: as ``tf / (tf + K)``, in 1/255.

    ``K`` is ``k1 * (1 - b + b * length / average_length)``. Searches with other numbers are exact
    too, and the faster the closer theirs are.

    Attributes:
        k1: Saturation of the term frequency, at least 0.
        b: Share of length normalisation, 0 to 1.
        average_length: Tokens per row when the rows were sealed.
        lengths: uint32 of shape ``(num_rows,)``, tokens of each row.

    Raises:
        InvalidArgumentError: ``lengths`` has the wrong dtype, rank or layout.
    """

    k1: float
    b: float
    average_length: float
    lengths: UInt32Array
    native: _native.FrequencyCoding = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            native = _native.FrequencyCoding(self.k1, self.b, self.average_length, self.lengths)
        except TypeError as error:
            raise mismatch(error, Expected("lengths", self.lengths, "uint32", 1)) from None
        object.__setattr__(self, "native", native)


@dataclass(frozen=True, slots=True, eq=False)
class PackedPostings:
    """Postings in the layout that sealed segments are searched in.

    Attributes:
        entries: uint32, shape ``(num_terms,)``: document frequency in the low 29 bits, flags above.
        starts: uint32, shape ``(num_terms,)``: where each term starts in ``data``, in units of 4
            bytes.
        data: uint8: the terms end to end, then ``POSTINGS_PADDING`` bytes.
    """

    entries: UInt32Array
    starts: UInt32Array
    data: ByteArray

    @classmethod
    def pack(
        cls,
        offsets: Int64Array,
        rows: UInt32Array,
        weights: Float32Array,
        num_rows: int,
        coding: FrequencyCoding | None = None,
    ) -> PackedPostings:
        """Pack postings by term; arguments and errors as ``pack_terms``."""
        entries, sizes, data = pack_terms(offsets, rows, weights, num_rows, coding)
        padding = np.zeros(POSTINGS_PADDING, dtype=np.uint8)
        return cls(entries, starts_of(sizes), np.concatenate([data, padding]))

    @property
    def frequencies(self) -> Int64Array:
        """Document frequency of each term, int64."""
        return (self.entries & _FREQUENCY_MASK).astype(np.int64)


def pack_terms(
    offsets: Int64Array,
    rows: UInt32Array,
    weights: Float32Array,
    num_rows: int,
    coding: FrequencyCoding | None = None,
) -> tuple[UInt32Array, UInt32Array, ByteArray]:
    """Return terms in the packed layout, without padding.

    Args:
        offsets: int64 of shape ``(num_terms + 1,)``; term ``t`` owns postings ``offsets[t]`` to
            ``offsets[t + 1]``.
        rows: uint32 of shape ``(num_postings,)``, ascending within a term, below ``num_rows``.
        weights: float32 of shape ``(num_postings,)``: values of sparse vectors, or with a coding
            term frequencies, whole numbers from 1.
        num_rows: Rows of the segment.
        coding: How term frequencies are coded; None stores the exact weights.

    Returns:
        Entry of each term, size of each term in units of 4 bytes, and the bytes.

    Raises:
        InvalidArgumentError: An array has the wrong dtype, rank, length or content.

    Releases the GIL.
    """
    native = None if coding is None else coding.native
    try:
        return _native.pack_postings(offsets, rows, weights, num_rows, native)
    except TypeError as error:
        raise mismatch(
            error,
            Expected("offsets", offsets, "int64", 1),
            Expected("rows", rows, "uint32", 1),
            Expected("weights", weights, "float32", 1),
        ) from None


def starts_of(sizes: UInt32Array) -> UInt32Array:
    """Return where terms of these sizes start, in the same units.

    Raises:
        InvalidArgumentError: They are more than 16 GiB.
    """
    ends = np.cumsum(sizes, dtype=np.int64)
    if len(ends) and int(ends[-1]) > _MAX_UNITS:
        raise InvalidArgumentError(
            f"postings: expected at most {_MAX_UNITS * POSTINGS_UNIT} bytes in a segment, got "
            f"{int(ends[-1]) * POSTINGS_UNIT}; use smaller segments"
        )
    return (ends - sizes).astype(np.uint32)
