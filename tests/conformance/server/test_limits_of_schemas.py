"""What a collection may have: limits, names, keys and properties are Milvus' own."""

from __future__ import annotations

import pymilvus
import pytest
from pymilvus import DataType

from support.rest_client import RestClient

FRESH = "fresh"
NUMBER, TEXT, VECTOR = DataType.INT64, DataType.VARCHAR, DataType.FLOAT_VECTOR
KEY = ("k", TEXT, {"max_length": 9, "is_partition_key": True})


def _schema(client, *more, dim=4, kind=VECTOR):
    schema = client.create_schema()
    schema.add_field("id", NUMBER, is_primary=True)
    schema.add_field("v", kind, dim=dim)
    for name, dtype, options in more:
        schema.add_field(name, dtype, **options)
    return schema


def _many(count, dtype=NUMBER, **options):
    return [(f"f{number}", dtype, options) for number in range(count)]


def _create(*more, dim=4, kind=VECTOR, **options):
    return lambda c: c.create_collection(
        FRESH, schema=_schema(c, *more, dim=dim, kind=kind), **options
    )


def _array(**options):
    return _create(("a", DataType.ARRAY, options))


MISTAKES = {
    "fields": (_create(*_many(63)), 1100, "maximum field's number should be limited to 64"),
    "vector fields": (
        _create(*_many(4, VECTOR, dim=4)),
        1100,
        "maximum vector field's number should be limited to 4",
    ),
    "shards": (_create(num_shards=17), 1100, "maximum shards's number should be limited to 16"),
    "partitions without a key": (
        _create(num_partitions=4),
        1100,
        "num_partitions should only be specified with partition key field enabled",
    ),
    "partitions": (
        _create(KEY, num_partitions=1025),
        1100,
        "partition number (1025) exceeds max configuration (1024)",
    ),
    "nullable key": (
        _create((*KEY[:2], {**KEY[2], "nullable": True})),
        1100,
        "partition key field not support nullable",
    ),
    "clustering key of vectors": (
        _create(("a", VECTOR, {"dim": 4, "is_clustering_key": True})),
        107,
        "vector clustering key not allowed[collection=fresh]",
    ),
    "dim": (_create(dim=1), 1100, "invalid dimension: 1. should be in range 2 ~ 32768"),
    "sparse dim": (
        _create(("s", DataType.SPARSE_FLOAT_VECTOR, {"dim": 4})),
        1100,
        "dim should not be specified for sparse vector field s",
    ),
    "no capacity": (
        _array(element_type=NUMBER),
        1101,
        "type param(max_capacity) should be specified for array field a of collection fresh",
    ),
    "elements": (
        _array(element_type=DataType.JSON, max_capacity=4),
        1100,
        "element type JSON is not supported",
    ),
    "strings": (
        _create(("t", DataType.STRING, {"max_length": 4})),
        1100,
        "string data type not supported yet, please use VarChar type instead",
    ),
    "keyword": (_create(("like", NUMBER, {})), 1701, "Invalid field name: like"),
    "function": (_create(("ARRAY_LENGTH", NUMBER, {})), 1701, "Invalid field name: ARRAY_LENGTH"),
    "truth": (_create(("True", NUMBER, {})), 1701, "Invalid field name: True"),
    "system field": (_create(("RowID", NUMBER, {})), 1100, "schema contains system field"),
    "time to live": (
        _create(properties={"collection.ttl.seconds": 3155760001}),
        1100,
        "collection TTL is out of range, expect [-1, 3155760000], got 3155760001",
    ),
    "no time to live": (
        _create(properties={"collection.ttl.seconds": "soon"}),
        1100,
        "collection TTL is not a valid positive integer",
    ),
    "no field of moments": (
        _create(properties={"ttl_field": "none"}),
        1100,
        "ttl field name none not found in schema",
    ),
    "field without moments": (
        _create(properties={"ttl_field": "id"}),
        1100,
        "ttl field must be timestamptz, field name = id",
    ),
    "isolation without a key": (
        _create(properties={"partitionkey.isolation": True}),
        105,
        "partition key isolation mode is enabled but no partition key field is set",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_collections_have_the_limits_of_milvus(client, mistake):
    act, code, text = MISTAKES[mistake]
    with pytest.raises(pymilvus.MilvusException) as raised:
        act(client)
    assert raised.value.code == code
    assert text in raised.value.message
    assert not client.has_collection(FRESH)


def test_what_is_just_within_the_limits_is_made(client):
    vectors = _many(3, VECTOR, dim=2)
    numbers = [(f"n{number}", NUMBER, {}) for number in range(58)]
    _create(KEY, *vectors, *numbers, dim=32_768, num_shards=16, num_partitions=1024)(client)
    described = client.describe_collection(FRESH)
    assert len(described["fields"]) == 64
    assert (described["num_shards"], described["num_partitions"]) == (16, 1024)


ADDED = {
    "key": ({"is_primary": True}, "not support to add pk field, field name = extra"),
    "partition key": ({"is_partition_key": True}, "not support to add partition key field"),
    "keyword": ({"field_name": "in"}, "Invalid field name: in"),
    "system": ({"field_name": "RowID"}, "not support to add system field, field name = RowID"),
}


@pytest.mark.parametrize("mistake", ADDED)
def test_fields_are_added_within_the_limits(client, mistake):
    _create()(client)
    given, text = ADDED[mistake]
    options = {"field_name": "extra", "data_type": NUMBER, "nullable": True, **given}
    with pytest.raises(pymilvus.MilvusException, match=text):
        client.add_collection_field(FRESH, **options)


def test_no_fifth_vector_field_is_added(client):
    _create(*_many(3, VECTOR, dim=4))(client)
    with pytest.raises(pymilvus.MilvusException, match="should be limited to 4"):
        client.add_collection_field(FRESH, "extra", VECTOR, dim=4, nullable=True)


@pytest.mark.parametrize("spelled", [False, "False", "0", "f"])
def test_truth_values_over_rest_are_those_of_go(uri, client, spelled):
    rest = RestClient(uri)
    params = {"enableDynamicField": spelled, "shardsNum": "2", "ttlSeconds": "360"}
    rest.data("collections/create", collectionName=FRESH, dimension=4, params=params)
    described = client.describe_collection(FRESH)
    assert described["enable_dynamic_field"] is False
    assert described["num_shards"] == 2
    assert described["properties"] == {"collection.ttl.seconds": "360"}
