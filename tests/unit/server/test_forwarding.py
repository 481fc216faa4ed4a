"""What a process that reads hands on to the one that writes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from elanus_server.admission import Admission
from elanus_server.workers.forwarding import ForwardedRequests

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"


def test_an_answer_that_comes_before_the_request_was_read_is_handed_on(tmp_path: Path) -> None:
    """The other process closes while it is still written to, which resets the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        writer.close()

    async def ask(forwarded: ForwardedRequests) -> list[Any]:
        sent: list[Any] = []
        parts = iter(range(20))

        async def receive() -> Any:
            more = next(parts, None) is not None
            return {"type": "http.request", "body": bytes(20_000), "more_body": more}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"x"), (b"transfer-encoding", b"chunked")]
        scope = {"type": "http", "path": "/no", "raw_path": b"/no", "query_string": b""}
        await forwarded({**scope, "method": "POST", "headers": headers}, receive, send)
        return sent

    async def many() -> None:
        path = str(tmp_path / "http")
        admission = Admission(1, 8, 1_000)
        forwarded = ForwardedRequests(path, None, admission)
        async with await asyncio.start_unix_server(answer, path):
            for _ in range(50):
                head, *rest = await ask(forwarded)
                assert head["status"] == 404
                assert b"".join(one["body"] for one in rest) == b"none"
        admission.close()

    asyncio.run(many())
