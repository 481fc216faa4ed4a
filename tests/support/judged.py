"""A small judged collection: texts about topics, in which keywords and vectors each find a part."""

from __future__ import annotations

import numpy as np

import elanus
from elanus import BM25, Embedding, Field, Schema

TOPICS = 12
PER_TOPIC = 10
DIM = 16


def judged_schema() -> Schema:
    """Return a schema with keywords, given vectors, and a field with a model."""
    return Schema(
        [
            Field("id", elanus.INT64, primary=True),
            Field("text", elanus.VARCHAR, analyzer="standard"),
            Field("dense", elanus.FLOAT_VECTOR, dim=DIM),
            Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        ]
    )


def embedded_schema() -> Schema:
    """Return a schema whose vectors are made of the texts."""
    return Schema(
        [
            Field("id", elanus.INT64, primary=True),
            Field("text", elanus.VARCHAR, analyzer="standard", nullable=True),
            Field("dense", elanus.FLOAT_VECTOR, embedding=Embedding("text", "hash", {"dim": 32})),
            Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        ]
    )


def entities(seed: int = 5) -> list[dict]:
    """Return texts of ten entities a topic: half of them name it, and the vectors of nearly all
    point its way."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(TOPICS, DIM))
    made = []
    for pk in range(TOPICS * PER_TOPIC):
        topic = pk // PER_TOPIC
        names = f"topic{topic} " * int(rng.integers(1, 4)) if rng.random() < 0.5 else ""
        filler = " ".join(f"word{int(i)}" for i in rng.integers(0, 40, int(rng.integers(4, 20))))
        vector = centres[topic] + rng.normal(scale=1.2, size=DIM)
        made.append({"id": pk, "text": f"{names}{filler}", "dense": vector.astype(np.float32)})
    return made


def queries(seed: int = 5, count: int = 24) -> tuple[dict, dict]:
    """Return queries by id, with a text and a vector each, and what is relevant to them."""
    centres = np.random.default_rng(seed).normal(size=(TOPICS, DIM))
    rng = np.random.default_rng(seed + 1)
    asked, judged = {}, {}
    for number in range(count):
        topic = number % TOPICS
        vector = (centres[topic] + rng.normal(scale=0.8, size=DIM)).astype(np.float32)
        text = f"topic{topic} word{int(rng.integers(0, 40))}"
        asked[f"q{number}"] = {"dense": vector, "bm25": text}
        first = topic * PER_TOPIC
        judged[f"q{number}"] = {pk: 1 + (pk == first) for pk in range(first, first + PER_TOPIC)}
    return asked, judged
