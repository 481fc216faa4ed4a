"""In which relation does the geometry of each row stand to another?

The boxes around the geometries of all rows are looked at first, as arrays; GEOS is asked about
those rows only whose box meets that of the given geometry.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from elanus.errors import InternalError
from elanus.filter.ast import Relation
from elanus.filter.columns import FilterColumns
from elanus.filter.evaluator import Truth
from elanus.filter.geometry_store import Geometries
from elanus.filter.operands import Values, ValueType
from elanus.filter.sphere import arc_boxes, boxes_around, distances
from elanus.schema.geometry import load_shapely, wkt_fault
from elanus.types import BoolArray, Float64Array

# The relation of a row to the given geometry, asked the other way round: shapely prepares the
# first of the two, and the given one is the same for all rows.
_ASKED: Final[dict[Relation, str]] = {
    Relation.EQUALS: "equals",
    Relation.TOUCHES: "touches",
    Relation.OVERLAPS: "overlaps",
    Relation.CROSSES: "crosses",
    Relation.INTERSECTS: "intersects",
    Relation.CONTAINS: "within",
    Relation.WITHIN: "contains",
}


@dataclass(frozen=True, slots=True)
class GeometryField:
    """A GEOMETRY field."""

    name: str

    @property
    def type(self) -> ValueType:
        return ValueType.GEOMETRY

    def describe(self) -> str:
        return f"field {self.name!r} (GEOMETRY)"

    def load(self, columns: FilterColumns) -> Values:
        raise InternalError(f"{self.describe()} has no value that could be compared")

    def is_null(self, columns: FilterColumns) -> BoolArray:
        return ~self.exists(columns)

    def exists(self, columns: FilterColumns) -> BoolArray:
        validity = columns.column(self.name).validity
        return np.ones(columns.num_rows, dtype=np.bool_) if validity is None else validity.copy()

    def is_empty(self, columns: FilterColumns) -> BoolArray:
        return self.is_null(columns)


@dataclass(frozen=True, slots=True)
class SpatialTest:
    """A relation of a field's geometries; unknown where the field is null.

    Attributes:
        place: The field.
        matches: Returns which of the geometries stand in the relation.
    """

    place: GeometryField
    matches: Callable[[Geometries], BoolArray] = field(compare=False)

    def evaluate(self, columns: FilterColumns) -> Truth:
        known = columns.column(self.place.name).validity
        holds = self.matches(columns.geometries(self.place.name).geometries(columns.num_rows))
        return Truth(holds) if known is None else Truth(holds & known, ~known)


def are_valid(geometries: Geometries) -> BoolArray:
    """Return which geometries follow the rules of OGC, such as that rings do not cross."""
    valid: BoolArray = load_shapely().is_valid(geometries.shapes)
    return valid


def relation_test(relation: Relation, wkt: str) -> Callable[[Geometries], BoolArray]:
    """Return a function that tells which geometries stand in a relation to another.

    Raises:
        ValueError: The text is no WKT.
    """
    shape = _read(wkt)
    shapely = load_shapely()
    shapely.prepare(shape)
    ask = getattr(shapely, _ASKED[relation])
    if shape.is_empty:
        # It has no box, and two geometries without a place are equal.
        return lambda geometries: np.asarray(ask(shape, geometries.shapes))
    return lambda geometries: _asked_where(
        geometries, [shape.bounds], lambda shapes: np.asarray(ask(shape, shapes))
    )


def distance_test(wkt: str, meters: float) -> Callable[[Geometries], BoolArray]:
    """Return a function that tells which geometries lie within some meters of a point.

    Raises:
        ValueError: The text is no WKT of a point on the globe, or the distance is negative.
    """
    point = _read(wkt)
    if point.geom_type != "Point" or point.is_empty:
        raise ValueError("the distance is that to a POINT")
    if not (math.isfinite(point.x) and -90 <= point.y <= 90):
        raise ValueError("x is a longitude and y a latitude from -90 to 90, in degrees")
    if not meters >= 0:
        raise ValueError(f"a distance is 0 or more meters, got {meters}")
    boxes = boxes_around(point.x, point.y, meters)

    def matches(geometries: Geometries) -> BoolArray:
        around = Geometries(geometries.shapes, arc_boxes(geometries.boxes))
        return _asked_where(around, boxes, lambda shapes: distances(point, shapes) <= meters)

    return matches


def _read(wkt: str) -> Any:
    why = wkt_fault(wkt)
    if why is not None:
        raise ValueError(f"no WKT: {why}")
    return load_shapely().from_wkt(wkt)


def _asked_where(
    geometries: Geometries, boxes: list[Any], ask: Callable[[Any], BoolArray]
) -> BoolArray:
    """Ask about the geometries that meet one of the boxes."""
    rows = np.flatnonzero(_meet_any(geometries.boxes, boxes))
    holds = np.zeros(len(geometries.shapes), dtype=np.bool_)
    if len(rows):
        holds[rows] = ask(geometries.shapes[rows])
    return holds


def _meet_any(known: Float64Array, boxes: list[Any]) -> BoolArray:
    meets = np.zeros(len(known), dtype=np.bool_)
    for x0, y0, x1, y1 in boxes:
        meets |= (
            (known[:, 0] <= x1) & (known[:, 2] >= x0) & (known[:, 1] <= y1) & (known[:, 3] >= y0)
        )
    return meets
