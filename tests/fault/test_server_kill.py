"""A server that is killed loses nothing that it had acknowledged, and answers again at once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from pymilvus import MilvusClient
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from support.long_search import call
from support.server_process import ServerProcess

WRITERS, ROWS, DIMENSION = 3, 7, 8


class _Writer(threading.Thread):
    """Inserts and deletes over one connection until the server is gone."""

    def __init__(self, target: str, first: int) -> None:
        super().__init__()
        self._target = target
        self.next = first
        self.acknowledged: set[int] = set()
        self.deleted: set[int] = set()
        self.uncertain: set[int] = set()

    def run(self) -> None:
        with grpc.insecure_channel(
            self._target, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            insert, delete = call(channel, "Insert"), call(channel, "Delete")
            try:
                while True:
                    keys = list(range(self.next, self.next + ROWS))
                    self.next += ROWS
                    self.uncertain = set(keys)
                    told = milvus_pb2.MutationResult.FromString(insert(_insert(keys)))
                    assert told.status.code == 0, told.status
                    self.acknowledged |= self.uncertain
                    # Every third is deleted again.
                    if self.next % 3 == 0:
                        self.uncertain = {keys[0]}
                        wanted = milvus_pb2.DeleteRequest(
                            collection_name="kept", expr=f"id == {keys[0]}"
                        )
                        told = milvus_pb2.MutationResult.FromString(
                            delete(wanted.SerializeToString())
                        )
                        assert told.status.code == 0, told.status
                        self.deleted |= self.uncertain
                    self.uncertain = set()
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.UNAVAILABLE, error  # noqa: PT017


def _component(key: int) -> float:
    """Return what the vector of an entity is made of."""
    return float(key % 4_096)


def _insert(keys: list[int]) -> bytes:
    ids = schema_pb2.FieldData(
        type=schema_pb2.Int64,
        field_name="id",
        scalars=schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=keys)),
    )
    flat = np.repeat([_component(key) for key in keys], DIMENSION)
    vectors = schema_pb2.FieldData(
        type=schema_pb2.FloatVector,
        field_name="vector",
        vectors=schema_pb2.VectorField(
            dim=DIMENSION, float_vector=schema_pb2.FloatArray(data=flat.tolist())
        ),
    )
    return bytes(
        milvus_pb2.InsertRequest(
            collection_name="kept", fields_data=[ids, vectors], num_rows=len(keys)
        ).SerializeToString()
    )


def _kill_rounds(path: Path, rounds: int, **settings: int) -> int:
    """Kill a server again and again while clients write; return how many rows were acknowledged."""
    random = np.random.default_rng(20261128)
    kept: set[int] = set()
    gone: set[int] = set()
    next_key = 0
    for round_ in range(rounds):
        with ServerProcess(path, **settings) as server:
            client = MilvusClient(server.uri, dedicated=True)
            if round_ == 0:
                client.create_collection("kept", dimension=DIMENSION)
            writers = [_Writer(server.target, next_key + i * 1_000_000) for i in range(WRITERS)]
            next_key += WRITERS * 1_000_000
            for writer in writers:
                writer.start()
            while sum(len(w.acknowledged) for w in writers) < ROWS * random.integers(2, 60):
                time.sleep(0.002)
            server.kill()
            for writer in writers:
                writer.join()
            client.close()
        for writer in writers:
            kept |= writer.acknowledged - writer.deleted - writer.uncertain
            gone |= writer.deleted
        with ServerProcess(path, **settings) as server:
            client = MilvusClient(server.uri, dedicated=True)
            found = client.query("kept", filter="id >= 0", output_fields=["id", "vector"])
            stored = {row["id"]: row["vector"] for row in found}
            assert kept - stored.keys() == set(), "acknowledged rows are lost"
            assert gone & stored.keys() == set(), "deleted rows are back"
            # What was not acknowledged is there wholly or not at all.
            for writer in writers:
                there = writer.uncertain & stored.keys()
                assert there in (set(), writer.uncertain)
                kept |= there
            assert all(vector == [_component(key)] * DIMENSION for key, vector in stored.items())
            client.close()
    return len(kept)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_server_loses_nothing(tmp_path: Path, workers: int) -> None:
    assert _kill_rounds(tmp_path / "kb", 2 - workers, workers=workers) > 0


@pytest.mark.soak
def test_a_server_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    assert _kill_rounds(tmp_path / "kb", 60, workers=2) > 2_000
