"""The asynchronous client, through a day of a RAG service."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from pymilvus import AnnSearchRequest, AsyncMilvusClient, DataType, MilvusException, RRFRanker

RNG = np.random.default_rng(3)
VECTORS = RNG.random((240, 8)).astype(np.float32)


def nearest(query, limit, holds=lambda i: True):
    distances = ((VECTORS - query) ** 2).sum(axis=1)
    return [int(i) for i in np.argsort(distances, kind="stable") if holds(int(i))][:limit]


async def filled(client):
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("one", DataType.FLOAT_VECTOR, dim=8)
    schema.add_field("two", DataType.FLOAT_VECTOR, dim=8)
    wanted = client.prepare_index_params()
    wanted.add_index("one", index_type="HNSW", metric_type="L2")
    wanted.add_index("two", index_type="FLAT", metric_type="COSINE")
    await client.create_collection("soon", schema=schema)
    await client.create_index("soon", wanted)
    await client.load_collection("soon")
    rows = [{"id": i, "one": v, "two": 1 - v, "n": i % 7} for i, v in enumerate(VECTORS)]
    answers = await asyncio.gather(
        *(client.insert("soon", rows[begin : begin + 60]) for begin in range(0, 240, 60))
    )
    assert [answer["insert_count"] for answer in answers] == [60] * 4


async def scenario(uri, version):
    client = AsyncMilvusClient(uri)
    await filled(client)
    answers = await asyncio.gather(
        *(
            client.search(
                "soon", [q.tolist()], anns_field="one", limit=5, filter="n != 2",
                output_fields=["n"],
            )
            for q in VECTORS[:30]
        )
    )  # fmt: skip
    for query, (hits,) in zip(VECTORS[:30], answers, strict=True):
        assert [hit["id"] for hit in hits] == nearest(query, 5, lambda i: i % 7 != 2)
        assert all(hit["entity"]["n"] == hit["id"] % 7 for hit in hits)
    legs = [AnnSearchRequest([VECTORS[3].tolist()], name, {}, 10) for name in ("one", "two")]
    (hits,) = await client.hybrid_search("soon", legs, RRFRanker(), limit=3)
    assert hits[0]["id"] == nearest(VECTORS[3], 1)[0]
    found = await client.query("soon", filter="id < 3", output_fields=["n"])
    assert [dict(row) for row in found] == [{"id": i, "n": i} for i in range(3)]
    got = await client.get("soon", [5], output_fields=["n"])
    assert [dict(row) for row in got] == [{"id": 5, "n": 5}]
    await client.upsert("soon", [{"id": 5, "one": VECTORS[5], "two": VECTORS[5], "n": 70}])
    assert (await client.get("soon", [5], output_fields=["n"]))[0]["n"] == 70
    assert (await client.delete("soon", ids=[0, 1]))["delete_count"] == 2
    counted = await client.query("soon", output_fields=["count(*)"])
    assert counted[0]["count(*)"] == 238
    if version >= (2, 6):
        await kept_in_order(client)
    with pytest.raises(MilvusException, match="collection not found"):
        await client.search("absent", [VECTORS[0].tolist()], limit=1)
    await client.drop_collection("soon")
    await client.close()


async def kept_in_order(client):
    """What the asynchronous client can do since 2.6."""
    await client.flush("soon")
    assert (await client.get_collection_stats("soon"))["row_count"] == 238
    assert await client.has_collection("soon")
    assert "soon" in await client.list_collections()
    described = await client.describe_collection("soon")
    assert [field["name"] for field in described["fields"]] == ["id", "one", "two"]
    assert sorted(await client.list_indexes("soon")) == ["one", "two"]
    await client.create_partition("soon", "p")
    assert await client.list_partitions("soon") == ["_default", "p"]
    await client.create_alias("soon", "later")
    assert (await client.describe_alias("later"))["collection_name"] == "soon"
    await client.drop_alias("later")
    await client.compact("soon")
    await client.release_collection("soon")
    with pytest.raises(MilvusException, match="not loaded"):
        await client.query("soon", filter="id < 3")
    await client.load_collection("soon")
    await client.create_database("async_side")
    assert "async_side" in await client.list_databases()
    await client.drop_database("async_side")


def test_a_day_of_a_service(uri, version):
    asyncio.run(scenario(uri, version))
