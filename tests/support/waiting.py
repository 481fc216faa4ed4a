"""Waiting for what goes on in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_LIMIT_S = 60.0
_PAUSE = threading.Event()


def until(look: Callable[[], T], is_right: Callable[[T], bool]) -> T:
    """Return what is seen once it is right.

    Raises:
        AssertionError: It was not within a minute.
    """
    deadline = time.monotonic() + _LIMIT_S
    while not is_right(found := look()):
        assert time.monotonic() < deadline, f"still {found}"
        _PAUSE.wait(0.01)
    return found
