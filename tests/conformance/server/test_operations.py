"""Health, metrics, the dashboard, and the ports of a running server."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pymilvus import MilvusClient
from pymilvus.grpc_gen import milvus_pb2

from elanus.errors import InvalidArgumentError
from elanus_server import Settings, serve_local
from support.long_search import call
from support.rest_client import RestClient, send
from support.running_server import Running

DEPLOY = Path(__file__).parents[3] / "server" / "deploy"


def _dashboard() -> list[str]:
    board = json.loads((DEPLOY / "grafana" / "elanus.json").read_text())
    return [t["expr"] for panel in board["panels"] for t in panel.get("targets", [])]


def _alerts() -> list[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(Settings(":memory:", port=0, rest_port="shared", metrics_port=0)) as made:
        yield made


def _metrics(running: Running) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    status, raw = send(f"http://127.0.0.1:{running.ports.metrics}/metrics")
    assert status == 200
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(raw.decode()):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def _value(
    found: dict[str, dict[tuple[tuple[str, str], ...], float]], name: str, **labels: str
) -> float:
    wanted = set(labels.items())
    return sum(v for held, v in found.get(name, {}).items() if wanted <= set(held))


def test_health_is_told_as_by_milvus(running: Running) -> None:
    base = f"http://127.0.0.1:{running.ports.metrics}"
    for path in ("healthz", "livez", "readyz"):
        assert send(f"{base}/{path}") == (200, b"OK")
    status, raw = send(f"{base}/healthz", Content_Type="application/json")
    assert (status, json.loads(raw)) == (200, {"state": "OK"})


def test_both_transports_are_counted_in_one_place(running: Running) -> None:
    rest = RestClient(f"http://127.0.0.1:{running.ports.rest}")
    client = MilvusClient(rest.uri)
    before = _metrics(running)
    rest.data("collections/create", collectionName="m", dimension=2)
    rest.data("entities/insert", collectionName="m", data=[{"id": 1, "vector": [1, 2]}])
    client.insert("m", [{"id": i, "vector": [1, 2]} for i in (2, 3)])
    rest.data("entities/search", collectionName="m", data=[[1, 2], [2, 1]])
    client.search("m", [[1, 2]])
    client.query("m", filter="id > 0")
    client.upsert("m", [{"id": 3, "vector": [2, 2]}])
    client.delete("m", ids=[1, 2])
    assert rest.refusal("entities/insert", collectionName="none", data=[{}])[0] == 100
    assert rest.refusal("entities/query", collectionName="none")[0] == 100
    after = _metrics(running)

    def grown(name: str, **labels: str) -> float:
        return _value(after, name, **labels) - _value(before, name, **labels)

    place = {"db_name": "default", "collection_name": "m"}
    count = "milvus_proxy_req_count"
    for status, inserts, queries in (("total", 2, 2), ("success", 2, 1), ("fail", 0, 1)):
        assert grown(count, function_name="Insert", status=status) == inserts
        assert grown(count, function_name="Query", status=status) == queries
    assert grown(count, function_name="Insert", status="success", **place) == 2
    assert grown("milvus_proxy_insert_vectors_count", **place) == 3
    assert grown("milvus_proxy_upsert_vectors_count", **place) == 1
    assert grown("milvus_proxy_delete_vectors_count", **place) == 2
    assert grown("milvus_proxy_search_vectors_count", **place) == 3
    assert grown("milvus_proxy_sq_latency_count", query_type="search", **place) == 2
    assert grown("milvus_proxy_sq_latency_count", query_type="query", **place) == 1
    assert grown("milvus_proxy_mutation_latency_count", msg_type="insert", **place) == 2
    assert grown("milvus_proxy_req_latency_count", function_name="Search") == 2
    path = "/v2/vectordb/entities/search"
    assert grown("milvus_proxy_restful_api_req_count", path=path) == 1
    sent = len(json.dumps({"collectionName": "m", "data": [[1, 2], [2, 1]]}))
    assert grown("milvus_proxy_restful_api_receive_bytes_count", path=path) == sent
    assert _value(after, "milvus_rootcoord_collection_num", db_name="default") == 1
    assert _value(after, "elanus_collection_rows", **place) == 1
    assert _value(after, "milvus_querynode_segment_num", segment_state="Growing", **place) == 1
    assert _value(after, "elanus_wal_bytes") > 0
    assert _value(after, "elanus_memory_bytes", purpose="memtables") > 0
    # Names that clients merely made up are in no label.
    assert b"none" not in send(f"http://127.0.0.1:{running.ports.metrics}/metrics")[1]
    client.drop_collection("m")
    assert _value(_metrics(running), "milvus_proxy_insert_vectors_count", **place) == 0
    client.close()


@pytest.mark.parametrize(("queries", "least"), [(_dashboard(), 15), (_alerts(), 4)])
def test_every_metric_of_dashboard_and_alerts_is_told(
    running: Running, queries: list[str], least: int
) -> None:
    rest = RestClient(f"http://127.0.0.1:{running.ports.rest}")
    rest.data("collections/create", collectionName="d", dimension=2)
    rest.data("entities/insert", collectionName="d", data=[{"id": 1, "vector": [1, 2]}])
    rest.data("entities/search", collectionName="d", data=[[1, 2]])
    rest.data("entities/upsert", collectionName="d", data=[{"id": 1, "vector": [1, 2]}])
    rest.data("entities/delete", collectionName="d", id=[1])
    told = _metrics(running)
    asked = {name for one in queries for name in re.findall(r"(?:milvus|elanus)_\w+", one)}
    assert len(asked) >= least
    assert asked - told.keys() == set()
    labels = {
        name
        for one in queries
        for held in re.findall(r"by \(([^)]*)\)", one)
        for name in re.findall(r"\w+", held)
    } - {"le"}
    known = {name for series in told.values() for held in series for name, _ in held}
    assert labels - known == set()
    rest.data("collections/drop", collectionName="d")


def test_each_protocol_can_have_a_port_of_its_own() -> None:
    with Running(Settings(":memory:", port=0, rest_port=0, metrics_port=None)) as running:
        ports = running.ports
        assert ports.rest != ports.grpc
        assert ports.metrics is None
        rest = RestClient(f"http://127.0.0.1:{ports.rest}")
        rest.data("collections/create", collectionName="c", dimension=2)
        client = MilvusClient(f"http://127.0.0.1:{ports.grpc}")
        assert client.list_collections() == ["c"]
        client.close()


def test_the_restful_api_can_be_off() -> None:
    with Running(Settings(":memory:", port=0, rest_port=None, metrics_port=None)) as running:
        assert running.ports.rest is None
        client = MilvusClient(f"http://127.0.0.1:{running.ports.grpc}")
        assert client.list_collections() == []
        client.close()


def test_grpc_alone_listens_on_an_address_of_version_6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no ::1: {error}")
    settings = Settings(":memory:", host="::1", port=0, rest_port=None, metrics_port=None)
    # pymilvus cannot write such an address.
    with Running(settings) as server, grpc.insecure_channel(f"[::1]:{server.ports.grpc}") as way:
        told = milvus_pb2.GetVersionResponse.FromString(call(way, "GetVersion")(b"", timeout=20))
    assert "elanus" in told.version


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for option in ("port", "metrics_port"):
            wanted = rf"127\.0\.0\.1:{port}.*--{option.replace('_', '-')}"
            with (
                pytest.raises(InvalidArgumentError, match=wanted),
                serve_local(":memory:", **{option: port}),
            ):
                pass


def test_one_port_takes_large_messages_and_many_connections(running: Running) -> None:
    """The relay behind the port waits for slow readers, and keeps connections apart."""
    rest = RestClient(f"http://127.0.0.1:{running.ports.rest}")
    rest.data("collections/create", collectionName="large", dimension=256)
    rows = [{"id": i, "vector": [float(i)] * 256} for i in range(2_000)]
    client = MilvusClient(rest.uri)
    client.insert("large", rows)
    failures: list[Exception] = []

    def ask(number: int) -> None:
        try:
            if number % 2:
                found = rest.data(
                    "entities/query", collectionName="large", limit=2_000, filter="id >= 0"
                )
            else:
                found = client.query("large", filter="id >= 0", limit=2_000)
            assert [row["vector"][0] for row in found] == [float(i) for i in range(2_000)]
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    rest.data("collections/drop", collectionName="large")
    client.close()


def test_a_connection_that_says_little_is_no_trouble(running: Running) -> None:
    address = ("127.0.0.1", running.ports.grpc)
    with socket.create_connection(address) as silent, socket.create_connection(address) as slow:
        request = (
            b"POST /v2/vectordb/databases/list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        )
        for place in range(len(request)):
            slow.sendall(request[place : place + 1])
        slow.settimeout(20)
        told = b""
        while part := slow.recv(65_536):
            told += part
        assert told.endswith(b'{"code":0,"data":["default"]}')
        silent.sendall(b"PR")
    with socket.create_connection(address) as strange:
        strange.sendall(b"\x00\x01\x02\x03 nonsense\r\n\r\n")
        strange.settimeout(20)
        assert b"400" in strange.recv(65_536)
