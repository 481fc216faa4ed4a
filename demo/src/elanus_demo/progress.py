"""How far is the work, how fast does it go, how long will it take?

A bar in a terminal; elsewhere a plain line every few seconds, fit for a log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

Advance = Callable[[int], None]

_SECONDS_BETWEEN_LINES = 10.0
# Work that ends sooner than this needs no line of its own in a log.
_SECONDS_WITHOUT_LINE = 2.0

# Columns that fit a terminal this wide beside the bar.
_NARROW = 70


class Progress(Protocol):
    """Shows the progress of one piece of work after another."""

    def track(self, what: str, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Show work of ``total`` units; call the result with each number of units done."""


def make_progress(console: Console) -> Progress:
    """Return the display that fits where the output goes."""
    return BarProgress(console) if console.is_terminal else LineProgress(console)


class BarProgress:
    """A bar with count, rate and time left."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
        ]
        if self._console.width >= _NARROW:
            columns.append(TextColumn(unit))
        columns += [_RateColumn(), TimeRemainingColumn(compact=True)]
        with RichProgress(*columns, console=self._console, transient=True, expand=True) as progress:
            task = progress.add_task(what, total=total)
            yield lambda count: progress.advance(task, count)


class _RateColumn(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "--/s", style="progress.data.speed")


class LineProgress:
    """A line now and then with count, rate and time left."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        started = last = self._clock()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, last
            done += count
            now = self._clock()
            if done < total and now - last >= _SECONDS_BETWEEN_LINES:
                last = now
                rate = done / (now - started)
                left = (total - done) / rate if rate else 0.0
                self._line(
                    f"{what}: {done:,} of {total:,} {unit}, {rate:,.0f}/s, {format_time(left)} left"
                )

        yield advance
        elapsed = self._clock() - started
        if elapsed >= _SECONDS_WITHOUT_LINE:
            rate = done / elapsed
            self._line(
                f"{what}: {done:,} of {total:,} {unit}, {rate:,.0f}/s, {format_time(elapsed)}"
            )

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def format_time(seconds: float) -> str:
    """Return a duration as a person says it: ``420 ms``, ``8.3 s``, ``2 min 5 s``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
