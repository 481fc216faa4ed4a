"""A search that takes minutes, and a thousand times less once it is told to end."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymilvus import MilvusClient
from pymilvus.client.prepare import Prepare

NAME, ROWS, DIMENSION, QUERIES = "long", 20_000, 256, 16_000
_SERVICE = "/milvus.proto.milvus.MilvusService"
_VECTORS = np.random.default_rng(11).random((ROWS, DIMENSION)).astype(np.float32)


def prepare(client: MilvusClient) -> None:
    """Make the collection that is searched."""
    client.create_collection(NAME, dimension=DIMENSION, metric_type="L2", auto_id=False)
    for begin in range(0, ROWS, 5_000):
        rows = range(begin, begin + 5_000)
        client.insert(NAME, [{"id": i, "vector": _VECTORS[i].tolist()} for i in rows])


def request(queries: int = QUERIES) -> bytes:
    """Return the message of a search with many queries."""
    given = _VECTORS[np.arange(queries) % ROWS].tolist()
    made: Any = Prepare.search_requests_with_expr(
        collection_name=NAME,
        anns_field="vector",
        param={"params": {"recall": 1.0}},
        limit=10,
        data=given,
    )
    raw: bytes = made.SerializeToString()
    return raw


def call(channel: Any, name: str) -> Any:
    """Return a call of the service that takes and returns bytes."""
    return channel.unary_unary(f"{_SERVICE}/{name}")
