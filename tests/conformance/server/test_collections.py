"""Collections, names, partitions, indexes and what is loaded, as Milvus' client sees them."""

from __future__ import annotations

import pytest
from pymilvus import DataType, Function, FunctionType, MilvusClient, MilvusException
from pymilvus.client.types import LoadState


def refused(code: int, text: str):
    """Return what checks that a call fails with this number and this part of the text."""

    class Refused:
        def __enter__(self):
            self._raised = pytest.raises(MilvusException)
            self._found = self._raised.__enter__()
            return self

        def __exit__(self, *error):
            ended = self._raised.__exit__(*error)
            assert text in self._found.value.message
            assert self._found.value.code == code
            return ended

    return Refused()


def plain(client: MilvusClient, name: str, **options):
    schema = client.create_schema(**options)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("title", DataType.VARCHAR, max_length=100)
    client.create_collection(name, schema=schema)
    return schema


def test_a_collection_made_in_short_is_as_with_milvus(client):
    client.create_collection("short", 8)
    described = client.describe_collection("short")
    fields = [(f["field_id"], f["name"], f["type"], f["params"]) for f in described["fields"]]
    assert fields == [
        (100, "id", DataType.INT64, {}),
        (101, "vector", DataType.FLOAT_VECTOR, {"dim": 8}),
    ]
    assert described["enable_dynamic_field"] is True
    assert described["consistency_level"] == 2
    assert described["num_shards"] == 1
    assert described["num_partitions"] == 1
    assert described["collection_id"] > 0
    assert client.describe_index("short", "vector")["metric_type"] == "COSINE"
    assert client.get_load_state("short")["state"] == LoadState.Loaded
    assert client.has_collection("short")
    assert client.list_collections() == ["short"]
    client.drop_collection("short")
    assert not client.has_collection("short")
    client.drop_collection("short")


def test_making_a_collection_again(client):
    plain(client, "twice")
    plain(client, "twice")
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=8)
    with refused(1100, "create duplicate collection with different parameters"):
        client.create_collection("twice", schema=schema)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("12-s", "the first character of a collection name must be an underscore or letter"),
        ("a-b", "collection name can only contain numbers, letters and underscores"),
        ("a" * 256, "the length of a collection name must be less than 255 characters"),
    ],
)
def test_names_that_are_not_valid(client, name, text):
    with refused(1100, text):
        client.create_collection(name, 4)
    assert client.list_collections() == []


def test_what_is_missing_says_so(client):
    with refused(100, "collection not found[database=default][collection=none]"):
        client.describe_collection("none")
    with refused(100, "collection not found[database=default][collection=none]"):
        client.insert("none", [{"id": 1}])
    with refused(100, "collection not found"):
        client.load_collection("none")
    plain(client, "there")
    assert client.list_indexes("there") == []
    with refused(700, "index not found[indexName=vector]"):
        client._get_connection().get_index_build_progress("there", "vector")
    with refused(700, "index not found"):
        client.load_collection("there")
    with refused(200, "partition not found[partition=p]"):
        client.insert("there", [{"id": 1, "vector": [1, 2, 3, 4], "title": ""}], partition_name="p")
    with refused(800, "database not found[database=none]"):
        client.describe_database("none")


def test_aliases(client):
    plain(client, "one")
    plain(client, "two")
    client.create_alias("one", "current")
    assert client.describe_alias("current")["collection_name"] == "one"
    assert client.list_aliases("one")["aliases"] == ["current"]
    assert client.describe_collection("current")["collection_name"] == "one"
    assert client.describe_collection("one")["aliases"] == ["current"]
    client.alter_alias("two", "current")
    assert client.describe_alias("current")["collection_name"] == "two"
    with refused(1601, "alias and collection name conflict[database=default][alias=one]"):
        client.create_alias("two", "one")
    with refused(1600, "alias not found[database=default][alias=nobody]"):
        client.describe_alias("nobody")
    with refused(1602, "alias already exist"):
        client.create_alias("one", "current")
    with refused(1100, "please remove all aliases before dropping"):
        client.drop_collection("two")
    client.drop_alias("current")
    client.drop_alias("current")
    assert client.list_aliases("two")["aliases"] == []


