"""What a call of gRPC is read as, and what is counted for it, without a connection."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

import grpc
import pytest
from pymilvus.grpc_gen import milvus_pb2

from elanus_server.admission import Admission
from elanus_server.answering import Incoming
from elanus_server.grpc_call import GrpcCall, Rules, refuse, timeout_of
from elanus_server.http2.allowance import Allowance
from elanus_server.http2.hpack import Decoder, Header
from elanus_server.http2.streams import Stream

MOST = 900
HAS = milvus_pb2.HasCollectionRequest(collection_name="x" * 200).SerializeToString()


class _Asked:
    """One call: what was asked of the service, what was sent, and a clock."""

    def __init__(self, headers: list[Header], *, address: str = "10.0.0.9") -> None:
        self.loop = asyncio.get_running_loop()
        self.now_s = 1_000.0
        self.loop.time = lambda: self.now_s  # type: ignore[method-assign]
        self.admission = Admission(1, 1, 1_000)
        self.sent: list[tuple[list[Header], bytes, list[Header]]] = []
        self.incoming: list[Incoming] = []
        self.told: Callable[..., None] = lambda *_: None
        self.cancelled = 0
        self.stream = Stream(self._respond, 1, address, 65_535)
        rules = Rules(self._answer, self.admission, MOST)
        self.call = GrpcCall(rules, self.stream, "HasCollection", headers)
        self.stream.receiver = self.call

    def _respond(self, stream: Stream, head: bytes, body: bytes, tail: bytes) -> None:
        decoder = Decoder()
        self.sent.append((decoder.decode(head), body, decoder.decode(tail) if tail else []))

    def _answer(self, incoming: Incoming, told: Callable[..., None]) -> Callable[[], None]:
        self.incoming.append(incoming)
        self.told = told
        return self._cancel

    def _cancel(self) -> None:
        self.cancelled += 1

    def send(self, raw: bytes, flag: int = 0) -> None:
        self.call.data(memoryview(bytes((flag,)) + len(raw).to_bytes(4) + raw))

    @property
    def counted(self) -> int:
        return self.admission.load.held_bytes

    @property
    def status(self) -> str | None:
        head, _, tail = self.sent[-1]
        return dict([*head, *tail]).get("grpc-status")


def _asked(test: Callable[[_Asked], Any], headers: Sequence[Header] = (), **options: Any) -> None:
    async def run() -> None:
        asked = _Asked(list(headers), **options)
        try:
            test(asked)
        finally:
            del asked.loop.time  # type: ignore[method-assign]
            asked.admission.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        *(("2H", 7_200.0), ("3M", 180.0), ("4S", 4.0), ("500m", 0.5), ("100u", 1e-4)),
        *(("7n", 7e-9), ("99999999S", 99_999_999.0), ("0S", 0.0)),
        *(("123456789S", None), ("5", None), ("m", None), ("", None), ("5s", None)),
        *(("-1S", None), ("1.5S", None), ("٣S", None), ("²S", None)),
    ],
)
def test_how_long_a_client_waits(given, seconds):
    assert timeout_of(given) == (None if seconds is None else pytest.approx(seconds))


def test_the_time_that_the_message_took_is_waited_no_more():
    def test(asked: _Asked) -> None:
        asked.now_s += 2.0
        asked.send(HAS)
        asked.call.ended()
        assert asked.incoming[0].remaining_s == pytest.approx(3.0)

    _asked(test, [("grpc-timeout", "5S")])


def test_metadata_are_texts_and_those_of_bytes_are_bytes():
    def test(asked: _Asked) -> None:
        asked.send(HAS)
        asked.call.ended()
        (incoming,) = asked.incoming
        assert incoming.raw == HAS
        assert incoming.remaining_s is None
        assert dict(incoming.headers) == {
            "dbname": "a",
            "one-bin": b"\0",
            "two-bin": b"\0\xff",
            "three-bin": b"\0\xff\1",
            "bad-bin": b"",
            "text": "AP8",
        }

    _asked(
        test,
        [
            *((":path", "/x"), ("dbname", "a"), ("one-bin", "AA"), ("two-bin", "AP8=")),
            *(("three-bin", "AP8B"), ("bad-bin", "A"), ("text", "AP8")),
        ],
    )


@pytest.mark.parametrize(
    ("address", "shown"), [("10.0.0.9", "10.0.0.9"), ("", "192.0.2.1")], ids=["client", "process"]
)
def test_only_a_process_of_the_server_says_for_whom_it_asks(address, shown):
    def test(asked: _Asked) -> None:
        asked.send(HAS)
        asked.call.ended()
        assert asked.incoming[0].address == shown

    _asked(test, [("elanus-client-address", "192.0.2.1")], address=address)


def test_a_message_is_counted_until_it_is_answered():
    def test(asked: _Asked) -> None:
        asked.send(HAS)
        assert asked.counted == len(HAS)
        asked.call.ended()
        asked.told(b"told", None)
        assert asked.counted == 0
        assert asked.sent[0][1] == b"\0\0\0\0\4told"
        assert asked.status == "0"

    _asked(test)


def test_a_message_is_counted_until_its_client_is_gone():
    def test(asked: _Asked) -> None:
        asked.send(HAS)
        asked.call.ended()
        asked.call.lost()
        assert (asked.counted, asked.cancelled, asked.sent) == (0, 1, [])

    _asked(test)


def test_a_message_is_counted_until_it_is_refused():
    def test(asked: _Asked) -> None:
        asked.send(HAS)
        # It had to be one message only.
        asked.call.data(memoryview(b"more"))
        assert (asked.counted, asked.status) == (0, "13")

    _asked(test)


def test_a_refused_call_takes_nothing_any_more():
    def test(asked: _Asked) -> None:
        asked.send(bytes(MOST + 1))
        assert asked.status == "8"
        asked.stream.receiver = None
        asked.send(HAS)
        assert (asked.counted, len(asked.sent), asked.incoming) == (0, 1, [])

    _asked(test)


def test_room_for_what_a_compressed_message_may_become_is_taken_first():
    def test(asked: _Asked) -> None:
        asked.admission.take(300)
        asked.send(bytes(100))
        assert asked.counted == 400

    _asked(test)

    def compressed(asked: _Asked) -> None:
        asked.admission.take(300)
        asked.send(bytes(100), flag=1)
        assert asked.counted == 300
        told = milvus_pb2.BoolResponse.FromString(asked.sent[0][1][5:])
        assert told.status.code == 8

    _asked(compressed)


def test_an_answer_beyond_the_largest_message_is_refused():
    def test(asked: _Asked) -> None:
        asked.send(HAS)
        asked.call.ended()
        asked.told(bytes(MOST + 1), None)
        assert (asked.status, asked.counted) == ("8", 0)

    _asked(test)


@pytest.mark.parametrize("lead", range(6))
def test_a_long_reason_ends_between_characters(lead):
    def test(asked: _Asked) -> None:
        refuse(asked.stream, grpc.StatusCode.UNKNOWN, "a" * lead + "é" * 3_000)
        told = dict(asked.sent[0][0])["grpc-message"]
        assert len(told) <= 4_096 + 3
        assert re.fullmatch(r"a*(%[0-9A-F]{2})+\.\.\.", told)
        assert unquote(told).startswith("a" * lead + "ééé")

    _asked(test)


def test_an_allowance_fills_up_to_its_most_and_no_further():
    made = Allowance(2, 0.5)
    assert [made.take(10.0) for _ in range(3)] == [True, True, False]
    assert [made.take(at_s) for at_s in (11.0, 12.0, 13.0, 14.0)] == [False, True, False, True]
    assert [made.take(1_000.0) for _ in range(3)] == [True, True, False]
    made.fill()
    assert [made.take(1_000.0) for _ in range(3)] == [True, True, False]
