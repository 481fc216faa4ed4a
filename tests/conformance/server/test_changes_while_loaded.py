"""What may change while a collection is loaded, and what goes while it is not."""

from __future__ import annotations

from typing import Any

import pymilvus
import pytest
from pymilvus import DataType
from pymilvus.client.types import LoadState

NAME = "changing"
ROW: dict[str, Any] = {"id": 1, "v": [0, 0, 0, 1.0], "t": "a", "a": ["x"]}


@pytest.fixture
def made(client):
    """A client, and a collection that is loaded."""
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("t", DataType.VARCHAR, max_length=16)
    schema.add_field(
        "a", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=10, max_length=16
    )
    client.create_collection(NAME, schema=schema)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_index(NAME, index)
    client.load_collection(NAME)
    return client


def refuses(code, text, act, *args, **options):
    with pytest.raises(pymilvus.MilvusException) as raised:
        act(NAME, *args, **options)
    assert raised.value.code == code
    assert text in raised.value.message


def _alter(**properties):
    given = {name.replace("__", "."): value for name, value in properties.items()}
    return lambda c: c.alter_collection_properties(NAME, given)


def _field(field, **params):
    given = {name.replace("__", "."): value for name, value in params.items()}
    return lambda c: c.alter_collection_field(NAME, field, given)


def _drop(name):
    return lambda c: c.drop_collection_properties(NAME, [name])


