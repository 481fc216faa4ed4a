"""What function chains of Milvus' own client make of hits, beside the same with NumPy."""

from __future__ import annotations

import numpy as np
import pymilvus
import pytest
from pymilvus import DataType, FunctionChain, FunctionChainStage
from pymilvus.function_chain import col, fn

NAME = "chained"
COUNT = 60
RNG = np.random.default_rng(9)
VECTORS = RNG.random((COUNT, 4), dtype=np.float32)
AT = RNG.integers(0, 1000, COUNT)
LIKED = np.where(np.arange(COUNT) % 7 == 3, np.nan, RNG.random(COUNT))
QUERIES = RNG.random((2, 4), dtype=np.float32)


@pytest.fixture(scope="module")
def chained(uri):
    client = pymilvus.MilvusClient(uri)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("at", DataType.INT64)
    schema.add_field("liked", DataType.DOUBLE, nullable=True)
    schema.add_field("title", DataType.VARCHAR, max_length=9)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="FLAT", metric_type="IP")
    client.create_collection(NAME, schema=schema, index_params=indexes)
    client.insert(
        NAME,
        [
            {
                "id": n,
                "vector": VECTORS[n],
                "at": int(AT[n]),
                "liked": None if np.isnan(LIKED[n]) else LIKED[n],
                "title": str(n),
            }
            for n in range(COUNT)
        ],
    )
    yield client
    client.drop_collection(NAME)
    client.close()


def chain():
    return FunctionChain(FunctionChainStage.L2_RERANK)


def found(client, chains, limit=20, **options):
    answer = client.search(
        NAME, QUERIES, limit=limit, output_fields=["title"], function_chains=chains, **options
    )
    for hits in answer:
        assert [hit["title"] for hit in hits] == [str(hit.id) for hit in hits]
        assert all(set(hit["entity"]) == {"title"} for hit in hits)
    return [[(hit.id, hit.distance) for hit in hits] for hits in answer]


def nearest(query, limit=20):
    scores = VECTORS @ query
    ids = np.argsort(-scores, kind="stable")[:limit]
    return ids, scores[ids].astype(float)


def same(one, other):
    other = list(other)
    assert [pk for pk, _ in one] == [int(pk) for pk, _ in other]
    assert [score for _, score in one] == pytest.approx([s for _, s in other], rel=1e-6, abs=1e-5)


def test_scores_are_made_of_what_is_near_fresh_and_liked(chained):
    chains = (
        chain()
        .map("fresh", fn.decay(col("at"), function="exp", origin=900, scale=100, offset=10))
        .map(
            "$score",
            fn.num_combine(col("$score"), col("fresh"), mode="weighted", weights=[0.7, 0.3]),
        )
        .map("$score", fn.round_decimal(col("$score"), decimal=4))
        .sort(col("$score"), tie_break_col=col("$id"))
        .limit(5, offset=1)
    )
    for query, hits in zip(QUERIES, found(chained, chains), strict=True):
        ids, scores = nearest(query)
        far = np.maximum(0, np.abs(AT[ids] - 900) - 10)
        made = np.round(0.7 * scores + 0.3 * 0.5 ** (far / 100), 4)
        order = np.lexsort((ids, -made))[1:6]
        same(hits, zip(ids[order], made[order], strict=True))


@pytest.mark.parametrize(
    ("mode", "combine"),
    [
        ("sum", lambda a, b: a + b),
        ("multiply", lambda a, b: a * b),
        ("max", np.maximum),
        ("min", np.minimum),
        ("avg", lambda a, b: (a + b) / 2),
    ],
)
def test_columns_are_combined(chained, mode, combine):
    chains = chain().map("$score", fn.num_combine(col("$score"), col("at"), mode=mode))
    for query, hits in zip(QUERIES, found(chained, chains), strict=True):
        ids, scores = nearest(query)
        same(hits, zip(ids, combine(scores, AT[ids]), strict=True))


@pytest.mark.parametrize(
    ("function", "decay"),
    [
        ("gauss", lambda far: 0.25 ** (far**2)),
        ("linear", lambda far: np.maximum(0.25, 1 - 0.75 * far)),
    ],
)
def test_values_decay(chained, function, decay):
    chains = chain().map(
        "$score", fn.decay(col("at"), function=function, origin=500, scale=200, decay=0.25)
    )
    for query, hits in zip(QUERIES, found(chained, chains), strict=True):
        ids, _ = nearest(query)
        same(hits, zip(ids, decay(np.abs(AT[ids] - 500) / 200), strict=True))


def test_nulls_come_last_and_chains_follow_each_other(chained):
    chains = [chain().sort("liked", desc=False), chain().limit(18)]
    for query, hits in zip(QUERIES, found(chained, chains), strict=True):
        ids, scores = nearest(query)
        liked = LIKED[ids]
        known = [i for i in np.argsort(liked, kind="stable") if not np.isnan(liked[i])]
        order = [*known, *np.flatnonzero(np.isnan(liked))][:18]
        same(hits, [(ids[i], scores[i]) for i in order])


REFUSALS = {
    "no numeric column": chain().sort("title"),
    "'none' is no numeric column": chain().map("x", fn.round_decimal(col("none"), decimal=1)),
    "FunctionChainStageL0Rerank is not supported": FunctionChain(FunctionChainStage.L0_RERANK).sort(
        "$score"
    ),
    "function 'xgboost': service unimplemented": chain().map(
        "$score", fn.xgboost(col("at"), model_resource="m")
    ),
    "between 0 and 1": chain().map(
        "x", fn.decay(col("at"), function="exp", origin=0, scale=1, decay=2.0)
    ),
}


@pytest.mark.parametrize("text", REFUSALS)
def test_chains_that_are_refused(chained, text):
    with pytest.raises(pymilvus.MilvusException, match=text):
        found(chained, REFUSALS[text])


def test_what_does_not_go_together(chained):
    with pytest.raises(pymilvus.MilvusException, match="cannot be used with group_by"):
        found(chained, chain().limit(1), group_by_field="at")
