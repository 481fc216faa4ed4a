"""Snapshots of collections, through Milvus' own client."""

import threading
import time

import pymilvus
import pytest
from pymilvus import DataType

from elanus_server import serve_local
from elanus_server.service.jobs import Jobs
from support.rest_client import RestClient
from support.waiting import until

NAME = "docs"


@pytest.fixture
def docs(client):
    """A collection with partitions, deleted rows, and rows in memory and on disk."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("title", DataType.VARCHAR, max_length=64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="HNSW", metric_type="L2", index_name="near")
    client.create_collection(
        NAME,
        schema=schema,
        index_params=indexes,
        consistency_level="Strong",
        properties={"collection.ttl.seconds": "3600"},
    )
    client.create_partition(NAME, "early")
    client.insert(NAME, rows(0, 10), partition_name="early")
    client.flush(NAME)
    client.insert(NAME, rows(10, 15))
    client.delete(NAME, ids=[3, 12])
    return client


def rows(first, last):
    return [
        {"id": n, "title": f"t{n}", "vector": [float(n), 0.0, 1.0, 2.0]} for n in range(first, last)
    ]


def contents(client, name, **options):
    found = client.query(name, filter="id >= 0", output_fields=["title", "vector"], **options)
    return {row["id"]: (row["title"], tuple(row["vector"])) for row in found}


def restored(client, job):
    return until(
        lambda: client.get_restore_snapshot_state(job),
        lambda state: state.state in ("RestoreSnapshotCompleted", "RestoreSnapshotFailed"),
    )


def test_restored_collection_is_that_of_the_snapshot(docs):
    expected = contents(docs, NAME)
    assert set(expected) == set(range(15)) - {3, 12}
    hits = docs.search(NAME, [[2.2, 0, 1, 2]], limit=5, anns_field="vector")
    docs.create_snapshot("before", NAME, description="as it was")
    docs.delete(NAME, ids=list(range(8)))
    docs.insert(NAME, rows(50, 60))
    docs.flush(NAME)
    docs.compact(NAME)
    docs.create_partition(NAME, "late")
    job = docs.restore_snapshot("before", source_collection_name=NAME, target_collection_name="old")
    state = restored(docs, job)
    assert (state.state, state.reason, state.progress) == ("RestoreSnapshotCompleted", "", 100)
    assert (state.snapshot_name, state.collection_name, state.db_name) == (
        "before",
        "old",
        "default",
    )
    assert state.job_id == job
    assert time.time() * 1000 - 60_000 < state.start_time <= time.time() * 1000
    docs.load_collection("old")
    assert contents(docs, "old") == expected
    assert set(contents(docs, "old", partition_names=["early"])) == set(range(10)) - {3}
    again = docs.search("old", [[2.2, 0, 1, 2]], limit=5, anns_field="vector")
    assert [(h["id"], h["distance"]) for h in again[0]] == [
        (h["id"], h["distance"]) for h in hits[0]
    ]
    assert docs.list_partitions("old") == ["_default", "early"]
    before, after = docs.describe_collection(NAME), docs.describe_collection("old")
    assert after["collection_id"] != before["collection_id"]
    for key in ("fields", "properties", "consistency_level"):
        assert after[key] == before[key]
    assert docs.describe_index("old", "near")["index_type"] == "HNSW"
    assert [job.job_id for job in docs.list_restore_snapshot_jobs("old")] == [job]


def test_restored_collection_is_loaded_by_nobody(docs):
    docs.create_snapshot("s", NAME)
    restored(docs, docs.restore_snapshot("s", NAME, "copy"))
    assert docs.get_load_state("copy")["state"] == pymilvus.client.types.LoadState.NotLoad
    with pytest.raises(pymilvus.MilvusException, match="collection not loaded"):
        contents(docs, "copy")


def test_snapshots_are_listed_and_described(docs):
    docs.create_snapshot("one", NAME, description="first")
    docs.create_partition(NAME, "late")
    docs.create_snapshot("two", NAME)
    assert docs.list_snapshots(NAME) == ["one", "two"]
    found = docs.describe_snapshot("one", NAME)
    assert (found.name, found.description, found.collection_name) == ("one", "first", NAME)
    assert list(found.partition_names) == ["_default", "early"]
    assert abs((found.create_ts >> 18) / 1000 - time.time()) < 60
    docs.drop_snapshot("one", NAME)
    assert docs.list_snapshots(NAME) == docs.list_snapshots() == ["two"]


def test_names_belong_to_their_collection_which_takes_them_along(docs):
    docs.create_collection("other", dimension=4)
    docs.create_snapshot("s", NAME)
    docs.create_snapshot("s", "other")
    docs.create_alias("other", "alias")
    assert docs.list_snapshots("alias") == ["s"]
    assert docs.list_snapshots() == ["s", "s"]
    docs.drop_alias("alias")
    docs.drop_collection("other")
    assert docs.list_snapshots() == ["s"]


REFUSALS = [
    ("create_snapshot", ("s", NAME), 1100, "snapshot name s already exists"),
    ("create_snapshot", ("2-s", NAME), 1100, "Invalid snapshot name: 2-s"),
    ("create_snapshot", ("t", "nowhere"), 100, "collection not found"),
    ("describe_snapshot", ("t", NAME), 2600, r"snapshot not found\[snapshot=t\]"),
    ("drop_snapshot", ("t", NAME), 2600, "snapshot not found"),
    ("restore_snapshot", ("t", NAME, "new"), 2600, "snapshot not found"),
    ("restore_snapshot", ("s", NAME, NAME), 65535, "duplicate collection"),
    ("restore_snapshot", ("s", NAME, "1new"), 1100, "Invalid collection name"),
    ("get_restore_snapshot_state", (999,), 1100, "restore job 999 not found"),
    ("pin_snapshot_data", ("t", NAME), 2600, "snapshot not found"),
]


@pytest.mark.parametrize(("method", "arguments", "code", "text"), REFUSALS)
def test_refusals(docs, method, arguments, code, text):
    docs.create_snapshot("s", NAME)
    with pytest.raises(pymilvus.MilvusException, match=text) as raised:
        getattr(docs, method)(*arguments)
    assert raised.value.code == code
    assert docs.list_snapshots(NAME) == ["s"]


def test_limits_of_protection_and_pins(docs):
    for seconds in (-1, 8 * 24 * 3600):
        with pytest.raises(pymilvus.MilvusException, match="compaction_protection_seconds must"):
            docs.create_snapshot("s", NAME, compaction_protection_seconds=seconds)
    docs.create_snapshot("s", NAME, compaction_protection_seconds=60)
    with pytest.raises(pymilvus.MilvusException, match="ttl_seconds exceeds maximum"):
        docs.pin_snapshot_data("s", NAME, ttl_seconds=31 * 24 * 3600)


def test_pinned_snapshot_is_not_dropped(docs):
    docs.create_snapshot("s", NAME)
    pin = docs.pin_snapshot_data("s", NAME, ttl_seconds=600)
    other = docs.pin_snapshot_data("s", NAME)
    assert pin != other
    with pytest.raises(pymilvus.MilvusException, match="snapshot s is pinned"):
        docs.drop_snapshot("s", NAME)
    with pytest.raises(pymilvus.MilvusException, match="snapshot s is pinned"):
        docs.drop_collection(NAME)
    docs.unpin_snapshot_data(pin)
    docs.unpin_snapshot_data(pin)
    with pytest.raises(pymilvus.MilvusException, match="snapshot s is pinned"):
        docs.drop_snapshot("s", NAME)
    docs.unpin_snapshot_data(other)
    docs.drop_snapshot("s", NAME)
    assert docs.list_snapshots(NAME) == []


def test_restore_into_another_database(docs, uri):
    docs.create_snapshot("s", NAME)
    docs.create_database("archive")
    restored(docs, docs.restore_snapshot("s", NAME, NAME, target_db_name="archive"))
    archive = pymilvus.MilvusClient(uri, db_name="archive")
    try:
        archive.load_collection(NAME)
        assert contents(archive, NAME) == contents(docs, NAME)
    finally:
        archive.drop_collection(NAME)
        archive.close()
        docs.drop_database("archive")


def test_rest_tells_of_restores(docs, uri):
    rest = RestClient(uri)
    docs.create_snapshot("s", NAME)
    job = docs.restore_snapshot("s", NAME, "copy")
    restored(docs, job)
    told = rest.data("jobs/snapshot/describe", jobId=str(job))
    assert told["state"] == "RestoreSnapshotCompleted"
    assert told["collectionName"] == "copy"
    listed = rest.data("jobs/snapshot/list", collectionName="copy")["records"]
    assert listed[0] == told


def test_rest_makes_describes_lists_and_drops_them(docs, uri):
    rest = RestClient(uri)
    named = {"collectionName": NAME, "snapshotName": "s"}
    made = {"description": "before the move", "compactionProtectionSeconds": 60}
    assert rest.data("snapshots/create", **named, **made) == {}
    told = rest.data("snapshots/describe", **named)
    shown = docs.describe_snapshot("s", NAME)
    assert told == {
        "snapshotName": "s",
        "description": "before the move",
        "collectionName": NAME,
        "partitionNames": list(shown.partition_names),
        "createTs": shown.create_ts,
        "s3Location": "",
    }
    assert told["partitionNames"]
    assert rest.data("snapshots/list") == rest.data("snapshots/list", collectionName=NAME) == ["s"]
    assert (
        rest.refusal(
            "snapshots/create",
            collectionName=NAME,
            snapshotName="t",
            compactionProtectionSeconds=-1,
        )[0]
        == 1100
    )
    assert rest.data("snapshots/drop", **named) == {}
    assert rest.data("snapshots/list", collectionName=NAME) == []
    assert rest.refusal("snapshots/describe", **named)[0] == 2600
    assert rest.refusal("snapshots/describe", collectionName=NAME)[0] == 1802


def test_jobs_and_pins_survive_a_restart(tmp_path):
    folder = str(tmp_path / "kb")
    with serve_local(folder) as uri:
        client = pymilvus.MilvusClient(uri)
        client.create_collection("c", dimension=4)
        client.create_snapshot("s", "c")
        job = client.restore_snapshot("s", "c", "copy")
        before = restored(client, job)
        client.pin_snapshot_data("s", "c")
        client.close()
    with serve_local(folder) as uri:
        client = pymilvus.MilvusClient(uri)
        assert client.get_restore_snapshot_state(job) == before
        assert client.list_snapshots("c") == ["s"]
        with pytest.raises(pymilvus.MilvusException, match="is pinned"):
            client.drop_snapshot("s", "c")
        client.close()


def test_one_of_two_restores_into_the_same_name_wins(docs, monkeypatch):
    docs.create_snapshot("s", NAME)
    both, run = threading.Event(), Jobs._run
    monkeypatch.setattr(Jobs, "_run", lambda *given: both.wait(60) and run(*given))
    jobs = [docs.restore_snapshot("s", NAME, "copy") for _ in range(2)]
    both.set()
    states = [restored(docs, job) for job in jobs]
    assert [state.state for state in states] == [
        "RestoreSnapshotCompleted",
        "RestoreSnapshotFailed",
    ]
    assert states[1].reason.startswith("duplicate collection: copy")
    docs.load_collection("copy")
    assert contents(docs, "copy") == contents(docs, NAME)


def test_restore_that_ended_unnoticed_is_not_done_twice(tmp_path, monkeypatch):
    folder = str(tmp_path / "kb")
    with serve_local(folder) as uri:
        client = pymilvus.MilvusClient(uri)
        client.create_collection("c", dimension=4)
        client.create_snapshot("s", "c")
        with monkeypatch.context() as patched:
            # As if the power went between the commit and the note of it.
            patched.setattr(Jobs, "_end", lambda self, number, **told: None)
            job = client.restore_snapshot("s", "c", "copy")
            until(lambda: client.has_collection("copy"), bool)
            number = client.describe_collection("copy")["collection_id"]
        client.close()
    with serve_local(folder) as uri:
        client = pymilvus.MilvusClient(uri)
        assert restored(client, job).state == "RestoreSnapshotCompleted"
        assert client.describe_collection("copy")["collection_id"] == number
        client.close()
