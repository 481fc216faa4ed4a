"""What time is it, as Milvus counts it?

A timestamp is milliseconds since 1970 times 2^18 plus a counter, and grows from call to call.
"""

from __future__ import annotations

import threading
import time

LOGICAL_BITS = 18
"""Bits of a timestamp that count within one millisecond."""
_lock = threading.Lock()
_last = 0


def now() -> int:
    """Return a timestamp larger than every one that was given out before."""
    global _last  # noqa: PLW0603 - one clock for the process
    with _lock:
        _last = max(_last + 1, time.time_ns() // 1_000_000 << LOGICAL_BITS)
        return _last


def milliseconds(timestamp: int) -> int:
    """Return the milliseconds since 1970 of a timestamp."""
    return timestamp >> LOGICAL_BITS