def test_renaming(client):
    plain(client, "before")
    plain(client, "taken")
    with refused(1100, "duplicated new collection name"):
        client.rename_collection("before", "taken")
    client.rename_collection("before", "after")
    assert client.list_collections() == ["after", "taken"]
    with refused(100, "collection not found"):
        client.rename_collection("before", "again")


def test_partitions(client):
    plain(client, "parts")
    client.create_index("parts", _vector_index(client))
    client.create_partition("parts", "p1")
    client.create_partition("parts", "p1")
    assert client.list_partitions("parts") == ["_default", "p1"]
    assert client.has_partition("parts", "p1")
    assert not client.has_partition("parts", "p2")
    row = {"vector": [1, 2, 3, 4], "title": "x"}
    client.insert("parts", [{"id": 1, **row}], partition_name="p1")
    client.insert("parts", [{"id": 2, **row}])
    assert client.get_partition_stats("parts", "p1")["row_count"] == 1
    client.load_partitions("parts", ["p1"])
    assert client.get_load_state("parts", "p1")["state"] == LoadState.Loaded
    assert client.get_load_state("parts", "_default")["state"] == LoadState.NotLoad
    found = client.search("parts", [[1, 2, 3, 4]], limit=5)[0]
    assert [hit["id"] for hit in found] == [1]
    with refused(201, "partition not loaded[partition=_default]"):
        client.search("parts", [[1, 2, 3, 4]], limit=5, partition_names=["_default"])
    client.load_collection("parts")
    assert len(client.search("parts", [[1, 2, 3, 4]], limit=5)[0]) == 2
    one = client.query("parts", filter="id > 0", partition_names=["p1"])
    assert [row["id"] for row in one] == [1]
    with refused(1100, "partition is loaded, please release it first"):
        client.drop_partition("parts", "p1")
    with refused(1100, "default partition cannot be deleted"):
        client.drop_partition("parts", "_default")
    client.release_partitions("parts", ["p1"])
    client.drop_partition("parts", "p1")
    assert client.list_partitions("parts") == ["_default"]
    assert client.get_collection_stats("parts")["row_count"] == 1


