"""What becomes of open databases when the process forks or ends?"""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Protocol


class OpenDatabase(Protocol):
    """An engine that is open."""

    def forget_parent(self) -> None:
        """Let a forked child read: a thread of its parent may have held a lock."""

    def close(self) -> None:
        """Stop all threads and close all files. Idempotent."""


_open: weakref.WeakSet[OpenDatabase] = weakref.WeakSet()


def watch(engine: OpenDatabase) -> None:
    """Close an engine at exit, unless it goes before, and tell it of forks."""
    _open.add(engine)
    reference = weakref.ref(engine)

    def close() -> None:
        alive = reference()
        if alive is not None:
            alive.close()

    # Its worker must not run into the interpreter's end; the log has what it leaves undone.
    atexit.register(close)
    # At exit it would take `close` away before its turn.
    weakref.finalize(engine, atexit.unregister, close).atexit = False


def _forget_parents() -> None:
    for engine in list(_open):
        engine.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
