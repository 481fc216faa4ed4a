"""The same through Milvus' client and through the RESTful API."""

from __future__ import annotations

from typing import Any

import pytest
from pymilvus import MilvusClient

from support.rest_client import RestClient

VECTORS = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]


@pytest.fixture
def rest(uri: str, client: MilvusClient) -> RestClient:
    return RestClient(uri)


@pytest.fixture
def books(rest: RestClient) -> RestClient:
    fields = [
        {"fieldName": "key", "dataType": "Int64", "isPrimary": True},
        {
            "fieldName": "text",
            "dataType": "VarChar",
            "elementTypeParams": {"max_length": 200, "enable_analyzer": True},
        },
        {"fieldName": "year", "dataType": "Int32"},
        {"fieldName": "dense", "dataType": "FloatVector", "elementTypeParams": {"dim": "3"}},
        {"fieldName": "bm25", "dataType": "SparseFloatVector"},
    ]
    function = {
        "name": "bm25",
        "type": "BM25",
        "inputFieldNames": ["text"],
        "outputFieldNames": ["bm25"],
    }
    assert (
        rest.data(
            "collections/create",
            collectionName="books",
            schema={"fields": fields, "functions": [function], "enableDynamicField": True},
            indexParams=[
                {
                    "fieldName": "dense",
                    "metricType": "L2",
                    "indexType": "HNSW",
                    "params": {"M": 16},
                },
                {"fieldName": "bm25", "metricType": "BM25", "indexType": "SPARSE_INVERTED_INDEX"},
            ],
            params={"consistencyLevel": "Strong"},
        )
        == {}
    )
    texts = ["red fox", "blue whale", "red whale", "green frog"]
    rows = [
        {"key": i, "text": text, "year": 2000 + i, "dense": vector, "extra": i * 2}
        for i, (text, vector) in enumerate(zip(texts, VECTORS, strict=True))
    ]
    assert rest.data("entities/insert", collectionName="books", data=rows) == {
        "insertCount": 4,
        "insertIds": [0, 1, 2, 3],
    }
    return rest


def test_a_quick_set_up_is_that_of_the_client(rest: RestClient, client: MilvusClient) -> None:
    client.create_collection("one", 4)
    rest.data("collections/create", collectionName="two", dimension=4)
    one, two = (client.describe_collection(name) for name in ("one", "two"))
    for name in ("fields", "enable_dynamic_field", "auto_id", "consistency_level"):
        assert one[name] == two[name]
    assert client.describe_index("two", "vector")["metric_type"] == "COSINE"
    assert rest.data("collections/has", collectionName="one") == {"has": True}
    assert sorted(rest.data("collections/list")) == ["one", "two"] == client.list_collections()
    found = [rest.data("collections/describe", collectionName=name) for name in ("one", "two")]
    assert found[0]["fields"] == found[1]["fields"]


def test_a_quick_set_up_names_its_fields(rest: RestClient) -> None:
    rest.data(
        "collections/create",
        collectionName="c",
        dimension=2,
        idType="VarChar",
        autoID=True,
        metricType="IP",
        primaryFieldName="k",
        vectorFieldName="v",
        params={"max_length": 32, "enableDynamicField": "false"},
    )
    found = rest.data("collections/describe", collectionName="c")
    assert [(f["name"], f["type"], f["autoId"]) for f in found["fields"]] == [
        ("k", "VarChar", True),
        ("v", "FloatVector", False),
    ]
    assert found["fields"][0]["params"] == [{"key": "max_length", "value": "32"}]
    assert found["indexes"] == [{"indexName": "v", "fieldName": "v", "metricType": "IP"}]
    assert (found["load"], found["enableDynamicField"]) == ("LoadStateLoaded", False)
    (key,) = rest.data("entities/insert", collectionName="c", data=[{"v": [1, 2]}])["insertIds"]
    assert rest.data("entities/get", collectionName="c", id=key) == [{"k": key, "v": [1.0, 2.0]}]


