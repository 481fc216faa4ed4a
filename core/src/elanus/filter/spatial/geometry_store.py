"""Which geometry stands in each row?

The WKT of a column is read once; rows are only ever added.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elanus.errors import InternalError
from elanus.filter.strings import ReadRows
from elanus.schema.batches import Column, StringColumn, slice_column
from elanus.schema.geometry import load_shapely
from elanus.types import Float64Array, Int64Array

CHUNK_ROWS = 65_536
"""Rows that are read at once where only their boxes are wanted."""


@dataclass(frozen=True, slots=True)
class Geometries:
    """Geometries of rows.

    Attributes:
        shapes: Objects of shapely, shape ``(n,)``; None where the row is null.
        boxes: float64 of shape ``(n, 4)``: the least x and y, the largest x and y; NaN where there
            is no place. Column after column, because each of them is compared by itself.
    """

    shapes: NDArray[Any]
    boxes: Float64Array

    def take(self, rows: Int64Array) -> Geometries:
        """Return those of the given rows."""
        return Geometries(self.shapes[rows], self.boxes[rows])


class GeometryStore:
    """The geometries of one column, read when they are first asked for. Safe from many threads."""

    def __init__(self, read: ReadRows) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._known = Geometries(np.empty(0, dtype=np.object_), np.empty((0, 4)))

    @property
    def num_read(self) -> int:
        """Rows that were read."""
        return len(self._known.shapes)

    def geometries(self, num_rows: int) -> Geometries:
        """Return the geometries of the first rows."""
        with self._lock:
            known = self._known
            if len(known.shapes) < num_rows:
                known = self._known = self._extended(known, num_rows)
        return Geometries(known.shapes[:num_rows], known.boxes[:num_rows])

    def _extended(self, known: Geometries, num_rows: int) -> Geometries:
        read = read_geometries(self._read(len(known.shapes), num_rows))
        boxes = np.concatenate([known.boxes, read.boxes])
        return Geometries(np.concatenate([known.shapes, read.shapes]), np.asfortranarray(boxes))


def read_geometries(column: Column) -> Geometries:
    """Return the geometries of a column of WKT."""
    if not isinstance(column, StringColumn):
        raise InternalError(f"expected WKT, got {type(column).__name__}")
    shapely = load_shapely()
    shapes = shapely.from_wkt(np.array(column.to_pylist(), dtype=np.object_))
    return Geometries(shapes, shapely.bounds(shapes).reshape(len(shapes), 4))


def boxes_of(column: Column) -> Float64Array:
    """Return the boxes of a column of WKT, as ``Geometries`` has them, without its geometries."""
    starts = range(0, len(column), CHUNK_ROWS)
    parts = [slice_column(column, s, min(s + CHUNK_ROWS, len(column))) for s in starts]
    return np.concatenate([np.empty((0, 4)), *(read_geometries(part).boxes for part in parts)])
