"""Which calls does a process answer that only reads?"""

from __future__ import annotations

from elanus_server.rest.exchange import PREFIX

CALLS = frozenset(
    {
        "Search",
        "HybridSearch",
        "Query",
        "DescribeCollection",
        "HasCollection",
        "GetCollectionStatistics",
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
_ITERATOR = b"search_iter_v2"


def is_read(name: str, raw: bytes) -> bool:
    """Whether a call is answered by a process that only reads.

    Search iterators are not: they go on where they began, and a client that connects anew may come
    to another process.
    """
    return name in CALLS and _ITERATOR not in raw