@pytest.mark.parametrize(
    ("kind", "dimension", "metric", "value"),
    [
        ("BinaryVector", 16, "HAMMING", [5, 255]),
        ("Float16Vector", 2, "COSINE", [1, 2]),
        ("BFloat16Vector", 2, "COSINE", [1, 2]),
        ("SparseFloatVector", 0, "IP", {"3": 0.5}),
    ],
)
def test_a_quick_set_up_has_vectors_of_any_type(
    rest: RestClient, kind: str, dimension: int, metric: str, value: Any
) -> None:
    sized = {"dimension": dimension} if dimension else {}
    rest.data("collections/create", collectionName="c", vectorFieldType=kind, **sized)
    found = rest.data("collections/describe", collectionName="c")
    assert (found["fields"][1]["type"], found["indexes"][0]["metricType"]) == (kind, metric)
    rest.data("entities/insert", collectionName="c", data=[{"id": 1, "vector": value}])
    hits = rest.data("entities/search", collectionName="c", data=[value], annsField="vector")
    assert [hit["id"] for hit in hits] == [1]


@pytest.mark.parametrize(
    ("said", "properties", "level"),
    [
        ({"properties": {"collection.ttl.seconds": 60}}, {"collection.ttl.seconds": "60"}, None),
        ({"properties": {"ttl.seconds": 60}}, {"collection.ttl.seconds": "60"}, None),
        ({"params": {"ttlSeconds": 60}}, {"collection.ttl.seconds": "60"}, None),
        ({"properties": {"mmap.enabled": True}}, {"mmap.enabled": "true"}, None),
        ({"params": {"warmup.vectorField": "sync"}}, {"warmup.vectorField": "sync"}, None),
        ({"consistencyLevel": "Strong"}, {}, "Strong"),
        ({"params": {"consistencyLevel": "Session"}}, {}, "Session"),
        (
            {"consistencyLevel": "Strong", "params": {"consistencyLevel": "Strong"}},
            {},
            "Strong",
        ),
    ],
)
def test_a_new_collection_has_the_properties_and_the_level_asked_for(
    rest: RestClient, said: dict[str, Any], properties: dict[str, str], level: str | None
) -> None:
    rest.data("collections/create", collectionName="c", dimension=2, **said)
    found = rest.data("collections/describe", collectionName="c")
    told = {one["key"]: one["value"] for one in found["properties"]}
    assert properties.items() <= told.items()
    assert found["consistencyLevel"] == (level or "Bounded")


def test_a_collection_expires_by_the_field_that_is_named(rest: RestClient) -> None:
    fields = [
        {"fieldName": "id", "dataType": "Int64", "isPrimary": True},
        {"fieldName": "until", "dataType": "Timestamptz", "nullable": True},
        {"fieldName": "v", "dataType": "FloatVector", "elementTypeParams": {"dim": 2}},
    ]
    made = {
        "schema": {"fields": fields},
        "indexParams": [{"fieldName": "v", "metricType": "L2"}],
        "params": {"ttlField": "until"},
    }
    rest.data("collections/create", collectionName="c", **made)
    rows = [
        {"id": 1, "until": "2001-01-01T00:00:00Z", "v": [1, 2]},
        {"id": 2, "until": "2999-01-01T00:00:00Z", "v": [1, 2]},
    ]
    rest.data("entities/insert", collectionName="c", data=rows)
    found = rest.data("entities/query", collectionName="c", filter="", outputFields=["id"])
    assert found == [{"id": 2}]


def test_a_struct_has_the_capacity_of_its_type_params(rest: RestClient) -> None:
    fields = [
        {"fieldName": "id", "dataType": "Int64", "isPrimary": True},
        {"fieldName": "v", "dataType": "FloatVector", "elementTypeParams": {"dim": 2}},
    ]
    part = {
        "fieldName": "text",
        "dataType": "Array",
        "elementDataType": "VarChar",
        "elementTypeParams": {"max_length": 8},
    }
    chunks = {"fieldName": "chunks", "fields": [part], "typeParams": {"max_capacity": 2}}
    schema = {"fields": fields, "structFields": [chunks]}
    rest.data("collections/create", collectionName="c", schema=schema)
    row = {"id": 1, "v": [1, 2], "chunks": [{"text": "a"}] * 3}
    assert rest.refusal("entities/insert", collectionName="c", data=[row])[0] != 0
    row["chunks"] = [{"text": "a"}] * 2
    rest.data("entities/insert", collectionName="c", data=[row])


