"""Databases: what is in them, their properties, and what these forbid."""

from __future__ import annotations

import contextlib

import pytest
from pymilvus import MilvusClient, MilvusException

import elanus
from elanus.errors import NotAllowedError


@contextlib.contextmanager
def refused(code: int, text: str):
    """Check that a call fails with this number and this part of the text."""
    with pytest.raises(MilvusException) as raised:
        yield
    assert (raised.value.code, text in raised.value.message) == (code, True), raised.value


def test_databases_have_collections_of_their_own(client, uri):
    client.create_database("other", properties={"database.max.collections": 1, "a": "1.50"})
    with pytest.raises(MilvusException, match="database already exist"):
        client.create_database("other")
    other = MilvusClient(uri, db_name="other")
    other.create_collection("inside", 2)
    assert other.list_collections() == ["inside"]
    with refused(102, "exceeded the limit number of collections[dbName=other][limit=1]"):
        other.create_collection("second", 2)
    assert client.list_collections() == []
    assert client.list_databases() == ["default", "other"]
    described = client.describe_database("other")
    assert (described["database.max.collections"], described["a"]) == ("1", "1.50")
    client.alter_database_properties("other", {"database.max.collections": 2})
    other.create_collection("second", 2)
    other.drop_collection("second")
    client.drop_database_properties("other", ["database.max.collections"])
    client.drop_database_properties("other", ["nothing"])
    with refused(1100, "alter database with empty properties and delete keys"):
        client.drop_database_properties("other", [])
    with refused(800, "database not found[database=none]"):
        client.alter_database_properties("none", {"database.replica.number": 2})
    assert "database.max.collections" not in client.describe_database("other")
    with pytest.raises(MilvusException, match="must drop all collections before drop database"):
        client.drop_database("other")
    other.drop_collection("inside")
    client.drop_database("other")
    assert client.list_databases() == ["default"]
    client.drop_database("other")  # there is none any more, which is no error
    for name, fault in (
        ("12-s", "the first character of a database name"),
        ("", "couldn't be empty"),
    ):
        for act in (client.create_database, client.drop_database):
            with refused(802, fault):
                act(name)
    with refused(1100, "can not drop default database"):
        client.drop_database("default")


def test_a_database_has_its_share_of_the_disk(client):
    """Nothing is written beyond, and deleting goes on."""
    client.create_database("small", properties={"database.diskQuota.mb": 1})
    client.use_database("small")
    client.create_collection("c", 1024)
    rows = [{"id": n, "vector": [0.5] * 1024} for n in range(300)]
    client.insert("c", rows)
    with refused(9, "disk quota exceeded, please allocate more resources"):
        client.insert("c", rows[:1])
    client.delete("c", ids=[0])
    client.alter_database_properties("small", {"database.diskQuota.mb": 2})
    client.upsert("c", rows[:1])
    client.drop_collection("c")
    client.use_database("default")
    client.drop_database("small")


CLOSED = {
    "reading": "search query",
    "writing": "insert delete",
    "ddl": "load create index flush compact",
    "collectionDDL": "load",
    "partitionDDL": "create",
    "index": "index",
    "flush": "flush",
    "compaction": "compact",
}


def test_a_database_can_be_closed(client, uri):
    """To reads, to writes, or to changes of one kind, for clients of either protocol."""
    client.create_collection("c", 4)
    params = client.prepare_index_params()
    params.add_index("vector", metric_type="L2")
    acts = {
        "search": lambda: client.search("c", [[1, 2, 3, 4]]),
        "query": lambda: client.query("c", filter="id > 0"),
        "insert": lambda: client.insert("c", [{"id": 1, "vector": [1, 2, 3, 4]}]),
        "delete": lambda: client.delete("c", ids=[7]),
        "create": lambda: client.create_partition("c", "part"),
        "flush": lambda: client.flush("c"),
        "compact": lambda: client.compact("c"),
    }
    slow = {
        "load": lambda: client.load_collection("c"),
        "index": lambda: client.create_index("c", params),
    }
    for closed, calls in CLOSED.items():
        name = f"database.force.deny.{closed}"
        client.alter_database_properties("default", {name: True})
        try:
            for call in calls.split():
                with refused(9, "access has been disabled by the administrator"):
                    {**acts, **slow}[call]()
            for call in acts.keys() - calls.split():
                acts[call]()
            if closed == "reading":
                with elanus.connect(uri) as database, pytest.raises(NotAllowedError):
                    database.collection("c").count()
        finally:
            client.drop_database_properties("default", [name])
    for act in acts.values():
        act()
