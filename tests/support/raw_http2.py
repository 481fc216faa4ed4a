"""A client of HTTP/2 that says what it is told to, frame by frame."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
SERVICE = "/milvus.proto.milvus.MilvusService"


class Frame(NamedTuple):
    """One frame as it came."""

    kind: int
    flags: int
    number: int
    payload: bytes


def frame(kind: int, flags: int, number: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    size = len(payload)
    return struct.pack(">BHBBI", size >> 16, size & 0xFFFF, kind, flags, number) + payload


def block(headers: Sequence[tuple[str, str]]) -> bytes:
    """Return headers as literals; their texts are shorter than 127 bytes."""
    made = b""
    for name, value in headers:
        made += b"\x00"
        for text in (name.encode(), value.encode()):
            made += bytes((len(text),)) + text
    return made


def call(name: str, *more: tuple[str, str], method: str = "POST") -> bytes:
    """Return the headers of a call of gRPC."""
    return block([*pseudo(name, method), ("content-type", "application/grpc"), *more])


def pseudo(name: str, method: str = "POST") -> list[tuple[str, str]]:
    """Return the headers with which a call begins."""
    return [(":method", method), (":scheme", "http"), (":path", f"{SERVICE}/{name}")]


def message(raw: bytes = b"", flag: int = 0) -> bytes:
    """Return a message with what stands before it in gRPC."""
    return struct.pack(">BI", flag, len(raw)) + raw


class RawHttp2:
    """A connection; it has said its preface and its settings.

    Args:
        port: Of the server; also an attribute.
        is_silent: Whether it has said neither.
        **settings: Further first words, by number: ``_4=0``.
    """

    def __init__(self, port: int, *, is_silent: bool = False, **settings: int) -> None:
        self.port = port
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        given = b"".join(struct.pack(">HI", int(n[1:]), value) for n, value in settings.items())
        self._rest = b""
        if not is_silent:
            self.send(PREFACE + frame(SETTINGS, 0, 0, given))

    def send(self, raw: bytes) -> None:
        """Say something."""
        self._socket.sendall(raw)

    def next(self) -> Frame | None:
        """Return the next frame; None: the connection has ended."""
        head = self._take(9)
        if head is None:
            return None
        high, low, kind, flags, number = struct.unpack(">BHBBI", head)
        payload = self._take(high << 16 | low)
        assert payload is not None
        return Frame(kind, flags, number, payload)

    def until(self, kind: int, number: int | None = None) -> Frame:
        """Return the next frame of a kind; those before it are dropped."""
        while (found := self.next()) is not None:
            if found.kind == kind and number in (None, found.number):
                return found
        raise AssertionError(f"the connection ended before a frame {kind} came")

    def upload(self, body: bytes) -> bool:
        """Send the body of request 1 as the server takes it; return whether it took all."""
        allowed = {1: 1024 * 1024, 0: 65_535}
        sent = 0
        while sent < len(body):
            size = min(16_384, len(body) - sent, *allowed.values())
            if size > 0:
                is_last = END_STREAM if sent + size == len(body) else 0
                self.send(frame(DATA, is_last, 1, body[sent : sent + size]))
                sent += size
                allowed = {number: left - size for number, left in allowed.items()}
                continue
            found = self.next()
            assert found is not None
            if found.kind == WINDOW_UPDATE:
                allowed[found.number] += struct.unpack(">I", found.payload)[0]
            elif found.kind == HEADERS:
                return False
        return True

    def answer(self, number: int) -> tuple[bytes, bytes]:
        """Return the body of a response, and its last headers."""
        body = b""
        while True:
            found = self.next()
            assert found is not None, "the connection ended before the answer did"
            assert found.kind != RST_STREAM or found.number != number
            if found.number == number and found.kind == DATA:
                body += found.payload
            if found.number == number and found.kind == HEADERS and found.flags & END_STREAM:
                return body, found.payload

    def _take(self, size: int) -> bytes | None:
        while len(self._rest) < size:
            try:
                part = self._socket.recv(65_536)
            except ConnectionError:
                part = b""
            if not part:
                return None
            self._rest += part
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> RawHttp2:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