@pytest.mark.parametrize(
    ("asked", "client_asked"),
    [
        ({"annsField": "dense", "data": [[1, 0, 0]]}, {"anns_field": "dense", "data": [[1, 0, 0]]}),
        (
            {
                "annsField": "dense",
                "data": VECTORS[:2],
                "limit": 2,
                "offset": 1,
                "filter": "year > {y}",
                "exprParams": {"y": 1990},
                "outputFields": ["year", "extra"],
            },
            {
                "anns_field": "dense",
                "data": VECTORS[:2],
                "limit": 2,
                "filter": "year > 1990",
                "search_params": {"offset": 1},
                "output_fields": ["year", "extra"],
            },
        ),
        (
            {"annsField": "bm25", "data": ["red whale"], "outputFields": ["text"]},
            {"anns_field": "bm25", "data": ["red whale"], "output_fields": ["text"]},
        ),
        (
            {
                "annsField": "dense",
                "data": [[1, 0, 0]],
                "searchParams": {"params": {"radius": 1.5}, "metricType": "L2"},
            },
            {
                "anns_field": "dense",
                "data": [[1, 0, 0]],
                "search_params": {"params": {"radius": 1.5}},
            },
        ),
        (
            {"annsField": "dense", "ids": [3], "limit": 2},
            {"anns_field": "dense", "ids": [3], "limit": 2},
        ),
        (
            {
                "annsField": "dense",
                "data": [[1, 0, 0]],
                "groupingField": "text",
                "groupSize": 1,
                "outputFields": ["text"],
            },
            {
                "anns_field": "dense",
                "data": [[1, 0, 0]],
                "group_by_field": "text",
                "group_size": 1,
                "output_fields": ["text"],
            },
        ),
    ],
)
def test_searches_find_what_the_client_finds(
    books: RestClient, client: MilvusClient, asked: dict[str, Any], client_asked: dict[str, Any]
) -> None:
    told = books.post("entities/search", collectionName="books", **asked)
    assert told["code"] == 0, told
    hits = client.search("books", **client_asked)
    wanted = [
        {"key": hit["key"], "distance": pytest.approx(hit["distance"], rel=1e-6), **hit["entity"]}
        for one in hits
        for hit in one
    ]
    assert wanted
    assert told["data"] == wanted
    assert told["topks"] == [len(one) for one in hits]


def test_a_hybrid_search_finds_what_the_client_finds(
    books: RestClient, client: MilvusClient
) -> None:
    from pymilvus import AnnSearchRequest, WeightedRanker

    legs = [
        {"annsField": "dense", "data": [[1, 0, 0]], "limit": 3, "filter": "year < 2003"},
        {"annsField": "bm25", "data": ["whale"], "limit": 3},
    ]
    requests = [
        AnnSearchRequest([[1, 0, 0]], "dense", {}, 3, expr="year < 2003"),
        AnnSearchRequest(["whale"], "bm25", {}, 3),
    ]
    (hits,) = client.hybrid_search(
        "books", requests, WeightedRanker(0.25, 0.75), 3, output_fields=["text"]
    )
    wanted = [(h["key"], pytest.approx(h["distance"], rel=1e-6), h["entity"]["text"]) for h in hits]
    for path in ("entities/hybrid_search", "entities/advanced_search"):
        found = books.data(
            path,
            collectionName="books",
            search=legs,
            rerank={"strategy": "weighted", "params": {"weights": [0.25, 0.75]}},
            limit=3,
            outputFields=["text"],
        )
        assert [(h["key"], h["distance"], h["text"]) for h in found] == wanted


def test_a_hybrid_search_for_several_queries(books: RestClient, client: MilvusClient) -> None:
    from pymilvus import AnnSearchRequest, RRFRanker

    vectors, texts = [[1, 0, 0], [0, 1, 0]], ["whale", "sea"]
    legs = [
        {"annsField": "dense", "data": vectors, "limit": 3},
        {"annsField": "bm25", "data": texts, "limit": 3},
    ]
    requests = [
        AnnSearchRequest(vectors, "dense", {}, 3),
        AnnSearchRequest(texts, "bm25", {}, 3),
    ]
    hits = client.hybrid_search("books", requests, RRFRanker(), 3)
    told = books.post("entities/hybrid_search", collectionName="books", search=legs, limit=3)
    wanted = [(h["key"], pytest.approx(h["distance"], rel=1e-6)) for one in hits for h in one]
    assert [(h["key"], h["distance"]) for h in told["data"]] == wanted
    assert told["topks"] == [len(one) for one in hits]
    assert len(hits) == 2


