"""In which relation does the geometry of each row stand to another?

The boxes around the geometries of all rows are looked at first, as arrays; GEOS is asked about
those rows only whose box meets that of the given geometry, and where that is a rectangle, only
about those whose box does not lie inside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, Final

import numpy as np

from elanus.errors import InternalError
from elanus.filter.columns import FilterColumns
from elanus.filter.logic import Leaf, Truth
from elanus.filter.operators import Relation
from elanus.filter.spatial.geometry_store import Geometries
from elanus.filter.spatial.sphere import arc_boxes, boxes_around, distances
from elanus.filter.values.operands import Values, ValueType
from elanus.index.scalar.base import Found
from elanus.index.scalar.rtree import Box, RTree, boxes_meet
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
class Question:
    """What is asked about geometries.

    Attributes:
        ask: Returns of an array of shapes for which it holds.
        boxes: It holds only for geometries whose box meets one of these; None: for any.
        on_globe: Edges are arcs on the globe, which leave the boxes around their ends.
        surely: It holds for geometries whose box lies inside this one and touches no edge.
    """

    ask: Callable[[Any], BoolArray]
    boxes: list[Box] | None = None
    on_globe: bool = False
    surely: Box | None = None

    def matches(self, geometries: Geometries) -> BoolArray:
        """Return for which geometries it holds."""
        if self.boxes is None:
            return np.asarray(self.ask(geometries.shapes))
        rows = np.flatnonzero(boxes_meet(self.widened(geometries.boxes), self.boxes))
        holds = np.zeros(len(geometries.shapes), dtype=np.bool_)
        if self.surely is not None:
            is_sure = _are_inside(geometries.boxes[rows], self.surely)
            holds[rows[is_sure]] = True
            rows = rows[~is_sure]
        if len(rows):
            holds[rows] = self.ask(geometries.shapes[rows])
        return holds

    def widened(self, boxes: Float64Array) -> Float64Array:
        """Return the boxes that are compared for those around geometries."""
        return arc_boxes(boxes) if self.on_globe else boxes


@dataclass(frozen=True, slots=True)
class SpatialTest(Leaf):
    """A relation of a field's geometries; unknown where the field is null."""

    place: GeometryField
    question: Question = field(compare=False)

    def guess(self) -> tuple[float, float]:
        return 0.1, 500.0

    def scan(self, columns: FilterColumns) -> Truth:
        known = columns.column(self.place.name).validity
        holds = self.question.matches(columns.geometries(self.place.name))
        return Truth(holds) if known is None else Truth(holds & known, ~known)

    def known(self, columns: FilterColumns) -> BoolArray | None:
        return columns.column(self.place.name).validity

    def find(self, columns: FilterColumns) -> tuple[Found | None, str]:
        index = columns.index(self.place.name, ())
        if not isinstance(index, RTree) or self.question.boxes is None:
            return None, ""
        return index.candidates(self.question.boxes, self.question.widened), index.type


def validity_test() -> Question:
    """Return the question which geometries follow the rules of OGC: that rings do not cross."""
    return Question(lambda shapes: np.asarray(load_shapely().is_valid(shapes)))


def relation_test(relation: Relation, wkt: str) -> Question:
    """Return the question which geometries stand in a relation to another.

    Raises:
        ValueError: The text is no WKT.
    """
    shape = _read(wkt)
    shapely = load_shapely()
    if shape.is_valid:
        # Prepared, GEOS answers faster, and for what breaks the rules of OGC not always alike.
        shapely.prepare(shape)
    ask = partial(_holds, getattr(shapely, _ASKED[relation]), shape)
    # Without a box: an empty one has none, and two geometries without a place are equal.
    if shape.is_empty:
        return Question(ask)
    is_within = relation in (Relation.WITHIN, Relation.INTERSECTS) and _is_rectangle(shape)
    return Question(ask, [shape.bounds], surely=shape.bounds if is_within else None)


def _is_rectangle(shape: Any) -> bool:
    """Return whether a shape is all of the box around it."""
    if shape.geom_type != "Polygon" or shape.interiors or len(shape.exterior.coords) != 5:
        return False
    x0, y0, x1, y1 = shape.bounds
    corners = [(place[0], place[1]) for place in shape.exterior.coords]
    sides = pairwise(corners)
    is_along_axes = all((a[0] == b[0]) != (a[1] == b[1]) for a, b in sides)
    return is_along_axes and set(corners) == {(x0, y0), (x0, y1), (x1, y0), (x1, y1)}


def _are_inside(boxes: Float64Array, outer: Box) -> BoolArray:
    """Return which boxes lie inside another and touch no edge of it."""
    x0, y0, x1, y1 = outer
    inside: BoolArray = (
        (boxes[:, 0] > x0) & (boxes[:, 2] < x1) & (boxes[:, 1] > y0) & (boxes[:, 3] < y1)
    )
    return inside


def _holds(ask: Callable[[Any, Any], Any], shape: Any, shapes: Any) -> BoolArray:
    """Return of which shapes a relation to another one holds."""
    shapely = load_shapely()
    try:
        return np.asarray(ask(shape, shapes))
    except shapely.errors.GEOSException:
        # In collections, GEOS gives up on rings that stay on one place for a while. Once more one
        # by one, and those without what breaks the rules; what it gives up on then is in none.
        holds = np.zeros(len(shapes), dtype=np.bool_)
        for i, one in enumerate(shapes):
            try:
                holds[i] = ask(shape, one)
            except shapely.errors.GEOSException:
                with suppress(shapely.errors.GEOSException):
                    holds[i] = ask(shapely.make_valid(shape), shapely.make_valid(one))
        return holds


def distance_test(wkt: str, meters: float) -> Question:
    """Return the question which geometries lie within some meters of a point.

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
    return Question(lambda shapes: distances(point, shapes) <= meters, boxes, on_globe=True)


def _read(wkt: str) -> Any:
    why = wkt_fault(wkt)
    if why is not None:
        raise ValueError(f"no WKT: {why}")
    return load_shapely().from_wkt(wkt)
