"""How do several sparse queries stand in arrays, and which of their weights choose rows?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elanus.errors import InvalidArgumentError
from elanus.types import BoolArray, Float32Array, Int64Array, UInt32Array


class QueryBatch(NamedTuple):
    """Sparse queries, or terms with weights; query ``i`` is ``offsets[i]`` to ``offsets[i + 1]``.

    Attributes:
        offsets: int64, shape ``(nq + 1,)``, from 0.
        terms: uint32, shape ``(m,)``.
        weights: float32, shape ``(m,)``.
        chooses: uint8, shape ``(m,)``: 0 where a term chooses no rows, and only scores those that
            other terms of its query chose; None: all choose.
    """

    offsets: Int64Array
    terms: UInt32Array
    weights: Float32Array
    chooses: NDArray[np.uint8] | None = None

    @property
    def num_queries(self) -> int:
        """Number of queries."""
        return len(self.offsets) - 1

    def select(self, kept: BoolArray) -> QueryBatch:
        """Return the same queries with some of their terms.

        Args:
            kept: bool, shape ``(m,)``.
        """
        if kept.all():
            return self
        before = np.zeros(len(kept) + 1, dtype=np.int64)
        np.cumsum(kept, out=before[1:])
        chooses = None if self.chooses is None else self.chooses[kept]
        return QueryBatch(before[self.offsets], self.terms[kept], self.weights[kept], chooses)

    def dropping(self, ratio: float) -> QueryBatch:
        """Return the same queries, of which the smallest weights choose no rows.

        Args:
            ratio: Share of the weights of each query, the smallest in magnitude, rounded down;
                from 0 to below 1. Of equal weights none is dropped before another.

        Raises:
            InvalidArgumentError: ``ratio`` is out of range.
        """
        check_drop_ratio(ratio)
        sizes = np.diff(self.offsets)
        dropped = (ratio * sizes).astype(np.int64)
        if not dropped.any():
            return self
        magnitudes = np.abs(self.weights)
        order = np.lexsort((magnitudes, np.repeat(np.arange(len(sizes)), sizes)))
        # An empty query at the end has no place of its own, and drops nothing.
        least_at = np.minimum(self.offsets[:-1] + dropped, len(order) - 1)
        least = magnitudes[order][least_at]
        chooses = (magnitudes >= np.repeat(least, sizes)).astype(np.uint8)
        return self._replace(chooses=chooses)


def check_drop_ratio(ratio: object) -> None:
    """Raise ``InvalidArgumentError`` unless ``ratio`` is a number from 0 to below 1."""
    if not isinstance(ratio, int | float) or isinstance(ratio, bool) or not 0 <= ratio < 1:
        raise InvalidArgumentError(f"drop_ratio_search: expected 0 to below 1, got {ratio!r}")