def test_a_partition_key_chooses_partitions(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("tenant", DataType.VARCHAR, max_length=20, is_partition_key=True)
    client.create_collection("keyed", schema=schema, index_params=_vector_index(client))
    assert client.describe_collection("keyed")["num_partitions"] == 16
    assert len(client.list_partitions("keyed")) == 16
    with refused(1100, "partition key mode is used"):
        client.create_partition("keyed", "p")
    rows = [{"id": i, "vector": [i, 0, 0, 1], "tenant": f"t{i % 3}"} for i in range(9)]
    client.insert("keyed", rows)
    with refused(1100, "not support manually specifying the partition names"):
        client.query("keyed", filter="id > 0", partition_names=["_default_1"])
    found = client.search("keyed", [[0, 0, 0, 1]], filter='tenant == "t2"', limit=9)[0]
    assert sorted(hit["id"] for hit in found) == [2, 5, 8]


def _vector_index(client, **options):
    params = client.prepare_index_params()
    params.add_index("vector", **{"index_type": "HNSW", "metric_type": "L2", **options})
    return params


def test_indexes(client, embedded):
    plain(client, "indexed")
    client.insert("indexed", [{"id": 1, "vector": [1, 2, 3, 4], "title": "x"}])
    with refused(1100, "metric type not set for vector index"):
        params = client.prepare_index_params()
        params.add_index("vector", index_type="HNSW")
        client.create_index("indexed", params)
    client.create_index("indexed", _vector_index(client, params={"M": 8, "efConstruction": 64}))
    client.create_index("indexed", _vector_index(client, params={"M": 8, "efConstruction": 64}))
    with refused(1100, "at most one distinct index is allowed per field"):
        client.create_index("indexed", _vector_index(client, metric_type="IP"))
    assert str(embedded.collection("indexed").schema.field("vector").metric) == "L2"
    described = client.describe_index("indexed", "vector")
    assert described["index_type"] == "HNSW"
    assert described["metric_type"] == "L2"
    assert described["M"] == "8"
    assert (described["total_rows"], described["pending_index_rows"]) == (1, 0)
    assert described["state"] == "Finished"
    params = client.prepare_index_params()
    params.add_index("title", index_type="INVERTED", index_name="by_title")
    client.create_index("indexed", params)
    assert client.list_indexes("indexed") == ["vector", "by_title"]
    assert {i.name: i.type for i in embedded.collection("indexed").list_indexes()} == {
        "vector": "AUTO",
        "title": "INVERTED",
    }
    with refused(1100, "cannot create index on non-exist field: nothing"):
        params = client.prepare_index_params()
        params.add_index("nothing", index_type="INVERTED")
        client.create_index("indexed", params)
    client.load_collection("indexed")
    with refused(1100, "vector index cannot be dropped on loaded collection"):
        client.drop_index("indexed", "vector")
    client.drop_index("indexed", "by_title")
    client.release_collection("indexed")
    with refused(101, "collection not loaded"):
        client.search("indexed", [[1, 2, 3, 4]])
    with refused(101, "collection not loaded"):
        client.query("indexed", filter="id > 0")
    client.drop_index("indexed", "vector")
    assert client.list_indexes("indexed") == []
    # The metric may be another one when it is indexed anew.
    client.create_index("indexed", _vector_index(client, metric_type="IP"))
    client.load_collection("indexed")
    (hit,) = client.search("indexed", [[1, 2, 3, 4]])[0]
    assert (hit["id"], hit["distance"]) == (1, 30.0)
    with refused(104, "can't alter index on loaded collection"):
        client.alter_index_properties("indexed", "vector", {"mmap.enabled": True})
    client.release_collection("indexed")
    with refused(1100, "metric_type is not a configable index property"):
        client.alter_index_properties("indexed", "vector", {"metric_type": "L2"})
    with refused(1100, "index_type is not a configable index property"):
        client.drop_index_properties("indexed", "vector", ["index_type"])
    with refused(1100, "invalid mmap.enabled value: maybe"):
        client.alter_index_properties("indexed", "vector", {"mmap.enabled": "maybe"})
    client.alter_index_properties("indexed", "vector", {"mmap.enabled": True})
    assert client.describe_index("indexed", "vector")["mmap.enabled"] == "True"
    client.drop_index_properties("indexed", "vector", ["mmap.enabled"])
    assert "mmap.enabled" not in client.describe_index("indexed", "vector")


def test_properties_come_back(client):
    plain(client, "props")
    client.alter_collection_properties(
        "props", {"collection.ttl.seconds": 3600, "mmap.enabled": True, "mine": "x"}
    )
    properties = client.describe_collection("props")["properties"]
    assert properties == {"collection.ttl.seconds": "3600", "mmap.enabled": "True", "mine": "x"}
    client.drop_collection_properties("props", ["collection.ttl.seconds", "mine"])
    assert client.describe_collection("props")["properties"] == {"mmap.enabled": "True"}
    for length in (200, 20):
        client.alter_collection_field("props", "title", {"max_length": length})
        fields = {f["name"]: f for f in client.describe_collection("props")["fields"]}
        assert fields["title"]["params"]["max_length"] == length
    with refused(1100, "length of varchar field title exceeds max length"):
        client.insert("props", [{"id": 1, "vector": [1, 2, 3, 4], "title": "x" * 21}])


def test_older_names_of_the_time_zone(client):
    plain(client, "zoned")
    client.alter_collection_properties("zoned", {"collection.timezone": "Europe/Berlin"})
    assert client.describe_collection("zoned")["properties"] == {"timezone": "Europe/Berlin"}
    client.alter_database_properties("default", {"database.timezone": "Asia/Tokyo"})
    assert client.describe_database("default")["timezone"] == "Asia/Tokyo"
    client.drop_database_properties("default", ["database.timezone"])
    assert "timezone" not in client.describe_database("default")
    with refused(1100, "unknown or invalid IANA Time Zone ID: error"):
        client.alter_collection_properties("zoned", {"collection.timezone": "error"})
    with refused(1100, "timezone 'error' is not known"):
        client.alter_database_properties("default", {"database.timezone": "error"})


def test_fields_are_added_and_dropped(client):
    plain(client, "grown")
    client.create_index("grown", _vector_index(client))
    client.load_collection("grown")
    client.insert("grown", [{"id": 1, "vector": [1, 2, 3, 4], "title": "x"}])
    client.add_collection_field("grown", "year", DataType.INT64, nullable=True)
    client.add_collection_field("grown", "rank", DataType.INT32, nullable=True, default_value=3)
    row = {"id": 2, "vector": [1, 2, 3, 5], "title": "y", "year": 2024, "rank": 1}
    client.insert("grown", [row])
    got = client.query("grown", filter="id > 0", output_fields=["year", "rank"])
    assert [(r["year"], r["rank"]) for r in got] == [(None, 3), (2024, 1)]
    numbers = [f["field_id"] for f in client.describe_collection("grown")["fields"]]
    assert numbers == [100, 101, 102, 103, 104]
    with refused(1100, "added field must be nullable"):
        client.add_collection_field("grown", "must", DataType.INT64)
    client.drop_collection_field("grown", "year")
    names = [f["name"] for f in client.describe_collection("grown")["fields"]]
    assert names == ["id", "vector", "title", "rank"]


@pytest.mark.parametrize(
    ("dtype", "given", "options"),
    [
        (DataType.INT64, "x", {}),
        (DataType.INT64, 1.5, {}),
        (DataType.INT64, True, {}),
        (DataType.FLOAT, "x", {}),
        (DataType.INT8, 300, {}),
        (DataType.BOOL, 1, {}),
        (DataType.VARCHAR, "xyzw", {"max_length": 2}),
        (DataType.VARCHAR, 3, {"max_length": 9}),
    ],
)
def test_a_default_that_is_no_value_of_its_field_changes_nothing(client, dtype, given, options):
    plain(client, "kept")
    before = client.describe_collection("kept")
    field = {"nullable": True, "default_value": given, **options}
    with refused(1100, "default of field 'new'"):
        client.add_collection_field("kept", "new", dtype, **field)
    assert client.describe_collection("kept") == before
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("new", dtype, **field)
    with refused(1100, "default of field 'new'"):
        client.create_collection("made", schema=schema)
    assert client.list_collections() == ["kept"]


def test_a_collection_with_a_wrong_default_is_described_and_mended(client, embedded):
    """Earlier versions stored such a default, and no collection could be asked after that."""
    import elanus

    plain(client, "broken")
    plain(client, "whole")
    wrong = elanus.Field("new", elanus.INT64, nullable=True, default="x")
    embedded.collection("broken")._engine.change_schema(
        lambda schema: schema.replaced(fields=(*schema.fields, wrong))
    )
    described = client.describe_collection("broken")["fields"][-1]
    assert (described["name"], described.get("default_value")) == ("new", None)
    assert client.describe_collection("whole")["collection_name"] == "whole"
    assert sorted(client.list_collections()) == ["broken", "whole"]
    client.drop_collection_field("broken", "new")
    client.insert("broken", [{"id": 1, "vector": [1, 2, 3, 4], "title": "x"}])
    assert client.describe_collection("broken")["fields"][-1]["name"] == "title"


def test_functions_are_described(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field(
        "text",
        DataType.VARCHAR,
        max_length=100,
        enable_analyzer=True,
        enable_match=True,
        analyzer_params={"type": "english"},
    )
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(
        Function(
            name="bm25",
            function_type=FunctionType.BM25,
            input_field_names=["text"],
            output_field_names=["words"],
        )
    )
    client.create_collection("functions", schema=schema)
    described = client.describe_collection("functions")
    (function,) = described["functions"]
    assert function["name"] == "bm25"
    assert function["type"] == FunctionType.BM25
    fields = {f["name"]: f for f in described["fields"]}
    assert fields["text"]["params"]["enable_match"] == "true"
    assert fields["text"]["params"]["analyzer_params"] == '{"type":"english"}'
    assert fields["words"]["is_function_output"] is True
    tokens = client.run_analyzer(
        "Running foxes", collection_name="functions", field_name="text", with_detail=True
    )
    assert [t["token"] for t in tokens.tokens] == ["run", "fox"]
    assert [(t["start_offset"], t["end_offset"]) for t in tokens.tokens] == [(0, 7), (8, 13)]


def test_what_stands_beside_the_type_of_an_analyzer_is_passed_over(client):
    stopped = {"type": "standard", "filter": ["asciifolding"], "stop_words": ["the"]}
    assert client.run_analyzer("The Café", stopped).tokens == ["café"]
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    several = {"analyzers": {"default": stopped, "en": {"type": "english", "filter": []}}}
    for name, params in [("text", {"analyzer_params": stopped})]:
        schema.add_field(name, DataType.VARCHAR, max_length=9, enable_analyzer=True, **params)
    schema.add_field("lang", DataType.VARCHAR, max_length=9)
    schema.add_field(
        "more",
        DataType.VARCHAR,
        max_length=9,
        enable_analyzer=True,
        multi_analyzer_params={"by_field": "lang", **several},
    )
    client.create_collection("passed_over", schema=schema)
    tokens = client.run_analyzer("The Café", collection_name="passed_over", field_name="text")
    assert tokens.tokens == ["café"]
    client.drop_collection("passed_over")


def test_root_has_roles_like_any_user(client):
    client.create_role("keeper")
    client.grant_role("root", "keeper")
    assert set(client.describe_user("root")["roles"]) == {"admin", "keeper"}
    client.revoke_role("root", "keeper")
    client.drop_role("keeper")


def test_a_collection_of_the_library_is_served(client, embedded):
    import elanus

    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.VARCHAR, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer="english"),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2, metric="IP"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ],
        dynamic=True,
    )
    own = embedded.create_collection("library", schema)
    own.insert([{"id": "a", "text": "foxes run", "dense": [1, 2], "extra": 1}])
    described = client.describe_collection("library")
    assert [f["name"] for f in described["fields"]] == ["id", "text", "dense", "bm25"]
    assert described["functions"][0]["output_field_names"] == ["bm25"]
    assert client.get_load_state("library")["state"] == LoadState.Loaded
    assert sorted(client.list_indexes("library")) == ["bm25", "dense"]
    assert client.describe_index("library", "dense")["metric_type"] == "IP"
    (hit,) = client.search("library", ["fox"], anns_field="bm25", output_fields=["*"])[0]
    assert (hit["id"], hit["entity"]["extra"]) == ("a", 1)
    client.insert("library", [{"id": "b", "text": "a dog", "dense": [0, 1]}])
    assert own.get(["b"], ["text"]) == [{"id": "b", "text": "a dog"}]
    own.add_field(elanus.Field("year", elanus.INT64, nullable=True))
    assert client.describe_collection("library")["fields"][-1]["name"] == "year"


def test_truncating_keeps_the_schema(client):
    client.create_collection("emptied", 4)
    client.insert("emptied", [{"id": 1, "vector": [1, 2, 3, 4]}])
    client.truncate_collection("emptied")
    assert client.get_collection_stats("emptied")["row_count"] == 0
    client.insert("emptied", [{"id": 1, "vector": [1, 2, 3, 4]}])
    assert client.get_collection_stats("emptied")["row_count"] == 1


def test_flush_compaction_and_segments(client):
    client.create_collection("flushed", 4)
    client.insert("flushed", [{"id": i, "vector": [i, 2, 3, 4]} for i in range(10)])
    client.flush("flushed")
    (segment,) = client.list_persistent_segments("flushed")
    assert segment.num_rows == 10
    job = client.compact("flushed")
    assert client.get_compaction_state(job) == "Completed"
    (loaded,) = client.list_loaded_segments("flushed")
    assert loaded.num_rows == 10
    client.release_collection("flushed")
    assert client.list_loaded_segments("flushed") == []


def test_versions_and_times(client):
    assert client.get_server_version().startswith("v3.0")
    connection = client._get_connection()
    first, second = connection.alloc_timestamp(), connection.alloc_timestamp()
    assert second > first > 1_700_000_000_000 << 18
