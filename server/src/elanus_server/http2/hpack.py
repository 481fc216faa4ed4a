"""Headers of HTTP/2 (HPACK, RFC 7541).

Clients send the same headers with each call, so most come as numbers of a table that both sides
keep, and whole blocks come again: what changes nothing in the table is read once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from elanus_server.http2 import huffman

Header = tuple[str, str]
TABLE_BYTES = 4_096
"""Size of the table of a client's headers, by RFC 7541's way of counting."""
MAX_LIST_BYTES = 64 * 1024
"""Of the headers of one call, counted the same way."""
EMPTY_TABLE = b"\x20"
"""Before a block: the table of its sender holds nothing."""
_MAX_KNOWN = 64
_ENTRY_BYTES = 32
"""What RFC 7541 counts for an entry beside its texts."""
# RFC 7541, appendix A.
_STATIC: tuple[Header, ...] = (
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    *((":status", code) for code in ("200", "204", "206", "304", "400", "404", "500")),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    *(
        (name, "")
        for name in (
            *("accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age"),
            *("allow", "authorization", "cache-control", "content-disposition"),
            *("content-encoding", "content-language", "content-length", "content-location"),
            *("content-range", "content-type", "cookie", "date", "etag", "expect", "expires"),
            *("from", "host", "if-match", "if-modified-since", "if-none-match", "if-range"),
            *("if-unmodified-since", "last-modified", "link", "location", "max-forwards"),
            *("proxy-authenticate", "proxy-authorization", "range", "referer", "refresh"),
            *("retry-after", "server", "set-cookie", "strict-transport-security"),
            *("transfer-encoding", "user-agent", "vary", "via", "www-authenticate"),
        )
    ),
)


class HeaderError(ValueError):
    """Headers that cannot be read; the table is of no use afterwards."""


class TooManyHeadersError(Exception):
    """Headers that have more bytes than they may; the table is as it should be."""


class Decoder:
    """Reads the headers of one client."""

    def __init__(self) -> None:
        self._table: deque[Header] = deque()
        self._bytes = 0
        self._most = TABLE_BYTES
        self._known: dict[bytes, list[Header]] = {}

    def decode(self, block: bytes) -> list[Header]:
        """Return the headers of a block.

        Raises:
            HeaderError: It cannot be read.
            TooManyHeadersError: They have more than ``MAX_LIST_BYTES``.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        try:
            found, has_changed = self._read(block)
        except (IndexError, ValueError) as error:
            raise HeaderError(f"headers cannot be read: {error}") from None
        if has_changed:
            self._known.clear()
        if found is None:
            raise TooManyHeadersError
        if not has_changed and len(self._known) < _MAX_KNOWN:
            self._known[block] = found
        return found

    def _read(self, block: bytes) -> tuple[list[Header] | None, bool]:
        """Return the headers, None if they are too many; and whether the table has changed."""
        found: list[Header] = []
        at, size, has_changed = 0, 0, False
        while at < len(block):
            first = block[at]
            if first & 0x80:
                number, at = _integer(block, at, 0x7F)
                header = self._entry(number)
            elif first & 0xE0 == 0x20:
                most, at = _integer(block, at, 0x1F)
                if most > TABLE_BYTES or size:
                    raise ValueError(f"a table of {most} bytes")
                self._most = most
                self._shrink(0)
                has_changed = True
                continue
            else:
                is_kept = first & 0x40
                number, at = _integer(block, at, 0x3F if is_kept else 0x0F)
                if number:
                    name = self._entry(number)[0]
                else:
                    name, at = _text(block, at)
                value, at = _text(block, at)
                header = (name, value)
                if is_kept:
                    self._keep(header)
                    has_changed = True
            size += _size(header)
            # What is too much is read to the end, for the sake of the table, and not kept.
            if size <= MAX_LIST_BYTES:
                found.append(header)
        return found if size <= MAX_LIST_BYTES else None, has_changed

    def _entry(self, number: int) -> Header:
        if number <= 0:
            raise ValueError("entry 0 of the table")
        if number <= len(_STATIC):
            return _STATIC[number - 1]
        return self._table[number - 1 - len(_STATIC)]

    def _keep(self, header: Header) -> None:
        size = _size(header)
        self._shrink(size)
        if size <= self._most:
            self._table.appendleft(header)
            self._bytes += size

    def _shrink(self, more: int) -> None:
        """Drop the oldest entries until some bytes more fit."""
        while self._table and self._bytes + more > self._most:
            self._bytes -= _size(self._table.pop())


def _size(header: Header) -> int:
    return len(header[0]) + len(header[1]) + _ENTRY_BYTES


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """Return a number and where it ends; its first bits share a byte with something else."""
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    for shift in (0, 7, 14, 21):
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than 28 bits")


def _text(block: bytes, at: int) -> tuple[str, int]:
    """Return a text and where it ends."""
    is_coded = block[at] & 0x80
    length, at = _integer(block, at, 0x7F)
    end = at + length
    raw = block[at:end]
    if len(raw) < length:
        raise ValueError("a text that goes on behind the end")
    if is_coded:
        raw = huffman.decode(raw)
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        return raw.decode("latin-1"), end


def encode(headers: Iterable[Header]) -> bytes:
    """Return headers as a block that no table is needed for."""
    made = bytearray()
    for name, value in headers:
        made.append(0)
        for text in (name, value):
            raw = text.encode()
            made += _prefixed(len(raw))
            made += raw
    return bytes(made)


def _prefixed(length: int) -> bytes:
    if length < 0x7F:
        return bytes((length,))
    made, left = bytearray((0x7F,)), length - 0x7F
    while left > 0x7F:
        made.append(left & 0x7F | 0x80)
        left >>= 7
    made.append(left)
    return bytes(made)
