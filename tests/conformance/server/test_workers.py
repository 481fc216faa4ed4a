"""Several processes that serve one folder."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException
from pymilvus.client.prepare import Prepare
from pymilvus.grpc_gen import common_pb2, milvus_pb2

import elanus
from elanus.errors import InvalidArgumentError, StateError
from elanus.remote import ANSWERS, encode
from elanus.remote import PATH as NATIVE_PATH
from elanus_server import Settings
from elanus_server.workers.routing import CALLS, NATIVE_CALLS, PATHS, is_read
from support.long_search import call
from support.rest_client import RestClient, send
from support.server_process import ServerProcess, metric, until

WORKERS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers") / "kb"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with ServerProcess(folder, workers=WORKERS, auth=True, root_password="secret") as made:
        yield made


@pytest.fixture(scope="module")
def uri(server: ServerProcess) -> str:
    return server.uri


@pytest.fixture(scope="module")
def clients(server: ServerProcess) -> Iterator[list[MilvusClient]]:
    """Clients with a connection each, which come to different processes."""
    # Equal clients would share one connection.
    made = [MilvusClient(server.uri, token="root:secret", dedicated=True) for _ in range(WORKERS)]
    yield made
    for one in made:
        one.close()


@pytest.fixture
def first(clients: list[MilvusClient]) -> MilvusClient:
    return clients[0]


@pytest.fixture
def channels(server: ServerProcess) -> Iterator[list[grpc.Channel]]:
    """A connection to each of the processes."""
    target, options = server.target, [("grpc.use_local_subchannel_pool", 1)]
    made = []
    for _ in range(WORKERS):
        made.append(grpc.insecure_channel(target, options=options))
        grpc.channel_ready_future(made[-1]).result(60)
    yield made
    for one in made:
        one.close()


ROOT = (("authorization", "cm9vdDpzZWNyZXQ="),)


def _query(channel: grpc.Channel, collection: str, expression: str, **more: object) -> list[int]:
    made = milvus_pb2.QueryRequest(
        collection_name=collection, expr=expression, output_fields=["id"], **more
    ).SerializeToString()
    found = milvus_pb2.QueryResults.FromString(call(channel, "Query")(made, metadata=ROOT))
    assert found.status.code == 0, found.status
    return list(found.fields_data[0].scalars.long_data.data)


def test_connections_are_shared_out_evenly(server, channels):
    held = [
        metric(server.ports, "elanus_worker_connections", process=f"worker-{n}")
        for n in range(1, WORKERS + 1)
    ]
    assert sum(held) >= WORKERS
    assert max(held) - min(held) <= 1


def test_each_process_sees_a_write_as_soon_as_it_is_acknowledged(first, channels):
    first.create_collection("seen", dimension=2)
    for number in range(100):
        first.insert("seen", [{"id": number, "vector": [number, 1.0]}])
        for channel in channels:
            assert _query(channel, "seen", f"id == {number}") == [number]
        if number % 10 == 9:
            first.delete("seen", ids=[number])
            for channel in channels:
                assert _query(channel, "seen", f"id == {number}") == []
        if number == 50:
            first.flush("seen")
    for channel in channels:
        assert len(_query(channel, "seen", "id >= 0")) == 90


@pytest.mark.parametrize("level", common_pb2.ConsistencyLevel.values())
def test_a_write_over_one_connection_is_read_over_others_at_every_level(first, channels, level):
    first.create_collection("levels", dimension=2)
    # So many that processes answer them without a thread.
    for number in range(60):
        told = first.upsert("levels", [{"id": 1, "vector": [number, 1.0], "number": number}])
        assert told["upsert_count"] == 1
        for channel in channels:
            wanted = f"number == {number}"
            assert _query(channel, "levels", wanted, consistency_level=level) == [1]


def test_each_process_sees_collections_that_change_places_at_once(clients):
    first, second = clients
    for name, number in (("one", 1), ("two", 2)):
        first.create_collection(name, dimension=2)
        first.insert(name, [{"id": number, "vector": [1.0, 1.0]}])

    def seen(client: MilvusClient, name: str) -> list[int]:
        return [row["id"] for row in client.query(name, filter="id >= 0")]

    for one in clients:
        assert (seen(one, "one"), seen(one, "two")) == ([1], [2])
    second.rename_collection("one", "between")
    first.rename_collection("two", "one")
    second.rename_collection("between", "two")
    for one in clients:
        assert (seen(one, "one"), seen(one, "two")) == ([2], [1])
    first.create_alias("one", "chosen")
    for chosen, number in (("two", 1), ("one", 2)) * 5:
        second.alter_alias(chosen, "chosen")
        for one in clients:
            assert seen(one, "chosen") == [number]
    # Another collection of the same name, with another schema.
    second.drop_alias("chosen")
    second.drop_collection("one")
    second.create_collection("one", dimension=3)
    for one in clients:
        assert seen(one, "one") == []
        assert one.describe_collection("one")["fields"][1]["params"] == {"dim": 3}


def test_each_process_sees_names_schemas_and_load_states_at_once(clients):
    first, second = clients
    for round_ in range(5):
        first.create_collection("named", dimension=2)
        first.insert("named", [{"id": round_, "vector": [1.0, 2.0]}])
        first.create_alias("named", "alias")
        for one in clients:
            assert one.query("alias", filter="id >= 0")[0]["id"] == round_
        second.release_collection("named")
        for one in clients:
            with pytest.raises(MilvusException, match="collection not loaded"):
                one.search("named", [[1.0, 2.0]])
        first.load_collection("named")
        second.add_collection_field("named", "note", 21, max_length=20, nullable=True)
        for one in clients:
            assert one.query("named", filter="note is null", output_fields=["note"])
        first.drop_alias("alias")
        second.drop_collection("named")
        for one in clients:
            assert not one.has_collection("named")
            with pytest.raises(MilvusException, match="collection not found"):
                one.query("named", filter="id >= 0")


def test_each_process_sees_databases_at_once(clients):
    first, second = clients
    for _ in range(2):
        first.create_database("place")
        for one in clients:
            one.use_database("place")
            assert one.list_collections() == []
            assert not one.has_collection("none")
            one.use_database("default")
        second.drop_database("place")
        for one in clients:
            assert one.list_databases() == ["default"]


def test_each_process_sees_accounts_and_grants_at_once(server, first):
    first.create_collection("guarded", dimension=2)
    first.create_role("reader")
    for round_ in range(3):
        name, password = f"user{round_}", f"password{round_}"
        first.create_user(name, password)
        first.grant_role(name, "reader")
        user = MilvusClient(server.uri, token=f"{name}:{password}", dedicated=True)
        for _ in range(2):
            with pytest.raises(grpc.RpcError, match="permission deny"):
                user.query("guarded", filter="id >= 0")
            first.grant_privilege_v2("reader", "Query", "guarded")
            assert user.query("guarded", filter="id >= 0") == []
            first.revoke_privilege_v2("reader", "Query", "guarded")
        user.close()
        rest = RestClient(server.uri)
        told = {"Authorization": f"Bearer {name}:{password}"}
        first.grant_privilege_v2("reader", "Query", "guarded")
        body = {"collectionName": "guarded", "filter": "id >= 0"}
        assert rest.post("entities/query", told, **body)["code"] == 0
        first.drop_user(name)
        status, _ = send(
            f"{server.uri}/v2/vectordb/entities/query",
            b'{"collectionName": "guarded", "filter": "id >= 0"}',
            Content_Type="application/json",
            **told,
        )
        assert status == 401
        first.revoke_privilege_v2("reader", "Query", "guarded")


def test_rest_reads_and_writes_go_where_they_belong(server):
    rest = RestClient(server.uri)
    told = {"Authorization": "Bearer root:secret"}
    path = "/v2/vectordb/entities/insert"
    before = metric(server.ports, "milvus_proxy_restful_api_req_count", path=path)
    assert rest.post("collections/create", told, collectionName="r", dimension=2)["code"] == 0
    rows = [{"id": i, "vector": [i, 1], "text": "x" * 1_000} for i in range(3_000)]
    assert rest.post("entities/insert", told, collectionName="r", data=rows)["data"] == {
        "insertCount": 3_000,
        "insertIds": list(range(3_000)),
    }
    for _ in range(4):  # a connection each
        found = rest.post(
            "entities/query", told, collectionName="r", filter="id < 3000", limit=3_000
        )
        assert [row["id"] for row in found["data"]] == list(range(3_000))
    assert rest.post("collections/describe", told, collectionName="none")["code"] == 100
    assert metric(server.ports, "milvus_proxy_restful_api_req_count", path=path) == before + 1
    assert send(f"{server.uri}/v2/vectordb/no/such", b"{}")[0] == 404
    assert send(f"{server.uri}/docs")[0] == 200
    assert send(f"{server.uri}/v2/vectordb/collections/list", b"{}")[0] in (200, 401)


def test_the_native_client_reads_from_each_process_what_it_has_written(server, channels):
    def answered(process: str) -> float:
        return metric(server.ports, "elanus_worker_connections", process=process)

    before = [answered(f"worker-{n}") for n in range(1, WORKERS + 1)]
    handles = [elanus.connect(server.uri, token="root:secret") for _ in range(2 * WORKERS)]
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("vector", elanus.FLOAT_VECTOR, dim=2),
        ]
    )
    handles[0].create_collection("native", schema)
    collections = [one.collection("native") for one in handles]
    assert [answered(f"worker-{n}") for n in range(1, WORKERS + 1)] > before
    for number in range(10):
        collections[number % len(collections)].insert([{"id": number, "vector": [number, 1.0]}])
        for one in collections:
            assert one.search([number, 1.0], limit=1)[0].id == number
            assert one.count() == number + 1
            assert [row["id"] for row in one.get([number])] == [number]
    batches = list(collections[0].query_iterator(batch_size=3))
    assert sum(len(batch) for batch in batches) == 10
    with pytest.raises(elanus.errors.CollectionNotFoundError):
        handles[0].collection("none").search([1.0, 1.0])
    for one in handles:
        one.close()


def test_counts_are_those_of_all_processes(server, first, channels):
    first.create_collection("counted", dimension=2)

    def counted() -> float:
        return metric(
            server.ports, "milvus_proxy_req_count", function_name="Query", status="success"
        )

    before = counted()
    for channel in channels:
        for _ in range(3):
            assert _query(channel, "counted", "id >= 0") == []
    assert counted() == before + 3 * WORKERS
    for process in ("writer", "worker-1", "worker-2"):
        held = metric(server.ports, "elanus_process_resident_bytes", process=process)
        assert held > 10_000_000
    assert metric(server.ports, "elanus_workers") == WORKERS


def test_an_iterator_goes_on_over_another_connection(first, channels):
    first.create_collection("long_list", dimension=2)
    first.insert("long_list", [{"id": i, "vector": [i, 1.0]} for i in range(40)])
    token, seen = "", []
    for place in range(8):
        param = {"iterator": True, "search_iter_v2": True, "search_iter_batch_size": 5}
        if token:
            param["search_iter_id"] = token
        made = Prepare.search_requests_with_expr(
            "long_list", "vector", param, 5, data=[[0.0, 1.0]], **param
        )
        raw = call(channels[place % WORKERS], "Search")(made.SerializeToString(), metadata=ROOT)
        found = milvus_pb2.SearchResults.FromString(raw)
        assert found.status.code == 0, found.status
        token = found.results.search_iterator_v2_results.token
        seen += found.results.ids.int_id.data
    assert sorted(seen) == list(range(40))


def test_a_process_that_tells_from_its_beginning_whose_a_message_is_counts_all_of_it(server):
    """What was looked at goes on at once; the rest is counted where it is answered."""
    size = 300_000
    given = encode([[], {"text": "x" * size}], ANSWERS)
    before = metric(server.ports, "elanus_calls_bytes")
    for name in ("collection.search", "collection.insert"):
        raw = encode({"call": name, "given": given}, ANSWERS)
        with socket.create_connection(("127.0.0.1", server.ports.grpc)) as client:
            head = f"POST {NATIVE_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(raw)}\r\n\r\n"
            client.sendall(head.encode() + raw[:200_000])
            until(lambda: metric(server.ports, "elanus_calls_bytes") == before + len(raw))  # noqa: B023
        until(lambda: metric(server.ports, "elanus_calls_bytes") == before)


def test_what_is_read_by_whom():
    assert {"Insert", "Delete", "Flush", "CreateCollection", "LoadCollection"}.isdisjoint(CALLS)
    assert not any(word in path for path in PATHS for word in ("insert", "delete", "upsert"))
    # Only the process that builds indexes knows how far they are.
    assert not any("Index" in name for name in CALLS)
    assert not any("index" in name or "stats" in name for name in (*PATHS, *NATIVE_CALLS))
    assert is_read("Search", b"")
    assert not is_read("Search", b"..search_iter_v2..")
    assert not is_read("Query", b"..iterator..")
    assert not is_read("Insert", b"")


def test_workers_need_a_folder_and_a_python() -> None:
    with pytest.raises(InvalidArgumentError, match="workers: other processes read a folder"):
        _run(Settings(":memory:", port=0, metrics_port=None, workers=1))


def test_a_worker_that_does_not_start_ends_the_server(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(StateError, match="worker 1 ended with status 1 before it was ready"):
        _run(Settings(str(tmp_path / "kb"), port=0, metrics_port=None, workers=2))


def _run(settings: Settings) -> None:
    import asyncio

    from elanus_server import serve

    asyncio.run(serve(settings, stop=asyncio.Event()))
