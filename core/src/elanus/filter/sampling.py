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
from elanus.schema.batches import FixedColumn, StringColumn
from elanus.types import UInt64Array

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
        drawn = mix64(self._keys(columns) ^ np.uint64(_mixed_seed(self.seed)))
        return Truth(np.asarray(drawn < np.uint64(limit)))

    def _keys(self, columns: FilterColumns) -> UInt64Array:
        column = columns.column(self.key)
        if isinstance(column, FixedColumn):
            return mix64(column.values.astype(np.int64).view(np.uint64))
        if isinstance(column, StringColumn):
            return hash64_strings(column.offsets, column.data)
        raise InternalError(f"primary key {self.key!r} is a {type(column).__name__}")


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
