"""How is work on many bytes spread over the processors?

One thread does not use all of the memory's bandwidth. Each takes every n-th part, and gives up the
GIL in the kernels that it calls.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from elanus.errors import InvalidArgumentError
from elanus.kernels.cancel import CancelToken

THREADED_BYTES = 64 << 20
"""Bytes from which more than one thread works; fewer are done before a thread has started."""
MAX_THREADS = 4
"""More do not help: memory is the limit."""

BATCH_QUERIES = 8
"""Queries from which a batch is answered by several threads."""

ResultT = TypeVar("ResultT")


def query_threads(num_queries: int, threads: int | None = None) -> int:
    """Return how many threads answer a batch of queries.

    Args:
        num_queries: Queries of the batch.
        threads: What the caller asks for, at least 1; None takes every processor for batches of
            ``BATCH_QUERIES`` and more. Answers do not depend on it.

    Raises:
        InvalidArgumentError: ``threads`` is below 1.
    """
    if threads is None:
        return min(num_queries, _num_processors()) if num_queries >= BATCH_QUERIES else 1
    if threads < 1:
        raise InvalidArgumentError(f"threads: expected at least 1, got {threads}")
    return threads


def _num_processors() -> int:
    """Return the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(work: Callable[[int, int], ResultT], num_bytes: int) -> Iterator[ResultT]:
    """Yield ``work(first, step)`` for all ``first`` below ``step``, each from its own thread.

    Args:
        work: Does the parts ``first, first + step, first + 2 * step ...``; safe from many threads.
        num_bytes: Bytes of all parts.

    The token over this thread is over all of them: when it ends the work of this one, the others
    end as well.
    """
    step = min(MAX_THREADS, os.cpu_count() or 1) if num_bytes >= THREADED_BYTES else 1
    if step == 1:
        yield work(0, 1)
        return
    token = CancelToken.current()

    def work_under_token(first: int, step: int) -> ResultT:
        if token is None:
            return work(first, step)
        with token:
            return work(first, step)

    with ThreadPoolExecutor(step - 1, thread_name_prefix="elanus-work") as pool:
        try:
            others = [pool.submit(work_under_token, first, step) for first in range(1, step)]
        except RuntimeError:  # the interpreter is ending and starts no thread any more
            yield work(0, 1)
            return
        try:
            yield work(0, step)
        except BaseException:
            # A signal handler raises in the main thread only; the others would not know.
            if token is not None:
                token.cancel()
            raise
        yield from (other.result() for other in others)
