"""Frames of HTTP/2 (RFC 9113, section 6): kinds, flags and errors, and how they are written."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""With what every client begins."""
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED = 0x0, 0x1, 0x3, 0x5
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 0x6, 0x7, 0x8, 0x9
ENHANCE_YOUR_CALM = 0xB
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 1, 2, 3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 4, 5, 6
_OF_CONNECTION = frozenset((SETTINGS, PING, GOAWAY))
_OF_STREAM = frozenset((DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION))
_LENGTHS = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_OF_BEGUN = frozenset((DATA, RST_STREAM, WINDOW_UPDATE))
"""Frames that a stream can have only once it was begun."""
FIRST_WINDOW = 65_535
"""Bytes that each side may send before it is allowed more, where nothing else was agreed."""
LEAST_FRAME_BYTES = 16_384
MOST_FRAME_BYTES = 2**24 - 1
MAX_WINDOW = 2**31 - 1
MAX_NUMBER = 2**31 - 1
_GOAWAY_BYTES = 8
"""At least: the reason may follow."""
HEAD_BYTES = 9
HEAD = struct.Struct(">HBBBI")
"""Two bytes and one of the length, kind, flags, number of the stream."""
SETTING = struct.Struct(">HI")
NUMBER = struct.Struct(">I")
_TWO_NUMBERS = struct.Struct(">II")


class BrokenError(Exception):
    """What a client says is no HTTP/2; the connection ends.

    Attributes:
        code: Why, as the protocol numbers it.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def check(kind: int, number: int, length: int) -> None:
    """Look whether a frame of a kind may name this stream, and have this length.

    Raises:
        BrokenError: It may not.
    """
    if kind == PUSH_PROMISE:
        raise BrokenError(PROTOCOL_ERROR, "clients promise nothing")
    if kind in (_OF_CONNECTION if number else _OF_STREAM):
        raise BrokenError(PROTOCOL_ERROR, f"a frame {kind} of stream {number}")
    wanted = _LENGTHS.get(kind, length)
    if length != wanted:
        raise BrokenError(FRAME_SIZE_ERROR, f"a frame {kind} has {wanted} bytes, not {length}")
    if kind == GOAWAY and length < _GOAWAY_BYTES:
        raise BrokenError(FRAME_SIZE_ERROR, f"a frame {kind} has {_GOAWAY_BYTES} bytes at least")


def check_begun(kind: int, number: int, last: int) -> None:
    """Look whether a stream was begun that a frame takes for begun.

    Against RFC 9113, 5.1, its end may come first: grpc's core writes the end of a call that is
    taken back at once in front of its beginning.

    Args:
        kind: Of the frame.
        number: Of the stream.
        last: Of the stream that was begun last.

    Raises:
        BrokenError: It was not.
    """
    if not number or kind not in _OF_BEGUN:
        return
    if not number % 2 or (number > last and kind != RST_STREAM):
        raise BrokenError(PROTOCOL_ERROR, "a frame of a request that was not begun")


def read_settings(payload: memoryview) -> list[tuple[int, int]]:
    """Return the settings of a frame, in the order in which they hold.

    Raises:
        BrokenError: One has a value that it may not have.
    """
    if len(payload) % SETTING.size:
        raise BrokenError(FRAME_SIZE_ERROR, f"settings have {SETTING.size} bytes each")
    found = list(SETTING.iter_unpack(payload))
    for name, value in found:
        if name == INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise BrokenError(FLOW_CONTROL_ERROR, "a window that is too large")
        if name == MAX_FRAME_SIZE and not LEAST_FRAME_BYTES <= value <= MOST_FRAME_BYTES:
            raise BrokenError(PROTOCOL_ERROR, f"frames of {value} bytes")
        if name == ENABLE_PUSH and value > 1:
            raise BrokenError(PROTOCOL_ERROR, f"to push is allowed or not: {value}")
    return found


def head(length: int, kind: int, flags: int, number: int) -> bytes:
    """Return what stands before the payload of a frame."""
    return HEAD.pack(length >> 8, length & 0xFF, kind, flags, number)


def settings(values: dict[int, int]) -> bytes:
    """Return the frame that tells settings."""
    payload = b"".join([SETTING.pack(name, value) for name, value in values.items()])
    return head(len(payload), SETTINGS, 0, 0) + payload


def reset(number: int, code: int) -> bytes:
    """Return the frame that ends a stream at once."""
    return head(4, RST_STREAM, 0, number) + NUMBER.pack(code)


def more(number: int, size: int) -> bytes:
    """Return the frame that allows some bytes more; stream 0 is the whole connection."""
    return head(4, WINDOW_UPDATE, 0, number) + NUMBER.pack(size)


def goaway(last: int, code: int, reason: str = "") -> bytes:
    """Return the frame that says which stream was the last one."""
    payload = _TWO_NUMBERS.pack(last, code) + reason.encode()
    return head(len(payload), GOAWAY, 0, 0) + payload


def payload_of(raw: memoryview, flags: int) -> memoryview:
    """Return what a frame of data or headers holds, without what only makes it longer.

    Raises:
        BrokenError: There is more of that than there are bytes.
    """
    if flags & PADDED:
        padding = raw[0] if len(raw) else 0
        if padding >= len(raw):
            raise BrokenError(PROTOCOL_ERROR, "padding is longer than its frame")
        raw = raw[1 : len(raw) - padding]
    if flags & WITH_PRIORITY:
        if len(raw) < 5:
            raise BrokenError(FRAME_SIZE_ERROR, "a frame without its priority")
        raw = raw[5:]
    return raw
