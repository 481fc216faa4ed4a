"""The clients of Milvus that are older, asynchronous or built on others."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from pymilvus import (
    AsyncMilvusClient,
    Collection,
    CollectionSchema,
    DataType,
    FieldSchema,
    connections,
    utility,
)

RNG = np.random.default_rng(3)
VECTORS = RNG.random((300, 8)).astype(np.float32)


def nearest(query: Any, limit: int) -> list[int]:
    distances = ((VECTORS - query) ** 2).sum(axis=1)
    return [int(i) for i in np.argsort(distances, kind="stable")[:limit]]


def test_the_tutorial_of_the_object_api(uri, client):
    """Milvus' hello_milvus: insert, flush, index, load, search, query, delete, drop."""
    connections.connect("orm", uri=uri)
    fields = [
        FieldSchema("pk", DataType.VARCHAR, is_primary=True, auto_id=False, max_length=100),
        FieldSchema("random", DataType.DOUBLE),
        FieldSchema("embeddings", DataType.FLOAT_VECTOR, dim=8),
    ]
    assert not utility.has_collection("hello_milvus", using="orm")
    hello = Collection(
        "hello_milvus",
        CollectionSchema(fields, "hello_milvus is the simplest demo"),
        consistency_level="Strong",
        using="orm",
    )
    numbers = RNG.random(300)
    answer = hello.insert([[str(i) for i in range(300)], numbers, VECTORS])
    assert answer.insert_count == 300
    hello.flush()
    assert hello.num_entities == 300
    hello.create_index(
        "embeddings", {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 128}}
    )
    assert hello.indexes[0].params["index_type"] == "IVF_FLAT"
    hello.load()
    assert utility.load_state("hello_milvus", using="orm").name == "Loaded"
    search = {"metric_type": "L2", "params": {"nprobe": 128}}
    for query in VECTORS[-2:]:
        (hits,) = hello.search([query], "embeddings", search, limit=3, output_fields=["random"])
        assert [int(hit.id) for hit in hits] == nearest(query, 3)
        assert hits[0].entity.get("random") == numbers[int(hits[0].id)]
    found = hello.query(expr="random > 0.5", output_fields=["random"])
    assert len(found) == int((numbers > 0.5).sum())
    filtered = hello.search(
        VECTORS[-2:], "embeddings", search, limit=3, expr="random > 0.5", output_fields=["random"]
    )
    assert all(hit.entity.get("random") > 0.5 for hits in filtered for hit in hits)
    gone = hello.delete('pk in ["0" , "1"]')
    assert gone.delete_count == 2
    assert hello.query(expr='pk in ["0" , "1"]') == []
    partition = hello.create_partition("late")
    partition.insert([["900"], [0.1], VECTORS[:1]])
    assert [p.name for p in hello.partitions] == ["_default", "late"]
    utility.drop_collection("hello_milvus", using="orm")
    assert not utility.has_collection("hello_milvus", using="orm")
    connections.disconnect("orm")


async def test_the_asynchronous_client(uri, client):
    asynchronous = AsyncMilvusClient(uri)
    schema = asynchronous.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=8)
    params = asynchronous.prepare_index_params()
    params.add_index("vector", index_type="HNSW", metric_type="L2")
    await asynchronous.create_collection("soon", schema=schema)
    await asynchronous.create_index("soon", params)
    await asynchronous.load_collection("soon")
    rows = [{"id": i, "vector": v} for i, v in enumerate(VECTORS)]
    parts = [rows[:100], rows[100:200], rows[200:]]
    await asyncio.gather(*(asynchronous.insert("soon", part) for part in parts))
    answers = await asyncio.gather(
        *(asynchronous.search("soon", [query.tolist()], limit=5) for query in VECTORS[:40])
    )
    for query, found in zip(VECTORS[:40], answers, strict=True):
        assert [hit["id"] for hit in found[0]] == nearest(query, 5)
    assert (await asynchronous.query("soon", output_fields=["count(*)"]))[0]["count(*)"] == 300
    await asynchronous.drop_collection("soon")
    await asynchronous.close()


