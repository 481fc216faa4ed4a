"""What is said of indexes while they are built, and of everything else meanwhile."""

from __future__ import annotations

import threading

import numpy as np
import pymilvus
import pytest
from pymilvus import DataType
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from elanus.engine.indexing.index_builder import IndexBuilder
from elanus.engine.indexing.scalar_builds import ScalarBuilds
from elanus.errors import StorageError
from support.rest_client import RestClient
from support.waiting import until

NAME = "built"
ROWS = 9_000
"""More than are scanned for good."""
VECTORS = np.random.default_rng(5).random((ROWS, 4), dtype=np.float32)


@pytest.fixture
def held(monkeypatch):
    """Builds wait until ``release`` is set; ``begun`` says that one does."""
    begun, release = threading.Event(), threading.Event()

    def waiting(build):
        def wait(self, *arguments):
            begun.set()
            assert release.wait(60)
            build(self, *arguments)

        return wait

    monkeypatch.setattr(IndexBuilder, "_build", waiting(IndexBuilder._build))
    monkeypatch.setattr(ScalarBuilds, "build", waiting(ScalarBuilds.build))
    yield begun, release
    release.set()


@pytest.fixture
def filled(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    client.create_collection(NAME, schema=schema, consistency_level="Strong")
    client.insert(NAME, [{"id": n, "vector": v} for n, v in enumerate(VECTORS)])
    return client


def index(client, field, **options):
    params = client.prepare_index_params()
    params.add_index(field, **options)
    client.create_index(NAME, params, sync=False)


def stub(client):
    return client._get_connection()._stub


def progress(client, field):
    found = client.describe_index(NAME, field)
    return (
        found["state"],
        found["total_rows"],
        found["indexed_rows"],
        found["pending_index_rows"],
    )


def test_of_an_index_that_is_built_is_said_how_far_it_is(filled, uri, held):
    begun, release = held
    filled.flush(NAME)
    index(filled, "vector", index_type="HNSW", metric_type="L2")
    index(filled, "id", index_type="STL_SORT")
    assert begun.wait(60)
    for field in ("vector", "id"):
        assert progress(filled, field) == ("InProgress", ROWS, 0, ROWS)
    asked = {"collection_name": NAME, "field_name": "vector"}
    told = stub(filled).GetIndexState(milvus_pb2.GetIndexStateRequest(**asked))
    assert told.state == common_pb2.IndexState.Value("InProgress")
    told = stub(filled).GetIndexBuildProgress(milvus_pb2.GetIndexBuildProgressRequest(**asked))
    assert (told.indexed_rows, told.total_rows) == (0, ROWS)
    (told,) = RestClient(uri).data("indexes/describe", collectionName=NAME, indexName="vector")
    assert (told["indexState"], told["pendingRows"]) == ("InProgress", ROWS)
    # Nothing else waits for it: the collection is loaded at once, and scanned.
    filled.load_collection(NAME)
    loading = milvus_pb2.GetLoadingProgressRequest(collection_name=NAME)
    assert stub(filled).GetLoadingProgress(loading).progress == 100
    assert filled.get_load_state(NAME)["state"].name == "Loaded"
    assert filled.search(NAME, [VECTORS[77]], limit=1)[0][0]["id"] == 77
    filled.delete(NAME, ids=[1, 2, 3])
    filled.flush(NAME)
    flushed = milvus_pb2.GetFlushStateRequest(collection_name=NAME)
    assert stub(filled).GetFlushState(flushed).flushed
    # Rows that are gone wait for no index.
    assert progress(filled, "vector") == ("InProgress", ROWS - 3, 0, ROWS - 3)
    release.set()
    until(lambda: progress(filled, "id"), lambda told: told[0] == "Finished")
    until(lambda: progress(filled, "vector"), lambda told: told[0] == "Finished")
    assert progress(filled, "vector") == ("Finished", ROWS - 3, ROWS - 3, 0)
    told = stub(filled).GetIndexState(milvus_pb2.GetIndexStateRequest(**asked))
    assert told.state == common_pb2.IndexState.Value("Finished")
    assert filled.search(NAME, [VECTORS[77]], limit=1)[0][0]["id"] == 77


def test_what_is_small_or_in_memory_waits_for_no_index(filled):
    # Another metric than the one it has would be another schema, for which rows are flushed.
    index(filled, "vector", index_type="HNSW", metric_type="COSINE")
    assert progress(filled, "vector") == ("Finished", ROWS, ROWS, 0)
    filled.delete(NAME, ids=list(range(10, ROWS)))
    filled.flush(NAME)
    filled.compact(NAME)
    assert progress(filled, "vector") == ("Finished", 10, 10, 0)


def test_build_that_failed_is_told(filled, embedded, monkeypatch):
    build, is_broken = IndexBuilder._build, threading.Event()

    def broken(self, *arguments):
        if is_broken.is_set():
            raise StorageError("the disk is gone")
        build(self, *arguments)

    monkeypatch.setattr(IndexBuilder, "_build", broken)
    is_broken.set()
    filled.flush(NAME)
    index(filled, "vector", index_type="HNSW", metric_type="L2")
    asked = milvus_pb2.GetIndexStateRequest(collection_name=NAME, field_name="vector")
    told = until(lambda: stub(filled).GetIndexState(asked), lambda one: one.fail_reason)
    assert told.state == common_pb2.IndexState.Value("Failed")
    assert told.fail_reason == "the disk is gone"
    with pytest.raises(pymilvus.MilvusException, match="the disk is gone"):
        filled.create_index(NAME, _params(filled))
    with pytest.raises(StorageError):
        embedded.collection(NAME).wait_indexed()
    is_broken.clear()
    embedded.collection(NAME).create_index("vector", "GRAPH")
    embedded.collection(NAME).wait_indexed()
    assert progress(filled, "vector") == ("Finished", ROWS, ROWS, 0)


def _params(client):
    params = client.prepare_index_params()
    params.add_index("vector", index_type="HNSW", metric_type="L2")
    return params
