"""How recent is what a read sees?

A process that may write sees every write that was acknowledged, whatever the level. What differs is
what a process that only reads does before it answers:

- ``strong``: takes in everything that the writer had acknowledged when the read began.
- ``bounded``: the same, unless it looked less than ``BOUNDED_S`` ago: what it shows is at most that
  old.
- ``session``: answers with what it has seen already, which never goes back in time; ``at_least``
  makes it wait for a certain write, such as one of the same user by way of another process.
- ``eventually``: answers at once, and takes in what is new behind the read.
"""

from __future__ import annotations

from enum import StrEnum

from elanus.errors import InvalidArgumentError
from elanus.schema.collection import did_you_mean

BOUNDED_S = 5.0
"""How old the answer of a bounded read may be, in seconds; as in Milvus."""
CATCH_UP_S = 0.2
"""Seconds after which a session or eventual read has the process look for news behind it."""


class Consistency(StrEnum):
    """Consistency level of a read; names are those of Milvus."""

    STRONG = "strong"
    BOUNDED = "bounded"
    SESSION = "session"
    EVENTUALLY = "eventually"


def parse_consistency(value: object) -> Consistency:
    """Return the level that a user means; case does not matter.

    Raises:
        InvalidArgumentError: No such level.
    """
    try:
        return Consistency(str(value).lower())
    except ValueError:
        raise InvalidArgumentError(
            f"consistency: no level {value!r}{did_you_mean(value, [*map(str, Consistency)])}"
        ) from None
