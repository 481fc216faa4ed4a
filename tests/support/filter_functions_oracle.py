"""Functions of the filter language and moments, for one row at a time."""

from __future__ import annotations

import calendar
import itertools
import math
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import shapely

from elanus.filter import FuzzyMatch, PhraseMatch, Relation, Spatial, TextMatch
from elanus.filter.spatial.sphere import distances
from elanus.schema.collection import Schema


def drawn(key: int, seed: int) -> int:
    """Return 64 bits that a key and a seed mean: SplitMix64's finalizer of both."""
    return _mixed(_mixed(key) ^ _mixed(seed))


def _mixed(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def spatial(node: Spatial, wkt: str | None) -> bool | None:
    """Ask shapely about one row; distances by the haversine, to points and from covered places."""
    if wkt is None:
        return None
    shape = shapely.from_wkt(wkt)
    if node.relation is Relation.IS_VALID:
        return bool(shape.is_valid)
    other = shapely.from_wkt(node.shape.value)  # type: ignore[union-attr]
    if node.relation is not Relation.DWITHIN:
        return bool(getattr(shape, node.relation.removeprefix("st_"))(other))
    meters = distances(other, np.array([shape]))[0]
    if shape.geom_type == "Point" and not shape.is_empty:
        assert abs(meters - _haversine(shape, other)) < 1e-3 + 1e-6 * meters
    return bool(meters <= node.distance.value)  # type: ignore[union-attr]


def _haversine(a: Any, b: Any) -> float:
    (x0, y0), (x1, y1) = [(math.radians(p.x), math.radians(p.y)) for p in (a, b)]
    h = math.sin((y1 - y0) / 2) ** 2 + math.cos(y0) * math.cos(y1) * math.sin((x1 - x0) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(min(1.0, math.sqrt(h)))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def has_terms(node: TextMatch | FuzzyMatch | PhraseMatch, text: str) -> bool:
    """Cut both texts into words of letters and digits, and try every choice of places."""
    words, wanted = _words(text), _words(node.text.value)  # type: ignore[attr-defined]
    if isinstance(node, TextMatch):
        return len({*wanted} & {*words}) >= node.minimum.value  # type: ignore[attr-defined]
    if isinstance(node, FuzzyMatch):
        edits = node.max_edit_distance.value  # type: ignore[attr-defined]
        return any(fewest_edits(a, b) <= edits for a in words for b in wanted)
    if not wanted:
        return False
    # Every choice of one place for each term of the phrase.
    places = [[i for i, word in enumerate(words) if word == term] for term in wanted]
    for chosen in itertools.product(*places):
        begins = [place - offset for offset, place in enumerate(chosen)]
        shifts = sum(abs(b - a) for a, b in itertools.pairwise(begins))
        if shifts <= node.slop.value:  # type: ignore[attr-defined]
            return True
    return False


@cache
def fewest_edits(a: str, b: str) -> int:
    """Insert, remove, replace one character or exchange two neighbours, by trying everything."""
    if not a or not b:
        return len(a) + len(b)
    costs = [
        fewest_edits(a[1:], b) + 1,
        fewest_edits(a, b[1:]) + 1,
        fewest_edits(a[1:], b[1:]) + (a[0] != b[0]),
    ]
    if len(a) > 1 and len(b) > 1 and a[0] == b[1] and a[1] == b[0]:
        costs.append(fewest_edits(a[2:], b[2:]) + 1)
    return min(costs)


def moment(value: datetime | str, schema: Schema) -> datetime:
    """Return what a text or a naive ``datetime`` means on the clock of the schema."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=schema.zone) if found.tzinfo is None else found


def shifted(start: datetime, iso: str, sign: int) -> datetime | None:
    """Add an interval unit by unit; None outside of the years of ``datetime``."""
    if iso.startswith("-"):
        iso, sign = iso[1:], -sign
    date, _, time = iso[1:].partition("T")
    units = {unit: float(number) for number, unit in re.findall(r"([\d.]+)([YMWD])", date)}
    clock = {unit: float(number) for number, unit in re.findall(r"([\d.]+)([HMS])", time)}
    months = int(12 * units.get("Y", 0) + units.get("M", 0))
    length = timedelta(
        weeks=units.get("W", 0),
        days=units.get("D", 0),
        hours=clock.get("H", 0),
        minutes=clock.get("M", 0),
        seconds=clock.get("S", 0),
    )
    start = start.astimezone(UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + sign * months, 12)
    if not 1 <= year <= 9999:
        return None
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    try:
        return start.replace(year=year, month=month + 1, day=day) + sign * length
    except OverflowError:
        return None
