"""How is work on many bytes spread over the processors?

One thread does not use all of the memory's bandwidth. Each takes every n-th part, and gives up the
GIL in the kernels that it calls.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADED_BYTES = 64 << 20
"""Bytes from which more than one thread works; fewer are done before a thread has started."""
MAX_THREADS = 4
"""More do not help: memory is the limit."""

ResultT = TypeVar("ResultT")


def in_threads(work: Callable[[int, int], ResultT], num_bytes: int) -> Iterator[ResultT]:
    """Yield ``work(first, step)`` for all ``first`` below ``step``, each from its own thread.

    Args:
        work: Does the parts ``first, first + step, first + 2 * step ...``; safe from many threads.
        num_bytes: Bytes of all parts.
    """
    step = min(MAX_THREADS, os.cpu_count() or 1) if num_bytes >= THREADED_BYTES else 1
    if step == 1:
        yield work(0, 1)
        return
    with ThreadPoolExecutor(step - 1, thread_name_prefix="elanus-work") as pool:
        try:
            others = [pool.submit(work, first, step) for first in range(1, step)]
        except RuntimeError:  # the interpreter is ending and starts no thread any more
            yield work(0, 1)
            return
        yield work(0, step)
        yield from (other.result() for other in others)
