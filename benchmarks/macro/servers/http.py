"""A lean client of HTTP/1.1: one connection, one request after the other."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit


class HttpConnection:
    """A connection that stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, uri: str) -> HttpConnection:
        """Connect."""
        where = urlsplit(uri)
        return cls(*await asyncio.open_connection(where.hostname, where.port))

    async def ask(self, request: bytes) -> Any:
        """Send a request that ``request_of`` made; return the JSON of the answer.

        Raises:
            OSError: The answer is no success.
        """
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        place = head.find(b"content-length:")
        if place < 0:
            body = await self._chunks()
        else:
            size = int(head[place + 15 : head.index(b"\r\n", place)])
            body = await self._reader.readexactly(size)
        if not head.startswith(b"http/1.1 2"):
            raise OSError(f"{head.splitlines()[0].decode()}: {body[:200]!r}")
        return json.loads(body)

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self._reader.readline(), 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return b"".join(parts)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def request_of(path: str, body: Any, method: str = "POST") -> bytes:
    """Return a request with a JSON body."""
    raw = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw
