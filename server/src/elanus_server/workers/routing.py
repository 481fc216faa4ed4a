"""Which calls does a process answer that only reads?"""

from __future__ import annotations

from elanus.errors import ElanusError
from elanus.remote import begun
from elanus_server.rest.exchange import PREFIX

CALLS = frozenset(
    {
        "Search",
        "HybridSearch",
        "Query",
        "DescribeCollection",
        "HasCollection",
        "GetCollectionStatistics",
        # Streams, which end without a message.
        "CreateReplicateStream",
        "DumpMessages",
    }
)
"""Those of the protocol that change nothing and are asked often; all others go to the writer."""
PATHS = frozenset(
    {
        "/docs",
        "/openapi.json",
        *(
            f"{PREFIX}entities/{name}"
            for name in ("search", "advanced_search", "hybrid_search", "query", "get")
        ),
    }
)
"""Paths of the RESTful API that do the same."""
NATIVE_CALLS = frozenset(
    f"collection.{name}"
    for name in ("search", "hybrid_search", "query", "get", "count", "aggregate", "facets")
)
"""Calls of the native protocol that do the same; iterators stay where they began."""
_ITERATORS = (b"iterator", b"search_iter_v2")
"""Parameters of which all steps of iterators have one."""


def is_read(name: str, raw: bytes) -> bool:
    """Whether a call is answered by a process that only reads.

    Iterators are not: they go on over what they began with, and a client that connects anew may
    come to another process.
    """
    return name in CALLS and not any(one in raw for one in _ITERATORS)


def is_native_read(begin: bytes) -> bool | None:
    """Whether a message of the native protocol is answered by a process that only reads.

    Args:
        begin: Its beginning: what goes with the call lies behind what is looked at.

    Returns:
        None: more of it is needed to tell.
    """
    try:
        message = begun(begin)
    except ElanusError:
        return False
    if message is None:
        return None
    return isinstance(message, dict) and message.get("call") in NATIVE_CALLS
