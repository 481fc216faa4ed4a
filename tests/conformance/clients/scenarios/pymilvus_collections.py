"""Making, describing and changing: collections, indexes, partitions, aliases, databases."""

from __future__ import annotations

import pytest
from pymilvus import DataType, MilvusClient, MilvusException


def described_fields(client, name):
    return {field["name"]: field for field in client.describe_collection(name)["fields"]}


def test_quick_set_up(client):
    client.create_collection("quick", dimension=3)
    found = client.describe_collection("quick")
    assert found["collection_name"] == "quick"
    assert [(f["name"], f["type"], f["field_id"]) for f in found["fields"]] == [
        ("id", DataType.INT64, 100),
        ("vector", DataType.FLOAT_VECTOR, 101),
    ]
    assert found["fields"][0]["is_primary"] is True
    assert found["fields"][1]["params"] == {"dim": 3}
    assert found["enable_dynamic_field"] is True
    assert found["auto_id"] is False
    assert found["num_shards"] == 1
    assert found["consistency_level"] == 2
    assert found["num_partitions"] == 1
    assert found["aliases"] == []
    assert found["functions"] == []
    assert int(found["collection_id"]) > 0
    assert found["created_timestamp"] > 0
    assert client.list_indexes("quick") == ["vector"]
    index = client.describe_index("quick", "vector")
    assert index["index_type"] == "AUTOINDEX"
    assert index["metric_type"] == "COSINE"
    assert index["field_name"] == "vector"
    assert index["state"] == "Finished"
    assert client.get_load_state("quick")["state"].name == "Loaded"
    client.insert("quick", [{"id": 1, "vector": [1, 0, 0], "word": "a"}])
    assert client.get_collection_stats("quick") == {"row_count": 1}
    (hits,) = client.search("quick", [[1, 0, 0]], limit=1, output_fields=["word"])
    assert (hits[0]["id"], hits[0]["distance"]) == (1, pytest.approx(1))
    assert hits[0]["entity"]["word"] == "a"


def test_quick_set_up_with_text_keys_made_by_the_server_or_not(client):
    client.create_collection(
        "texts",
        dimension=2,
        primary_field_name="key",
        id_type="string",
        max_length=40,
        vector_field_name="place",
        metric_type="L2",
    )
    answer = client.insert("texts", {"key": "a", "place": [0, 2]})
    assert (answer["insert_count"], answer["ids"]) == (1, ["a"])
    (hits,) = client.search("texts", [[0, 0]], output_fields=["key"])
    assert [(hit["entity"]["key"], hit["distance"]) for hit in hits] == [("a", 4)]
    client.create_collection("made", dimension=2, auto_id=True)
    first = client.insert("made", [{"vector": [1, 0]}, {"vector": [0, 1]}])["ids"]
    second = client.insert("made", [{"vector": [1, 1]}])["ids"]
    assert len({*first, *second}) == 3
    assert max(first) < second[0]


def schema_of_chunks(client):
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False, description="chunks")
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64, description="key")
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("year", DataType.INT32, nullable=True)
    schema.add_field("language", DataType.VARCHAR, max_length=8, default_value="en")
    schema.add_field(
        "tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=9, max_length=20
    )
    schema.add_field("meta", DataType.JSON)
    return schema


def test_a_schema_comes_back_as_it_was_given(client):
    client.create_collection(
        "chunks",
        schema=schema_of_chunks(client),
        consistency_level="Strong",
        properties={"collection.ttl.seconds": 86400},
        num_shards=2,
    )
    found = client.describe_collection("chunks")
    assert found["description"] == "chunks"
    assert found["consistency_level"] == 0
    assert found["num_shards"] == 2
    assert found["enable_dynamic_field"] is False
    assert found["properties"]["collection.ttl.seconds"] == "86400"
    fields = described_fields(client, "chunks")
    assert list(fields) == ["id", "vector", "year", "language", "tags", "meta"]
    assert [f["field_id"] for f in fields.values()] == list(range(100, 106))
    assert fields["id"]["params"] == {"max_length": 64}
    assert fields["id"]["description"] == "key"
    assert fields["year"]["nullable"] is True
    default = fields["language"]["default_value"]
    assert default.string_data == "en"
    assert fields["tags"]["element_type"] == DataType.VARCHAR
    assert fields["tags"]["params"] == {"max_capacity": 9, "max_length": 20}
    assert client.list_indexes("chunks") == []
    assert client.get_load_state("chunks")["state"].name == "NotLoad"


