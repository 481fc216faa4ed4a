"""How do many texts become few requests, and what did they cost?

Shared by plug-ins that ask a service: batches bounded by texts and estimated tokens, several
requests at a time, and counts of what was used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from elanus.plugins.http import TooLargeError

T = TypeVar("T")

# Most tokenizers take 3 to 5 bytes of English, and 3 bytes of Chinese, to a token. The low end
# keeps batches within what a service allows.
_BYTES_PER_TOKEN: Final = 3


@dataclass(frozen=True, slots=True)
class Usage:
    """What a plug-in has used so far.

    Attributes:
        texts: Texts, or pairs of query and document, that were answered.
        tokens: Tokens as the service counts them, 0 where it does not tell.
        requests: Requests, with repeated ones.
        retries: Requests that were repeated.
        cost_usd: Tokens at the price that the plug-in was given, or None without a price.
    """

    texts: int = 0
    tokens: int = 0
    requests: int = 0
    retries: int = 0
    cost_usd: float | None = None


class UsageCounter:
    """Adds up usage. Safe from many threads.

    Args:
        usd_per_million_tokens: Price, or None when it is not known.
    """

    def __init__(self, usd_per_million_tokens: float | None = None) -> None:
        self._price = usd_per_million_tokens
        self._lock = threading.Lock()
        self._texts = 0
        self._tokens = 0

    def add(self, texts: int, tokens: int) -> None:
        """Count what one answer used."""
        with self._lock:
            self._texts += texts
            self._tokens += tokens

    def read(self, *, requests: int, retries: int) -> Usage:
        """Return the sums so far, with the counts of the HTTP client."""
        with self._lock:
            usage = Usage(self._texts, self._tokens, requests, retries)
        if self._price is None:
            return usage
        return replace(usage, cost_usd=usage.tokens * self._price / 1e6)


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has, rather too many than too few."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN) + 1


def request_batches(
    tokens: Sequence[int], *, max_texts: int, max_tokens: int | None
) -> Iterator[list[int]]:
    """Yield batches of positions, in order, within the limits of a service.

    Services count the tokens of texts, without padding, so lengths may be mixed.

    Args:
        tokens: Estimated tokens of each text.
        max_texts: Most texts of a request.
        max_tokens: Most tokens of a request, or None. A longer text is a batch of its own.
    """
    batch: list[int] = []
    total = 0
    for position, count in enumerate(tokens):
        full = max_tokens is not None and total + count > max_tokens
        if batch and (full or len(batch) == max_texts):
            yield batch
            batch, total = [], 0
        batch.append(position)
        total += count
    if batch:
        yield batch


def answers(
    ask: Callable[[list[int]], T], batches: Sequence[list[int]], concurrency: int
) -> Iterator[tuple[list[int], T]]:
    """Ask for every batch, several at a time, and yield answers as they come.

    A batch that the service finds too large is asked for in halves. After the first failure no
    further request starts; answers that are on their way are yielded before the failure is raised,
    so that nothing that was paid for is lost.
    """
    if len(batches) == 1:
        yield from _halving(ask, batches[0])
        return
    failure: BaseException | None = None
    with ThreadPoolExecutor(max_workers=max(1, min(concurrency, len(batches)))) as pool:
        waiting = list(reversed(batches))
        running: set[Future[list[tuple[list[int], T]]]] = set()
        while running or (waiting and failure is None):
            while waiting and failure is None and len(running) < concurrency:
                running.add(pool.submit(lambda rows: list(_halving(ask, rows)), waiting.pop()))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                error = future.exception()
                if error is None:
                    yield from future.result()
                else:
                    failure = failure or error
    if failure is not None:
        raise failure


def _halving(ask: Callable[[list[int]], T], rows: list[int]) -> Iterator[tuple[list[int], T]]:
    try:
        answer = ask(rows)
    except TooLargeError:
        if len(rows) == 1:
            raise
        middle = len(rows) // 2
        yield from _halving(ask, rows[:middle])
        yield from _halving(ask, rows[middle:])
        return
    yield rows, answer
