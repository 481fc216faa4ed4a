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
from elanus.schema.batches import StringColumn
from elanus.schema.geometry import load_shapely
from elanus.types import Float64Array


@dataclass(frozen=True, slots=True)
class Geometries:
    """Geometries of rows.

    Attributes:
        shapes: Objects of shapely, shape ``(n,)``; None where the row is null.
        boxes: float64 of shape ``(n, 4)``: the least x and y, the largest x and y; NaN where there
            is no place.
    """

    shapes: NDArray[Any]
    boxes: Float64Array


class GeometryStore:
    """The geometries of one column, read when they are first asked for. Safe from many threads."""

    def __init__(self, read: ReadRows) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._known = Geometries(np.empty(0, dtype=np.object_), np.empty((0, 4)))

    def geometries(self, num_rows: int) -> Geometries:
        """Return the geometries of the first rows."""
        with self._lock:
            known = self._known
            if len(known.shapes) < num_rows:
                known = self._known = self._extended(known, num_rows)
        return Geometries(known.shapes[:num_rows], known.boxes[:num_rows])

    def _extended(self, known: Geometries, num_rows: int) -> Geometries:
        column = self._read(len(known.shapes), num_rows)
        if not isinstance(column, StringColumn):
            raise InternalError(f"expected WKT, got {type(column).__name__}")
        shapely = load_shapely()
        shapes = shapely.from_wkt(np.array(column.to_pylist(), dtype=np.object_))
        boxes = shapely.bounds(shapes).reshape(len(shapes), 4)
        return Geometries(
            np.concatenate([known.shapes, shapes]), np.concatenate([known.boxes, boxes])
        )
