"""How far is it on the globe, in meters?

The globe is a sphere; x is the longitude and y the latitude in degrees, and the edges of lines and
polygons are arcs of great circles. Against the ellipsoid distances are off by up to 0.6 %.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from elanus.schema.geometry import load_shapely
from elanus.types import Float64Array, Int64Array

EARTH_RADIUS: Final = 6_371_008.8
"""Mean radius in meters (Moritz, "Geodetic Reference System 1980")."""
_SLACK: Final = 1e-9
"""Degrees by which boxes are widened, so that rounding loses no row: 0.1 mm."""


def boxes_around(
    longitude: float, latitude: float, meters: float
) -> list[tuple[float, float, float, float]]:
    """Return boxes (x0, y0, x1, y1) that hold every place within ``meters`` of a point.

    Several, because longitudes begin anew at the 180th meridian, and places may lie up to a turn
    on either side of it.
    """
    longitude = math.remainder(longitude, 360.0)
    angle = meters / EARTH_RADIUS
    reach = math.degrees(angle) + _SLACK
    south, north = latitude - reach, latitude + reach
    if south <= -90 or north >= 90:
        return [(-math.inf, south, math.inf, north)]  # a pole lies on every meridian
    width = math.sin(angle) / math.cos(math.radians(latitude))
    if angle >= math.pi / 2 or width >= 1:
        return [(-math.inf, south, math.inf, north)]
    across = math.degrees(math.asin(width)) + _SLACK
    return [
        (longitude - across + turn, south, longitude + across + turn, north)
        for turn in (-360.0, 0.0, 360.0)
    ]


def arc_boxes(boxes: Float64Array) -> Float64Array:
    """Return boxes that hold the arcs between places in the given ones, shape ``(n, 4)``.

    An arc runs nearer to the pole than both of its ends, and the short way round. What lies more
    than a turn away from the meridian of Greenwich may be anywhere.
    """
    width = boxes[:, 2] - boxes[:, 0]
    wide = np.flatnonzero(width > 0)
    is_beyond = (boxes[:, 0] < -360) | (boxes[:, 2] > 360)
    if not len(wide) and not is_beyond.any():
        return boxes
    made = boxes.copy()
    half = np.cos(np.radians(np.minimum(width[wide], 180.0) / 2))
    for column, sign in ((1, -1), (3, 1)):
        edge = boxes[wide, column] * sign
        bulged = np.degrees(np.arctan(np.tan(np.radians(edge)) / half))
        made[wide, column] = sign * np.where((edge > 0) & (edge < 90), bulged, edge)
    made[(width >= 180) | is_beyond] = [-np.inf, -np.inf, np.inf, np.inf]
    return made


def distances(point: Any, geometries: Any) -> Float64Array:
    """Return the meters from a point to the nearest place of each geometry; inf where none is.

    Args:
        point: A point of shapely.
        geometries: Array of geometries of shapely, shape ``(n,)``.
    """
    shapely = load_shapely()
    found = np.full(len(geometries), np.inf)
    ids = shapely.get_type_id(geometries)
    is_point = (ids == shapely.GeometryType.POINT) & ~shapely.is_empty(geometries)
    here = _directions(np.array([[shapely.get_x(point), shapely.get_y(point)]]))[0]
    if is_point.any():
        places = _directions(shapely.get_coordinates(geometries[is_point]))
        found[is_point] = _angles(places, here)
    rows = np.flatnonzero(~is_point)
    if len(rows):
        # Part by part: GEOS fails where parts of a collection repeat places.
        parts, owners = _parts(shapely, geometries[rows])
        found[rows] = _to_edges(shapely, here, parts, owners, len(rows))
        for turn in (-360.0, 0.0, 360.0):
            inside = shapely.Point(math.remainder(point.x, 360.0) + turn, point.y)
            found[rows[owners[shapely.intersects(inside, parts)]]] = 0.0
    return found * EARTH_RADIUS


def _parts(shapely: Any, geometries: Any) -> tuple[Any, Int64Array]:
    """Return the points, lines and polygons of geometries, and the place of that of each."""
    parts, owners = shapely.get_parts(geometries, return_index=True)
    while (shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT).any():
        parts, inner = shapely.get_parts(parts, return_index=True)
        owners = owners[inner]
    return parts, owners


def _to_edges(
    shapely: Any, here: Float64Array, parts: Any, owners: Int64Array, num_geometries: int
) -> Float64Array:
    """Return the angle from a direction to the nearest vertex or edge of each geometry."""
    nearest = np.full(num_geometries, np.inf)
    is_area = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    rings, of_area = shapely.get_rings(parts[is_area], return_index=True)
    lines = np.concatenate([parts[~is_area], rings])
    owners = np.concatenate([owners[~is_area], owners[is_area][of_area]])
    coordinates, line = shapely.get_coordinates(lines, return_index=True)
    if not len(coordinates):
        return nearest
    places = _directions(coordinates)
    np.minimum.at(nearest, owners[line], _angles(places, here))
    edge = np.flatnonzero(line[1:] == line[:-1])
    if len(edge):
        angles = _to_arcs(here, places[edge], places[edge + 1])
        np.minimum.at(nearest, owners[line[edge]], angles)
    return nearest


def _to_arcs(here: Float64Array, start: Float64Array, end: Float64Array) -> Float64Array:
    """Return the angle to each arc where its nearest place lies between its ends, else inf."""
    normal = np.cross(start, end)
    length = np.linalg.norm(normal, axis=1)
    is_arc = length > 1e-15
    normal = normal / np.where(is_arc, length, 1.0)[:, None]
    sine = normal @ here
    foot = here - sine[:, None] * normal
    inside = (_dot(np.cross(normal, start), foot) >= 0) & (_dot(np.cross(end, normal), foot) >= 0)
    # Seen from a pole of the great circle all of it is equally near, and the ends are as well.
    angle = np.abs(np.arcsin(np.clip(sine, -1, 1)))
    angles: Float64Array = np.where(inside & is_arc, angle, np.inf)
    return angles


def _directions(coordinates: Float64Array) -> Float64Array:
    """Return unit vectors from the center of the globe, shape ``(n, 3)``."""
    x, y = np.radians(coordinates[:, 0]), np.radians(coordinates[:, 1])
    return np.stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)], axis=1)


def _angles(places: Float64Array, here: Float64Array) -> Float64Array:
    """Return the angles between directions; the chord is exact for near ones."""
    chord = np.linalg.norm(places - here, axis=1)
    angles: Float64Array = 2 * np.arcsin(np.clip(chord / 2, 0, 1))
    return angles


def _dot(left: Float64Array, right: Float64Array) -> Float64Array:
    product: Float64Array = np.einsum("ij,ij->i", left, right)
    return product