def test_pymilvus_first_or_afterwards(tmp_path):
    """The messages are the same whoever loads them first."""
    import subprocess
    import sys

    for order in ("import pymilvus, elanus_server", "import elanus_server, pymilvus"):
        program = (
            f"{order}\n"
            "from elanus_server import serve_local\n"
            "from pymilvus import MilvusClient\n"
            "with serve_local(':memory:') as uri:\n"
            "    client = MilvusClient(uri)\n"
            "    client.create_collection('c', 2)\n"
            "    client.insert('c', [{'id': 1, 'vector': [1, 2]}])\n"
            "    print(client.get('c', [1], output_fields=['id']))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "{'id': 1}" in done.stdout


def test_the_server_alone_needs_no_pandas():
    import subprocess
    import sys

    program = (
        "import sys, elanus_server.app, elanus_server.service.all_calls\n"
        "print(sorted({'pandas', 'pymilvus', 'torch', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_what_is_not_answered_is_unimplemented(uri):
    """Clients try every other status again for a minute."""
    import grpc

    from elanus_server.wire import SERVICE

    with grpc.insecure_channel(uri.removeprefix("http://")) as channel:
        call = channel.unary_unary(f"/{SERVICE.full_name}/NoSuchCall")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"", timeout=5)
        long = channel.unary_unary(f"/x/{'y' * 4_000}")
        with pytest.raises(grpc.RpcError) as longer:
            long(b"", timeout=5)
    assert raised.value.code() is longer.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert raised.value.details() == f"unknown method NoSuchCall for service {SERVICE.full_name}"
    assert longer.value.details() == f"unknown method {'y' * 255} for service x"


def test_every_answer_has_a_status():
    """Also one of success: the Node client reads fields of it without looking for it."""
    import elanus
    from elanus_server.service.all_calls import METHODS
    from elanus_server.service.context import Call, Host

    with elanus.connect(":memory:") as database:
        call = Call(Host(database))
        answers = {n: m(call, m.request()) for n, m in METHODS.items() if m.status}
    missing = [n for n, a in answers.items() if not a.HasField(METHODS[n].status)]
    assert missing == []
    codes = {n: getattr(a, METHODS[n].status).code for n, a in answers.items()}
    assert (codes["GetVersion"], codes["DescribeCollection"]) == (0, 1100)


async def test_an_asynchronous_delete_does_not_lose_errors(uri, client):
    """pymilvus 3.0 looks for costs in the answer, and not for errors."""
    asynchronous = AsyncMilvusClient(uri)
    assert (await asynchronous.delete("absent", filter="id > 0"))["delete_count"] == 0
    client.create_collection("there", dimension=2)
    with pytest.raises(ValueError, match="invalid literal"):
        await asynchronous.delete("there", filter="id >")
    await asynchronous.close()


def test_a_client_that_remembers_an_older_schema_asks_for_it_again(uri, client):
    """pymilvus and the client in Go do so when they are told of it, and write again."""
    import grpc
    from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

    client.create_collection("changed", dimension=2)
    client.insert("changed", [{"id": 1, "vector": [1, 2]}])
    before = client.describe_collection("changed")["update_timestamp"]
    added = schema_pb2.FieldSchema(name="year", data_type=schema_pb2.Int64, nullable=True)
    with grpc.insecure_channel(uri.removeprefix("http://")) as channel:
        stub = milvus_pb2_grpc.MilvusServiceStub(channel)
        status = stub.AddCollectionField(
            milvus_pb2.AddCollectionFieldRequest(
                collection_name="changed", schema=added.SerializeToString()
            )
        )
        assert status.code == 0
        for call, request in (
            (stub.Insert, milvus_pb2.InsertRequest),
            (stub.Upsert, milvus_pb2.UpsertRequest),
        ):
            told = call(request(collection_name="changed", schema_timestamp=before)).status
            assert (told.code, told.error_code) == (109, common_pb2.SchemaMismatch)
            assert told.reason == "collection schema mismatch[collection=changed]"
    # What this client remembers has no field of this name; it would go among the dynamic ones.
    client.insert("changed", [{"id": 2, "vector": [1, 2], "year": 1990}])
    found = client.query("changed", filter="year == 1990", output_fields=["id"])
    assert [row["id"] for row in found] == [2]
