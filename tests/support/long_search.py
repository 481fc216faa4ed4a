"""A search that takes minutes, and a thousand times less once it is told to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pymilvus.client.prepare import Prepare

import elanus
from elanus import Database, Field, Schema

NAME, ROWS, DIMENSION, QUERIES = "long", 20_000, 256, 16_000
_SERVICE = "/milvus.proto.milvus.MilvusService"
_VECTORS = np.random.default_rng(11).random((ROWS, DIMENSION)).astype(np.float32)


def _prepare(database: Database) -> None:
    """Make the collection that is searched."""
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("vector", elanus.FLOAT_VECTOR, dim=DIMENSION, metric="L2"),
    ]
    made = database.create_collection(NAME, Schema(fields))
    made.insert({"id": np.arange(ROWS), "vector": _VECTORS})


def prepare_folder(path: Path) -> None:
    """Make it in a database that is served later."""
    with elanus.connect(path) as database:
        _prepare(database)


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