LOADED = f": collection already loaded[collection={NAME}]"
MISTAKES = {
    "mapped": (
        _alter(mmap__enabled=True),
        104,
        "can not alter mmap properties if collection loaded" + LOADED,
    ),
    "lazy": (_alter(lazyload__enabled=True), 104, LOADED),
    "warm": (
        _alter(warmup__scalarField="sync"),
        104,
        "can not alter warmup properties if collection loaded" + LOADED,
    ),
    "mapped no more": (
        _drop("mmap.enabled"),
        104,
        "can not delete mmap properties if collection loaded" + LOADED,
    ),
    "mapped field": (
        _field("t", max_length=9, mmap__enabled=True),
        104,
        "can not alter collection field properties if collection loaded" + LOADED,
    ),
    "dynamic fields are no key": (
        _drop("dynamicfield.enabled"),
        1100,
        "cannot delete key dynamicfield.enabled",
    ),
    "dynamic fields among others": (
        _alter(dynamicfield__enabled=True, mine=1),
        1100,
        "cannot alter dynamic schema with other properties at the same time",
    ),
    "keys are given": (
        _alter(allow_insert_auto_id=True),
        1100,
        "the value for allow_insert_auto_id must be false when autoID is false",
    ),
    "time zone": (
        _alter(timezone="Mars/Base"),
        1100,
        "unknown or invalid IANA Time Zone ID: Mars/Base",
    ),
    "length of vectors": (
        _field("v", max_length=9),
        1100,
        "can not modify the maxlength for non-string types",
    ),
    "capacity of texts": (
        _field("t", max_capacity=9),
        1100,
        "can not modify the maxcapacity for non-array types",
    ),
    "length": (_field("t", max_length=65_536), 1100, "65536 exceeds the maximum allowed value"),
    "another type": (
        _field("a", element_type=5),
        1100,
        "element_type does not allow update in collection field param",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_changes_that_are_refused(made, mistake):
    act, code, text = MISTAKES[mistake]
    before = made.describe_collection(NAME)
    refuses(code, text, lambda _: act(made))
    assert made.describe_collection(NAME) == before


def test_properties_come_back_as_they_were_spelled(made):
    made.release_collection(NAME)
    given = {"mmap.enabled": "TRUE", "lazyload.enabled": True, "collection.ttl.seconds": "0100"}
    made.alter_collection_properties(NAME, given)
    shown = {name: str(value) for name, value in given.items()} | {"collection.ttl.seconds": "100"}
    assert made.describe_collection(NAME)["properties"] == shown
    made.drop_collection_properties(NAME, list(given))
    assert made.describe_collection(NAME)["properties"] == {}
    made.alter_collection_field(NAME, "t", {"mmap_enabled": True, "max_length": 9})
    fields = {field["name"]: field for field in made.describe_collection(NAME)["fields"]}
    assert fields["t"]["params"] == {"max_length": 9, "mmap_enabled": True}


def test_undeclared_fields_come_and_go(made):
    path = {"json_path": "extra['a']", "json_cast_type": "DOUBLE"}
    index = made.prepare_index_params()
    index.add_index("extra", index_type="INVERTED", params=path)
    made.create_index(NAME, index)
    made.insert(NAME, [{**ROW, "extra": {"a": 5}}])
    made.alter_collection_properties(NAME, {"dynamicfield.enabled": False})
    described = made.describe_collection(NAME)
    assert (described["enable_dynamic_field"], described["properties"]) == (False, {})
    assert made.list_indexes(NAME) == ["v"]
    assert [set(row) for row in made.query(NAME, "id > 0", output_fields=["*"])] == [set(ROW)]
    refuses(1100, "field extra not exist", made.query, "extra['a'] == 5")
    refuses(1100, "field extra not exist", made.query, "id > 0", output_fields=["extra"])
    refuses(1100, "field $meta not exist", made.query, "id > 0", output_fields=["$meta"])
    with pytest.raises(pymilvus.MilvusException, match="unexpected field `extra`"):
        made.insert(NAME, [{**ROW, "extra": 5}])
    made.alter_collection_properties(NAME, {"dynamicfield.enabled": True})
    assert made.query(NAME, "exists extra") == []
    made.insert(NAME, [{**ROW, "id": 2, "extra": 6}])
    assert [row["id"] for row in made.query(NAME, "extra == 6")] == [2]


def test_what_a_released_collection_does_not_do(made):
    made.insert(NAME, [ROW])
    made.release_collection(NAME)
    made.insert(NAME, [{**ROW, "id": 2}])
    made.upsert(NAME, [{**ROW, "id": 3}])
    for act, args, options in (
        (made.query, (), {"filter": "id > 0"}),
        (made.get, ([1],), {}),
        (made.search, ([ROW["v"]],), {}),
        (made.upsert, ([{"id": 1, "t": "b"}],), {"partial_update": True}),
        (made.delete, (), {"filter": "t == 'a'"}),
        (made.delete, (), {"filter": "id in [1] or id > 2"}),
    ):
        refuses(101, "collection not loaded", act, *args, **options)
    made.delete(NAME, ids=[2])
    made.delete(NAME, filter="id == 3")
    made.load_collection(NAME)
    assert [row["id"] for row in made.query(NAME, filter="id > 0")] == [1]


def test_partitions_are_loaded_one_by_one(made):
    made.create_partition(NAME, "one")
    made.create_partition(NAME, "two")
    made.release_collection(NAME)
    made.load_partitions(NAME, ["one"])
    made.create_partition(NAME, "three")
    states = {name: made.get_load_state(NAME, name)["state"] for name in made.list_partitions(NAME)}
    assert [name for name, state in states.items() if state == LoadState.Loaded] == ["one"]
    partial = {"partition_name": "two", "partial_update": True}
    refuses(201, "partition not loaded", made.upsert, [{"id": 1, "t": "b"}], **partial)
    refuses(201, "partition not loaded", made.query, "id > 0", partition_names=["three"])
    refuses(200, "partition not found[partition=none]", made.get_load_state, "none")
    refuses(1100, "due to no partition specified", made.load_partitions, [])
    refuses(1100, "Invalid partition name: a b", made.has_partition, "a b")
    refuses(1100, "Invalid partition name: a b", made.drop_partition, "a b")
    refuses(1100, "partition is loaded, please release it first", made.drop_partition, "one")
    made.drop_partition(NAME, "three")
    made.release_partitions(NAME, ["one"])
    assert made.get_load_state(NAME)["state"] == LoadState.NotLoad


def test_a_partition_key_leaves_partitions_alone(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("k", DataType.INT64, is_partition_key=True)
    client.create_collection(NAME, schema=schema)
    for what in ("create", "drop"):
        act = getattr(client, f"{what}_partition")
        refuses(1100, f"disable {what} partition if partition key mode is used", act, "_default_0")
    for what in ("load", "release"):
        act = getattr(client, f"{what}_partitions")
        told = f"disable {what} partitions if partition key mode is used"
        refuses(1100, told, act, ["_default_0"])


def test_partitions_have_a_number(client, embedded, monkeypatch):
    """Milvus' is 1,024; a smaller one is as good."""
    monkeypatch.setattr("elanus_server.service.partitions.MAX_PARTITIONS", 3)
    client.create_collection(NAME, dimension=4)
    client.create_partition(NAME, "one")
    client.create_partition(NAME, "two")
    client.create_partition(NAME, "two")
    told = f"partition number (3) exceeds max configuration (3), collection: {NAME}"
    refuses(1100, told, client.create_partition, "three")
    assert len(embedded.collection(NAME).list_partitions()) == 3


FIELDS = {
    "unknown": (
        ["id", "v", "none"],
        "failed to get field schema by name: fieldName(none) not found",
    ),
    "keys": (["v"], "load field list [v] does not contain primary key field id"),
    "vectors": (["id", "t"], "load field list [id t] does not contain vector field"),
}


@pytest.mark.parametrize("mistake", FIELDS)
def test_fields_that_are_loaded_can_be_searched(made, mistake):
    fields, text = FIELDS[mistake]
    made.release_collection(NAME)
    refuses(1100, text, made.load_collection, load_fields=fields)
    refuses(1100, text, made.load_partitions, ["_default"], load_fields=fields)
    assert made.get_load_state(NAME)["state"] == LoadState.NotLoad
    made.load_collection(NAME, load_fields=["id", "v"])
    assert made.get_load_state(NAME)["state"] == LoadState.Loaded
