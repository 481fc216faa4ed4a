"""Which texts are geometries?

A geometry is stored as the WKT that was given: it is read back without a library, and every tool
that holds text holds it. Checking and comparing take shapely, an extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elanus.errors import PluginNotInstalledError


def load_shapely() -> Any:
    """Return the module shapely.

    Raises:
        PluginNotInstalledError: It is not installed.
    """
    try:
        import shapely
    except ImportError as error:
        raise PluginNotInstalledError(
            "GEOMETRY fields need the package shapely: pip install 'elanus[geo]'",
            name="shapely",
            extra="geo",
        ) from error
    return shapely


def to_wkt(values: Sequence[Any]) -> list[Any]:
    """Return geometries of shapely as WKT; anything else is returned as it is."""
    if set(map(type, values)) <= {str}:
        return list(values)
    shapely = load_shapely()
    base = shapely.geometry.base.BaseGeometry
    # All digits that tell one coordinate from the next.
    return [
        shapely.to_wkt(value, rounding_precision=-1) if isinstance(value, base) else value
        for value in values
    ]


def first_fault(texts: Sequence[str]) -> tuple[int, str] | None:
    """Return the first text that is no WKT, and why; None: all are."""
    shapely = load_shapely()
    try:
        shapely.from_wkt(texts)
    except shapely.errors.GEOSException:
        for row, text in enumerate(texts):
            why = wkt_fault(text)
            if why is not None:
                return row, why
    return None


def wkt_fault(text: str) -> str | None:
    """Return why a text is no WKT; None: it is."""
    shapely = load_shapely()
    try:
        shapely.from_wkt(text)
    except shapely.errors.GEOSException as error:
        return str(error).partition(": ")[2] or str(error)
    return None
