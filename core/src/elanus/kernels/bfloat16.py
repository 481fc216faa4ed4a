"""How do floats become bfloat16, and back?

A bfloat16 is the upper half of a float32: its range, with 8 bits of precision. NumPy has no such
dtype; here it is its bits, as uint16.
"""

from __future__ import annotations

import numpy as np

from elanus.types import Float32Array, UInt16Array


def to_bfloat16(values: Float32Array) -> UInt16Array:
    """Return the nearest bfloat16 of each value, ties to even.

    Args:
        values: float32, any shape. NaN and infinity stay what they are; values beyond the largest
            bfloat16 (3.39e38) become infinity.
    """
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    # Half of the last kept place, less the tie that goes down to an even one.
    rounded = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    # Adding could carry a NaN over into the sign.
    rounded = np.where(np.isnan(values), bits | np.uint32(0x400000), rounded)
    return (rounded >> np.uint32(16)).astype(np.uint16)


def from_bfloat16(bits: UInt16Array) -> Float32Array:
    """Return what bits of bfloat16 stand for, as float32; exact."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
