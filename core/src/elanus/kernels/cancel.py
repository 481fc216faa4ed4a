"""How does a long search end before it is through?

``with CancelToken(...)`` puts a token over the thread; the kernels that it calls look at it about
every millisecond. Loops between kernels call ``check`` themselves. Kernels are told how in
``native/support/cancel.h``.

Whoever calls the library ends what it does with a ``Cancellation``.
"""

from __future__ import annotations

import threading
import time

from elanus import _native
from elanus._native import CancelToken
from elanus.errors import InvalidArgumentError

__all__ = ["CancelToken", "Cancellation", "search_token"]

_thread = threading.local()


class Cancellation:
    """Ends reads from another thread, or when their time is over.

    ``with cancellation:`` is put around searches and queries of one thread; ``cancel()`` may be
    called from any. It is for reads: a write that has begun is not to end halfway.

    Args:
        timeout: Seconds from now after which they end with ``SearchTimeoutError``, more than 0;
            None is no limit.

    Raises:
        InvalidArgumentError: ``timeout`` is not a number above 0.
    """

    def __init__(self, timeout: float | None = None) -> None:
        _check_timeout(timeout)
        self._ends = None if timeout is None else time.monotonic() + timeout
        self._lock = threading.Lock()
        self._tokens: list[CancelToken] = []
        self._is_cancelled = False
        self._outer: Cancellation | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether ``cancel`` was called."""
        return self._is_cancelled

    @property
    def remaining_s(self) -> float | None:
        """Seconds that are left, 0 when the time is over; None is no limit."""
        return None if self._ends is None else max(self._ends - time.monotonic(), 0.0)

    def cancel(self) -> None:
        """End the reads inside the block, and those that begin there, with
        ``SearchCancelledError``."""
        with self._lock:
            self._is_cancelled = True
            for token in self._tokens:
                token.cancel()

    def __enter__(self) -> Cancellation:
        self._outer = _over_thread()
        _thread.over = self
        self.token().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._tokens[0].__exit__(None, None, None)
        _thread.over = self._outer
        with self._lock:
            self._tokens.clear()

    def token(self, timeout_s: float | None = None) -> CancelToken:
        """Return a token that ends together with this and with what is around it."""
        limits = [limit for limit in (timeout_s, self.remaining_s) if limit is not None]
        limit_s = min(limits, default=None)
        made = _new_token(limit_s) if self._outer is None else self._outer.token(limit_s)
        with self._lock:
            self._tokens.append(made)
            if self._is_cancelled:
                made.cancel()
        return made


def search_token(timeout_s: float | None = None) -> CancelToken:
    """Return a token that ends the search of this thread.

    It ends together with the ``Cancellation`` over the thread. In the main thread it also lets
    Python's signal handlers run, so that Ctrl-C ends a kernel within a tenth of a second.

    Args:
        timeout_s: Seconds from now, more than 0; None is no limit.

    Returns:
        A context manager. ``cancel()`` ends the search from any thread (``SearchCancelledError``);
        ``check()`` raises when it shall end (``SearchTimeoutError`` when its time is over).

    Raises:
        InvalidArgumentError: ``timeout_s`` is not a number above 0.
    """
    if timeout_s is not None:
        _check_timeout(timeout_s)
    over = _over_thread()
    return _new_token(timeout_s) if over is None else over.token(timeout_s)


def _new_token(timeout_s: float | None) -> CancelToken:
    is_main = threading.get_ident() == threading.main_thread().ident
    return _native.CancelToken(timeout_s, is_main)


def _over_thread() -> Cancellation | None:
    return getattr(_thread, "over", None)


def _check_timeout(timeout_s: float | None) -> None:
    if timeout_s is not None and not _is_duration(timeout_s):
        raise InvalidArgumentError(f"timeout must be a number of seconds > 0, got {timeout_s!r}")


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
