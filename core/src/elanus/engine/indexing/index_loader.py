"""Who answers while an index is loaded?

An exact scan. Loading starts when the first search was answered: it copies a graph into memory,
which takes as long as hundreds of scans and holds the interpreter meanwhile, so that whoever opens
a database for one question would only wait for it. Who never searches loads nothing.
"""

from __future__ import annotations

import atexit
import functools
import os
import threading
import weakref
from collections.abc import Callable

from elanus.index.base import CandidateTable, VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.kernels.bitset import Bitset
from elanus.types import Float32Array


class IndexLoader:
    """Runs ``load`` once, in a thread of its own, and serves scans until then.

    Args:
        rows: The vectors to scan.
        load: Opens the index and puts it where this loader was used.
    """

    def __init__(self, rows: VectorRows, load: Callable[[], None]) -> None:
        self.scan = _ScanMeanwhile(rows, self._begin)
        self._load = load
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._cancelled = False

    def wait(self) -> None:
        """Return when the index is loaded, or cannot be; begin now if nobody searched yet."""
        thread = self._begin()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def cancel(self) -> None:
        """Do not begin any more, and return when what has begun is over. Idempotent."""
        self._cancelled = True
        thread = self._thread
        # A forked child has the loader, but not its thread.
        if thread is None or self._pid != os.getpid() or thread is threading.current_thread():
            return
        thread.join()

    def _begin(self) -> threading.Thread | None:
        with self._lock:
            if self._thread is not None and self._pid == os.getpid():
                return self._thread
            if self._cancelled:
                return None
            _end_before_the_interpreter()
            _begun.add(self)
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._run, name="elanus-load", daemon=True)
            self._thread.start()
            return self._thread

    def _run(self) -> None:
        if not self._cancelled:
            self._load()


class _ScanMeanwhile(FlatIndex):
    """A scan that has the index loaded after it has answered."""

    def __init__(self, rows: VectorRows, begin: Callable[[], object]) -> None:
        super().__init__(rows)
        self._begin = begin

    def search(
        self,
        queries: Float32Array,
        limit: int,
        *,
        allowed: Bitset | None = None,
        ef: int | None = None,
    ) -> CandidateTable:
        found = super().search(queries, limit, allowed=allowed, ef=ef)
        self._begin()
        return found


_begun: weakref.WeakSet[IndexLoader] = weakref.WeakSet()


@functools.cache
def _end_before_the_interpreter() -> None:
    """End loading before threads are stopped in the middle of native code."""

    def cancel_all() -> None:
        for loader in list(_begun):
            loader.cancel()

    atexit.register(cancel_all)
