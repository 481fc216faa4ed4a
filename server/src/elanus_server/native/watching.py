"""Limits and the audit log for native calls, as ``calls.answered`` has them for the others.

A native call counts as the call of Milvus' protocol that it is like; what is written counts by its
bytes and by its entities, also that of imports and syncs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus.errors import ElanusError, PermissionDeniedError
from elanus_server.failures import NOT_PERMITTED, UNEXPECTED, as_milvus
from elanus_server.native.privileges import COLLECTION, DATABASE, Likeness
from elanus_server.native.service import Asked
from elanus_server.security.audit import AuditRecord, is_recorded
from elanus_server.security.caller import Caller
from elanus_server.security.limits import OUTPUT

_ROWS_OF_IMPORTS = "held.add"
_MOST_SHOWN = 255
"""Characters of a name that are recorded."""


@dataclass(frozen=True, slots=True)
class _Weight:
    """What a limit asks of a message; it is read only for users who have limits."""

    asked: Asked

    @property
    def num_rows(self) -> int:
        """Entities in it."""
        try:
            args, kwargs = self.asked.arguments()
        except ElanusError:
            return 0  # which the call itself refuses
        given = kwargs.get("entities", args[0] if args else None)
        if isinstance(given, Mapping):  # columns, which are equally long
            given = next(iter(given.values()), None)
        return len(given) if isinstance(given, Sequence | np.ndarray) else 0

    def ByteSize(self) -> int:  # noqa: N802 - as messages of the protocol have it
        return len(self.asked.given)


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
    if asked.full_name == _ROWS_OF_IMPORTS:
        method = "Insert"
    try:
        with asked.call.host.limits.admitted(asked.call.user, method, _Weight(asked)):
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
