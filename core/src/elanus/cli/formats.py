"""How do sizes, times and tables look to a person?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

_UNITS = ("kB", "MB", "GB")


def size_text(size_bytes: int) -> str:
    """Return a number of bytes with a unit: ``"1.2 MB"``."""
    if size_bytes < 1_000:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in _UNITS:
        value /= 1_000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1_000:.1f} TB"


def count_text(count: int, one: str, many: str | None = None) -> str:
    """Return a number with what it counts: ``"1 log"``, ``"2 logs"``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def time_text(seconds: float) -> str:
    """Return a time since 1970 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def table_lines(
    rows: Iterable[Sequence[str]], *, indent: str = "  ", right: Sequence[int] = ()
) -> list[str]:
    """Return rows of text with aligned columns.

    Args:
        rows: Of equal length.
        indent: In front of each line.
        right: Columns that are aligned to the right, as numbers are.
    """
    listed = [tuple(row) for row in rows]
    if not listed:
        return []
    widths = [max(len(row[i]) for row in listed) for i in range(len(listed[0]))]
    lines: list[str] = []
    for row in listed:
        cells = [
            text.rjust(width) if place in right else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
