"""How does a long search end before it is through?

``with CancelToken(...)`` puts a token over the thread; the kernels that it calls look at it about
every millisecond. Loops between kernels call ``check`` themselves. Kernels are told how in
``native/support/cancel.h``.
"""

from __future__ import annotations

import threading

from elanus import _native
from elanus._native import CancelToken
from elanus.errors import InvalidArgumentError

__all__ = ["CancelToken", "search_token"]


def search_token(timeout_s: float | None = None) -> CancelToken:
    """Return a token that ends the search of this thread.

    In the main thread it also lets Python's signal handlers run, so that Ctrl-C ends a kernel
    within a tenth of a second.

    Args:
        timeout_s: Seconds from now, more than 0; None is no limit.

    Returns:
        A context manager. ``cancel()`` ends the search from any thread (``SearchCancelledError``);
        ``check()`` raises when it shall end (``SearchTimeoutError`` when its time is over).

    Raises:
        InvalidArgumentError: ``timeout_s`` is not a number above 0.
    """
    if timeout_s is not None and not _is_duration(timeout_s):
        raise InvalidArgumentError(f"timeout must be a number of seconds > 0, got {timeout_s!r}")
    is_main = threading.current_thread() is threading.main_thread()
    return _native.CancelToken(timeout_s, is_main)


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