def test_reads_and_writes_are_those_of_the_client(books: RestClient, client: MilvusClient) -> None:
    asked = {"filter": "year >= 2001", "outputFields": ["key", "text", "extra"]}
    found = books.data("entities/query", collectionName="books", **asked)
    wanted = client.query("books", filter="year >= 2001", output_fields=["text", "extra"])
    assert found == list(wanted)
    assert books.data("entities/query", collectionName="books", limit=1, offset=2) == [
        {
            "key": 2,
            "text": "red whale",
            "year": 2002,
            "dense": pytest.approx([0.6, 0.8, 0]),
            "extra": 4,
        }
    ]
    assert books.data(
        "entities/query", collectionName="books", outputFields=["count(*)"], filter="key > 0"
    ) == [{"count(*)": 3}]
    changed = {"key": "1", "text": "blue", "year": "7", "dense": [0, 0, 1]}
    assert books.data("entities/upsert", collectionName="books", data=[changed]) == {
        "upsertCount": 1,
        "upsertIds": [1],
    }
    part = [{"key": 2, "year": 9}]
    books.data("entities/upsert", collectionName="books", data=part, partialUpdate=True)
    found = client.get("books", [1, 2], ["text", "year"])
    assert [(one["text"], one["year"]) for one in found] == [("blue", 7), ("red whale", 9)]
    deleted = books.data("entities/delete", collectionName="books", filter="year < 10")
    assert deleted == {"deleteCount": 2}
    assert books.data("entities/delete", collectionName="books", id=["0"]) == {"deleteCount": 1}
    assert [one["key"] for one in client.query("books", filter="key >= 0")] == [3]


def test_whole_numbers_of_64_bits_are_texts_for_those_who_cannot_read_them(
    books: RestClient,
) -> None:
    strings = {"Accept-Type-Allow-Int64": "false"}
    key = 2**53 + 1
    row = {"key": key, "text": "t", "year": 1, "dense": [1, 0, 0]}
    told = books.post("entities/insert", strings, collectionName="books", data=[row])
    assert told["data"] == {"insertCount": "1", "insertIds": [str(key)]}
    asked = {"collectionName": "books", "filter": f"key == {key}", "outputFields": ["key", "year"]}
    assert books.post("entities/query", strings, **asked)["data"] == [{"key": str(key), "year": 1}]
    assert books.data("entities/query", **asked) == [{"key": key, "year": 1}]
    (hit,) = books.post(
        "entities/search",
        strings,
        collectionName="books",
        annsField="dense",
        limit=1,
        data=[[1, 0, 0]],
        filter=f"key == {key}",
    )["data"]
    assert hit["key"] == str(key)
    assert books.data("entities/get", collectionName="books", id=str(key))[0]["key"] == key


