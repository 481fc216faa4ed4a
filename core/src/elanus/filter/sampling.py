"""Which rows does a random sample hold?

A row is in the sample or not by its primary key and a seed alone, so it does not matter in which
segment it lies, how many rows there are, or how often it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elanus.errors import InternalError
from elanus.filter.columns import FilterColumns
from elanus.filter.evaluator import Truth
from elanus.kernels.hashing import hash64_strings
from elanus.schema.batches import Column, FixedColumn, StringColumn
from elanus.types import Float64Array, UInt64Array

_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True)
class SampleTest:
    """``random_sample(fraction, seed)``; always known.

    Attributes:
        key: Name of the primary key.
        fraction: Above 0, up to 1.
        seed: Which of the samples.
    """

    key: str
    fraction: float
    seed: int

    def evaluate(self, columns: FilterColumns) -> Truth:
        limit = int(self.fraction * 2**64)
        if limit > _MASK:
            return Truth(np.ones(columns.num_rows, dtype=np.bool_))
        drawn = _drawn(columns.column(self.key), self.seed)
        return Truth(np.asarray(drawn < np.uint64(limit)))


def random_numbers(column: Column, seed: int) -> Float64Array:
    """Return a number in [0, 1) for each value of whole numbers or texts; float64, ``(n,)``."""
    # 53 bits are what a double holds: rounding more of them could give 1.
    drawn = (_drawn(column, seed) >> np.uint64(11)).astype(np.float64)
    numbers: Float64Array = drawn * 2.0**-53
    return numbers


def _drawn(column: Column, seed: int) -> UInt64Array:
    if isinstance(column, FixedColumn):
        keys = mix64(column.values.astype(np.int64).view(np.uint64))
    elif isinstance(column, StringColumn):
        keys = hash64_strings(column.offsets, column.data)
    else:
        raise InternalError(f"a random number of a {type(column).__name__}")
    return mix64(keys ^ np.uint64(_mixed_seed(seed)))


def mix64(values: UInt64Array) -> UInt64Array:
    """Return numbers in which each bit depends on every bit of the values.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014
    (the finalizer of SplitMix64).
    """
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: UInt64Array = mixed ^ (mixed >> np.uint64(31))
    return result


def _mixed_seed(seed: int) -> int:
    return int(mix64(np.array([seed], dtype=np.uint64))[0])