INDEXES = [
    ("FLAT", "L2", {}),
    ("IVF_FLAT", "IP", {"nlist": 16}),
    ("IVF_SQ8", "COSINE", {"nlist": 16}),
    ("IVF_PQ", "L2", {"nlist": 16, "m": 4, "nbits": 8}),
    ("HNSW", "L2", {"M": 8, "efConstruction": 64}),
    ("HNSW_SQ", "COSINE", {"M": 8, "efConstruction": 64, "sq_type": "SQ8"}),
    ("SCANN", "IP", {"nlist": 16, "with_raw_data": True}),
    ("DISKANN", "L2", {}),
    ("AUTOINDEX", "IP", {}),
]


@pytest.mark.parametrize(("kind", "metric", "params"), INDEXES)
def test_each_index_of_vectors(client, kind, metric, params):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    client.create_collection("indexed", schema=schema)
    wanted = client.prepare_index_params()
    wanted.add_index("vector", index_name="v", index_type=kind, metric_type=metric, params=params)
    client.create_index("indexed", wanted)
    assert client.list_indexes("indexed") == ["v"]
    assert client.list_indexes("indexed", field_name="vector") == ["v"]
    found = client.describe_index("indexed", "v")
    assert (found["index_type"], found["metric_type"]) == (kind, metric)
    assert {n: str(found[n]).lower() for n in params} == {
        n: str(v).lower() for n, v in params.items()
    }
    client.load_collection("indexed")
    client.insert("indexed", [{"id": i, "vector": [i + 1, 1, 0, 0]} for i in range(300)])
    client.flush("indexed")
    (hits,) = client.search("indexed", [[4, 1, 0, 0]], limit=5)
    order = {
        "L2": [3, 2, 4, 1, 5],
        "IP": [299, 298, 297, 296, 295],
        "COSINE": [3, 4, 2, 5, 6],
    }[metric]
    if kind in ("FLAT", "HNSW", "AUTOINDEX", "DISKANN"):
        assert sorted(hit["id"] for hit in hits) == sorted(order)
    else:
        assert {hit["id"] for hit in hits} & set(order)
    client.release_collection("indexed")
    client.drop_index("indexed", "v")
    assert client.list_indexes("indexed") == []
    client.drop_collection("indexed")


def test_indexes_of_scalars_answer_filters(client):
    schema = schema_of_chunks(client)
    client.create_collection("scalars", schema=schema)
    wanted = client.prepare_index_params()
    wanted.add_index("vector", index_type="FLAT", metric_type="L2")
    wanted.add_index("year", index_type="STL_SORT")
    wanted.add_index("language", index_type="TRIE")
    wanted.add_index("tags", index_type="BITMAP", index_name="by_tag")
    wanted.add_index(
        "meta",
        index_type="INVERTED",
        index_name="by_page",
        params={"json_path": 'meta["page"]', "json_cast_type": "DOUBLE"},
    )
    client.create_index("scalars", wanted)
    assert sorted(client.list_indexes("scalars")) == [
        "by_page", "by_tag", "language", "vector", "year",
    ]  # fmt: skip
    found = client.describe_index("scalars", "by_page")
    assert found["json_cast_type"] == "DOUBLE"
    assert found["field_name"] == "meta"
    client.load_collection("scalars")
    rows = [
        {
            "id": f"k{i}",
            "vector": [i, 0, 0, 0],
            "year": None if i % 5 == 0 else 2000 + i,
            "language": ["en", "de"][i % 2],
            "tags": [f"t{i % 3}", "all"],
            "meta": {"page": i % 7},
        }
        for i in range(60)
    ]
    client.insert("scalars", rows)
    client.flush("scalars")
    for expression, holds in [
        ("year > 2050", lambda r: r["year"] is not None and r["year"] > 2050),
        ("year is null", lambda r: r["year"] is None),
        ('language == "de"', lambda r: r["language"] == "de"),
        ('array_contains(tags, "t2")', lambda r: "t2" in r["tags"]),
        ('meta["page"] in [1, 3]', lambda r: r["meta"]["page"] in (1, 3)),
    ]:
        found = client.query("scalars", filter=expression, output_fields=["id"], limit=100)
        assert sorted(r["id"] for r in found) == sorted(r["id"] for r in rows if holds(r))