def test_structure_is_that_of_the_client(books: RestClient, client: MilvusClient) -> None:
    here = {"collectionName": "books"}
    assert books.data("partitions/create", **here, partitionName="p") == {}
    assert books.data("partitions/list", **here) == ["_default", "p"]
    assert books.data("partitions/has", **here, partitionName="p") == {"has": True}
    row = {"key": 9, "text": "t", "year": 1, "dense": [1, 0, 0]}
    books.data("entities/insert", **here, partitionName="p", data=[row])
    assert books.data("partitions/get_stats", **here, partitionName="p") == {"rowCount": 1}
    assert books.data("collections/get_stats", **here) == {"rowCount": 5}
    found = books.data("entities/query", **here, partitionNames=["p"], outputFields=["key"])
    assert found == [{"key": 9}]
    books.data("partitions/release", **here, partitionNames=["p"])
    assert books.refusal("entities/query", **here, partitionNames=["p"])[0] == 201
    books.data("partitions/load", **here, partitionNames=["p"])
    books.data("partitions/release", **here, partitionNames=["p"])
    books.data("partitions/drop", **here, partitionName="p")
    assert client.list_partitions("books") == ["_default"]

    assert sorted(books.data("indexes/list", **here)) == ["bm25", "dense"]
    (index,) = books.data("indexes/describe", **here, indexName="dense")
    assert (index["indexType"], index["metricType"], index["indexState"]) == (
        "HNSW",
        "L2",
        "Finished",
    )
    assert {"key": "M", "value": "16"} in index["params"]
    scalar = {"fieldName": "year", "indexName": "by_year", "indexType": "STL_SORT"}
    books.data("indexes/create", **here, indexParams=[scalar])
    assert client.describe_index("books", "by_year")["index_type"] == "STL_SORT"
    books.data("indexes/drop", **here, indexName="by_year")
    assert "by_year" not in client.list_indexes("books")

    books.data("aliases/create", **here, aliasName="a")
    assert books.data("aliases/list") == ["a"]
    assert books.data("aliases/describe", aliasName="a") == {
        "dbName": "default",
        "collectionName": "books",
        "aliasName": "a",
    }
    assert books.data("collections/get_stats", collectionName="a") == {"rowCount": 4}
    books.data("aliases/drop", aliasName="a")

    books.data("collections/alter_properties", **here, properties={"collection.ttl.seconds": 3600})
    shown = books.data("collections/describe", **here)["properties"]
    assert {"key": "collection.ttl.seconds", "value": "3600"} in shown
    books.data("collections/drop_properties", **here, propertyKeys=["collection.ttl.seconds"])
    assert client.describe_collection("books")["properties"] == {}
    field = {
        "fieldName": "more",
        "dataType": "VarChar",
        "nullable": True,
        "elementTypeParams": {"max_length": 10},
    }
    books.data("collections/fields/add", **here, schema=field)
    books.data("collections/flush", **here)
    state = books.data(
        "collections/get_compaction_state",
        jobID=books.data("collections/compact", **here)["compactionID"],
    )
    assert state["state"] == "Completed"
    names = [f["name"] for f in books.data("collections/describe", **here)["fields"]]
    assert names == ["key", "text", "year", "dense", "bm25", "more"]
    books.data("collections/release", **here)
    assert books.data("collections/get_load_state", **here) == {"loadState": "LoadStateNotLoad"}
    assert books.refusal("entities/query", **here)[0] == 101
    books.data("collections/refresh_load", **here)
    assert books.data("collections/get_load_state", **here)["loadProgress"] == 100
    books.data("collections/truncate", **here)
    assert books.data("collections/get_stats", **here) == {"rowCount": 0}
    books.data("collections/rename", **here, newCollectionName="tomes")
    assert client.list_collections() == ["tomes"]


def test_databases_come_from_the_body_or_the_header(rest: RestClient, client: MilvusClient) -> None:
    rest.data("databases/create", dbName="other", properties={"database.replica.number": 1})
    assert sorted(rest.data("databases/list")) == ["default", "other"]
    assert rest.data("databases/describe", dbName="other")["dbName"] == "other"
    rest.data("collections/create", dbName="other", collectionName="c", dimension=2)
    assert rest.data("collections/list") == []
    assert rest.post("collections/list", {"DB-Name": "other"})["data"] == ["c"]
    # The body counts before the header.
    assert rest.post("collections/list", {"DB-Name": "other"}, dbName="default")["data"] == []
    assert rest.refusal("collections/list", dbName="nowhere") == (
        800,
        "database not found[database=nowhere]",
    )
    rest.data(
        "entities/insert", dbName="other", collectionName="c", data=[{"id": 1, "vector": [1, 2]}]
    )
    told = rest.post("entities/get", {"DB-Name": "other"}, collectionName="c", id=1)
    assert told["data"] == [{"id": 1, "vector": [1.0, 2.0]}]
    rest.data("collections/drop", dbName="other", collectionName="c")
    rest.data("databases/drop", dbName="other")
    assert rest.data("databases/list") == ["default"]


def test_an_analyzer_shows_its_tokens(rest: RestClient) -> None:
    found = rest.data(
        "common/run_analyzer",
        text=["Red whales"],
        analyzerParams={"type": "english"},
        withDetail=True,
    )
    assert [t["token"] for t in found["results"][0]["tokens"]] == ["red", "whale"]
    assert found["results"][0]["tokens"][1]["startOffset"] == 4
