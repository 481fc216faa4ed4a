"""One client that speaks HTTP/2.

Everything happens in the event loop. Whoever answers is handed each request as its parts come, and
gives the response back in one piece, which is sent as fast as the client takes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from elanus_server.http2 import frames, hpack
from elanus_server.http2.allowance import Allowance
from elanus_server.http2.frames import BrokenError
from elanus_server.http2.hpack import Header
from elanus_server.http2.requests import MalformedError, check_request, check_trailers
from elanus_server.http2.sending import WRITTEN_AT_ONCE, Sending
from elanus_server.http2.streams import Receiver, Stream
from elanus_server.unread import Unread

MAX_STREAMS = 1_024
"""Calls that one client may have under way."""
_FRAME_BYTES = 65_536
_STREAM_WINDOW = 1024 * 1024
_WINDOW = 4 * 1024 * 1024
"""Bytes that a client may send of a request, and of all of them, before it hears from us."""
_MAX_BLOCK_BYTES = hpack.MAX_LIST_BYTES
_RESETS_PER_S = 50.0
"""Calls that a client may take back each second, beside those that may be under way: each costs us
more than it costs the client."""
_PINGS, _PINGS_PER_S = 128, 16.0
"""Pings and settings that a client may send while it is sent nothing else, at once and each second.
While answers are under way their libraries measure how fast they come by any number of them."""
_LEAVING, _LEAVING_S = b"leaving!", 1.0
"""The ping that a client answers behind the last call that it sends to a server that ends, and how
long that is waited for."""
_HELLO = frames.settings(
    {
        frames.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
        frames.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
        frames.MAX_FRAME_SIZE: _FRAME_BYTES,
        frames.MAX_HEADER_LIST_SIZE: hpack.MAX_LIST_BYTES,
    }
) + frames.more(0, _WINDOW - frames.FIRST_WINDOW)


class Connection(asyncio.Protocol):
    """Speaks with one client.

    Args:
        opened: Returns what answers a request, by its stream and its headers; None: it was
            answered already.
        closed: Called when the client is gone.
        unread: Counts what it does not take of its answers.
        silence_s: Seconds that a client may leave us waiting in the middle of something.

    Attributes:
        address: Of the client; empty where it has none.
    """

    def __init__(
        self,
        opened: Callable[[Stream, list[Header]], Receiver | None],
        closed: Callable[[Connection], None],
        unread: Unread,
        *,
        silence_s: float,
    ) -> None:
        self._opened = opened
        self._closed = closed
        self._unread = unread
        self._silence_s = silence_s
        self.address = ""
        self._loop = asyncio.get_running_loop()
        self._decoder = hpack.Decoder()
        self._streams: dict[int, Stream] = {}
        self._sending = Sending(self, unread, self._finish)
        self._rest = b""
        self._block: tuple[int, int, bytearray] | None = None
        self._has_begun = self._is_greeted = False
        self._is_over = self._is_leaving = self._is_draining = False
        self._last = 0
        self._promised = frames.MAX_NUMBER
        self._taken_back: set[int] = set()
        self._coming = 0
        self._heard_s = 0.0
        self._taken = 0
        self._resets = Allowance(MAX_STREAMS, _RESETS_PER_S)
        self._pings = Allowance(_PINGS, _PINGS_PER_S)
        self._sent_before = 0
        self._stream_window = frames.FIRST_WINDOW
        self._impatience: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._sending.transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITTEN_AT_ONCE)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._heard_s = self._loop.time()
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._rest:
            data = self._rest + data
        try:
            self._rest = data[self._read(data) :]
        except hpack.HeaderError as error:
            self._break(BrokenError(frames.COMPRESSION_ERROR, str(error)))
        except BrokenError as error:
            self._break(error)
        if self._rest or self._coming:
            self._heard_s = self._loop.time()
            self._wait()

    def pause_writing(self) -> None:
        # Who does not read is not listened to: each of its frames could ask for one of ours.
        self._sending.is_paused = True
        self._transport.pause_reading()
        self._wait()

    def resume_writing(self) -> None:
        self._sending.is_paused = False
        self._transport.resume_reading()
        self._sending.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_over = True
        if self._impatience is not None:
            self._impatience.cancel()
        self._give_up()
        self._closed(self)

    def leave(self) -> None:
        """End the connection at once: its client does not read."""
        self._is_over = True
        self._transport.abort()
        self._give_up()

    # The end of a connection.

    @property
    def is_idle(self) -> bool:
        """Whether no call is under way, nor may be on its way."""
        return not self._streams and self._is_leaving == self._is_draining

    def drain(self) -> bool:
        """Take no more calls, and end with the last one there is; return whether that is new.

        What the client sends before it hears of that is answered as well: it could not know
        whether to try it elsewhere (RFC 9113, 6.8).
        """
        if self._is_over or self._is_leaving:
            return False
        self._is_leaving = True
        if self._has_begun:
            self._say_leaving()
        self._loop.call_later(_LEAVING_S, self._take_no_more)
        return True

    def _say_leaving(self) -> None:
        ping = frames.head(len(_LEAVING), frames.PING, 0, 0) + _LEAVING
        self._transport.write(frames.goaway(self._promised, frames.NO_ERROR) + ping)

    def _take_no_more(self) -> None:
        if not self._is_over and not self._is_draining:
            self._is_draining = True
            self._goaway(frames.NO_ERROR)
            self._close_if_drained()

    def end(self) -> None:
        """Give up the calls under way."""
        if not self._is_over:
            for number in self._streams:
                self._transport.write(frames.reset(number, frames.CANCEL))
            self._give_up()
            self._close()

    def _give_up(self) -> None:
        streams = list(self._streams.values())
        self._streams.clear()
        self._sending.forget_all()
        for stream in streams:
            stream.give_up()

    def _close_if_drained(self) -> None:
        if self._is_draining and not self._streams:
            self._close()

    def _close(self) -> None:
        """End the connection once the client has read what it was told, or does not."""
        self._is_over = True
        self._rest = b""
        self._transport.close()
        self._loop.call_later(self._silence_s, self._transport.abort)

    def _break(self, error: BrokenError) -> None:
        self._goaway(error.code, str(error))
        self._close()

    def _goaway(self, code: int, reason: str = "") -> None:
        # Never more than was said before: what came since then may have been tried elsewhere.
        self._promised = min(self._promised, self._last)
        self._transport.write(frames.goaway(self._promised, code, reason))

    # Patience.

    def _wait(self) -> None:
        if self._impatience is None and not self._is_over:
            self._impatience = self._loop.call_later(self._silence_s, self._look)

    def _look(self) -> None:
        """Leave a client that does not go on, or give up its requests that do not."""
        self._impatience = None
        if self._sending.is_stuck():
            self._unread.leave(self)
            return
        if self._sending.is_paused:
            # It is us who do not listen.
            self._wait()
            return
        oldest = self._loop.time() - self._silence_s
        if (self._rest or not self._is_greeted or self._block) and self._heard_s <= oldest:
            self._transport.abort()
            return
        for stream in [one for one in self._streams.values() if not one.has_ended]:
            if stream.heard_s <= oldest and stream.receiver is not None:
                stream.receiver.late()
        if self._rest or self._coming or self._sending.is_waiting or not self._is_greeted:
            self._wait()

    # What the client says.

    def _read(self, data: bytes) -> int:
        """Read whole frames; return where the first one begins that is not whole."""
        at, end = 0, len(data)
        if not self._has_begun:
            begun = min(end, len(frames.PREFACE))
            if data[:begun] != frames.PREFACE[:begun]:
                raise BrokenError(frames.PROTOCOL_ERROR, "this is no HTTP/2")
            if begun < len(frames.PREFACE):
                return 0
            self._has_begun, at = True, begun
            self._transport.write(_HELLO)
            if self._is_leaving:
                self._say_leaving()
        view = memoryview(data)
        while end - at >= frames.HEAD_BYTES and not self._is_over:
            high, low, kind, flags, number = frames.HEAD.unpack_from(data, at)
            stop = at + frames.HEAD_BYTES + (high << 8 | low)
            if stop - at > _FRAME_BYTES + frames.HEAD_BYTES:
                raise BrokenError(frames.FRAME_SIZE_ERROR, "a frame that is too long")
            if stop > end:
                break
            self._frame(kind, flags, number & frames.MAX_NUMBER, view[at + 9 : stop])
            at = stop
        return at

    def _frame(self, kind: int, flags: int, number: int, payload: memoryview) -> None:
        if self._block is not None and kind != frames.CONTINUATION:
            raise BrokenError(frames.PROTOCOL_ERROR, "something else in the middle of headers")
        if not self._is_greeted and (kind != frames.SETTINGS or flags & frames.ACK):
            raise BrokenError(frames.PROTOCOL_ERROR, "the settings have to come first")
        frames.check(kind, number, len(payload))
        frames.check_begun(kind, number, self._last)
        if kind == frames.DATA:
            self._data(flags, number, payload)
        elif kind == frames.HEADERS:
            self._headers(flags, number, frames.payload_of(payload, flags))
        elif kind == frames.WINDOW_UPDATE:
            self._more(number, int.from_bytes(payload))
        elif kind == frames.PING:
            self._ping(flags, payload)
        elif kind == frames.SETTINGS:
            self._settings(flags, payload)
        elif kind == frames.RST_STREAM:
            self._reset(number)
        elif kind == frames.CONTINUATION:
            self._continuation(flags, number, payload)
        # GOAWAY: it makes no more calls. PRIORITY, and what nobody knows, is passed over.

    def _ping(self, flags: int, payload: memoryview) -> None:
        if not flags & frames.ACK:
            self._check_pings()
            self._transport.write(frames.head(8, frames.PING, frames.ACK, 0) + bytes(payload))
        elif self._is_leaving and payload == _LEAVING:
            self._take_no_more()

    def _check_pings(self) -> None:
        """Count what has to be answered and asks for nothing."""
        if self._sending.sent != self._sent_before:
            self._sent_before = self._sending.sent
            self._pings.fill()
        if self.address and not self._pings.take(self._loop.time()):
            # By these words clients of gRPC know that they have to ask more seldom.
            raise BrokenError(frames.ENHANCE_YOUR_CALM, "too_many_pings")

    def _settings(self, flags: int, payload: memoryview) -> None:
        if flags & frames.ACK:
            if payload:
                raise BrokenError(frames.FRAME_SIZE_ERROR, "who has read settings tells none")
            return
        self._is_greeted = True
        self._check_pings()
        for name, value in frames.read_settings(payload):
            if name == frames.INITIAL_WINDOW_SIZE:
                for stream in self._streams.values():
                    stream.widen(value - self._stream_window)
                self._stream_window = value
            elif name == frames.MAX_FRAME_SIZE:
                self._sending.frame_bytes = value
            elif name == frames.HEADER_TABLE_SIZE and value < hpack.TABLE_BYTES:
                # The next headers have to say that they know of it.
                self._sending.resize = hpack.EMPTY_TABLE
        self._transport.write(frames.head(0, frames.SETTINGS, frames.ACK, 0))
        self._sending.flush()

    def _more(self, number: int, size: int) -> None:
        size &= frames.MAX_WINDOW
        if not size:
            raise BrokenError(frames.PROTOCOL_ERROR, "a window that grows by nothing")
        if number:
            stream = self._streams.get(number)
            if stream is not None:
                stream.widen(size)
        else:
            self._sending.window += size
            if self._sending.window > frames.MAX_WINDOW:
                raise BrokenError(frames.FLOW_CONTROL_ERROR, "a window that is too large")
        self._sending.flush()

    # Requests.

    def _headers(self, flags: int, number: int, payload: memoryview) -> None:
        if flags & frames.END_HEADERS:
            self._request(number, flags, bytes(payload))
        else:
            self._block = (number, flags, bytearray(payload))

    def _continuation(self, flags: int, number: int, payload: memoryview) -> None:
        if self._block is None or self._block[0] != number:
            raise BrokenError(frames.PROTOCOL_ERROR, "headers go on that were not begun")
        _, first_flags, block = self._block
        block += payload
        # Empty frames make the block no longer, but there could be any number of them.
        if len(block) > _MAX_BLOCK_BYTES or not (payload or flags & frames.END_HEADERS):
            raise BrokenError(frames.ENHANCE_YOUR_CALM, "headers that are too long")
        if flags & frames.END_HEADERS:
            self._block = None
            self._request(number, first_flags, bytes(block))

    def _request(self, number: int, flags: int, block: bytes) -> None:
        if not number % 2:
            raise BrokenError(frames.PROTOCOL_ERROR, "clients have odd numbers")
        try:
            headers = self._decoder.decode(block)
        except hpack.TooManyHeadersError:
            self._refuse(number, frames.ENHANCE_YOUR_CALM)
            return
        if number <= self._last:
            self._trailers(number, flags, headers)
            return
        try:
            length = check_request(headers)
        except MalformedError:
            self._refuse(number, frames.PROTOCOL_ERROR)
            return
        if self._is_draining or len(self._streams) >= MAX_STREAMS:
            self._refuse(number, frames.REFUSED_STREAM)
            return
        self._last = number
        if number in self._taken_back:
            return
        stream = self._streams[number] = Stream(
            self.respond, number, self.address, self._stream_window
        )
        stream.missing = length
        stream.has_ended = bool(flags & frames.END_STREAM)
        if not stream.has_ended:
            self._coming += 1
            stream.heard_s = self._loop.time()
        elif length:
            self._refuse(number, frames.PROTOCOL_ERROR)
            return
        stream.receiver = self._opened(stream, headers)
        if stream.has_ended and stream.receiver is not None:
            stream.receiver.ended()

    def _refuse(self, number: int, code: int) -> None:
        """Answer a request with an error, whether or not it has begun."""
        stream = self._streams.get(number)
        if stream is not None:
            self._forget(stream)
            stream.give_up()
        elif number <= self._last:
            # It was answered before it was whole.
            return
        else:
            self._last = number
        self._transport.write(frames.reset(number, code))
        self._close_if_drained()

    def _trailers(self, number: int, flags: int, headers: list[Header]) -> None:
        """Take headers behind a body, of which there are none in gRPC."""
        stream = self._streams.get(number)
        try:
            check_trailers(headers)
        except MalformedError as error:
            raise BrokenError(frames.PROTOCOL_ERROR, f"no end of a request: {error}") from None
        if stream is None:
            # Of one that was answered before it was whole.
            return
        if stream.has_ended:
            raise BrokenError(frames.STREAM_CLOSED, "headers behind the end")
        if not flags & frames.END_STREAM:
            raise BrokenError(frames.PROTOCOL_ERROR, "headers in the middle of a request")
        self._ended(stream)

    def _data(self, flags: int, number: int, payload: memoryview) -> None:
        length = len(payload)
        # Windows are given back at once: what may be in memory is counted by whoever answers.
        self._taken += length
        if self._taken * 2 > _WINDOW:
            self._transport.write(frames.more(0, self._taken))
            self._taken = 0
        stream = self._streams.get(number)
        if stream is None:
            # Of one that was answered before it was whole.
            return
        if stream.has_ended:
            raise BrokenError(frames.STREAM_CLOSED, "data behind the end")
        stream.taken += length
        body = frames.payload_of(payload, flags & frames.PADDED)
        if stream.missing is not None:
            stream.missing -= len(body)
            if stream.missing < 0:
                self._refuse(number, frames.PROTOCOL_ERROR)
                return
        if stream.receiver is not None:
            stream.receiver.data(body)
        if flags & frames.END_STREAM:
            self._ended(stream)
            return
        stream.heard_s = self._loop.time()
        if stream.taken * 2 > _STREAM_WINDOW and number in self._streams:
            self._transport.write(frames.more(number, stream.taken))
            stream.taken = 0

    def _ended(self, stream: Stream) -> None:
        if stream.number not in self._streams:
            # It was answered by what came last.
            return
        if stream.missing:
            self._refuse(stream.number, frames.PROTOCOL_ERROR)
            return
        stream.has_ended = True
        self._coming -= 1
        if stream.receiver is not None:
            stream.receiver.ended()

    def _reset(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is None and number <= self._last:
            return
        # Another process of this server takes back what its own clients do, however many.
        if self.address and not self._resets.take(self._loop.time()):
            raise BrokenError(frames.ENHANCE_YOUR_CALM, "too many calls that are taken back")
        if stream is None:  # It is to begin yet.
            self._taken_back = {number, *(one for one in self._taken_back if one > self._last)}
            return
        self._forget(stream)
        stream.give_up()
        self._close_if_drained()

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.number]
        self._sending.forget(stream)
        if not stream.has_ended:
            self._coming -= 1

    # Responses.

    def respond(self, stream: Stream, head: bytes, body: bytes, tail: bytes) -> None:
        """Send a response, now or as the client takes it; see ``Stream.respond``."""
        if stream.number in self._streams and not self._is_over:
            self._sending.send(stream, head, body, tail)
            if self._sending.is_waiting:
                self._wait()

    def _finish(self, stream: Stream) -> None:
        self._forget(stream)
        if not stream.has_ended:
            self._transport.write(frames.reset(stream.number, frames.NO_ERROR))
        stream.receiver = None
        self._close_if_drained()
