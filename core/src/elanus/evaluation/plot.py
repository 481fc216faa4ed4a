"""How does an evaluation look?

A picture of a few shapes as SVG, drawn without a library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from elanus.evaluation.bootstrap import Estimate
from elanus.types import Float64Array

WIDTH: Final = 760
_LEFT, _RIGHT = 130, 30
_ROW = 16
"""Height of one interval."""
_CURVES = 220
"""Height of the lower part."""
_COLOURS: Final = ("#3366aa", "#cc6633", "#228855", "#8855aa", "#aa3355", "#777777")
"""Distinguishable without red and green side by side."""


def draw(
    titles: Sequence[str],
    metrics: Sequence[str],
    estimates: Sequence[Sequence[Estimate]],
    curves: Sequence[Float64Array],
) -> str:
    """Return an SVG of evaluations.

    Args:
        titles: What they are called.
        metrics: Names, of the upper part; the first one is that of the lower part too.
        estimates: For each evaluation one per metric.
        curves: For each evaluation the values of its queries, the largest first.
    """
    parts: list[str] = []
    y = 24
    for number, title in enumerate(titles):
        parts.append(f'<circle cx="{_LEFT}" cy="{y - 4}" r="5" fill="{_colour(number)}"/>')
        parts.append(_text(_LEFT + 12, y, title))
        y += 18
    top = y + 8
    y = top
    for place, metric in enumerate(metrics):
        middle = y + _ROW * len(titles) / 2
        parts.append(_text(_LEFT - 10, middle + 4, metric, anchor="end"))
        for number, found in enumerate(estimates):
            parts += _interval(found[place], y + _ROW * (number + 0.5), _colour(number))
        y += _ROW * len(titles) + 12
    grid = _grid(top, y)
    upper = top + (y - top)
    lower = upper + 48
    parts.append(_text(_LEFT, lower - 12, f"{metrics[0]} of each query, best first"))
    parts += _frame(lower)
    for number, values in enumerate(curves):
        parts.append(_curve(values, lower, _colour(number)))
    height = lower + _CURVES + 34
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH} {height:g}" font-family="sans-serif" font-size="12">'
    )
    paper = f'<rect width="{WIDTH}" height="{height:g}" fill="white"/>'
    return "\n".join([head, paper, *grid, *parts, "</svg>"]) + "\n"


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _x(value: float) -> float:
    return round(_LEFT + value * (WIDTH - _LEFT - _RIGHT), 1)


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="#222222">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" '
        f'stroke-width="{width:g}"/>'
    )


def _grid(top: float, bottom: float) -> list[str]:
    """Return the lines of the upper part, with a number under each."""
    parts = []
    for tenth in range(0, 11, 2):
        x = _x(tenth / 10)
        parts.append(_line(x, top, x, bottom, "#dddddd"))
        parts.append(_text(x, bottom + 14, f"{tenth / 10:g}", anchor="middle"))
    return parts


def _interval(found: Estimate, y: float, colour: str) -> list[str]:
    parts = [_line(_x(found.low), y, _x(found.high), y, colour, 2)]
    parts += [_line(_x(end), y - 4, _x(end), y + 4, colour, 2) for end in (found.low, found.high)]
    parts.append(f'<circle cx="{_x(found.mean):g}" cy="{y:g}" r="4" fill="{colour}"/>')
    return parts


def _frame(top: float) -> list[str]:
    parts = []
    for fifth in range(6):
        y = top + _CURVES * (1 - fifth / 5)
        parts.append(_line(_LEFT, y, WIDTH - _RIGHT, y, "#dddddd"))
        parts.append(_text(_LEFT - 10, y + 4, f"{fifth / 5:g}", anchor="end"))
    parts.append(_text(_LEFT, top + _CURVES + 16, "0 % of the queries"))
    parts.append(_text(WIDTH - _RIGHT, top + _CURVES + 16, "100 %", anchor="end"))
    return parts


def _curve(values: Float64Array, top: float, colour: str) -> str:
    """Return steps, one for each query."""
    count = len(values)
    points = []
    for place, value in enumerate(values.tolist()):
        y = round(top + _CURVES * (1 - value), 1)
        points += [f"{_x(place / count):g},{y:g}", f"{_x((place + 1) / count):g},{y:g}"]
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
