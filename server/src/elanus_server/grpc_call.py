"""One call of gRPC: a request of HTTP/2 with one message, and what it is answered with."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import grpc

from elanus_server.admission import Admission, Room, TooBusyError
from elanus_server.answering import Answers, Cancel, Incoming, RefusalError, busy
from elanus_server.http2.hpack import Header, encode
from elanus_server.http2.streams import Stream
from elanus_server.wire import SERVICE
from elanus_server.workers.channel import ADDRESS_HEADER

_log = logging.getLogger(__name__)
_HEAD = encode([(":status", "200"), ("content-type", "application/grpc")])
_OK = encode([("grpc-status", "0")])
_NOTHING = encode([(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")])
_NO_GRPC = encode([(":status", "415"), ("content-type", "text/plain")])
_PREFIX_BYTES = 5
"""Before a message: a byte that says whether it is compressed, and its length."""
_MAX_TOLD = 4_096
"""Bytes of a reason; clients take 8 KiB of headers."""
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_ENCODINGS = ("identity", "deflate", "gzip")
# zlib tells the two apart by their first bytes.
_EITHER_FORMAT = 32 + zlib.MAX_WBITS


class Rules:
    """What is the same for all calls of a server.

    Args:
        answers: Let a call be answered.
        admission: Bounds the bytes of requests in memory.
        max_message_bytes: Largest message in either direction.
    """

    def __init__(self, answers: Answers, admission: Admission, max_message_bytes: int) -> None:
        self.answers = answers
        self.admission = admission
        self.max_message_bytes = max_message_bytes


class GrpcCall:
    """Reads the message of a call, and answers it.

    Args:
        rules: Of the server.
        stream: Where the response goes.
        name: Of the call.
        headers: Of the request.
    """

    __slots__ = (
        *(
            "_cancel",
            "_expanding",
            "_headers",
            "_is_compressed",
            "_missing",
            "_name",
            "_parts",
            "_room",
        ),
        *("_rules", "_started_s", "_stream"),
    )

    def __init__(self, rules: Rules, stream: Stream, name: str, headers: Sequence[Header]) -> None:
        self._rules = rules
        self._stream = stream
        self._name = name
        self._headers = headers
        self._started_s = asyncio.get_running_loop().time()
        self._parts: list[bytes] = []
        self._missing = -1
        self._is_compressed = False
        self._room: Room | None = None
        self._expanding: asyncio.Task[None] | None = None
        self._cancel: Cancel | None = None

    def data(self, part: memoryview) -> None:
        """Take a part of the message; what is too much is refused before it is read."""
        if self._stream.receiver is not self:
            return
        if self._missing < 0:
            begun = b"".join((*self._parts, part)) if self._parts else part
            if len(begun) < _PREFIX_BYTES:
                self._parts = [bytes(begun)]
                return
            self._parts = []
            if not self._has_room(begun[0], int.from_bytes(begun[1:_PREFIX_BYTES])):
                return
            part = memoryview(begun)[_PREFIX_BYTES:]
        self._missing -= len(part)
        if self._missing < 0:
            self._refuse(grpc.StatusCode.INTERNAL, "expected one message, got more")
        elif len(part):
            self._parts.append(bytes(part))

    def _has_room(self, flag: int, size: int) -> bool:
        """Whether a message may come; else it is refused."""
        if flag > 1:
            self._refuse(grpc.StatusCode.INTERNAL, f"a message with the flags {flag}")
        elif size > self._rules.max_message_bytes:
            self._refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, self._too_large(size))
        else:
            self._missing, self._is_compressed = size, flag == 1
            # What it is when it is no more compressed is not known yet.
            most = self._rules.max_message_bytes if flag else 0
            try:
                self._room = self._rules.admission.room(size + most)
            except TooBusyError as error:
                self._refuse_for_now(error)
        return self._room is not None

    def _too_large(self, size: int) -> str:
        return f"a message of {size} bytes; the largest one has {self._rules.max_message_bytes}"

    def ended(self) -> None:
        """Answer the call, once all of the request is there."""
        if self._stream.receiver not in (self, None):
            return
        if self._missing:
            self._refuse(grpc.StatusCode.INTERNAL, "the request ended before its message")
            return
        if self._is_compressed:
            self._expanding = asyncio.ensure_future(self._expand_first())
        else:
            self._answer(self._parts[0] if len(self._parts) == 1 else b"".join(self._parts))

    def late(self) -> None:
        """Refuse the call: the client did not go on with its message."""
        self._refuse(grpc.StatusCode.DEADLINE_EXCEEDED, "the message did not come")

    def lost(self) -> None:
        """Give the call up."""
        if self._expanding is not None:
            self._expanding.cancel()
        if self._cancel is not None:
            self._cancel()
        self._give_up_room()

    def _give_up_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.give_up()

    async def _expand_first(self) -> None:
        try:
            raw = await asyncio.to_thread(self._expanded, b"".join(self._parts))
        except RefusalError as error:
            self._told(None, error)
        else:
            self._answer(raw)

    def _answer(self, raw: bytes) -> None:
        self._parts = []
        headers = _metadata(self._headers)
        incoming = Incoming(
            self._name,
            raw,
            headers,
            self._remaining_s(),
            # Who has no address is a process of this server, which says for whom it asks.
            self._stream.address or str(dict(headers).get(ADDRESS_HEADER, "")),
            self._room,
        )
        self._cancel = self._rules.answers(incoming, self._told)

    def _told(self, raw: bytes | None, error: BaseException | None) -> None:
        """Send what came of the call."""
        self._cancel = None
        if isinstance(error, RefusalError):
            self._refuse(error.status, str(error))
        elif isinstance(error, TooBusyError):
            self._refuse_for_now(error)
        elif raw is None:
            _log.error("%s failed", self._name, exc_info=error)
            self._refuse(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")
        elif len(raw) > self._rules.max_message_bytes:
            self._refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, self._too_large(len(raw)))
        else:
            self._send(raw)

    def _expanded(self, raw: bytes) -> bytes:
        """Return a message that came compressed, in a thread.

        Raises:
            RefusalError: It cannot be read, or is too large.
        """
        most = self._rules.max_message_bytes
        expander = zlib.decompressobj(_EITHER_FORMAT)
        try:
            found = expander.decompress(raw, most + 1)
        except zlib.error as error:
            told = f"a message that is not compressed: {error}"
            raise RefusalError(grpc.StatusCode.INTERNAL, told) from None
        if len(found) > most:
            raise RefusalError(grpc.StatusCode.RESOURCE_EXHAUSTED, self._too_large(len(found)))
        if not expander.eof:
            told = "a compressed message that ends too early"
            raise RefusalError(grpc.StatusCode.INTERNAL, told)
        return found

    def _remaining_s(self) -> float | None:
        """Return how long the client still waits; None: for as long as it takes."""
        for name, value in self._headers:
            if name == "grpc-timeout":
                limit_s = timeout_of(value)
                if limit_s is None:
                    return None
                return limit_s - (asyncio.get_running_loop().time() - self._started_s)
        return None

    def _refuse_for_now(self, error: TooBusyError) -> None:
        try:
            self._send(busy(self._name, error))
        except RefusalError as refusal:
            self._refuse(refusal.status, str(refusal))

    def _send(self, told: bytes) -> None:
        """Send the response; of calls that have any number of them there is none."""
        self._give_up_room()
        if SERVICE.methods_by_name[self._name].server_streaming:
            end(self._stream)
            return
        self._stream.respond(_HEAD, b"\0" + len(told).to_bytes(4) + told, _OK)

    def _refuse(self, status: grpc.StatusCode, reason: str) -> None:
        refuse(self._stream, status, reason)
        self._parts = []
        self._give_up_room()


class SilentCall(GrpcCall):
    """A call that takes any number of messages and is answered by none.

    It begins without a message, since none need come, and ends with the first that says anything.
    """

    __slots__ = ("_begun", "_has_begun", "_is_over")

    def __init__(self, rules: Rules, stream: Stream, name: str, headers: Sequence[Header]) -> None:
        super().__init__(rules, stream, name, headers)
        self._begun = b""
        self._has_begun = self._is_over = False
        self._answer(b"")

    def data(self, part: memoryview) -> None:
        """Look whether a message says anything."""
        while len(part) and not self._is_over:
            missing = _PREFIX_BYTES - len(self._begun)
            self._begun += bytes(part[:missing])
            part = part[missing:]
            if len(self._begun) == _PREFIX_BYTES:
                says_nothing = not int.from_bytes(self._begun[1:])
                self._begun = b""
                if not says_nothing:
                    self.ended()

    def ended(self) -> None:
        """End, once it has begun."""
        self._is_over = True
        if self._has_begun:
            end(self._stream)

    def late(self) -> None:
        """Let the client be silent."""

    def _send(self, told: bytes) -> None:
        self._has_begun = True
        if self._is_over:
            end(self._stream)


def end(stream: Stream) -> None:
    """Answer a call with no message."""
    stream.respond(_NOTHING)


def refuse(stream: Stream, status: grpc.StatusCode, reason: str) -> None:
    """Answer a call with a status."""
    told = quote(reason, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
    if len(told) > _MAX_TOLD:
        # Not in the middle of what stands for one byte.
        told = told[:_MAX_TOLD].rpartition("%")[0] if "%" in told[_MAX_TOLD - 3 :] else told
        told = f"{told[:_MAX_TOLD]}..."
    code: Any = status.value[0]
    headers = [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-status", str(code)),
        ("grpc-message", told),
    ]
    if status is grpc.StatusCode.UNIMPLEMENTED:
        headers.append(("grpc-accept-encoding", ",".join(_ENCODINGS)))
    stream.respond(encode(headers))


def refuse_http(stream: Stream) -> None:
    """Answer a request that is no call of gRPC."""
    stream.respond(_NO_GRPC)


def timeout_of(value: str) -> float | None:
    """Return the seconds in ``grpc-timeout``, such as ``500m``; None where it says nothing."""
    digits, unit = value[:-1], value[-1:]
    if unit not in _SECONDS or not (digits.isascii() and digits.isdigit()) or len(digits) > 8:
        return None
    return int(digits) * _SECONDS[unit]


def encoding_of(headers: Sequence[Header]) -> str | None:
    """Return how messages are compressed; None: in a way that is not known here."""
    found = next((value for name, value in headers if name == "grpc-encoding"), "identity")
    return found if found in _ENCODINGS else None


def _metadata(headers: Sequence[Header]) -> tuple[tuple[str, Any], ...]:
    """Return what a client has sent beside the message; names in ``-bin`` hold bytes."""
    return tuple(
        [
            (name, _binary(value) if name.endswith("-bin") else value)
            for name, value in headers
            if not name.startswith(":")
        ]
    )


def _binary(value: str) -> bytes:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return b""
