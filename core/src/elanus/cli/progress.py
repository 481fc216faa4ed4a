"""How far is it? One line that is written over, and only where somebody watches."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TextIO

from elanus.cli.formats import size_text

_INTERVAL_S = 0.1
_WIDTH = 60


class Progress:
    """Shows bytes done on a terminal; silent anywhere else.

    Args:
        out: Where to write.
        verb: What is done to the bytes: ``"copied"``.
    """

    def __init__(self, out: TextIO, verb: str) -> None:
        self._out = out
        self._verb = verb
        self._is_shown = out.isatty()
        self._last = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Show ``done`` of ``total`` bytes, a few times a second at most."""
        now = time.monotonic()
        if self._is_shown and now >= self._last + _INTERVAL_S:
            self._last = now
            line = f"{self._verb} {size_text(done)} of {size_text(total)}"
            self._out.write("\r" + line.ljust(_WIDTH))
            self._out.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_shown and self._last:
            self._out.write("\r" + " " * _WIDTH + "\r")
            self._out.flush()
