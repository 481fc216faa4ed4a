"""Small schemas and rows that many tests share."""

from __future__ import annotations

from typing import Any

import numpy as np

import elanus

WORDS = ("graph", "index", "vector", "segment", "query", "filter", "score", "token")


def paper_schema(dim: int = 4, metric: str = "COSINE", *, dynamic: bool = False) -> elanus.Schema:
    """Return a schema with every kind of search."""
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("title", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("year", elanus.INT16),
            elanus.Field("meta", elanus.JSON, nullable=True),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=dim, metric=metric),
            elanus.Field("sparse", elanus.SPARSE_FLOAT_VECTOR),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("title")),
        ],
        dynamic=dynamic,
    )


def papers(count: int, *, first: int = 0, dim: int = 4, seed: int = 0) -> list[dict[str, Any]]:
    """Return rows with keys ``first ..``; a row depends on its key and the seed only."""
    rows = []
    for pk in range(first, first + count):
        rng = np.random.default_rng((seed, pk))
        length = int(rng.integers(1, 8))
        rows.append(
            {
                "id": pk,
                "title": " ".join(rng.choice(WORDS, length).tolist()),
                "year": 1990 + int(rng.integers(0, 30)),
                "meta": {"source": f"file{pk % 5}.md", "page": pk},
                "dense": rng.normal(size=dim).astype(np.float32).tolist(),
                "sparse": {int(i): float(rng.uniform(0.1, 2)) for i in rng.integers(0, 20, 3)},
            }
        )
    return rows
