"""How a connection of HTTP/2 ends: when the server does, and when a client asks for nothing."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator

import pytest
from pymilvus.grpc_gen import milvus_pb2

from elanus_server import Settings
from support import raw_http2 as raw
from support.http2_rules import CALM, NO_ERROR, PROTOCOL, REFUSED, data, opened, settings, whole
from support.raw_http2 import RawHttp2, frame, message
from support.running_server import Running

_ANY = 2**31 - 1
_BROKEN = frame(raw.PUSH_PROMISE, 0, 1, bytes(4))
_LONG_TEXT = milvus_pb2.RunAnalyzerRequest(placeholder=[b"elan " * 18_000])


class _Leaving:
    """A server that is told to end while a client has a call that is not whole."""

    def __init__(self) -> None:
        self._running = Running(Settings(":memory:", port=0, metrics_port=None, grace_s=30.0))
        self._running.__enter__()
        self.client = RawHttp2(self._running.ports.grpc)
        self.client.send(opened())
        self.client.send(frame(raw.PING, 0, 0, bytes(8)))
        self.client.until(raw.PING)
        self._thread = threading.Thread(target=self._running.__exit__)
        self._thread.start()

    def ping(self) -> bytes:
        """Return the answer to the ping with which it waits for calls that are on their way."""
        asked = self.client.until(raw.PING)
        assert asked.flags == 0
        return frame(raw.PING, 1, 0, asked.payload)

    def end(self) -> None:
        self.client.close()
        self._thread.join()


@pytest.fixture
def leaving() -> Iterator[_Leaving]:
    made = _Leaving()
    yield made
    made.end()


def _goaway(client: RawHttp2) -> tuple[int, int]:
    last, code = struct.unpack_from(">II", client.until(raw.GOAWAY).payload)
    return last, code


def test_what_was_on_its_way_when_the_server_began_to_end_is_answered(leaving):
    client = leaving.client
    assert _goaway(client) == (_ANY, NO_ERROR)
    answer = leaving.ping()
    client.send(whole(3))
    assert b"grpc-status\x010" in client.answer(3)[1]
    # An answer to a ping that was never sent is not what it waits for.
    client.send(frame(raw.PING, 1, 0, bytes(8)) + whole(5))
    assert b"grpc-status\x010" in client.answer(5)[1]
    client.send(answer)
    assert _goaway(client) == (5, NO_ERROR)
    client.send(whole(7))
    assert client.until(raw.RST_STREAM) == (raw.RST_STREAM, 0, 7, struct.pack(">I", REFUSED))
    client.send(data())
    assert b"grpc-status\x010" in client.answer(1)[1]
    assert client.next() is None


def test_the_last_call_is_never_more_than_it_was(leaving):
    """6.8: what came later may have been tried elsewhere."""
    client = leaving.client
    assert _goaway(client) == (_ANY, NO_ERROR)
    client.send(leaving.ping())
    assert _goaway(client) == (1, NO_ERROR)
    client.send(whole(9))
    assert client.until(raw.RST_STREAM).number == 9
    client.send(_BROKEN)
    assert _goaway(client) == (1, PROTOCOL)
    assert client.next() is None


def test_who_does_not_answer_the_ping_is_not_waited_for(leaving):
    client = leaving.client
    assert _goaway(client) == (_ANY, NO_ERROR)
    assert _goaway(client) == (1, NO_ERROR)
    client.send(data())
    assert b"grpc-status\x010" in client.answer(1)[1]
    assert client.next() is None


def test_a_client_that_says_nothing_is_told_that_the_server_ends():
    running = Running(Settings(":memory:", port=0, metrics_port=None, grace_s=30.0))
    running.__enter__()
    with RawHttp2(running.ports.grpc, is_silent=True) as silent:
        silent.send(raw.PREFACE[:9])
        with RawHttp2(running.ports.grpc) as other:
            other.send(whole())
            other.answer(1)
        thread = threading.Thread(target=running.__exit__)
        thread.start()
        assert _goaway(silent) == (0, NO_ERROR)
        assert silent.next() is None
    thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with Running(Settings(":memory:", port=0, metrics_port=None)) as made:
        yield made


@pytest.mark.parametrize(
    "said",
    [frame(raw.PING, 0, 0, bytes(8)), settings(4, 65_535)],
    ids=["pings", "settings"],
)
def test_who_asks_for_nothing_all_the_time_is_left(server, said):
    with RawHttp2(server.ports.grpc) as client:
        # As many at once are taken from anybody.
        client.send(said * 100)
        client.send(whole())
        assert b"grpc-status\x010" in client.answer(1)[1]
        client.send(said * 2_000)
        told = client.until(raw.GOAWAY).payload
        assert struct.unpack_from(">II", told) == (1, CALM)
        assert told[8:] == b"too_many_pings"


def test_pings_between_parts_of_an_answer_are_never_too_many(server):
    """gRPC's libraries measure with them how fast an answer comes."""
    with RawHttp2(server.ports.grpc, _4=0) as client:
        client.send(opened(name="RunAnalyzer"))
        asked = message(_LONG_TEXT.SerializeToString())
        client.send(data(1, asked[:50_000], 0) + data(1, asked[50_000:]))
        client.until(raw.HEADERS)
        for number in range(600):
            more = frame(raw.WINDOW_UPDATE, 0, 1, struct.pack(">I", 50))
            client.send(more + frame(raw.PING, 0, 0, struct.pack(">Q", number)))
            assert len(client.until(raw.DATA).payload) == 50
            assert client.until(raw.PING).payload == struct.pack(">Q", number)
