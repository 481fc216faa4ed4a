"""Which geometries can lie in a box?

The boxes around the geometries of a segment stand in the order of a Hilbert curve, so that those
that follow each other lie near each other. Every ``FAN_OUT`` of them share a box around them, every
``FAN_OUT`` of these again, up to a single one. A question looks into the shared boxes it meets.

Source: Kamel and Faloutsos, "On Packing R-trees", CIKM 1993.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus.errors import CorruptionError
from elanus.index.scalar.base import FoundRows
from elanus.types import AnyArray, BoolArray, Float64Array, Int64Array

TYPE: Final = "RTREE"
FAN_OUT: Final = 64
"""Boxes that share one. Measured on 300,000 points: 16 and 32 take twice as long."""
_CURVE_BITS: Final = 16

Box: TypeAlias = tuple[float, float, float, float]
"""The least x and y, the largest x and y."""


class RTree:
    """Boxes of rows, and boxes around these.

    Args:
        num_rows: Rows of the segment.
        boxes: float64 ``(n, 4)``, those of the rows that have a place, in the order of the curve.
        rows: uint32 ``(n,)``, the row of each.
        nodes: float64 ``(m, 4)``: boxes around each ``FAN_OUT`` of ``boxes``, then those around
            each ``FAN_OUT`` of these, and so on; the last one holds all.
    """

    type = TYPE
    of_elements = False
    is_cast = False

    def __init__(
        self, num_rows: int, boxes: Float64Array, rows: NDArray[np.uint32], nodes: Float64Array
    ) -> None:
        self.num_rows = num_rows
        self._boxes = boxes
        self._rows = rows
        self._nodes = nodes
        self._sizes = level_sizes(len(boxes))

    @classmethod
    def build(cls, boxes: Float64Array) -> RTree:
        """Build the tree of the boxes of all rows, ``(num_rows, 4)``; NaN where there is none."""
        rows = np.flatnonzero(~np.isnan(boxes).any(axis=1))
        placed = boxes[rows]
        order = np.argsort(_curve_places(placed), kind="stable")
        placed = np.ascontiguousarray(placed[order])
        levels = [placed]
        for _ in level_sizes(len(placed)):
            levels.append(_around(levels[-1]))
        nodes = np.concatenate([np.empty((0, 4)), *levels[1:]])
        return cls(len(boxes), placed, rows[order].astype(np.uint32), nodes)

    def candidates(
        self,
        wanted: Sequence[Box],
        widened: Callable[[Float64Array], Float64Array] = lambda boxes: boxes,
    ) -> FoundRows:
        """Return the rows whose box meets one of ``wanted``; edges belong to a box.

        Args:
            wanted: Boxes.
            widened: Returns for boxes of rows, ``(k, 4)``, those that are compared. The one of a
                box that lies in another must lie in the one of the other.
        """
        places = np.zeros(min(1, len(self._boxes)), dtype=np.int64)
        end = len(self._nodes)
        for level in reversed(range(len(self._sizes))):
            start = end - self._sizes[level]
            places = places[boxes_meet(widened(self._nodes[start + places]), wanted)]
            below = self._sizes[level - 1] if level else len(self._boxes)
            children = (places[:, None] * FAN_OUT + np.arange(FAN_OUT)).ravel()
            places, end = children[children < below], start
        found = places[boxes_meet(widened(self._boxes[places]), wanted)]
        return FoundRows([self._rows[found]], self.num_rows, is_exact=False)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return header and arrays to store."""
        header = {"type": TYPE, "num_rows": self.num_rows, "fan_out": FAN_OUT}
        return header, {"boxes": self._boxes, "rows": self._rows, "nodes": self._nodes}

    @classmethod
    def from_arrays(cls, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> RTree:
        """Return the index that ``to_arrays`` stored.

        Raises:
            CorruptionError: The arrays do not fit each other.
        """
        try:
            boxes, rows, nodes = arrays["boxes"], arrays["rows"], arrays["nodes"]
            fits = header["fan_out"] == FAN_OUT and len(rows) == len(boxes)
            fits = fits and len(nodes) == sum(level_sizes(len(boxes)))
            made = cls(int(header["num_rows"]), boxes, rows, nodes)
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptionError(f"an RTREE index is not understood: {error!r}") from error
        if not fits or boxes.shape[1:] != (4,) or nodes.shape[1:] != (4,):
            raise CorruptionError("an RTREE index has arrays that do not fit each other")
        return made


def level_sizes(num_boxes: int) -> list[int]:
    """Return how many shared boxes there are on each level, those around the boxes first."""
    sizes: list[int] = []
    while num_boxes and (not sizes or sizes[-1] > 1):
        sizes.append(-(-(sizes[-1] if sizes else num_boxes) // FAN_OUT))
    return sizes


def boxes_meet(boxes: Float64Array, wanted: Sequence[Box]) -> BoolArray:
    """Return which boxes, ``(n, 4)``, meet one of ``wanted``; those of NaN meet none."""
    meets = np.zeros(len(boxes), dtype=np.bool_)
    for x0, y0, x1, y1 in wanted:
        meets |= (
            (boxes[:, 0] <= x1) & (boxes[:, 2] >= x0) & (boxes[:, 1] <= y1) & (boxes[:, 3] >= y0)
        )
    return meets


def _around(boxes: Float64Array) -> Float64Array:
    """Return the box around each ``FAN_OUT`` of boxes."""
    starts = np.arange(0, len(boxes), FAN_OUT)
    least = np.minimum.reduceat(boxes[:, :2], starts)
    largest = np.maximum.reduceat(boxes[:, 2:], starts)
    return np.concatenate([least, largest], axis=1)


def _curve_places(boxes: Float64Array) -> Int64Array:
    """Return where the middle of each box lies on the Hilbert curve.

    Middles are numbered in the order of x and of y first: one that lies far away from all others
    does not push these together.

    Source: Warren, "Hacker's Delight", chapter 16.
    """
    cells = 1 << _CURVE_BITS
    middles = boxes[:, :2] / 2 + boxes[:, 2:] / 2
    x, y = (_ranks(middles[:, axis]) * cells // max(len(boxes), 1) for axis in (0, 1))
    places = np.zeros(len(boxes), dtype=np.int64)
    side = cells // 2
    while side:
        right, upper = (x & side) > 0, (y & side) > 0
        places += side * side * ((3 * right) ^ upper)
        # Turn the quarter so that the curve enters it where it left the one before.
        flipped = right & ~upper
        x, y = np.where(flipped, cells - 1 - x, x), np.where(flipped, cells - 1 - y, y)
        x, y = np.where(upper, x, y), np.where(upper, y, x)
        side //= 2
    return places


def _ranks(values: Float64Array) -> Int64Array:
    """Return the number of each value in their order; equal ones get the same."""
    return np.searchsorted(np.sort(values), values).astype(np.int64)
