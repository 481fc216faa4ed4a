"""Collections that are made again, and the partitions of a key, as Milvus' client sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymilvus import (
    CollectionSchema,
    DataType,
    Function,
    FunctionType,
    MilvusClient,
    MilvusException,
)

DIFFERENT = "create duplicate collection with different parameters, collection: "


def _refused(code: int, text: str, call: Callable[[], Any]) -> None:
    with pytest.raises(MilvusException) as told:
        call()
    assert told.value.code == code
    assert text in told.value.message


def _schema(client: MilvusClient, key: dict[str, Any] | None = None) -> CollectionSchema:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    if key is not None:
        schema.add_field("tenant", is_partition_key=True, **key)
    return schema


def test_all_that_a_collection_has_is_compared(client: MilvusClient) -> None:
    schema = _schema(client, {"datatype": DataType.INT64})
    given: dict[str, Any] = {
        "num_shards": 2,
        "num_partitions": 8,
        "consistency_level": "Strong",
        "properties": {"collection.ttl.seconds": 3600},
    }

    def make(**changed: Any) -> None:
        client.create_collection("again", schema=schema, **given | changed)

    make()
    make()
    make(properties={"collection.ttl.seconds": 3600, "timezone": "UTC"})
    for changed in (
        {"num_shards": 1},
        {"num_partitions": 9},
        {"consistency_level": "Bounded"},
        {"properties": {}},
        {"properties": {"collection.ttl.seconds": 60}},
        {"properties": {"collection.ttl.seconds": 3600, "timezone": "Asia/Tokyo"}},
    ):
        _refused(1100, DIFFERENT + "again", lambda changed=changed: make(**changed))
    client.alter_collection_properties("again", {"collection.ttl.seconds": 60})
    _refused(1100, DIFFERENT + "again", make)
    make(properties={"collection.ttl.seconds": 60})


def test_a_zone_of_the_database_is_one_of_the_collection(client: MilvusClient) -> None:
    client.alter_database_properties("default", {"timezone": "Asia/Tokyo"})
    try:
        client.create_collection("zoned", schema=_schema(client))
        client.create_collection("zoned", schema=_schema(client))
    finally:
        client.drop_database_properties("default", ["timezone"])
    _refused(
        1100, DIFFERENT + "zoned", lambda: client.create_collection("zoned", schema=_schema(client))
    )


@pytest.mark.parametrize("metric", ["L2", "IP", "COSINE"])
def test_indexes_are_no_difference(client: MilvusClient, metric: str) -> None:
    schema = _schema(client)
    schema.add_field("text", DataType.VARCHAR, max_length=50, enable_analyzer=True)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("at", DataType.TIMESTAMPTZ, default_value="2025-01-01T00:00:00Z")
    schema.add_function(Function("bm25", FunctionType.BM25, ["text"], ["words"]))
    index = client.prepare_index_params()
    index.add_index("vector", index_type="HNSW", metric_type=metric)
    index.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    index.add_index("at", index_type="STL_SORT")
    for _ in range(2):
        client.create_collection("indexed", schema=schema, index_params=index)
        client.create_collection("quick", dimension=4, metric_type=metric)
    schema.add_field("more", DataType.INT64)
    _refused(
        1100, DIFFERENT + "indexed", lambda: client.create_collection("indexed", schema=schema)
    )


def test_a_partition_that_came_later_is_a_difference(client: MilvusClient) -> None:
    client.create_collection("parted", schema=_schema(client))
    client.create_partition("parted", "one")
    _refused(
        1100,
        DIFFERENT + "parted",
        lambda: client.create_collection("parted", schema=_schema(client)),
    )


# By MurmurHash3 of scikit-learn, ``murmurhash3_32(pack("<q", key), 0, positive=True)``: 1669671676,
# 1392991556, 4157363267, 1651860712, 2188461247, each without its highest bit, modulo 16.
NUMBER_PLACES = {0: 12, 1: 4, 7: 3, -1: 8, 2**63 - 1: 15}
# By ``zlib.crc32``: 0, 3904355907, and 620847835 of a hundred letters, modulo 16.
TEXT_PLACES = {"": 0, "a": 3, "b" * 100: 11, "b" * 100 + "c": 11}


@pytest.mark.parametrize(
    ("key", "places"),
    [
        ({"datatype": DataType.INT64}, NUMBER_PLACES),
        ({"datatype": DataType.VARCHAR, "max_length": 200}, TEXT_PLACES),
    ],
    ids=["numbers", "texts"],
)
def test_partitions_of_a_key_have_the_rows_that_milvus_places_there(
    client: MilvusClient, key: dict[str, Any], places: dict[Any, int]
) -> None:
    client.create_collection("placed", schema=_schema(client, key))
    names = client.list_partitions("placed")

    def rows() -> list[int]:
        return [client.get_partition_stats("placed", name)["row_count"] for name in names]

    assert rows() == [0] * 16
    keys = [*places, next(iter(places))]
    entities = [{"id": i, "vector": [i, 1], "tenant": one} for i, one in enumerate(keys)]
    client.insert("placed", entities)
    wanted = [places[one] for one in keys]
    assert rows() == [wanted.count(place) for place in range(16)]
    for name in ("_default", "_default_16"):
        _refused(
            200,
            f"partition not found[partition={name}]",
            lambda name=name: client.get_partition_stats("placed", name),
        )
