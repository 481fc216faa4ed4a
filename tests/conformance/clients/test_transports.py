"""grpc-go, grpc-java and grpc-c++ against the server.

The client in Go asks what Milvus' client in Go asks, with its settings and metadata. Those in Java
and in C++ send messages that were encoded here, and what they were answered is read here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from support import long_search
from support.client_environments import UnavailableError
from support.client_servers import client_servers
from support.transport_clients import cpp_client, go_client, java_client

pytestmark = pytest.mark.slow

OF_GO = (
    *("connect", "telemetry", "life", "older schema", "iterator", "large", "many", "deadlines"),
    *("databases", "idle", "restarted", "secured"),
)
OF_BYTES = (
    *("unary", "large", "compressed", "metadata", "unknown", "deadline", "cancelled", "many"),
    *("idle", "restarted"),
)
OF_CPP = ("secured",)
"""Beside those; the Netty of Debian knows no ALPN."""
DIMENSION, ROWS, FEW = 1_024, 9_800, 300
"""Of what is inserted: 40 MB, and 1.2 MB."""


def _told(command: Sequence[str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return what each case came to, by name: nothing, or why it failed."""
    done = subprocess.run(
        command,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for line in done.stdout.splitlines():
        name, _, why = line.removeprefix("not ").removeprefix("ok ").partition(": ")
        found[name] = why if line.startswith("not ok ") else ""
    return found


def _command(build: Callable[[], list[str]]) -> list[str]:
    try:
        return build()
    except UnavailableError as error:
        pytest.skip(f"the client cannot be built: {error}")


@pytest.fixture(scope="module")
def told_by_go(tmp_path_factory):
    command = _command(go_client)
    with client_servers(tmp_path_factory.mktemp("served"), workers=0) as settings:
        return _told(command, settings)


@pytest.mark.parametrize("case", OF_GO)
def test_a_case_of_the_client_in_go(told_by_go, case):
    assert told_by_go[case] == ""


def test_every_case_in_go_is_listed(told_by_go):
    assert set(told_by_go) == set(OF_GO)


def _vectors(count: int) -> np.ndarray:
    return np.random.default_rng(3).random((count, DIMENSION)).astype(np.float32)


def _insert(collection: str, count: int) -> milvus_pb2.InsertRequest:
    keys = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=range(count)))
    vectors = schema_pb2.VectorField(
        dim=DIMENSION, float_vector=schema_pb2.FloatArray(data=_vectors(count).ravel())
    )
    return milvus_pb2.InsertRequest(
        collection_name=collection,
        num_rows=count,
        fields_data=[
            schema_pb2.FieldData(field_name="id", type=DataType.INT64, scalars=keys),
            schema_pb2.FieldData(field_name="vector", type=DataType.FLOAT_VECTOR, vectors=vectors),
        ],
    )


def _write_requests(folder: Path) -> None:
    requests = {
        "has": milvus_pb2.HasCollectionRequest(collection_name="large"),
        "connect": milvus_pb2.ConnectRequest(
            client_info=common_pb2.ClientInfo(sdk_type="bytes", user="", host="here")
        ),
        # Clients put another number in the place of the last four bytes.
        "describe": milvus_pb2.DescribeCollectionRequest(collection_name="none-0000"),
        "insert": _insert("large", ROWS),
        "smaller": _insert("smaller", FEW),
        "query": milvus_pb2.QueryRequest(
            collection_name="large",
            expr="id >= 0",
            output_fields=["id", "vector"],
            consistency_level=common_pb2.Strong,
        ),
    }
    for name, request in requests.items():
        (folder / f"{name}.request").write_bytes(request.SerializeToString())
    (folder / "long.request").write_bytes(long_search.request(4_000))


def _create(uri: str) -> None:
    client = MilvusClient(uri)
    for name in ("large", "smaller"):
        client.create_collection(name, DIMENSION, consistency_level="Strong")
    client.close()


class _ByBytes:
    """What a client was told, and what it was answered."""

    def __init__(self, told: dict[str, str], folder: Path) -> None:
        self.told = told
        self._folder = folder

    def answer(self, name: str, kind: Any) -> Any:
        return kind.FromString((self._folder / f"{name}.answer").read_bytes())


@pytest.fixture(scope="module", params=["java", "cpp"])
def by_bytes(request, tmp_path_factory):
    command = _command(java_client if request.param == "java" else cpp_client)
    folder, messages = tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("messages")
    long_search.prepare_folder(folder / "kb")
    _write_requests(messages)
    with client_servers(folder, workers=0) as settings:
        _create(settings["ELANUS_URI"])
        told = _told(command, {**settings, "ELANUS_MESSAGES": str(messages)})
    assert set(told) == {*OF_BYTES, *(OF_CPP if request.param == "cpp" else ())}
    return _ByBytes(told, messages)


@pytest.mark.parametrize("case", OF_BYTES)
def test_a_case_of_the_clients_in_java_and_cpp(by_bytes, case):
    assert by_bytes.told[case] == ""


def test_users_and_tls_in_cpp(by_bytes):
    if "secured" in by_bytes.told:
        assert by_bytes.told["secured"] == ""
        assert by_bytes.answer("secured", milvus_pb2.BoolResponse).status.code == 0


@pytest.mark.parametrize("case", ["unary", "headers", "idle"])
def test_small_answers_in_java_and_cpp(by_bytes, case):
    found = by_bytes.answer(case, milvus_pb2.BoolResponse)
    assert (found.status.code, found.value) == (0, True)


def test_metadata_of_java_and_cpp_names_a_database(by_bytes):
    found = by_bytes.answer("dbname", milvus_pb2.ConnectResponse).status
    assert (found.code, found.reason) == (800, "database not found[database=none]")


def test_large_messages_of_java_and_cpp_arrive_both_ways(by_bytes):
    for name, count in (("insert", ROWS), ("compressed", FEW)):
        stored = by_bytes.answer(name, milvus_pb2.MutationResult)
        assert (stored.status.code, stored.insert_cnt) == (0, count), name
    found = by_bytes.answer("query", milvus_pb2.QueryResults)
    columns = {one.field_name: one for one in found.fields_data}
    assert columns["id"].scalars.long_data.data == list(range(ROWS))
    vectors = np.array(columns["vector"].vectors.float_vector.data, np.float32)
    assert np.array_equal(vectors.reshape(ROWS, DIMENSION), _vectors(ROWS))
