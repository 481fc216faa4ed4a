"""Clients that ask and do not read the answers, and those that take back what they ask."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pymilvus.grpc_gen import milvus_pb2

import elanus
from elanus_server import Settings
from support import raw_http2 as raw
from support.raw_http2 import RawHttp2, call, frame, message
from support.rest_client import RestClient
from support.running_server import Running
from support.server_process import metric, until

MAX_BYTES = 20 * 1024 * 1024
ROWS, TEXT = 1_000, "x" * 10_000
"""Of an answer: 10 MB, of which the system takes less than half."""
SILENCE_S = 1.0
ENHANCE_YOUR_CALM = 11
_QUERY = milvus_pb2.QueryRequest(
    collection_name="long", expr="id >= 0", output_fields=["id", "text"]
).SerializeToString()
_SCHEMA = elanus.Schema(
    [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("text", elanus.VARCHAR, max_length=len(TEXT)),
        elanus.Field("vector", elanus.FLOAT_VECTOR, dim=2),
    ]
)


def _serving(**more: float) -> Running:
    given = Settings(":memory:", port=0, metrics_port=0, max_waiting_bytes=MAX_BYTES, **more)
    return Running(given)


def _fill(server: Running) -> None:
    with elanus.connect(f"http://127.0.0.1:{server.ports.grpc}") as database:
        made = database.create_collection("long", _SCHEMA)
        made.insert([{"id": i, "text": TEXT, "vector": [i, 1.0]} for i in range(ROWS)])


@pytest.fixture(scope="module")
def patient() -> Iterator[Running]:
    """Waits so long for clients that only bytes count."""
    with _serving(silence_s=600.0) as made:
        _fill(made)
        yield made


@pytest.fixture(scope="module")
def impatient() -> Iterator[Running]:
    with _serving(silence_s=SILENCE_S) as made:
        _fill(made)
        yield made


def _asked(number: int) -> bytes:
    """Return a request for a long answer."""
    head = frame(raw.HEADERS, raw.END_HEADERS, number, call("Query"))
    return head + frame(raw.DATA, raw.END_STREAM, number, message(_QUERY))


def _ask_by_rest(server: Running) -> socket.socket:
    """Ask for a long answer, and read none of it."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    made.connect(("127.0.0.1", server.ports.grpc))
    body = json.dumps(
        {"collectionName": "long", "filter": "id >= 0", "outputFields": ["text"], "limit": ROWS}
    )
    made.sendall(
        b"POST /v2/vectordb/entities/query HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body.encode())
    )
    return made


def _read_all(connection: socket.socket, size: Callable[[], int] = lambda: 2**20) -> bytes:
    """Return the answer, read in pieces."""
    connection.settimeout(60)
    response = http.client.HTTPResponse(connection)
    response.begin()
    told = b""
    while part := response.read(size()):
        told += part
    return told


def _unread(server: Running) -> float:
    return metric(server.ports, "elanus_unread_bytes")


def _ended(server: Running) -> float:
    return metric(server.ports, "elanus_unread_connections_ended")


def _is_over(client: RawHttp2) -> bool:
    try:
        while client.next() is not None:
            pass
    except ConnectionError:
        pass
    return True


def _reads(server: Running) -> None:
    """A client that reads gets everything."""
    with RawHttp2(server.ports.grpc, _4=2**31 - 1) as client:
        client.send(frame(raw.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30)) + _asked(1))
        body, tail = client.answer(1)
    assert b"\x0bgrpc-status\x010" in tail
    assert len(milvus_pb2.QueryResults.FromString(body[5:]).fields_data[0].scalars.long_data.data)
    assert len(body) > ROWS * len(TEXT)


def test_answers_that_nobody_reads_have_a_bound_and_those_who_read_are_answered(patient):
    before = _ended(patient)
    with RawHttp2(patient.ports.grpc, _4=0) as client:
        client.send(_asked(1))
        until(lambda: _unread(patient) > ROWS * len(TEXT))
        assert _unread(patient) < 2 * ROWS * len(TEXT)
        _reads(patient)
        assert _ended(patient) == before
        client.send(_asked(3) + _asked(5))
        assert _is_over(client)
    assert _ended(patient) == before + 1
    until(lambda: _unread(patient) == 0)
    _reads(patient)


def test_the_connection_goes_that_most_is_kept_for(patient):
    before = _ended(patient)
    with RawHttp2(patient.ports.grpc, _4=0) as most, ExitStack() as stack:
        most.send(_asked(1))
        # Of these the system takes a part.
        others = []
        until(lambda: _unread(patient) > ROWS * len(TEXT))
        while _ended(patient) == before:
            kept = _unread(patient)
            others.append(stack.enter_context(_ask_by_rest(patient)))
            until(lambda kept=kept: _unread(patient) != kept)
        assert _is_over(most)
        for one in others:
            assert _read_all(one).count(TEXT.encode()) == ROWS
    assert _ended(patient) == before + 1


def test_a_client_that_hangs_up_leaves_nothing_behind(patient):
    with RawHttp2(patient.ports.grpc, _4=0) as client, _ask_by_rest(patient):
        client.send(_asked(1))
        until(lambda: _unread(patient) > ROWS * len(TEXT))
    until(lambda: _unread(patient) == 0)


def test_a_client_that_does_not_read_is_left_after_some_time(impatient):
    before = _ended(impatient)
    with RawHttp2(impatient.ports.grpc, _4=0) as client:
        client.send(_asked(1))
        assert _is_over(client)
    # A window that is large enough, and nobody who empties it.
    with RawHttp2(impatient.ports.grpc, _4=2**31 - 1) as client:
        client.send(frame(raw.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30)) + _asked(1))
        until(lambda: _ended(impatient) == before + 2)
    with _ask_by_rest(impatient):
        until(lambda: _ended(impatient) == before + 3)
    until(lambda: _unread(impatient) == 0)


def test_a_client_that_reads_slowly_gets_all(impatient):
    before = _ended(impatient)
    ends_s = time.monotonic() + 3 * SILENCE_S
    rest = RestClient(f"http://127.0.0.1:{impatient.ports.grpc}")

    def size() -> int:
        # Which takes as long as it takes.
        assert rest.post("collections/list")["code"] == 0
        return 16_384 if time.monotonic() < ends_s else 2**20

    with _ask_by_rest(impatient) as slow:
        assert _read_all(slow, size).count(TEXT.encode()) == ROWS
    assert _ended(impatient) == before


def test_who_only_takes_back_what_is_asked_is_told_to_be_calm(patient):
    began = frame(raw.HEADERS, raw.END_HEADERS, 1, call("HasCollection"))

    def taken_back(number: int) -> bytes:
        head = began[:5] + struct.pack(">I", number) + began[9:]
        return head + frame(raw.RST_STREAM, 0, number, struct.pack(">I", 8))

    with RawHttp2(patient.ports.grpc) as client:
        # As many as a client may have under way may all come too late at once.
        client.send(b"".join(taken_back(2 * i + 1) for i in range(1_024)))
        client.send(frame(raw.PING, 0, 0, bytes(8)))
        assert client.until(raw.PING).flags
        try:
            for start in range(1_024, 100_000, 100):
                client.send(b"".join(taken_back(2 * i + 1) for i in range(start, start + 100)))
        except ConnectionError:
            return
        found = client.until(raw.GOAWAY)
        assert struct.unpack(">I", found.payload[4:8])[0] == ENHANCE_YOUR_CALM
        assert _is_over(client)
