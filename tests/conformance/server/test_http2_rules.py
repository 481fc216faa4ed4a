"""What RFC 9113 and RFC 7541 say that a server must do; see ``support.http2_rules``."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from pymilvus.grpc_gen import milvus_pb2

from elanus_server import Settings
from support import raw_http2 as raw
from support.http2_rules import (
    CASES,
    PROTOCOL,
    REFUSED,
    RESET_1,
    Answered,
    Case,
    Reset,
    Told,
    data,
    more,
    opened,
    settings,
    whole,
)
from support.raw_http2 import RawHttp2, frame, message
from support.running_server import Running

# Its terms come back.
_LONG_TEXT = milvus_pb2.RunAnalyzerRequest(placeholder=[b"elan " * 18_000])
_LONG_ANSWER = message(_LONG_TEXT.SerializeToString())


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with Running(Settings(":memory:", port=0, metrics_port=None)) as made:
        yield made


def _heard(raw_client: RawHttp2) -> Iterator[raw.Frame]:
    """What comes until the end, or the answer to a ping, which is asked for last."""
    raw_client.send(frame(raw.PING, 0, 0, b"the last"))
    while (found := raw_client.next()) is not None:
        if (found.kind, found.flags, found.payload) == (raw.PING, 1, b"the last"):
            return
        yield found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule(server: Running, case: Case) -> None:
    given = {f"_{number}": value for number, value in case.settings.items()}
    with RawHttp2(server.ports.grpc, **given) as client:
        client.send(case.sent)
        if case.then:
            client.answer(1)
            client.send(case.then)
        if isinstance(case.comes, Told):
            told = client.until(raw.GOAWAY).payload
            assert struct.unpack(">I", told[4:8]) == (case.comes.code,)
            assert client.next() is None
            return
        if isinstance(case.comes, Reset):
            found = client.until(raw.RST_STREAM)
            assert (found.number, struct.unpack(">I", found.payload)) == (
                case.comes.number,
                (case.comes.code,),
            )
        else:
            for number in case.comes.numbers:
                assert b"grpc-status\x010" in client.answer(number)[1]
        # The connection goes on.
        assert not {one.kind for one in _heard(client)} & {raw.GOAWAY, raw.RST_STREAM}
        if case.comes not in (Answered((2**31 - 1,)), Reset(REFUSED, 2_049)):
            client.send(settings(4, 65_535) + whole(10_001))
            assert b"grpc-status\x010" in client.answer(10_001)[1]


@pytest.fixture
def raw_client(server: Running) -> Iterator[RawHttp2]:
    with RawHttp2(server.ports.grpc) as made:
        list(_heard(made))
        yield made


def test_a_ping_comes_back_and_an_answer_to_one_does_not(raw_client: RawHttp2) -> None:
    """6.7, also with flags that nobody knows."""
    raw_client.send(frame(raw.PING, 1, 0, b"answered") + frame(raw.PING, 0xF0, 0, b"a ping!!"))
    assert list(_heard(raw_client)) == [(raw.PING, 1, 0, b"a ping!!")]


def test_settings_are_acknowledged_once_each(raw_client: RawHttp2) -> None:
    """6.5.3; what acknowledges ours is not."""
    raw_client.send(settings(4, 1) + frame(raw.SETTINGS, 1, 0) + settings(3, 9))
    assert list(_heard(raw_client)) == [(raw.SETTINGS, 1, 0, b"")] * 2


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", PROTOCOL),
        (raw.PREFACE + frame(raw.SETTINGS, 1, 0), PROTOCOL),
        (raw.PREFACE + frame(raw.PING, 0, 0, bytes(8)), PROTOCOL),
    ],
)
def test_a_connection_begins_with_a_preface_and_settings(
    server: Running, said: bytes, code: int
) -> None:
    """3.4."""
    with RawHttp2(server.ports.grpc, is_silent=True) as client:
        client.send(said)
        assert client.until(raw.GOAWAY).payload[:8] == struct.pack(">II", 0, code)
        assert client.next() is None


def test_a_smaller_table_is_acknowledged_by_the_next_headers(raw_client: RawHttp2) -> None:
    """9113, 4.3.1: otherwise a raw_client has to end the connection."""
    raw_client.send(settings(1, 0) + settings(1, 4_096) + whole(1) + whole(3))
    blocks = [one for one in _answers(raw_client, 2) if one.kind == raw.HEADERS]
    # All of them say what they hold without any table.
    assert [one.payload[:1] for one in blocks] == [b"\x20", b"\0", b"\0", b"\0"]
    raw_client.send(settings(1, 8_192) + whole(5))
    assert next(_answers(raw_client, 1)).payload[:1] == b"\0"


def test_a_smaller_table_is_acknowledged_by_headers_at_the_end(raw_client: RawHttp2) -> None:
    raw_client.send(settings(4, 0) + whole(1))
    raw_client.until(raw.HEADERS)
    raw_client.send(settings(1, 100) + more(1, 99))
    assert raw_client.until(raw.HEADERS).payload[:1] == b"\x20"


def _answers(client: RawHttp2, count: int) -> Iterator[raw.Frame]:
    while count:
        found = client.next()
        assert found is not None
        if found.kind in (raw.HEADERS, raw.DATA):
            count -= found.flags & 1
            yield found


def test_a_window_may_be_less_than_nothing(raw_client: RawHttp2) -> None:
    """6.9.2: the example of the RFC; nothing is sent until it is more than nothing again."""
    raw_client.send(settings(4, 3) + whole(1))
    sent = raw_client.until(raw.DATA).payload
    assert len(sent) == 3
    # It becomes -2, -1 and 0 before it becomes 1.
    raw_client.send(settings(4, 1) + more(1, 1) + settings(4, 2))
    assert [one.kind for one in _heard(raw_client)] == [raw.SETTINGS] * 2
    raw_client.send(settings(4, 3))
    sent += raw_client.until(raw.DATA).payload
    assert len(sent) == 4
    raw_client.send(more(1, 1_000))
    body, tail = raw_client.answer(1)
    assert b"grpc-status\x010" in tail
    found = milvus_pb2.BoolResponse.FromString((sent + body)[5:])
    assert found.status.code == 0


def test_the_window_of_the_connection_holds_as_well(raw_client: RawHttp2) -> None:
    """6.9.1: whatever a stream allows."""
    raw_client.send(settings(4, 2**31 - 1) + opened(name="RunAnalyzer"))
    raw_client.send(data(1, _LONG_ANSWER[:50_000], 0) + data(1, _LONG_ANSWER[50_000:]))
    raw_client.until(raw.HEADERS)
    sent = [one for one in _heard(raw_client) if one.kind == raw.DATA]
    assert sum(len(one.payload) for one in sent) == 65_535
    assert max(len(one.payload) for one in sent) == 16_384
    raw_client.send(settings(5, 20_000) + more(0, 20_000))
    assert len(raw_client.until(raw.DATA).payload) == 20_000
    raw_client.send(more(0, 2**31 - 1))
    body, tail = raw_client.answer(1)
    assert b"grpc-status\x010" in tail
    whole_body = b"".join([one.payload for one in sent]) + bytes(20_000) + body
    assert int.from_bytes(whole_body[1:5]) == len(whole_body) - 5


def test_a_call_that_ends_before_it_begins_is_not_made(raw_client: RawHttp2) -> None:
    """Of those that grpc's core takes back at once, the end may come first."""
    raw_client.send(RESET_1 + frame(raw.RST_STREAM, 0, 5, bytes(4)) + whole(1) + whole(3))
    raw_client.send(whole(5) + whole(7))
    assert {one.number for one in _answers(raw_client, 2)} == {3, 7}
    assert not [one for one in _heard(raw_client) if one.number]


def test_what_is_dropped_gives_its_window_back(raw_client: RawHttp2) -> None:
    """6.9: padding, and data of calls that are over, too."""
    raw_client.send(opened() + RESET_1)
    for _ in range(200):
        raw_client.send(data(1, b"\xff" + bytes(16_383), 8))
    updates = [one for one in _heard(raw_client) if one.kind == raw.WINDOW_UPDATE]
    given = sum(struct.unpack(">I", one.payload)[0] for one in updates if one.number == 0)
    assert 200 * 16_384 - 2 * 1024 * 1024 <= given <= 200 * 16_384
    assert {one.number for one in updates} == {0}
