"""A progress display that shows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class SilentProgress:
    """Shows nothing; stops the run, as Ctrl-C does, after a number of passages."""

    def __init__(self, stop_after: int | None = None) -> None:
        self._stop_after = stop_after

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if unit == "passages" and self._stop_after is not None and done >= self._stop_after:
                raise KeyboardInterrupt

        yield advance
