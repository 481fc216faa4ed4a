"""How do programs that share a server change what they have read, one after the other?

A server does each call whole, but a change that depends on what was read takes two. Who wants to
make one inserts a row that names what is changed: only one program at a time can, and deletes the
row afterwards. A program that ended halfway holds up the others until its turn has run out.
"""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Iterator
from typing import Any, Final

from elanus.errors import CollectionExistsError, DatabaseLockedError, EntityExistsError
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType

TURNS: Final = "elanus_turns"
"""The collection of those who have a turn."""
TURN_S: Final = 30.0
"""Seconds after which others take a turn away. A change takes milliseconds; clocks of programs may
differ by as much as is left."""
_FIRST_WAIT_S: Final = 0.002
_LONGEST_WAIT_S: Final = 0.1

_SCHEMA: Final = Schema(
    [
        Field("id", DataType.VARCHAR, primary=True),
        Field("holder", DataType.VARCHAR),
        Field("until", DataType.DOUBLE),
    ]
)


@contextlib.contextmanager
def turn(database: Any, name: str, *, wait_s: float) -> Iterator[None]:
    """Hold the turn of a name until the block ends.

    Args:
        database: Of a server.
        name: What is changed.
        wait_s: Seconds to wait for others.

    Raises:
        DatabaseLockedError: Others had the turn for longer than that.
    """
    holder = str(uuid.uuid4())
    turns = _collection(database)
    _take(turns, name, holder, wait_s)
    try:
        yield
    finally:
        # Only mine: it may have run out, and be somebody else's now.
        turns.delete(filter={"id": name, "holder": holder})


def _take(turns: Any, name: str, holder: str, wait_s: float) -> None:
    last = time.monotonic() + wait_s
    pause_s = _FIRST_WAIT_S
    while True:
        now = time.time()
        with contextlib.suppress(EntityExistsError):
            turns.insert([{"id": name, "holder": holder, "until": now + TURN_S}])
            return
        if turns.delete(filter={"id": name, "until": {"$lt": now}}):
            continue
        if time.monotonic() >= last:
            raise DatabaseLockedError(
                f"{name}: other programs were changing it for {wait_s:.0f} s; try again, or wait "
                "longer with wait_s="
            )
        time.sleep(random.uniform(pause_s / 2, pause_s))
        pause_s = min(2 * pause_s, _LONGEST_WAIT_S)


def _collection(database: Any) -> Any:
    if not database.has_collection(TURNS):
        # Another program may be first.
        with contextlib.suppress(CollectionExistsError):
            return database.create_collection(TURNS, _SCHEMA)
    return database.collection(TURNS)
