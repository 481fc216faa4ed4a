"""Sending the responses of one client as fast as it takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from elanus_server.http2 import frames
from elanus_server.http2.streams import Stream
from elanus_server.unread import Reader, Unread

WRITTEN_AT_ONCE = 256 * 1024
"""Bytes that are handed to the event loop before it has sent them."""
_ENDS = frames.END_HEADERS | frames.END_STREAM


class Sending:
    """The responses under way on a connection.

    Args:
        reader: The connection.
        unread: Counts what the client does not take.
        finished: Called with a stream whose response was sent.

    Attributes:
        transport: Where bytes go.
        window: Bytes that the client still takes of all responses.
        frame_bytes: That a frame may have.
        resize: Stands before the next block of headers.
        is_paused: Whether the event loop has enough to send.
        sent: Bytes of responses that were sent.
    """

    def __init__(self, reader: Reader, unread: Unread, finished: Callable[[Stream], None]) -> None:
        self._reader = reader
        self._unread = unread
        self._finished = finished
        self._streams: dict[int, Stream] = {}
        self._kept = self.sent = 0
        self._taken_before: int | None = None
        self.transport: asyncio.Transport
        self.window = frames.FIRST_WINDOW
        self.frame_bytes = frames.LEAST_FRAME_BYTES
        self.resize = b""
        self.is_paused = False

    @property
    def is_waiting(self) -> bool:
        """Whether there is something that the client has to take first."""
        return bool(self._streams) or self.is_paused

    def is_stuck(self) -> bool:
        """Whether the client has taken nothing of what there is since this was asked last."""
        before, self._taken_before = self._taken_before, None
        if not self.is_waiting:
            return False
        self._taken_before = self.sent - self.transport.get_write_buffer_size()
        return self._taken_before == before

    def send(self, stream: Stream, head: bytes, body: bytes, tail: bytes) -> None:
        """Send a response, now or as the client takes it; see ``Stream.respond``."""
        number, size = stream.number, len(body)
        first = self._headers(number, frames.END_HEADERS if tail else _ENDS, head)
        if not tail:
            self.transport.write(first)
            self._finished(stream)
            return
        most = min(self.window, stream.window, self.frame_bytes)
        if size <= most and not self.is_waiting:
            self.window -= size
            self.sent += size
            self.transport.write(
                b"".join(
                    (
                        *(first, frames.head(size, frames.DATA, 0, number), body),
                        self._headers(number, _ENDS, tail),
                    )
                )
            )
            self._finished(stream)
            return
        self.transport.write(first)
        stream.body, stream.tail = memoryview(body), tail
        self._streams[number] = stream
        self._keep(size)
        self.flush()

    def flush(self) -> None:
        """Send what the client takes of the responses under way, a piece of each in turn."""
        has_sent = True
        while has_sent and not self.is_paused:
            has_sent = False
            for stream in list(self._streams.values()):
                has_sent = self._send_some(stream) or has_sent
                if self.is_paused:
                    break

    def forget(self, stream: Stream) -> None:
        """Send no more of a response."""
        if self._streams.pop(stream.number, None) is not None:
            self._keep(stream.sent - len(stream.body))

    def forget_all(self) -> None:
        """Send no more of any."""
        self._streams.clear()
        self._keep(-self._kept)

    def _keep(self, size: int) -> None:
        if size:
            self._kept += size
            self._unread.keep(self._reader, self._kept, answers=len(self._streams))

    def _headers(self, number: int, flags: int, block: bytes) -> bytes:
        if self.resize:
            block, self.resize = self.resize + block, b""
        self.sent += len(block)
        return frames.head(len(block), frames.HEADERS, flags, number) + block

    def _send_some(self, stream: Stream) -> bool:
        """Send a piece of a response; return whether there was room for one."""
        number, left = stream.number, len(stream.body) - stream.sent
        size = max(0, min(left, self.window, stream.window, WRITTEN_AT_ONCE))
        if left and not size:
            return False
        parts: list[Any] = []
        at, end = stream.sent, stream.sent + size
        while at < end:
            stop = min(at + self.frame_bytes, end)
            parts += (frames.head(stop - at, frames.DATA, 0, number), stream.body[at:stop])
            at = stop
        stream.sent = end
        stream.window -= size
        self.window -= size
        self.sent += size
        self._keep(-size)
        is_last = size == left
        if is_last:
            parts.append(self._headers(number, _ENDS, stream.tail))
        self.transport.write(b"".join(parts))
        if is_last:
            self._finished(stream)
        return True
