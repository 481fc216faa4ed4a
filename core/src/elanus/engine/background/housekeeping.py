"""What has to be done now and then, whether or not anybody writes?

Syncing logs when the durability allows to do that late, deleting past states that nobody may ask
for any more, and trying again what failed for want of space.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from elanus.errors import ElanusError

_log = logging.getLogger(__name__)

TIDY_S = 1.0
"""Seconds between two looks at what has become too old."""


class Housekeeper:
    """A thread that calls a function regularly until ``close``, or until that says it is done.

    Args:
        period_s: Seconds between two calls.
        work: What to do; False when there is nothing left to look after. A failure is logged once,
            until it succeeds again.
    """

    def __init__(self, period_s: float, work: Callable[[], bool]) -> None:
        self._period_s = period_s
        self._work = work
        self._closing = threading.Event()
        self._has_failed = False
        self._thread = threading.Thread(target=self._run, name="elanus-housekeeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; returns when the thread has ended."""
        self._closing.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._period_s):
            try:
                if not self._work():
                    return
                self._has_failed = False
            except ElanusError as error:
                if not self._has_failed:
                    self._has_failed = True
                    _log.warning("%s", error)
