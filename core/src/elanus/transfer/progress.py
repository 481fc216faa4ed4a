"""How far is it?

A bar of tqdm when that is installed (``pip install 'elanus[progress]'``), else a line every few
seconds. Everything goes to stderr.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from elanus.transfer.chunks import Extent

LINE_INTERVAL_S = 5.0


class Progress(Protocol):
    """Told about every chunk."""

    def advance(self, rows: int, size_bytes: int) -> None:
        """Count rows, and the bytes of the source that they took."""
        ...

    def close(self) -> None:
        """End the display. Idempotent."""
        ...


class Silence:
    """No progress."""

    def advance(self, rows: int, size_bytes: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """A line from time to time.

    Args:
        what: What is going on.
        extent: How much there is.
        done_rows: Rows that an earlier run did.
        stream: Where to write.
    """

    def __init__(
        self, what: str, extent: Extent, *, done_rows: int = 0, stream: TextIO | None = None
    ) -> None:
        self._what = what
        self._extent = extent
        self._stream = stream or sys.stderr
        self._done = done_rows
        self._rows = 0
        self._bytes = 0
        self._started = self._shown = time.monotonic()
        self._closed = False

    def advance(self, rows: int, size_bytes: int) -> None:
        self._rows += rows
        self._bytes += size_bytes
        if time.monotonic() - self._shown >= LINE_INTERVAL_S:
            self._show()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._show()

    def _show(self) -> None:
        self._shown = time.monotonic()
        rate = self._rows / max(self._shown - self._started, 1e-9)
        total, size = self._extent.rows, self._extent.size_bytes
        share = ""
        if total:
            share = f" of {total:,}"
        elif size:
            share = f" ({min(self._bytes / size, 1):.0%})"
        rows = self._done + self._rows
        self._stream.write(f"{self._what}: {rows:,} rows{share}, {rate:,.0f} rows/s\n")
        self._stream.flush()


class _Told:
    """A function that is told how far it is.

    Args:
        tell: Gets the rows that were read, and the share of the source that they are, or None
            where that cannot be known.
        extent: How much there is.
        done_rows: Rows that an earlier run did.
    """

    def __init__(self, tell: Callable[[int, float | None], None], extent: Extent, done_rows: int):
        self._tell = tell
        self._extent = extent
        self._rows = done_rows
        self._bytes = 0

    def advance(self, rows: int, size_bytes: int) -> None:
        self._rows += rows
        self._bytes += size_bytes
        total, size = self._extent.rows, self._extent.size_bytes
        share = None
        if total:
            share = min(self._rows / total, 1.0)
        elif size:
            share = min(self._bytes / size, 1.0)
        self._tell(self._rows, share)

    def close(self) -> None:
        """Do nothing."""


class _Bar:
    """A bar of tqdm."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def advance(self, rows: int, size_bytes: int) -> None:
        self._bar.update(rows)

    def close(self) -> None:
        self._bar.close()


def open_progress(
    wanted: bool | Callable[[int, float | None], None] | None,
    what: str,
    extent: Extent,
    done_rows: int = 0,
) -> Progress:
    """Return the display for a job.

    Args:
        wanted: Whether to show any; None shows it when stderr is a terminal. A function is told of
            every chunk instead: rows, and their share of the whole or None.
        what: What is going on.
        extent: How much there is.
        done_rows: Rows that an earlier run did.
    """
    if callable(wanted):
        return _Told(wanted, extent, done_rows)
    if wanted is None:
        wanted = sys.stderr is not None and sys.stderr.isatty()
    if not wanted:
        return Silence()
    try:
        from tqdm import tqdm
    except ImportError:
        return Lines(what, extent, done_rows=done_rows)
    bar = tqdm(total=extent.rows, initial=done_rows, desc=what, unit=" rows", unit_scale=True)
    return _Bar(bar)
