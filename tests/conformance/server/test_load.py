"""More calls than can be answered, calls that nobody waits for, and clients that say little."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from pymilvus import MilvusClient
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from elanus_server import Settings
from elanus_server.service.all_calls import METHODS
from support import long_search
from support.rest_client import RestClient, send
from support.running_server import Running
from support.server_process import ServerProcess, metric, until

ONE_AT_A_TIME = {"threads": 1, "max_waiting": 2, "max_message_bytes": 32 * 1024 * 1024}
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">HBBBI", 0, 0, 4, 0, 0)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that answers one call at a time, and lets two wait."""
    path = tmp_path_factory.mktemp("busy") / "kb"
    long_search.prepare_folder(path)
    settings = Settings(
        str(path), port=0, metrics_port=0, max_waiting_bytes=40 * 1024 * 1024, **ONE_AT_A_TIME
    )
    with Running(settings) as made:
        yield made


@pytest.fixture
def channel(busy: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(
        f"127.0.0.1:{busy.ports.grpc}", options=[("grpc.use_local_subchannel_pool", 1)]
    ) as made:
        yield made


LONG = long_search.request()


def _begin(busy: Running, channel: grpc.Channel) -> grpc.Future:
    """Begin a search that takes minutes, and return when it has the only thread."""
    search = long_search.call(channel, "Search").future(LONG)
    until(lambda: metric(busy.ports, "elanus_calls", state="running") == 1)
    return search


def _is_idle(busy: Running) -> bool:
    return all(metric(busy.ports, "elanus_calls", state=s) == 0 for s in ("running", "waiting"))


def test_what_is_too_much_is_refused_and_clients_are_told_to_try_again(busy, channel):
    rest = RestClient(f"http://127.0.0.1:{busy.ports.rest}")
    client = MilvusClient(rest.uri)
    first = _begin(busy, channel)
    names = long_search.call(channel, "ListDatabases")
    waiting = [names.future(b"") for _ in range(2)]
    until(lambda: metric(busy.ports, "elanus_calls", state="waiting") == 2)
    refused = milvus_pb2.ListDatabasesResponse.FromString(names(b"")).status
    assert (refused.code, refused.error_code) == (8, common_pb2.RateLimit)
    assert refused.retriable
    assert "3 calls are under way" in refused.reason
    code, message = rest.refusal("databases/list")
    assert code == 1807
    assert "3 calls are under way" in message
    # pymilvus waits a little and asks again, until there is room.
    told: list[list[str]] = []
    thread = threading.Thread(target=lambda: told.append(client.list_collections()))
    before = metric(busy.ports, "elanus_calls_unanswered", reason="refused")
    thread.start()
    until(lambda: metric(busy.ports, "elanus_calls_unanswered", reason="refused") > before)
    first.cancel()
    thread.join()
    assert told == [[long_search.NAME]]
    client.close()
    for one in waiting:
        assert milvus_pb2.ListDatabasesResponse.FromString(one.result()).status.code == 0
    until(lambda: _is_idle(busy))


def test_what_clients_begin_with_does_not_wait(busy, channel):
    """They try it only once: a client could not connect as long as the server is busy."""
    first = _begin(busy, channel)
    names = long_search.call(channel, "ListDatabases")
    waiting = [names.future(b"") for _ in range(2)]
    until(lambda: metric(busy.ports, "elanus_calls", state="waiting") == 2)
    for name in ("Connect", "GetVersion", "CheckHealth", "GetComponentStates"):
        response = METHODS[name].response.FromString(long_search.call(channel, name)(b""))
        assert response.status.code == 0
    client = MilvusClient(f"http://127.0.0.1:{busy.ports.grpc}")
    assert client.get_server_version()
    client.close()
    assert not first.done()
    assert not any(one.done() for one in waiting)
    first.cancel()
    for one in waiting:
        one.result()
    until(lambda: _is_idle(busy))


def test_requests_under_way_have_a_bound_of_bytes(busy, channel):
    first = _begin(busy, channel)
    refused = milvus_pb2.SearchResults.FromString(long_search.call(channel, "Search")(LONG + LONG))
    assert refused.status.code == 8
    assert "bytes are under way" in refused.status.reason
    first.cancel()
    until(lambda: _is_idle(busy))
    assert metric(busy.ports, "elanus_calls_bytes") == 0


def test_a_search_that_nobody_waits_for_ends(busy, channel):
    """The only thread is free again at once: the search would take minutes."""
    before = metric(busy.ports, "elanus_calls_unanswered", reason="abandoned")
    _begin(busy, channel).cancel()
    assert long_search.call(channel, "GetVersion")(b"")
    until(lambda: _is_idle(busy))
    assert metric(busy.ports, "elanus_calls_unanswered", reason="abandoned") == before + 1
    with pytest.raises(grpc.RpcError) as refused:
        long_search.call(channel, "Search")(LONG, timeout=1.0)
    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert long_search.call(channel, "GetVersion")(b"")
    until(lambda: _is_idle(busy))


def test_a_call_whose_time_is_over_while_it_waits_is_not_begun(busy, channel):
    client = MilvusClient(f"http://127.0.0.1:{busy.ports.grpc}")
    client.create_collection("late", dimension=2)
    first = _begin(busy, channel)
    create = milvus_pb2.DropCollectionRequest(collection_name="late").SerializeToString()
    with pytest.raises(grpc.RpcError) as refused:
        long_search.call(channel, "DropCollection")(create, timeout=0.2)
    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # Others may take its place, although nothing has ended yet.
    until(lambda: metric(busy.ports, "elanus_calls", state="waiting") == 0)
    assert metric(busy.ports, "elanus_calls", state="running") == 1
    first.cancel()
    until(lambda: _is_idle(busy))
    assert client.has_collection("late")
    client.drop_collection("late")
    client.close()


def _rest_search(busy: Running, **headers: str) -> bytes:
    body = json.dumps(
        {
            "collectionName": long_search.NAME,
            "data": [[1] * long_search.DIMENSION] * long_search.QUERIES,
            "searchParams": {"params": {"recall": 1.0}},
        }
    ).encode()
    lines = [
        "POST /v2/vectordb/entities/search HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_a_request_whose_client_hangs_up_ends(busy):
    before = metric(busy.ports, "elanus_calls_unanswered", reason="abandoned")
    with socket.create_connection(("127.0.0.1", busy.ports.rest)) as connection:
        connection.sendall(_rest_search(busy))
        until(lambda: metric(busy.ports, "elanus_calls", state="running") == 1)
    until(lambda: metric(busy.ports, "elanus_calls_unanswered", reason="abandoned") == before + 1)
    until(lambda: _is_idle(busy))


def test_a_request_ends_with_its_request_timeout(busy):
    with socket.create_connection(("127.0.0.1", busy.ports.rest)) as connection:
        connection.sendall(_rest_search(busy, Request_Timeout="1", Connection="close"))
        told = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert told.startswith(b"HTTP/1.1 408")
    assert b'"code":10001' in told
    until(lambda: _is_idle(busy))


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\xff\xff", b"\x0a\x02\xff\xfe"])
def test_a_message_that_cannot_be_read_is_an_invalid_argument(busy, channel, raw):
    with pytest.raises(grpc.RpcError) as refused:
        long_search.call(channel, "HasCollection")(raw)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "HasCollection: the message cannot be read" in refused.value.details()


def test_a_message_that_is_too_large_is_refused(busy, channel):
    limit = ONE_AT_A_TIME["max_message_bytes"]
    with pytest.raises(grpc.RpcError) as refused:
        long_search.call(channel, "HasCollection")(bytes(limit + 1))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    found = milvus_pb2.BoolResponse.FromString(
        long_search.call(channel, "HasCollection")(
            milvus_pb2.HasCollectionRequest(
                collection_name="x" * (limit - 1_000)
            ).SerializeToString()
        )
    )
    assert not found.value
    status, told = send(
        f"http://127.0.0.1:{busy.ports.rest}/v2/vectordb/collections/has",
        b" " * (limit + 1),
        Content_Type="application/json",
    )
    assert (status, json.loads(told)["code"]) == (413, 1102)


@pytest.mark.slow
def test_a_message_of_64_mb_is_taken(tmp_path: Path) -> None:
    with Running(Settings(":memory:", port=0, metrics_port=None)) as running:
        client = MilvusClient(f"http://127.0.0.1:{running.ports.grpc}")
        client.create_collection("large", dimension=1_024)
        rows = [{"id": i, "vector": [0.5] * 1_024} for i in range(16_200)]
        assert client.insert("large", rows)["insert_count"] == len(rows)
        client.close()


SILENCE_S = 0.5
_HEAD = (
    b"POST /v2/vectordb/databases/list HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
)


@pytest.fixture(scope="module")
def impatient() -> Iterator[Running]:
    settings = Settings(":memory:", port=0, metrics_port=None, silence_s=SILENCE_S)
    with Running(settings) as made:
        yield made


@pytest.mark.parametrize(
    "said",
    [b"", b"P", b"PO", _HEAD, _HEAD + b"Content-Length: 9\r\n\r\n", _PREFACE[:24]],
    ids=["nothing", "a byte", "two bytes", "half a head", "half a body", "a preface"],
)
def test_a_client_that_does_not_go_on_is_left(impatient, said):
    with socket.create_connection(("127.0.0.1", impatient.ports.grpc)) as silent:
        silent.sendall(said)
        _read_to_the_end(silent)


def _read_to_the_end(connection: socket.socket) -> None:
    """Return when the server has closed a connection, in order or not."""
    connection.settimeout(60)
    with contextlib.suppress(ConnectionError):
        while connection.recv(65_536):
            pass


def _read_answer(connection: socket.socket) -> None:
    told = b""
    while not told.endswith(b'{"code":0,"data":["default"]}'):
        part = connection.recv(65_536)
        assert part, told
        told += part


def test_small_answers_are_sent_at_once(impatient):
    """Else a client that writes twice waits for the system's delayed confirmations."""
    with socket.create_connection(("127.0.0.1", impatient.ports.grpc)) as client:
        client.sendall(_HEAD + b"Content-Length: 2\r\n\r\n{}")
        _read_answer(client)
        held = [one for one in gc.get_objects() if isinstance(one, socket.socket)]
        (ours,) = [
            one
            for one in held
            if one.fileno() >= 0
            and one.family == socket.AF_INET
            and one.getsockname() == client.getpeername()
            and _peer(one) == client.getsockname()
        ]
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def _peer(one: socket.socket) -> object:
    try:
        return one.getpeername()
    except OSError:
        return None


def test_a_client_that_sends_a_byte_now_and_then_is_left(impatient):
    with socket.create_connection(("127.0.0.1", impatient.ports.grpc)) as slow:
        slow.settimeout(SILENCE_S / 10)

        def is_left() -> bool:
            try:
                slow.sendall(b"x")
                return not slow.recv(1)
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        slow.sendall(_HEAD + b"X-Slow: ")
        until(is_left)


def test_a_client_that_is_idle_between_requests_is_kept(impatient):
    request = _HEAD + b"Content-Length: 2\r\n\r\n{}"
    address = ("127.0.0.1", impatient.ports.grpc)
    with socket.create_connection(address) as idle:
        idle.settimeout(60)
        idle.sendall(request)
        _read_answer(idle)
        for _ in range(2):
            # As long as the server waits for somebody who says nothing.
            with socket.create_connection(address) as silent:
                _read_to_the_end(silent)
        idle.sendall(request)
        _read_answer(idle)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_thousand_idle_clients_take_little_and_disturb_nobody(
    tmp_path: Path, workers: int
) -> None:
    with ServerProcess(tmp_path / "kb", workers=workers) as server:
        client = MilvusClient(server.uri)
        client.list_collections()
        before = metric(server.ports, "elanus_process_resident_bytes")
        address = ("127.0.0.1", server.ports.grpc)
        idle = [socket.create_connection(address) for _ in range(1_000)]
        try:
            for connection in idle:
                connection.sendall(_PREFACE)
            for connection in idle:
                assert connection.recv(9)  # the server's first words
            taken = metric(server.ports, "elanus_process_resident_bytes") - before
            another = MilvusClient(server.uri)
            assert another.list_collections() == client.list_collections() == []
            another.close()
        finally:
            for connection in idle:
                connection.close()
        client.close()
    assert taken / len(idle) < 60_000


def test_a_server_that_ends_says_so_first_and_ends_what_is_under_way(tmp_path: Path) -> None:
    long_search.prepare_folder(tmp_path / "kb")
    with ServerProcess(tmp_path / "kb", grace_s=1.0, **ONE_AT_A_TIME) as server:
        with grpc.insecure_channel(server.target) as channel:
            search = long_search.call(channel, "Search").future(LONG)
            until(lambda: metric(server.ports, "elanus_calls", state="running") == 1)
            short = long_search.call(channel, "ListDatabases").future(b"")
            until(lambda: metric(server.ports, "elanus_calls", state="waiting") == 1)
            server.terminate()
            base = f"http://127.0.0.1:{server.ports.metrics}"
            until(lambda: send(f"{base}/readyz")[0] == 503)
            assert send(f"{base}/livez")[0] == 200
            with pytest.raises(grpc.RpcError) as refused:
                long_search.call(channel, "GetVersion")(b"")
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            for ended in (search, short):
                assert ended.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert server.wait() == 0
