"""What RFC 9113 and RFC 7541 say that a server must do, rule by rule.

Each case says its section, what a client sends after its preface and settings, and what has to
come of it. Where RFC 7540 asked for more, which RFC 9113 replaced, the case says so.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from pymilvus.grpc_gen import milvus_pb2

from support import raw_http2 as raw
from support.raw_http2 import block, call, frame, message, pseudo

NO_ERROR, PROTOCOL, FLOW_CONTROL, STREAM_CLOSED = 0, 1, 3, 5
FRAME_SIZE, REFUSED, COMPRESSION, CALM = 6, 7, 9, 11
_HAS = message(milvus_pb2.HasCollectionRequest(collection_name="none").SerializeToString())
_CALL = call("HasCollection")
_GRPC = ("content-type", "application/grpc")
_BEGUN = pseudo("HasCollection")
_SETTING = struct.Struct(">HI")


@dataclass(frozen=True)
class Told:
    """How the server ends the connection: the code of its GOAWAY."""

    code: int


@dataclass(frozen=True)
class Reset:
    """How the server ends a stream, and only it."""

    code: int
    number: int = 1


@dataclass(frozen=True)
class Answered:
    """The calls that are answered; nothing is reset."""

    numbers: Sequence[int] = (1,)


@dataclass(frozen=True)
class Case:
    """One rule.

    Attributes:
        rule: Section and rule.
        sent: What the client says.
        comes: Of it.
        settings: Its first settings, by number.
        then: What it says once stream 1 was answered.
    """

    rule: str
    sent: bytes
    comes: Told | Reset | Answered
    settings: dict[int, int] = field(default_factory=dict)
    then: bytes = b""


IGNORED = Answered(())
_BROKEN = Told(PROTOCOL)
_TOO_LONG = Told(FRAME_SIZE)
_MALFORMED = Reset(PROTOCOL)


def opened(number: int = 1, *more: tuple[str, str], name: str = "HasCollection") -> bytes:
    """A call that is not whole yet."""
    return frame(raw.HEADERS, raw.END_HEADERS, number, call(name, *more))


def data(number: int = 1, body: bytes = _HAS, flags: int = 1) -> bytes:
    """Its message, or a part of it."""
    return frame(raw.DATA, flags, number, body)


def whole(number: int = 1, *more: tuple[str, str]) -> bytes:
    """A call, and further headers of it."""
    return opened(number, *more) + data(number)


def asked(headers: Sequence[tuple[str, str]]) -> bytes:
    """A call by these headers, with its message."""
    return frame(raw.HEADERS, 4, 1, block(headers)) + data()


def settings(number: int, value: int) -> bytes:
    """One setting."""
    return frame(raw.SETTINGS, 0, 0, _SETTING.pack(number, value))


def more(number: int, size: int) -> bytes:
    """A window that grows; stream 0 is the connection."""
    return frame(raw.WINDOW_UPDATE, 0, number, struct.pack(">I", size))


def without(name: str) -> list[tuple[str, str]]:
    """Headers of a call but for one."""
    return [header for header in [*_BEGUN, _GRPC] if header[0] != name]


def instead(name: str, value: str) -> list[tuple[str, str]]:
    """Headers of a call of which one has another value."""
    return [(n, value if n == name else v) for n, v in [*_BEGUN, _GRPC]]


# An answer that waits for room: the client has sent all of stream 1.
_WAITS = {4: 0}
RESET_1 = frame(raw.RST_STREAM, 0, 1, struct.pack(">I", 8))

FRAMES = (
    Case("4.1: kinds that nobody knows are ignored", frame(0x16, 0, 0, b"12345678"), IGNORED),
    Case("4.1: also of a stream", frame(0x16, 0, 7, b"12345678"), IGNORED),
    Case("4.1: flags that nobody knows are ignored", frame(raw.PING, 0x16, 0, bytes(8)), IGNORED),
    Case("4.1: the reserved bit is ignored", frame(raw.PING, 0, 1 << 31, bytes(8)), IGNORED),
    Case("4.2: frames of 16,384 bytes", opened() + data(1, bytes(16_384), 0), Reset(NO_ERROR)),
    Case("4.2: data that is too long", opened() + data(1, bytes(65_537)), _TOO_LONG),
    Case("4.2: headers that are too long", frame(1, 4, 1, bytes(65_537)), _TOO_LONG),
    Case("4.2: settings that are too long", frame(4, 0, 0, bytes(6 * 10_923)), _TOO_LONG),
    Case("4.3: headers that cannot be read", frame(1, 5, 1, b"\x40\x01"), Told(COMPRESSION)),
    Case(
        "4.3: a priority among headers",
        frame(1, 0, 1, _CALL) + frame(2, 0, 1, bytes(5)),
        _BROKEN,
    ),
    Case(
        "4.3: headers of another stream among headers",
        frame(1, 0, 1, _CALL) + opened(3),
        _BROKEN,
    ),
    Case(
        "5.5: what nobody knows, among headers",
        frame(1, 0, 1, _CALL) + frame(0x16, 0, 0),
        _BROKEN,
    ),
)
STATES = (
    Case("5.1, idle: data", data(), _BROKEN),
    # Unlike there: grpc's core may write the end of a call before its beginning.
    Case("5.1, idle: an end", RESET_1 + whole() + whole(3), Answered((3,))),
    Case("5.1, idle: a window", more(1, 100), _BROKEN),
    Case("5.1, idle: a continuation", frame(9, 4, 1, _CALL), _BROKEN),
    Case("5.1, idle: a priority is ignored", frame(2, 0, 1, bytes(5)) + whole(), Answered()),
    Case("5.1, idle for ever: streams of a server", whole() + more(2, 9), _BROKEN),
    Case("5.1, idle for ever: their data", whole() + data(2), _BROKEN),
    Case("5.1, idle for ever: their end", whole() + frame(3, 0, 2, bytes(4)), _BROKEN),
    Case("5.1, half closed: data", whole() + data(), Told(STREAM_CLOSED), _WAITS),
    Case(
        "5.1, half closed: trailers",
        whole() + asked([("a", "b")])[:-9],
        Told(STREAM_CLOSED),
        _WAITS,
    ),
    Case("5.1, half closed: a continuation", whole() + frame(9, 4, 1, b""), _BROKEN, _WAITS),
    Case("5.1, half closed: a window", whole() + more(1, 99), Answered(), _WAITS),
    Case(
        "5.1, half closed: a priority",
        whole() + frame(2, 0, 1, bytes(5)) + more(1, 99),
        Answered(),
        _WAITS,
    ),
    # RFC 7540 asked for STREAM_CLOSED; RFC 9113 allows to drop it, since it may have been sent
    # before the client knew.
    Case("5.1, closed: data is dropped", opened() + RESET_1 + data() + whole(3), Answered((3,))),
    Case("5.1, closed: also behind an answer", whole(), Answered((3,)), then=data() + whole(3)),
    Case(
        "5.1, closed: a window behind an answer",
        whole(),
        Answered((3,)),
        then=more(1, 9) + whole(3),
    ),
    Case("5.1, closed: an end behind an answer", whole(), Answered((3,)), then=RESET_1 + whole(3)),
    Case("5.1, closed: a call behind an answer", whole(), _BROKEN, then=opened()),
    Case("5.1, closed: a window", opened() + RESET_1 + more(1, 9) + whole(3), Answered((3,))),
    Case("5.1, closed: an end", opened() + RESET_1 * 2 + whole(3), Answered((3,))),
    Case("5.1, closed: a priority", whole() + frame(2, 0, 1, bytes(5)), Answered()),
    Case("5.1, closed: a continuation", opened() + RESET_1 + frame(9, 4, 1, b""), _BROKEN),
    Case(
        "5.1, closed: trailers change the table of headers",
        opened()
        + RESET_1
        + frame(1, 5, 1, b"\x40\x01a\x01b")
        + frame(1, 4, 3, _CALL + b"\xbe")
        + data(3),
        Answered((3,)),
    ),
    Case("5.1.1: even numbers", opened(2), _BROKEN),
    Case("5.1.1: even numbers, later", whole(5) + opened(2), _BROKEN),
    Case("5.1.1: numbers that go down", whole(5) + opened(3), _BROKEN),
    Case("5.1.1: numbers that come again", whole(5) + opened(5), _BROKEN),
    Case("5.1.1: numbers may be left out", whole(101) + whole(999), Answered((101, 999))),
    Case("5.1.1: the largest number", whole(2**31 - 1), Answered((2**31 - 1,))),
    Case(
        "5.1.2: more streams than are allowed",
        b"".join(opened(number) for number in range(1, 2_051, 2)),
        Reset(REFUSED, 2_049),
    ),
)
DATA = (
    Case("6.1: of no stream", data(0), _BROKEN),
    Case("6.1: padding as long as the frame", opened() + data(1, b"\x04abc", 8), _BROKEN),
    Case("6.1: padding in an empty frame", opened() + data(1, b"", 8), _BROKEN),
    Case("6.1: padding only", opened() + data(1, b"\x02ab", 8) + data(), Answered()),
    Case("6.1: padding", opened() + data(1, b"\x03" + _HAS + b"abc", 9), Answered()),
    Case("6.1: flags of other frames", opened() + data(1, _HAS, 1 | 0x20 | 4), Answered()),
)
HEADERS = (
    Case("6.2: of no stream", frame(1, 5, 0, call("GetVersion")), _BROKEN),
    Case("6.2: also the end of one", whole() + frame(1, 5, 0, block([("a", "b")])), _BROKEN),
    Case("6.2: padding as long as the frame", frame(1, 12, 1, b"\x04abc"), _BROKEN),
    Case(
        "6.2: padding and a priority",
        frame(1, 0x2C, 1, b"\x02" + bytes(5) + _CALL + bytes(2)) + data(),
        Answered(),
    ),
    Case("6.2: a priority that is not there", frame(1, 0x24, 1, bytes(4)), _TOO_LONG),
    Case("6.2: padding that leaves no priority", frame(1, 0x2C, 1, b"\x02" + bytes(6)), _TOO_LONG),
    # RFC 9113 has no rule that forbids it any more.
    Case(
        "5.3: a stream that depends on itself",
        frame(1, 0x24, 1, struct.pack(">IB", 1, 9) + _CALL) + data(),
        Answered(),
    ),
    Case("6.3: a priority of no stream", frame(2, 0, 0, bytes(5)), _BROKEN),
    Case("6.3: of 4 bytes", opened() + frame(2, 0, 1, bytes(4)), _TOO_LONG),
    Case("6.3: of 6 bytes", opened() + frame(2, 0, 1, bytes(6)), _TOO_LONG),
    Case("6.4: an end of no stream", whole() + frame(3, 0, 0, bytes(4)), _BROKEN),
    Case("6.4: of 3 bytes", opened() + frame(3, 0, 1, bytes(3)), _TOO_LONG),
    Case("6.4: of 5 bytes", opened() + frame(3, 0, 1, bytes(5)), _TOO_LONG),
    Case(
        "7: codes that nobody knows",
        opened() + frame(3, 0, 1, b"\0\0\0\xff") + whole(3),
        Answered((3,)),
    ),
)
CONNECTION = (
    Case("6.5: an acknowledgement with settings", frame(4, 1, 0, bytes(6)), _TOO_LONG),
    Case("6.5: an acknowledgement", frame(4, 1, 0), IGNORED),
    Case("6.5: settings of a stream", frame(4, 0, 1, bytes(6)), _BROKEN),
    Case("6.5: settings of 5 bytes", frame(4, 0, 0, bytes(5)), _TOO_LONG),
    Case("6.5.2: pushing, 2", settings(2, 2), _BROKEN),
    Case("6.5.2: pushing, 1 and 0", settings(2, 1) + settings(2, 0), IGNORED),
    Case("6.5.2: too large a window", settings(4, 2**31), Told(FLOW_CONTROL)),
    Case("6.5.2: the largest window", settings(4, 2**31 - 1) + whole(), Answered()),
    Case("6.5.2: frames of 16,383 bytes", settings(5, 16_383), _BROKEN),
    Case("6.5.2: frames of 2^24 bytes", settings(5, 2**24), _BROKEN),
    Case(
        "6.5.2: the smallest and the largest", settings(5, 16_384) + settings(5, 2**24 - 1), IGNORED
    ),
    Case("6.5.2: settings that nobody knows", settings(0xFF, 1), IGNORED),
    Case(
        "6.5.3: the last of several values holds",
        frame(4, 0, 0, _SETTING.pack(4, 2**31 - 1) + _SETTING.pack(4, 1)) + whole() + more(1, 98),
        Answered(),
    ),
    Case("6.7: a ping of a stream", frame(6, 0, 1, bytes(8)), _BROKEN),
    Case("6.7: of 7 bytes", frame(6, 0, 0, bytes(7)), _TOO_LONG),
    Case("6.7: of 9 bytes", frame(6, 0, 0, bytes(9)), _TOO_LONG),
    Case("6.7: an answer of 9 bytes", frame(6, 1, 0, bytes(9)), _TOO_LONG),
    Case("6.8: a farewell of a stream", frame(7, 0, 1, bytes(8)), _BROKEN),
    Case("4.2: a farewell of 7 bytes", frame(7, 0, 0, bytes(7)), _TOO_LONG),
    Case("6.8: calls under way go on", opened() + frame(7, 0, 0, bytes(8)) + data(), Answered()),
    Case(
        "7: a farewell with a code that nobody knows",
        frame(7, 0, 0, bytes(4) + b"\0\0\0\xff"),
        IGNORED,
    ),
    Case("8.4: a client that pushes", opened() + frame(5, 4, 1, b"\0\0\0\x02"), _BROKEN),
)
WINDOWS = (
    Case("6.9: a window that grows by nothing", more(0, 0), _BROKEN),
    # A connection may end where a stream has to (5.4.1).
    Case("6.9: also of a stream", opened() + more(1, 0), _BROKEN),
    Case("6.9: of 3 bytes", frame(8, 0, 0, bytes(3)), _TOO_LONG),
    Case("6.9: of 5 bytes", opened() + frame(8, 0, 1, bytes(5)), _TOO_LONG),
    Case("6.9: the reserved bit is ignored", more(0, 2**31 + 1), IGNORED),
    Case("6.9: only the reserved bit", more(0, 2**31), _BROKEN),
    Case("6.9.1: above 2^31 - 1", more(0, 2**31 - 1), Told(FLOW_CONTROL)),
    Case("6.9.1: just 2^31 - 1", more(0, 2**31 - 65_536), IGNORED),
    Case("6.9.1: above it, of a stream", opened() + more(1, 2**31 - 1), Told(FLOW_CONTROL)),
    Case(
        "6.9.1: just 2^31 - 1, of a stream", opened() + more(1, 2**31 - 65_536) + data(), Answered()
    ),
    Case(
        "6.9.2: settings that widen one above it",
        opened() + more(1, 99) + settings(4, 2**31 - 1),
        Told(FLOW_CONTROL),
    ),
    Case(
        "6.9.2: settings that widen what waits",
        whole() + settings(4, 1) + settings(4, 99),
        Answered(),
        _WAITS,
    ),
    Case(
        "6.9.2: no window of the connection changes",
        settings(4, 2**31 - 1) + more(0, 2**31 - 65_536),
        IGNORED,
    ),
    Case(
        "6.10: several continuations",
        frame(1, 0, 1, _CALL[:5]) + frame(9, 0, 1, _CALL[5:9]) + frame(9, 4, 1, _CALL[9:]) + data(),
        Answered(),
    ),
    Case(
        "6.10: an empty one at the end", frame(1, 0, 1, _CALL) + frame(9, 4, 1) + data(), Answered()
    ),
    Case("6.10: followed by data", frame(1, 0, 1, _CALL) + data(), _BROKEN),
    Case("6.10: of no stream", frame(1, 0, 1, _CALL) + frame(9, 4, 0), _BROKEN),
    Case("6.10: of another stream", frame(1, 0, 1, _CALL) + frame(9, 4, 3), _BROKEN),
    Case("6.10: behind whole headers", opened() + frame(9, 4, 1, block([("a", "b")])), _BROKEN),
    Case(
        "6.10: behind the last one",
        frame(1, 0, 1, _CALL) + frame(9, 4, 1) + frame(9, 4, 1),
        _BROKEN,
    ),
    Case("6.10: behind data", opened() + data(1, _HAS, 0) + frame(9, 4, 1, b""), _BROKEN),
)
REQUESTS = (
    Case("8.1: headers in the middle", opened() + frame(1, 4, 1, block([("a", "b")])), _BROKEN),
    Case(
        "8.1: trailers",
        opened() + data(1, _HAS, 0) + frame(1, 5, 1, block([("a", "b")])),
        Answered(),
    ),
    Case("8.1: empty trailers", opened() + data(1, _HAS, 0) + frame(1, 5, 1), Answered()),
    Case("8.2.1: a name in capitals", asked([*_BEGUN, _GRPC, ("X-Test", "ok")]), _MALFORMED),
    Case("8.2.1: a name with a space", asked([*_BEGUN, _GRPC, ("x test", "ok")]), _MALFORMED),
    Case("8.2.1: a name that is no ASCII", asked([*_BEGUN, _GRPC, ("ä", "ok")]), _MALFORMED),
    Case("8.2.1: a name with a colon", asked([*_BEGUN, _GRPC, ("a:b", "ok")]), _MALFORMED),
    Case("8.2.1: a name with a line's end", asked([*_BEGUN, _GRPC, ("a\n", "b")]), _MALFORMED),
    Case("8.2.1: no name", asked([*_BEGUN, _GRPC, ("", "ok")]), _MALFORMED),
    Case(
        "8.2.1: every sign that a name may have",
        whole(1, ("!#$%&'*+-.^_`|~09az", "ok")),
        Answered(),
    ),
    Case("8.2.1: a value with a zero", asked([*_BEGUN, _GRPC, ("x", "a\0b")]), _MALFORMED),
    Case("8.2.1: a value with a new line", asked([*_BEGUN, _GRPC, ("x", "a\nb")]), _MALFORMED),
    Case("8.2.1: a value that begins a line", asked([*_BEGUN, _GRPC, ("x", "a\rb")]), _MALFORMED),
    # RFC 9113 forbids spaces around values; clients of gRPC send them, and its rules allow it.
    Case("8.2.1, gRPC: spaces around a value", whole(1, ("x", " a\t")), Answered()),
    Case("8.2.2: connection", whole(1, ("connection", "keep-alive")), _MALFORMED),
    Case("8.2.2: keep-alive", whole(1, ("keep-alive", "9")), _MALFORMED),
    Case("8.2.2: proxy-connection", whole(1, ("proxy-connection", "close")), _MALFORMED),
    Case("8.2.2: transfer-encoding", whole(1, ("transfer-encoding", "chunked")), _MALFORMED),
    Case("8.2.2: upgrade", whole(1, ("upgrade", "h2c")), _MALFORMED),
    Case("8.2.2: te", whole(1, ("te", "trailers, deflate;q=0.5")), _MALFORMED),
    Case("8.2.2: te: trailers", whole(1, ("te", "trailers")), Answered()),
    Case("8.3: one that nobody knows", asked([*_BEGUN, (":test", "ok"), _GRPC]), _MALFORMED),
    Case("8.3: one of answers", asked([*_BEGUN, (":status", "200"), _GRPC]), _MALFORMED),
    Case("8.3: one behind the others", asked([*_BEGUN[:2], _GRPC, _BEGUN[2]]), _MALFORMED),
    Case(
        "8.3: one in trailers",
        opened() + data(1, _HAS, 0) + frame(1, 5, 1, block(_BEGUN[:1])),
        _BROKEN,
    ),
    Case("8.3.1: an authority", asked([*_BEGUN, (":authority", "here"), _GRPC]), Answered()),
    *(
        Case(f"8.3.1: {what} {name}", asked(headers), _MALFORMED)
        for name in (":method", ":scheme", ":path")
        for what, headers in (
            ("without", without(name)),
            ("an empty", instead(name, "")),
            ("two of", [one for one in _BEGUN if one[0] == name] + [*_BEGUN, _GRPC]),
        )
    ),
    Case(
        "8.5: a CONNECT without an authority",
        frame(1, 5, 1, block([(":method", "CONNECT")])),
        _MALFORMED,
    ),
    Case("8.1.1: less than was told", whole(1, ("content-length", str(len(_HAS) + 1))), _MALFORMED),
    Case("8.1.1: more than was told", whole(1, ("content-length", str(len(_HAS) - 1))), _MALFORMED),
    Case(
        "8.1.1: in several pieces",
        opened(1, ("content-length", str(len(_HAS)))) + data(1, _HAS, 0) + data(1, b"x"),
        _MALFORMED,
    ),
    Case(
        "8.1.1: nothing of it",
        frame(1, 5, 1, call("HasCollection", ("content-length", "1"))),
        _MALFORMED,
    ),
    Case("8.1.1: no number", whole(1, ("content-length", "+1")), _MALFORMED),
    Case(
        "8.1.1: two lengths",
        whole(1, ("content-length", "1"), ("content-length", str(len(_HAS)))),
        _MALFORMED,
    ),
    Case(
        "8.1.1: just as many, without padding",
        opened(1, ("content-length", str(len(_HAS)))) + data(1, b"\x01" + _HAS + b"x", 9),
        Answered(),
    ),
    Case(
        "8.1.1: and trailers",
        opened(1, ("content-length", str(len(_HAS) + 1))) + data(1, _HAS, 0) + frame(1, 5, 1),
        _MALFORMED,
    ),
    Case(
        "10.5.1: more headers than are taken",
        frame(1, 4, 1, _CALL + b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4_000 + b"\xbe" * 20)
        + data()
        + frame(1, 4, 3, _CALL + b"\xbe")
        + data(3),
        Reset(CALM),
    ),
)
HPACK = (
    *(
        Case(f"RFC 7541, {rule}", frame(1, 5, 1, _CALL + sent), Told(COMPRESSION))
        for rule, sent in (
            ("2.3.3: an entry that is not there", b"\xbe"),
            ("2.3.3: a name that is not there", b"\x7e\x01a"),
            ("4.2: a table that changes at the end", b"\x20"),
            ("5.1: a number without its end", b"\xff\x80"),
            ("5.1: a number that is too large", b"\xff" + b"\xff" * 5 + b"\x01"),
            ("5.2: a text without its end", b"\x00\x05ab"),
            ("5.2: more than 7 bits of padding", b"\x00\x01a\x83\x1f\xff\xff"),
            ("5.2: padding of zeros", b"\x00\x01a\x81\x18"),
            ("5.2: the end of a text in it", b"\x00\x01a\x84\xff\xff\xff\xff"),
            ("6.1: entry 0", b"\x80"),
        )
    ),
    Case(
        "RFC 7541, 6.3: a table that is too large",
        frame(1, 5, 1, b"\x3f\xe2\x1f" + _CALL),
        Told(COMPRESSION),
    ),
    Case(
        "RFC 7541, 6.3: the largest table, and two changes",
        frame(1, 4, 1, b"\x20\x3f\xe1\x1f" + _CALL) + data(),
        Answered(),
    ),
)
CASES = (*FRAMES, *STATES, *DATA, *HEADERS, *CONNECTION, *WINDOWS, *REQUESTS, *HPACK)
