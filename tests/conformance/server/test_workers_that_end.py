"""Processes that end: workers that are killed, and the one that writes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus import MilvusClient
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

import elanus
from elanus_server import Settings
from elanus_server.front import Front
from support.long_search import call, prepare_folder, request
from support.rest_client import RestClient, send
from support.running_server import Running
from support.server_process import ServerProcess, children_of, is_running, metric, until

WORKERS = 2


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


def test_a_worker_that_was_started_again_gets_its_share_of_clients_that_stay(mortal) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(mortal.target, options=options) for _ in range(6)]
    raw = milvus_pb2.HasCollectionRequest(collection_name="long").SerializeToString()

    def held() -> list[float]:
        return [
            metric(mortal.ports, "elanus_worker_connections", process=f"worker-{number}")
            for number in (1, 2)
        ]

    def asked() -> list[float]:
        """Let every client ask, and none fail; return the clients of each worker."""
        for channel in channels:
            found = call(channel, "HasCollection")(raw, wait_for_ready=True, timeout=60)
            assert milvus_pb2.BoolResponse.FromString(found).value
        return held()

    def connect_anew() -> None:
        """Let every client ask once, whose process was killed: that call may fail."""
        for channel in channels:
            with contextlib.suppress(grpc.RpcError):
                call(channel, "HasCollection")(raw, wait_for_ready=True, timeout=60)

    asked()
    before = metric(mortal.ports, "elanus_worker_restarts")
    os.kill(mortal.workers()[0], signal.SIGKILL)
    # All of them come to the one that is left.
    connect_anew()
    until(lambda: metric(mortal.ports, "elanus_worker_restarts") > before)
    until(lambda: sum(told := asked()) >= len(channels) and max(told) - min(told) <= 1)
    # And to those that are started again, where none was left.
    for pid in mortal.workers():
        os.kill(pid, signal.SIGKILL)
    connect_anew()
    until(lambda: sum(told := asked()) >= len(channels) and max(told) - min(told) <= 1)
    for channel in channels:
        channel.close()


def test_no_call_is_lost_when_its_client_is_told_to_connect_anew(monkeypatch) -> None:
    fronts: list[Front] = []

    def front(*given: Any, **named: Any) -> Front:
        fronts.append(Front(*given, **named))
        return fronts[-1]

    monkeypatch.setattr("elanus_server.app.Front", front)
    stop, told = threading.Event(), [0]
    with Running(Settings(":memory:", port=0, metrics_port=None)) as running:
        target = f"127.0.0.1:{running.ports.grpc}"
        loads = [_Asking(target, stop) for _ in range(3)]
        for load in loads:
            load.start()
        running.call(lambda: told.append(fronts[0].hand_off(0)))
        while sum(told) < 60 and not any(load.wrong for load in loads):
            running.call(lambda: told.append(fronts[0].hand_off(2)))
        stop.set()
        for load in loads:
            load.join()
    assert told[1] == 0
    assert [load.wrong for load in loads] == [[]] * len(loads)


class _Asking(threading.Thread):
    """Asks over a connection of its own, and never twice."""

    def __init__(self, target: str, stop: threading.Event) -> None:
        super().__init__()
        self._target, self._stop_it = target, stop
        self.wrong: list[object] = []

    def run(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        raw = milvus_pb2.HasCollectionRequest(collection_name="none").SerializeToString()
        with grpc.insecure_channel(self._target, options=options) as channel:
            while not self._stop_it.is_set() and not self.wrong:
                try:
                    call(channel, "HasCollection")(raw, timeout=60)
                except grpc.RpcError as error:
                    self.wrong.append(error.details())


def test_pymilvus_does_not_notice_that_workers_are_killed(mortal: ServerProcess) -> None:
    client = MilvusClient(mortal.uri)
    for round_ in range(3):
        workers = mortal.workers()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        # pymilvus connects anew once only: not to the second, while that is about to end.
        until(lambda: not any(map(is_running, workers)))  # noqa: B023
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


@pytest.mark.skipif(sys.platform != "linux", reason="processes are started anew elsewhere")
def test_a_command_starts_its_workers_as_copies_that_end_with_it(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "kb")
    command = [sys.executable, "-m", "elanus_server", str(tmp_path / "kb"), "--workers", "2"]
    command += ["--port", "0", "--metrics-port", "none"]

    def started() -> tuple[subprocess.Popen[str], MilvusClient]:
        program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert program.stdout is not None
        told = []
        while "Ctrl-C" not in (line := program.stdout.readline()):
            assert line
            told.append(line)
        (uri,) = re.findall(r"http://127.0.0.1:[0-9]+", "".join(told))[:1]
        return program, MilvusClient(uri, dedicated=True)

    for number in (signal.SIGTERM, signal.SIGKILL):
        program, client = started()
        workers = children_of(program.pid)
        # What it was started with, which one that is started anew is not.
        assert [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in workers] == [
            Path(f"/proc/{program.pid}/cmdline").read_bytes()
        ] * WORKERS
        assert client.query("long", filter="id == 7", output_fields=["id"]) == [{"id": 7}]
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: len(set(children_of(program.pid)) - {workers[0]}) == WORKERS)  # noqa: B023
        assert client.query("long", filter="id == 8", output_fields=["id"]) == [{"id": 8}]
        client.close()
        workers = children_of(program.pid)
        program.send_signal(number)
        assert program.wait(60) == (0 if number == signal.SIGTERM else -signal.SIGKILL)
        until(lambda: not any(map(is_running, workers)))  # noqa: B023
        assert program.stdout is not None
        program.stdout.close()


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
        (published,) = (path / "c").rglob("PUB")
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
