"""How much may each user ask of the server?

Rates are token buckets that hold one second's worth: whoever asked nothing for a second may ask
that much at once. What costs more than a bucket holds passes when the bucket is full, and is paid
back afterwards. Names are those of Milvus' configuration where it has the like.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from elanus.errors import InvalidArgumentError
from elanus_server.failures import RATE_LIMIT, TOO_LARGE, MilvusError, invalid
from elanus_server.security.accounts import Accounts

SEARCHES = "dql.searchRate.max"
QUERIES = "dql.queryRate.max"
WRITTEN_MB = "dml.insertRate.max"
DELETED_MB = "dml.deleteRate.max"
WRITTEN_ROWS = "dml.rowRate.max"
CHANGES = "ddl.rate.max"
CALLS = "calls.rate.max"
AT_ONCE = "calls.concurrent.max"
OUTPUT = "limits.maxOutputSize"
NAMES = {
    SEARCHES: "queries of searches per second",
    QUERIES: "queries by filter or key per second",
    WRITTEN_MB: "megabytes per second that are inserted or upserted",
    DELETED_MB: "megabytes per second of requests that delete",
    WRITTEN_ROWS: "entities per second that are inserted or upserted",
    CHANGES: "other calls per second that change something",
    CALLS: "calls per second, of every kind",
    AT_ONCE: "calls at once",
    OUTPUT: "bytes of one answer",
}
"""What can be limited, and in which unit."""
_MB = 1024 * 1024
_WRITES = frozenset({"Insert", "Upsert"})
_SEARCHES = frozenset({"Search", "HybridSearch"})
_CHANGING = (
    "Add",
    "Alter",
    "BatchUpdate",
    "Create",
    "Delete",
    "Drop",
    "Flush",
    "Import",
    "Load",
    "Manual",
    "Operate",
    "Pin",
    "Prewarm",
    "Refresh",
    "Release",
    "Remove",
    "Rename",
    "Replicate",
    "Restore",
    "Revoke",
    "Set",
    "Transfer",
    "Truncate",
    "Unpin",
    "Update",
)
"""How calls begin that change more than entities."""


def checked_limits(given: Mapping[str, Any]) -> dict[str, float]:
    """Return limits by name.

    Raises:
        InvalidArgumentError: No such limit, or no number above 0.
    """
    for name, value in given.items():
        if name not in NAMES:
            raise InvalidArgumentError(
                f"limit: unknown name {name!r}; there are {', '.join(sorted(NAMES))}"
            )
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not value > 0:
            raise InvalidArgumentError(f"limit {name}: expected a number above 0, got {value!r}")
    return {name: float(value) for name, value in given.items()}


class RateLimitedError(MilvusError):
    """More than the user may ask for now. Clients of Milvus try again a little later.

    Attributes:
        limit: Name of the limit.
        retry_after_s: Seconds after which the call may be made; None: not known.
    """

    def __init__(self, limit: str, value: float, retry_after_s: float | None = None) -> None:
        super().__init__(
            RATE_LIMIT,
            f"request is rejected, please retry later: rate limit exceeded[rate={value:g}]"
            f"[limit={limit}]: {NAMES[limit]}",
            retriable=True,
        )
        self.limit = limit
        self.retry_after_s = retry_after_s


class Bucket:
    """Fills up at a rate, and is taken from. Not safe from several threads by itself.

    Args:
        rate: Units per second; it holds as many.
        now: Returns seconds.
    """

    def __init__(self, rate: float, now: Callable[[], float]) -> None:
        self.rate = rate
        self._now = now
        self._held = rate
        self._at = now()

    def has(self, cost: float) -> bool:
        """Whether units are there, or the bucket is full."""
        now = self._now()
        self._held = min(self.rate, self._held + (now - self._at) * self.rate)
        self._at = now
        return self._held >= min(cost, self.rate)

    def take(self, cost: float) -> None:
        """Take units, also some that are not there yet."""
        self._held -= cost

    def wait_s(self, cost: float) -> float:
        """Return the seconds after which units could be taken that were just refused."""
        return (min(cost, self.rate) - self._held) / self.rate


@dataclass(slots=True)
class _Use:
    """What one user asks for."""

    buckets: dict[str, Bucket]
    at_once: int = 0


class Limits:
    """Holds users to what they may ask for. Safe from many threads.

    Args:
        defaults: Limits of users who have none of their own, by name.
        accounts: Returns the accounts, which have the others.
        now: Returns seconds.

    Raises:
        InvalidArgumentError: A limit has another name, or no value above 0.
    """

    def __init__(
        self,
        defaults: Mapping[str, float],
        accounts: Callable[[], Accounts],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._defaults = checked_limits(defaults)
        self._accounts = accounts
        self._now = now
        self._lock = threading.Lock()
        self._uses: dict[str, _Use] = {}

    def of(self, user: str) -> Mapping[str, float]:
        """Return the limits of a user."""
        own = self._accounts().limits.get(str(user))
        return self._defaults if not own else {**self._defaults, **own}

    def admitted(
        self, user: str, method: str, request: Any
    ) -> contextlib.AbstractContextManager[None]:
        """Let a call of a user happen, within what is returned.

        Raises:
            RateLimitedError: They ask for too much; raised when it is entered.
        """
        limits = self.of(user)
        return self._within(user, limits, method, request) if limits else contextlib.nullcontext()

    @contextlib.contextmanager
    def _within(
        self, user: str, limits: Mapping[str, float], method: str, request: Any
    ) -> Iterator[None]:
        use = self._take(str(user), limits, costs(method, request))
        try:
            yield
        finally:
            with self._lock:
                use.at_once -= 1

    def _take(self, user: str, limits: Mapping[str, float], asked: Mapping[str, float]) -> _Use:
        with self._lock:
            use = self._uses.setdefault(user, _Use({}))
            most = limits.get(AT_ONCE, math.inf)
            if use.at_once >= most:
                raise RateLimitedError(AT_ONCE, most)
            due: list[tuple[Bucket, float]] = []
            for name in (one for one in asked if one in limits):
                bucket = use.buckets.get(name)
                if bucket is None or bucket.rate != limits[name]:
                    bucket = use.buckets[name] = Bucket(limits[name], self._now)
                if not bucket.has(asked[name]):
                    raise RateLimitedError(name, limits[name], bucket.wait_s(asked[name]))
                due.append((bucket, asked[name]))
            # A call that is refused takes nothing: who tries again would wait ever longer.
            for bucket, cost in due:
                bucket.take(cost)
            use.at_once += 1
            return use

    def check_output(self, user: str, response: Any) -> None:
        """Refuse an answer that is too large.

        Raises:
            MilvusError: It is.
        """
        most = self.of(user).get(OUTPUT)
        if most is not None and hasattr(response, "ByteSize") and response.ByteSize() > most:
            raise MilvusError(
                TOO_LARGE,
                f"query results exceed the maxOutputSize Limit {int(most)}: ask for fewer entities "
                f"or fields",
            )


def costs(method: str, request: Any) -> dict[str, float]:
    """Return what a call takes from each bucket."""
    found: dict[str, float] = {CALLS: 1.0}
    if method in _SEARCHES:
        # Those of a hybrid search stand in its legs.
        legs = getattr(request, "requests", None) or [request]
        found[SEARCHES] = float(sum(max(1, leg.nq) for leg in legs))
    elif method == "Query":
        found[QUERIES] = 1.0
    elif method in _WRITES:
        found[WRITTEN_MB] = request.ByteSize() / _MB
        found[WRITTEN_ROWS] = float(request.num_rows)
    elif method == "Delete":
        found[DELETED_MB] = request.ByteSize() / _MB
    elif method.startswith(_CHANGING):
        found[CHANGES] = 1.0
    return found


def with_limits(accounts: Accounts, user: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of all users after those of one were changed; null takes one away.

    Raises:
        InvalidArgumentError: A limit has another name, or no value above 0.
        MilvusError: There is no such user.
    """
    if user not in accounts.users:
        raise invalid(f"user not found[user={user}]")
    gone = {name for name, value in given.items() if value is None}
    new = checked_limits({name: value for name, value in given.items() if value is not None})
    kept = {n: v for n, v in accounts.limits.get(user, {}).items() if n not in gone}
    return {**accounts.limits, user: {**kept, **new}}
