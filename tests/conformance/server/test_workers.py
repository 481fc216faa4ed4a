"""Several processes that serve one folder."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException
from pymilvus.client.prepare import Prepare
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

import elanus
from elanus.errors import InvalidArgumentError, StateError
from elanus_server import Settings
from elanus_server.workers.routing import CALLS, PATHS, is_read
from support.long_search import call, prepare_folder, request
from support.rest_client import RestClient, send
from support.running_server import Running
from support.server_process import ServerProcess, is_running, metric, until

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


def test_what_is_read_by_whom():
    assert {"Insert", "Delete", "Flush", "CreateCollection", "LoadCollection"}.isdisjoint(CALLS)
    assert not any(word in path for path in PATHS for word in ("insert", "delete", "upsert"))
    assert is_read("Search", b"")
    assert not is_read("Search", b"..search_iter_v2..")
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


# --- processes that end ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One whose workers are killed."""
    path = tmp_path_factory.mktemp("mortal") / "kb"
    prepare_folder(path)
    with ServerProcess(path, workers=WORKERS) as made:
        yield made


def test_a_worker_that_is_killed_fails_only_its_calls_and_comes_back(mortal: ServerProcess) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    long = request()
    channels = [grpc.insecure_channel(mortal.target, options=options) for _ in range(WORKERS)]
    searches = []
    for channel in channels:
        searches.append(call(channel, "Search").future(long))
        begun = len(searches)
        until(lambda: metric(mortal.ports, "elanus_calls", state="running") == begun)  # noqa: B023
    victim, other = mortal.workers()
    os.kill(victim, signal.SIGKILL)
    codes = []

    def ended() -> bool:
        codes[:] = [s.code() for s in searches if s.done()]
        return bool(codes)

    until(ended)
    assert codes == [grpc.StatusCode.UNAVAILABLE]
    until(lambda: metric(mortal.ports, "elanus_worker_restarts") == 1)
    until(lambda: len(mortal.workers()) == WORKERS)
    assert other in mortal.workers()
    for search in searches:
        search.cancel()
    for channel in channels:
        # Each connects again by itself.
        found = call(channel, "HasCollection")(
            milvus_pb2.HasCollectionRequest(collection_name="long").SerializeToString(),
            wait_for_ready=True,
            timeout=60,
        )
        assert milvus_pb2.BoolResponse.FromString(found).value
        channel.close()


def test_pymilvus_does_not_notice_that_workers_are_killed(mortal: ServerProcess) -> None:
    client = MilvusClient(mortal.uri)
    for round_ in range(3):
        for pid in mortal.workers():
            os.kill(pid, signal.SIGKILL)
        client.insert("long", [{"id": 50_000 + round_, "vector": [1.0] * 256}])
        assert client.query("long", filter=f"id == {50_000 + round_}", output_fields=["id"])
    client.close()


def test_a_worker_that_is_killed_under_load_takes_nothing_along(mortal: ServerProcess) -> None:
    """Every call is answered or refused so that it may be tried again, and every write counts."""
    client = MilvusClient(mortal.uri)
    client.create_collection("counted", dimension=2)
    client.close()
    stop = threading.Event()
    loads = [_Load(mortal.target, number * 100_000, stop) for number in range(4)]
    for load in loads:
        load.start()
    for round_ in range(1, 4):
        before = metric(mortal.ports, "elanus_worker_restarts")
        until(lambda: all(len(load.written) >= 5 * round_ for load in loads))  # noqa: B023
        os.kill(mortal.workers()[0], signal.SIGKILL)
        until(lambda: metric(mortal.ports, "elanus_worker_restarts") > before)  # noqa: B023
        until(lambda: len(mortal.workers()) == WORKERS)
    stop.set()
    for load in loads:
        load.join()
    assert [load.wrong for load in loads] == [[]] * len(loads)
    client = MilvusClient(mortal.uri)
    found = {row["id"] for row in client.query("counted", filter="id >= 0")}
    assert found == set().union(*(load.written for load in loads))
    client.close()


class _Load(threading.Thread):
    """Writes and reads what it has written over a connection of its own; tries again."""

    def __init__(self, target: str, first: int, stop: threading.Event) -> None:
        super().__init__()
        self._target, self._next, self._stop_it = target, first, stop
        self.written: set[int] = set()
        self.wrong: list[object] = []

    def run(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._target, options=options) as channel:
            while not self._stop_it.is_set() and not self.wrong:
                key = self._next
                self._next += 1
                row = {"id": key, "vector": [1.0, 2.0]}
                raw = _upsert("counted", row)
                told = self._asked(channel, "Upsert", raw, milvus_pb2.MutationResult)
                if told.status.code:
                    self.wrong.append(told.status)
                self.written.add(key)
                raw = milvus_pb2.QueryRequest(
                    collection_name="counted", expr=f"id == {key}", output_fields=["id"]
                ).SerializeToString()
                told = self._asked(channel, "Query", raw, milvus_pb2.QueryResults)
                ids = told.fields_data[0].scalars.long_data.data if told.fields_data else []
                if list(ids) != [key]:
                    self.wrong.append((key, told))

    def _asked(self, channel: grpc.Channel, name: str, raw: bytes, answer: Any) -> Any:
        while True:
            try:
                told = call(channel, name)(raw, wait_for_ready=True, timeout=60)
                return answer.FromString(told)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    self.wrong.append(error)
                    raise