def test_properties_of_collections_and_indexes(client):
    client.create_collection("kept", dimension=2)
    client.release_collection("kept")
    client.alter_collection_properties("kept", {"mmap.enabled": True, "mine": "x"})
    found = client.describe_collection("kept")["properties"]
    assert (found["mmap.enabled"].lower(), found["mine"]) == ("true", "x")
    client.drop_collection_properties("kept", ["mine"])
    assert "mine" not in client.describe_collection("kept")["properties"]
    client.alter_index_properties("kept", "vector", {"mmap.enabled": True})
    assert str(client.describe_index("kept", "vector")["mmap.enabled"]).lower() == "true"
    client.drop_index_properties("kept", "vector", ["mmap.enabled"])
    assert "mmap.enabled" not in client.describe_index("kept", "vector")


def test_fields_change(client, version):
    client.create_collection("grown", schema=schema_of_chunks(client))
    client.alter_collection_field("grown", "id", {"max_length": 128})
    assert described_fields(client, "grown")["id"]["params"]["max_length"] == 128
    if version < (2, 6):
        return
    wanted = client.prepare_index_params()
    wanted.add_index("vector", metric_type="L2")
    client.create_index("grown", wanted)
    client.load_collection("grown")
    row = {"id": "a", "vector": [1, 0, 0, 0], "year": 1, "tags": [], "meta": {}}
    client.insert("grown", [row])
    client.add_collection_field("grown", "note", DataType.VARCHAR, nullable=True, max_length=9)
    assert described_fields(client, "grown")["note"]["nullable"] is True
    client.insert("grown", [{**row, "id": "b", "note": "n"}])
    found = client.query("grown", filter='id >= "a"', output_fields=["note"])
    assert [(r["id"], r["note"]) for r in found] == [("a", None), ("b", "n")]


def test_partitions(client):
    client.create_collection("parts", dimension=2)
    client.create_partition("parts", "new")
    client.create_partition("parts", "new")
    assert client.list_partitions("parts") == ["_default", "new"]
    assert client.has_partition("parts", "new")
    assert not client.has_partition("parts", "old")
    client.insert("parts", [{"id": 1, "vector": [1, 0]}])
    client.insert("parts", [{"id": 2, "vector": [1, 0]}], partition_name="new")
    assert client.get_partition_stats("parts", "new") == {"row_count": 1}
    found = client.query("parts", filter="id > 0", partition_names=["new"], output_fields=["id"])
    assert [r["id"] for r in found] == [2]
    (hits,) = client.search("parts", [[1, 0]], partition_names=["_default"])
    assert [hit["id"] for hit in hits] == [1]
    client.release_partitions("parts", ["new"])
    assert client.get_load_state("parts", "new")["state"].name == "NotLoad"
    (hits,) = client.search("parts", [[1, 0]])
    assert [hit["id"] for hit in hits] == [1]
    with pytest.raises(MilvusException, match="not loaded"):
        client.search("parts", [[1, 0]], partition_names=["new"])
    client.load_partitions("parts", ["new"])
    assert client.get_load_state("parts", "new")["state"].name == "Loaded"
    assert client.delete("parts", filter="id > 0", partition_name="new")["delete_count"] == 1
    client.release_partitions("parts", ["new"])
    client.drop_partition("parts", "new")
    assert client.list_partitions("parts") == ["_default"]


def test_a_partition_key(client):
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("tenant", DataType.VARCHAR, max_length=20, is_partition_key=True)
    wanted = client.prepare_index_params()
    wanted.add_index("vector", index_type="HNSW", metric_type="L2")
    client.create_collection(
        "tenants",
        schema=schema,
        index_params=wanted,
        num_partitions=8,
        properties={"partitionkey.isolation": True},
    )
    assert described_fields(client, "tenants")["tenant"]["is_partition_key"] is True
    assert client.describe_collection("tenants")["num_partitions"] == 8
    assert client.list_partitions("tenants") == [f"_default_{n}" for n in range(8)]
    client.insert(
        "tenants", [{"id": i, "vector": [i, 0], "tenant": f"t{i % 3}"} for i in range(30)]
    )
    (hits,) = client.search("tenants", [[0, 0]], filter='tenant == "t1"', limit=3)
    assert [(hit["id"], hit["distance"]) for hit in hits] == [(1, 1), (4, 16), (7, 49)]
    with pytest.raises(MilvusException, match="partition key mode is used"):
        client.create_partition("tenants", "x")


