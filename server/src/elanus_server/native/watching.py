"""Limits and the audit log for native calls, as ``calls.answered`` has them for the others.

A native call counts as the call of Milvus' protocol that it is like; what is written counts by its
bytes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from elanus.errors import ElanusError, PermissionDeniedError
from elanus_server.failures import NOT_PERMITTED, UNEXPECTED, as_milvus
from elanus_server.native.privileges import COLLECTION, DATABASE, Likeness
from elanus_server.native.service import Asked
from elanus_server.security.audit import AuditRecord, is_recorded
from elanus_server.security.caller import Caller
from elanus_server.security.limits import OUTPUT

_MOST_SHOWN = 255
"""Characters of a name that are recorded."""


class _Weight(NamedTuple):
    """What a limit asks of a message."""

    size: int
    num_rows: int = 0
    nq: int = 1

    def ByteSize(self) -> int:  # noqa: N802 - as messages of the protocol have it
        return self.size


def _likeness(asked: Asked) -> Likeness | None:
    """Return the call of the protocol that a call is like; None: it is for administrators."""
    if asked.owner == "collection":
        likes = COLLECTION.get(asked.name)
        return likes[0] if likes else None
    return DATABASE.get(asked.name)


def most_bytes(asked: Asked, most: int) -> int:
    """Return how many bytes an answer may have."""
    limit = asked.call.host.limits.of(asked.call.user).get(OUTPUT)
    return most if limit is None else min(most, int(limit))


@contextlib.contextmanager
def watched(asked: Asked) -> Iterator[None]:
    """Let a call happen, and write it down.

    Raises:
        RateLimitedError: The user asks for too much.
    """
    at, began, code = time.time(), time.perf_counter(), 0
    like = _likeness(asked)
    method = asked.name if like is None else like.method
    try:
        weight = _Weight(len(asked.given))
        with asked.call.host.limits.admitted(asked.call.user, method, weight):
            yield
    except Exception as error:
        code = _code(error)
        raise
    finally:
        _record(asked, like, code, (at, time.perf_counter() - began))


def _record(asked: Asked, like: Likeness | None, code: int, times: tuple[float, float]) -> None:
    call = asked.call
    is_held = asked.owner == "held"
    is_wanted = like is None or is_recorded(like.method, like.request, code)
    if not call.host.records(lambda: is_wanted and not (is_held and not code)):
        return
    call.host.record(
        AuditRecord(
            times[0],
            str(call.user),
            Caller.of(call.user).token,
            call.address,
            asked.full_name[:_MOST_SHOWN],
            call.database[:_MOST_SHOWN],
            asked.collection[:_MOST_SHOWN],
            code,
            times[1],
        )
    )


def _code(error: Any) -> int:
    if isinstance(error, PermissionDeniedError):
        return NOT_PERMITTED
    return as_milvus(error).code if isinstance(error, ElanusError) else UNEXPECTED