def _upsert(name: str, row: dict[str, Any]) -> bytes:
    ids = schema_pb2.FieldData(type=schema_pb2.Int64, field_name="id")
    ids.scalars.long_data.data.append(row["id"])
    vectors = schema_pb2.FieldData(type=schema_pb2.FloatVector, field_name="vector")
    vectors.vectors.dim = len(row["vector"])
    vectors.vectors.float_vector.data.extend(row["vector"])
    made = milvus_pb2.UpsertRequest(collection_name=name, fields_data=[ids, vectors], num_rows=1)
    return bytes(made.SerializeToString())


def test_a_restarted_worker_serves_while_writes_go_on(mortal: ServerProcess) -> None:
    """Readers begin in the middle of writes, flushes and merges."""
    client = MilvusClient(mortal.uri)
    client.create_collection("moving", dimension=4)
    before = metric(mortal.ports, "elanus_worker_restarts")
    stop, written = threading.Event(), [0]

    writer = MilvusClient(mortal.uri, dedicated=True)

    def write() -> None:
        while not stop.is_set():
            first = written[0]
            writer.insert(
                "moving", [{"id": first + i, "vector": [1.0, 2, 3, 4]} for i in range(50)]
            )
            written[0] = first + 50
            if first % 500 == 0:
                writer.flush("moving")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for restart in range(1, 4):
            os.kill(mortal.workers()[0], signal.SIGKILL)
            until(lambda: metric(mortal.ports, "elanus_worker_restarts") >= before + restart)  # noqa: B023
            for _ in range(10):
                least = written[0]
                (found,) = client.query("moving", filter="id >= 0", output_fields=["count(*)"])
                assert found["count(*)"] >= least
    finally:
        stop.set()
        thread.join()
    writer.close()
    client.close()


def test_each_protocol_may_have_a_port_of_its_own(tmp_path: Path) -> None:
    with Running(
        Settings(str(tmp_path / "kb"), port=0, rest_port=0, metrics_port=None, workers=1)
    ) as running:
        ports = running.ports
        assert ports.rest is not None
        assert ports.rest != ports.grpc
        rest = RestClient(f"http://127.0.0.1:{ports.rest}")
        rest.data("collections/create", collectionName="c", dimension=2)
        client = MilvusClient(f"http://127.0.0.1:{ports.grpc}")
        assert client.has_collection("c")
        client.close()
        with pytest.raises(OSError, match=r".+"):
            send(f"http://127.0.0.1:{ports.grpc}/docs")


def test_a_server_that_is_killed_takes_its_workers_along(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "kb")
    with ServerProcess(tmp_path / "kb", workers=1) as server:
        workers = server.workers()
        assert len(workers) == 1
        server.kill()
        until(lambda: not any(map(is_running, workers)))
    with elanus.connect(tmp_path / "kb") as database:
        assert database.collection("long").count() == 20_000


def test_a_server_that_ends_lets_its_workers_end_first(mortal: ServerProcess) -> None:
    workers = mortal.workers()
    with grpc.insecure_channel(mortal.target) as channel:
        search = call(channel, "Search").future(request(500))
        until(lambda: metric(mortal.ports, "elanus_calls", state="running") == 1)
        mortal.terminate()
        assert milvus_pb2.SearchResults.FromString(search.result()).status.code == 0
        assert mortal.wait() == 0
    assert not any(map(is_running, workers))


def test_a_write_that_a_crash_kept_from_being_acknowledged_is_decided_at_the_start(tmp_path):
    path, crashed = tmp_path / "kb", tmp_path / "crashed"
    with elanus.connect(path) as db:
        fields = [elanus.Field("id", elanus.INT64, primary=True)]
        fields.append(elanus.Field("vector", elanus.FLOAT_VECTOR, dim=2))
        kept = db.create_collection("kept", elanus.Schema(fields))
        kept.insert([{"id": i, "vector": [i, 1.0]} for i in range(3)])
        (published,) = path.rglob("PUB")
        before = published.read_bytes()
        kept.delete([1])
        # A process that is killed after the log is written, and before the write is acknowledged.
        shutil.copytree(path, crashed)
        (crashed / published.relative_to(path)).write_bytes(before)
    with elanus.connect(crashed, read_only=True) as db:
        assert db.collection("kept").count() == 3
    with ServerProcess(crashed, workers=1) as server:
        client = MilvusClient(server.uri, dedicated=True)
        seen = [row["id"] for row in client.query("kept", filter="id >= 0")]
        client.insert("kept", {"id": 9, "vector": [9.0, 1.0]})
        assert [row["id"] for row in client.query("kept", filter="id >= 0")] == [*seen, 9]
        client.close()
