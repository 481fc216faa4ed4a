"""Errors by the number and the text that programs compare; a server that comes back."""

from __future__ import annotations

import pytest
from pymilvus import DataType, MilvusClient, MilvusException


def refused(call, *arguments, **options):
    with pytest.raises(MilvusException) as raised:
        call(*arguments, **options)
    return raised.value


def test_what_is_missing(client):
    here = "[database=pymilvus_failures][collection=absent]"
    vector = [[1.0, 0.0]]
    for call, arguments in [
        (client.describe_collection, ("absent",)),
        (client.search, ("absent", vector)),
        (client.query, ("absent", "id > 0")),
        (client.insert, ("absent", [{"id": 1}])),
        (client.delete, ("absent", [1])),
        (client.load_collection, ("absent",)),
        (client.list_partitions, ("absent",)),
        (client.flush, ("absent",)),
        (client.create_partition, ("absent", "p")),
        (client.get_collection_stats, ("absent",)),
    ]:
        error = refused(call, *arguments)
        assert (error.code, f"collection not found{here}" in error.message) == (100, True)
    client.create_collection("there", dimension=2)
    error = refused(client.get_partition_stats, "there", "nothing")
    assert (error.code, "partition not found[partition=nothing]" in error.message) == (200, True)
    error = refused(client.describe_alias, "nothing")
    assert error.code == 1600
    assert not client.has_collection("absent")
    assert client.get_load_state("absent")["state"].name == "NotExist"


def test_a_database_that_is_missing(uri):

    def call():
        # Some versions say who they are when they are made, others with the first call.
        MilvusClient(uri, db_name="nothing", timeout=3).list_collections()

    assert "database not found" in refused(call).message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1st", "Invalid collection name: 1st. the first character of a collection name must be"),
        ("a-b", "collection name can only contain numbers, letters and underscores"),
        ("a" * 256, "the length of a collection name must be less than 255 characters"),
    ],
)
def test_wrong_names(client, name, text):
    error = refused(client.create_collection, name, dimension=2)
    assert error.code == 1100
    assert text.lower() in error.message.lower()


def test_wrong_schemas_and_indexes(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    error = refused(client.create_collection, "flat", schema=schema)
    assert "vector field" in error.message
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    client.create_collection("ok", schema=schema)
    error = refused(client.load_collection, "ok")
    assert (error.code, "index not found" in error.message) == (700, True)
    first, second = client.prepare_index_params(), client.prepare_index_params()
    first.add_index("vector", index_type="HNSW", metric_type="L2", params={"M": 8})
    second.add_index("vector", index_type="IVF_FLAT", metric_type="IP", params={"nlist": 8})
    client.create_index("ok", first)
    client.create_index("ok", first)
    error = refused(client.create_index, "ok", second)
    assert "at most one distinct index is allowed per field" in error.message
    client.load_collection("ok")
    error = refused(client.drop_index, "ok", "vector")
    assert "vector index cannot be dropped on loaded collection" in error.message
    error = refused(client.drop_partition, "ok", "_default")
    assert "default partition cannot be deleted" in error.message
    client.create_collection("taken", dimension=2)
    error = refused(client.create_alias, "ok", "taken")
    assert (error.code, "alias and collection name conflict" in error.message) == (1601, True)
    error = refused(client.rename_collection, "ok", "taken")
    assert "duplicated new collection name" in error.message


def test_the_server_comes_back(uri, client, restart):
    """Its data is there, and a client that was connected goes on without being told."""
    client.create_collection("lasting", dimension=2, consistency_level="Strong")
    client.insert("lasting", [{"id": i, "vector": [i, 1], "word": f"w{i}"} for i in range(20)])
    client.create_alias("lasting", "always")
    before = client.describe_collection("lasting")
    iterator = client.query_iterator("lasting", batch_size=8, output_fields=["word"])
    found = [row["word"] for row in iterator.next()]
    restart()
    while page := iterator.next():
        found += [row["word"] for row in page]
    assert found == [f"w{i}" for i in range(20)]
    (hits,) = client.search("lasting", [[3, 1]], limit=20)
    assert {hit["id"] for hit in hits} == set(range(20))
    after = client.describe_collection("always")
    assert after == before
    assert client.list_indexes("lasting") == ["vector"]
    assert client.get_load_state("lasting")["state"].name == "Loaded"
    client.insert("lasting", [{"id": 20, "vector": [20, 1]}])
    assert client.query("lasting", output_fields=["count(*)"]) == [{"count(*)": 21}]
