"""Which texts are geometries?

A geometry is stored as the WKT that was given: it is read back without a library, and every tool
that holds text holds it. Checking and comparing take shapely, an extra.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from elanus.errors import PluginNotInstalledError

MAX_NESTING = 32
"""Deepest parentheses. GEOS reads a level by recursion in C++, and some ten thousand end the
process; a MULTIPOLYGON has three."""
_PARENTHESIS = re.compile(r"[()]")


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
    is_deep = any(map(_is_deep, texts))
    try:
        if not is_deep:
            shapely.from_wkt(texts)
            return None
    except shapely.errors.GEOSException:
        pass
    faults = ((row, wkt_fault(text)) for row, text in enumerate(texts))
    return next(((row, why) for row, why in faults if why is not None), None)


def wkt_fault(text: str) -> str | None:
    """Return why a text is no WKT; None: it is."""
    shapely = load_shapely()
    if _is_deep(text):
        return f"parentheses are nested deeper than {MAX_NESTING}"
    try:
        shapely.from_wkt(text)
    except shapely.errors.GEOSException as error:
        return str(error).partition(": ")[2] or str(error)
    return None


def _is_deep(text: str) -> bool:
    """Whether parentheses are nested deeper than ``MAX_NESTING``."""
    if text.count("(") <= MAX_NESTING:
        return False
    depth = 0
    for match in _PARENTHESIS.finditer(text):
        depth += 1 if match[0] == "(" else -1
        if depth > MAX_NESTING:
            return True
    return False
