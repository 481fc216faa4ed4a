"""A collection that tests of the client fill, embedded and by a server."""

from __future__ import annotations

import datetime as dt

import numpy as np

import elanus
from elanus import BM25, Field, Schema

VECTORS = np.random.default_rng(5).normal(size=(300, 8)).astype(np.float32)
TEXTS = [f"paper {i} about {['graphs', 'words', 'trees'][i % 3]} and {i % 11}" for i in range(300)]


def papers_schema(**options):
    return Schema(
        [
            Field("id", elanus.INT64, primary=True),
            Field("text", elanus.VARCHAR, analyzer="english"),
            Field("year", elanus.INT64, nullable=True),
            Field("at", elanus.TIMESTAMPTZ, nullable=True),
            Field("meta", elanus.JSON, nullable=True),
            Field("dense", elanus.FLOAT_VECTOR, dim=8),
            Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        ],
        **options,
    )


def papers(database, count=300, **options):
    made = database.create_collection("papers", papers_schema(**options))
    made.insert(
        {
            "id": list(range(count)),
            "text": TEXTS[:count],
            "year": [None if i % 10 == 9 else 2000 + i % 25 for i in range(count)],
            "at": [dt.datetime(2024, 1, 1 + i % 28, tzinfo=dt.UTC) for i in range(count)],
            "meta": [{"tags": ["a", "b"][: i % 3], "n": i / 2} for i in range(count)],
            "dense": VECTORS[:count],
        }
    )
    made.flush()
    return made
