"""HTTP/2 and gRPC below the calls: frames, windows, compression, and clients that break rules."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymilvus.grpc_gen import milvus_pb2

from elanus_server import Settings
from support import long_search
from support import raw_http2 as raw
from support.raw_http2 import RawHttp2, call, frame, message
from support.running_server import Running
from support.server_process import ServerProcess, metric, until

LIMIT = 4 * 1024 * 1024
SILENCE_S = 0.5
_HAS = milvus_pb2.HasCollectionRequest(collection_name="none").SerializeToString()
_OPEN = frame(raw.HEADERS, raw.END_HEADERS, 1, call("HasCollection"))
_WHOLE = frame(raw.DATA, raw.END_STREAM, 1, message(_HAS))
PROTOCOL_ERROR, FLOW_CONTROL_ERROR = 1, 3
FRAME_SIZE_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 6, 9, 11


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    given = Settings(
        ":memory:", port=0, metrics_port=0, max_message_bytes=LIMIT, silence_s=SILENCE_S
    )
    with Running(given) as made:
        yield made


@pytest.fixture
def raw_client(server: Running) -> Iterator[RawHttp2]:
    with RawHttp2(server.ports.grpc) as made:
        yield made


@pytest.fixture
def stub(server: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(
        f"127.0.0.1:{server.ports.grpc}",
        options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)],
    ) as made:
        yield made


def _is_answered(client: RawHttp2, number: int = 1) -> None:
    body, tail = client.answer(number)
    assert b"\x0bgrpc-status\x010" in tail
    assert milvus_pb2.BoolResponse.FromString(body[5:]).status.code == 0


def test_the_server_says_what_it_takes_and_answers_what_is_asked(raw_client):
    hello = raw_client.next()
    values = dict(struct.iter_unpack(">HI", hello.payload))
    assert (hello.kind, values[3]) == (raw.SETTINGS, 1_024)
    raw_client.send(frame(raw.PING, 0, 0, b"12345678"))
    assert raw_client.until(raw.PING) == (raw.PING, 1, 0, b"12345678")
    raw_client.send(frame(raw.SETTINGS, 0, 0, struct.pack(">HI", 99, 7)))
    assert raw_client.until(raw.SETTINGS).flags == 1
    # What nobody knows, what is not asked for, and answers to what was not asked.
    passed_over = ((77, 5, b"x"), (raw.PRIORITY, 3, bytes(5)), (raw.GOAWAY, 0, bytes(8)))
    for kind, number, payload in passed_over:
        raw_client.send(frame(kind, 0, number, payload))
    raw_client.send(frame(raw.PING, 1, 0, bytes(8)))
    raw_client.send(_OPEN + _WHOLE)
    _is_answered(raw_client)


@pytest.mark.parametrize("size", [1, 3, 16])
def test_a_request_may_come_in_any_pieces(raw_client, size):
    block = call("HasCollection", ("x-more", "y" * 90))
    first, *others = [block[at : at + 40] for at in range(0, len(block), 40)]
    raw_client.send(frame(raw.HEADERS, raw.PADDED, 1, b"\x03" + first + bytes(3)))
    for place, part in enumerate(others):
        is_last = raw.END_HEADERS if place == len(others) - 1 else 0
        raw_client.send(frame(raw.CONTINUATION, is_last, 1, part))
    whole = message(_HAS)
    for at in range(0, len(whole), size):
        part = whole[at : at + size]
        raw_client.send(frame(raw.DATA, raw.PADDED, 1, b"\x02" + part + bytes(2)))
    raw_client.send(frame(raw.DATA, raw.END_STREAM, 1))
    _is_answered(raw_client)
    # The bytes of frames, too.
    for byte in frame(raw.HEADERS, raw.END_HEADERS, 3, call("HasCollection")):
        raw_client.send(bytes((byte,)))
    raw_client.send(frame(raw.DATA, 0, 3, message(_HAS)))
    raw_client.send(
        frame(raw.HEADERS, raw.END_HEADERS | raw.END_STREAM, 3, raw.block([("a", "b")]))
    )
    _is_answered(raw_client, 3)


_BREAKS = (
    (frame(raw.DATA, 0, 1, b"x"), PROTOCOL_ERROR),
    (frame(raw.DATA, 0, 0, b"x"), PROTOCOL_ERROR),
    (frame(raw.HEADERS, raw.END_HEADERS, 2, call("GetVersion")), PROTOCOL_ERROR),
    (frame(raw.HEADERS, raw.END_HEADERS, 1, b"\x80"), COMPRESSION_ERROR),
    (frame(raw.CONTINUATION, 0, 1, b"x"), PROTOCOL_ERROR),
    (frame(raw.HEADERS, 0, 1, b"") + frame(raw.PING, 0, 0, bytes(8)), PROTOCOL_ERROR),
    (frame(raw.HEADERS, 0, 1) + frame(raw.CONTINUATION, 0, 1) * 2, ENHANCE_YOUR_CALM),
    (
        frame(raw.HEADERS, 0, 1) + frame(raw.CONTINUATION, 0, 1, bytes(40_000)) * 2,
        ENHANCE_YOUR_CALM,
    ),
    (frame(raw.HEADERS, raw.PADDED, 1, b"\x09" + bytes(4)), PROTOCOL_ERROR),
    (frame(raw.PUSH_PROMISE, 0, 1, bytes(4)), PROTOCOL_ERROR),
    (frame(raw.RST_STREAM, 0, 8, bytes(4)), PROTOCOL_ERROR),
    (
        b"".join(frame(raw.RST_STREAM, 0, n, bytes(4)) for n in range(1, 4_001, 2)),
        ENHANCE_YOUR_CALM,
    ),
    (frame(raw.RST_STREAM, 0, 1, bytes(3)), FRAME_SIZE_ERROR),
    (frame(raw.PING, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    (frame(raw.SETTINGS, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
    (frame(raw.SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31)), FLOW_CONTROL_ERROR),
    (frame(raw.SETTINGS, 0, 0, struct.pack(">HI", 5, 100)), PROTOCOL_ERROR),
    (frame(raw.WINDOW_UPDATE, 0, 0, bytes(4)), PROTOCOL_ERROR),
    (frame(raw.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1)), FLOW_CONTROL_ERROR),
    (struct.pack(">BHBBI", 1, 1, 0, 0, 1), FRAME_SIZE_ERROR),
    (_OPEN + _WHOLE + _OPEN.replace(b"\x00\x00\x00\x01", b"\x00\x00\x00\x02"), PROTOCOL_ERROR),
    (_OPEN + _OPEN, PROTOCOL_ERROR),
)


@pytest.mark.parametrize(("said", "code"), _BREAKS, ids=map(str, range(len(_BREAKS))))
def test_who_breaks_rules_is_told_which_and_left(server, raw_client, said, code):
    raw_client.send(said)
    assert struct.unpack(">I", raw_client.until(raw.GOAWAY).payload[4:8]) == (code,)
    while raw_client.next() is not None:
        pass
    with RawHttp2(server.ports.grpc) as another:
        another.send(_OPEN + _WHOLE)
        _is_answered(another)


def _large(size):
    """Return a request of about as many bytes."""
    asked = milvus_pb2.HasCollectionRequest(collection_name="x")
    asked.base.properties["filled"] = "x" * size
    return asked.SerializeToString()


def test_a_large_request_comes_as_the_server_takes_it(raw_client):
    """It gives each window back when half of it is used, and so it does with that of all."""
    whole = message(_large(LIMIT - 200))
    raw_client.send(_OPEN)
    raw_client.upload(whole)
    _is_answered(raw_client)


def test_an_answer_is_sent_as_the_client_takes_it(server):
    with RawHttp2(server.ports.grpc, _4=0) as client:
        client.send(_OPEN + _WHOLE)
        assert client.until(raw.HEADERS).number == 1
        found = b""
        while not found or len(found) < 5 + int.from_bytes(found[1:5]):
            client.send(frame(raw.WINDOW_UPDATE, 0, 1, struct.pack(">I", 3)))
            part = client.next()
            while part.kind != raw.DATA:
                part = client.next()
            assert len(part.payload) <= 3
            found += part.payload
        assert milvus_pb2.BoolResponse.FromString(found[5:]).status.code == 0
        assert client.until(raw.HEADERS).flags & raw.END_STREAM
        # A window that grows for all, and one that becomes less than nothing.
        client.send(frame(raw.SETTINGS, 0, 0, struct.pack(">HI", 4, 100_000)))
        client.send(_OPEN.replace(b"\x00\x00\x00\x01", b"\x00\x00\x00\x03", 1))
        client.send(_WHOLE.replace(b"\x00\x00\x00\x01", b"\x00\x00\x00\x03", 1))
        _is_answered(client, 3)


def test_what_is_no_call_is_refused(raw_client):
    raw_client.send(frame(raw.HEADERS, raw.END_HEADERS | raw.END_STREAM, 1, call("GetVersion")))
    assert b"grpc-status\x0213" in raw_client.answer(1)[1]
    raw_client.send(frame(raw.HEADERS, 5, 3, call("GetVersion", method="GET")))
    assert b"415" in raw_client.answer(3)[1]
    raw_client.send(frame(raw.HEADERS, 5, 5, call("NoSuchCall")))
    assert b"grpc-status\x0212" in raw_client.answer(5)[1]
    raw_client.send(frame(raw.HEADERS, 5, 7, call("GetVersion", ("grpc-encoding", "snappy"))))
    refused = raw_client.answer(7)[1]
    assert b"grpc-status\x0212" in refused
    assert b"identity,deflate,gzip" in refused


_MESSAGES = (
    (message() + message(), 13),
    (message(_HAS)[:-1], 13),
    (message(_HAS, flag=2), 13),
    (message(b"not compressed", flag=1), 13),
    (message(zlib.compress(_HAS)[:-4], flag=1), 13),
    (message(zlib.compress(bytes(LIMIT + 1)), flag=1), 8),
    (struct.pack(">BI", 0, LIMIT + 1), 8),
    (struct.pack(">BI", 0, 2**32 - 1), 8),
)


@pytest.mark.parametrize(("body", "status"), _MESSAGES, ids=map(str, range(len(_MESSAGES))))
def test_a_request_has_one_message_that_can_be_read(server, raw_client, body, status):
    raw_client.send(frame(raw.HEADERS, 4, 1, call("HasCollection", ("grpc-encoding", "deflate"))))
    raw_client.send(frame(raw.DATA, raw.END_STREAM, 1, body))
    assert (
        b"grpc-status" + bytes((len(str(status)),)) + str(status).encode()
        in raw_client.answer(1)[1]
    )
    until(lambda: metric(server.ports, "elanus_calls_bytes") == 0)


@pytest.mark.parametrize("kind", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_messages_may_be_compressed(stub, kind):
    has = stub.unary_unary(f"{raw.SERVICE}/HasCollection")
    asked = _large(3_000_000)
    found = milvus_pb2.BoolResponse.FromString(has(asked, compression=kind))
    assert found.status.code == 0
    assert not found.value


def test_a_message_that_does_not_go_on_is_given_up(server, raw_client):
    raw_client.send(_OPEN + frame(raw.DATA, 0, 1, struct.pack(">BI", 0, LIMIT)))
    assert b"grpc-status\x014" in raw_client.answer(1)[1]
    assert raw_client.until(raw.RST_STREAM).number == 1
    until(lambda: metric(server.ports, "elanus_calls_bytes") == 0)
    # The connection goes on.
    raw_client.send(_OPEN.replace(b"\x00\x00\x00\x01", b"\x00\x00\x00\x03", 1))
    raw_client.send(_WHOLE.replace(b"\x00\x00\x00\x01", b"\x00\x00\x00\x03", 1))
    _is_answered(raw_client, 3)
    # Also on a connection that was heard of long ago.
    raw_client.send(_OPEN.replace(b"\x00\x00\x00\x01", b"\x00\x00\x00\x05", 1))
    raw_client.send(frame(raw.DATA, 0, 5, struct.pack(">BI", 0, LIMIT)))
    assert b"grpc-status\x014" in raw_client.answer(5)[1]


def test_a_frame_that_does_not_go_on_ends_the_connection(raw_client):
    raw_client.send(_OPEN[:12])
    while raw_client.next() is not None:
        pass


def test_clients_that_go_leave_nothing_behind(server):
    for _ in range(3):
        with RawHttp2(server.ports.grpc) as client:
            client.send(_OPEN + frame(raw.DATA, 0, 1, struct.pack(">BI", 0, LIMIT) + bytes(9_000)))
            client.until(raw.SETTINGS)
            until(lambda: metric(server.ports, "elanus_calls_bytes") == LIMIT)
            client.send(frame(raw.RST_STREAM, 0, 1, bytes(4)))
            until(lambda: metric(server.ports, "elanus_calls_bytes") == 0)
            client.send(_OPEN.replace(b"\x00\x00\x00\x01", b"\x00\x00\x00\x03", 1))
            client.send(frame(raw.DATA, 0, 3, struct.pack(">BI", 0, LIMIT)))
            until(lambda: metric(server.ports, "elanus_calls_bytes") == LIMIT)
        until(lambda: metric(server.ports, "elanus_calls_bytes") == 0)


_PIECES = st.one_of(
    st.binary(max_size=40),
    st.builds(
        frame,
        st.integers(0, 11),
        st.integers(0, 255),
        st.integers(0, 6),
        st.binary(max_size=30),
    ),
    st.sampled_from([_OPEN, _WHOLE, message(_HAS), frame(raw.SETTINGS, 0, 0)]),
)


@given(st.lists(_PIECES, min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_nothing_that_a_client_says_harms_the_others(server, pieces):
    with RawHttp2(server.ports.grpc) as client:
        try:
            client.send(b"".join(pieces))
        except ConnectionError:
            return
    with RawHttp2(server.ports.grpc) as another:
        another.send(_OPEN + _WHOLE)
        _is_answered(another)


def test_calls_that_come_too_late_are_refused_and_those_under_way_are_not(tmp_path):
    long_search.prepare_folder(tmp_path / "kb")
    with ServerProcess(tmp_path / "kb", grace_s=30.0) as server:
        with RawHttp2(server.ports.grpc) as client:
            search = frame(raw.HEADERS, raw.END_HEADERS, 1, call("Search"))
            client.send(search + frame(raw.DATA, 0, 1, message(long_search.request(1))[:9]))
            client.send(frame(raw.PING, 0, 0, bytes(8)))
            client.until(raw.PING)
            server.terminate()
            assert struct.unpack(">II", client.until(raw.GOAWAY).payload) == (2**31 - 1, 0)
            client.send(frame(raw.PING, 1, 0, client.until(raw.PING).payload))
            assert struct.unpack(">II", client.until(raw.GOAWAY).payload) == (1, 0)
            client.send(
                frame(raw.HEADERS, raw.END_HEADERS, 3, call("HasCollection"))
                + frame(raw.DATA, raw.END_STREAM, 3, message(_HAS))
            )
            assert client.until(raw.RST_STREAM) == (raw.RST_STREAM, 0, 3, struct.pack(">I", 7))
            rest = message(long_search.request(1))[9:]
            client.send(frame(raw.DATA, raw.END_STREAM, 1, rest))
            body, tail = client.answer(1)
            assert b"\x0bgrpc-status\x010" in tail
            assert milvus_pb2.SearchResults.FromString(body[5:]).status.code == 0
            assert client.next() is None
        assert server.wait() == 0