def test_aliases(client):
    client.create_collection("one", dimension=2)
    client.create_collection("two", dimension=2)
    client.create_alias("one", "current")
    assert client.list_aliases("one")["aliases"] == ["current"]
    assert client.describe_alias("current")["collection_name"] == "one"
    client.insert("current", [{"id": 1, "vector": [1, 0]}])
    assert client.query("one", ids=[1], output_fields=["id"]) == [{"id": 1}]
    assert client.describe_collection("current")["collection_name"] == "one"
    assert client.has_collection("current")
    client.alter_alias("two", "current")
    assert client.get("current", [1]) == []
    with pytest.raises(MilvusException, match="associated aliases"):
        client.drop_collection("two")
    client.drop_alias("current")
    with pytest.raises(MilvusException, match="alias not found") as raised:
        client.describe_alias("current")
    assert raised.value.code == 1600


def test_databases(client, uri):
    client.create_database("side", properties={"database.max.collections": 10})
    assert {"default", "side"} <= set(client.list_databases())
    found = client.describe_database("side")
    assert found["name"] == "side"
    assert found["database.max.collections"] == "10"
    client.alter_database_properties("side", {"database.replica.number": 1})
    assert client.describe_database("side")["database.replica.number"] == "1"
    client.drop_database_properties("side", ["database.replica.number"])
    assert "database.replica.number" not in client.describe_database("side")
    other = MilvusClient(uri, db_name="side")
    other.create_collection("there", dimension=2)
    assert other.list_collections() == ["there"]
    assert "there" not in client.list_collections()
    other.use_database("default")
    assert "there" not in other.list_collections()
    other.use_database("side")
    with pytest.raises(MilvusException, match="not empty"):
        client.drop_database("side")
    other.drop_collection("there")
    other.close()
    client.drop_database("side")
    assert "side" not in client.list_databases()


def test_states_flush_compaction_and_what_tools_ask(client, version):
    client.create_collection("upkeep", dimension=2)
    client.insert("upkeep", [{"id": i, "vector": [i, 1]} for i in range(50)])
    client.flush("upkeep")
    client.insert("upkeep", [{"id": i, "vector": [i, 1]} for i in range(50, 80)])
    client.flush("upkeep")
    client.delete("upkeep", ids=list(range(10)))
    number = client.compact("upkeep")
    assert client.get_compaction_state(number) == "Completed"
    assert client.get_collection_stats("upkeep") == {"row_count": 70}
    client.refresh_load("upkeep")
    client.release_collection("upkeep")
    assert client.get_load_state("upkeep")["state"].name == "NotLoad"
    with pytest.raises(MilvusException, match="collection not loaded") as raised:
        client.search("upkeep", [[1, 1]])
    assert raised.value.code == 101
    client.load_collection("upkeep")
    assert client.query("upkeep", output_fields=["count(*)"]) == [{"count(*)": 70}]
    if version >= (2, 6):
        segments = client.list_persistent_segments("upkeep")
        assert sum(segment.num_rows for segment in segments) == 70
        loaded = client.list_loaded_segments("upkeep")
        assert sum(segment.num_rows for segment in loaded) == 70
        assert client.get_server_type() == "milvus"
    assert client.get_server_version().startswith("v")
    client.rename_collection("upkeep", "renamed")
    assert client.list_collections().count("renamed") == 1
    assert not client.has_collection("upkeep")
    if version >= (3, 0):
        client.truncate_collection("renamed")
        assert client.get_collection_stats("renamed") == {"row_count": 0}
    client.drop_collection("renamed")
    client.drop_collection("renamed")
    if version >= (2, 6):
        tokens = client.run_analyzer("The fox, the dog", {"type": "standard"})
        assert tokens.tokens == ["the", "fox", "the", "dog"]
