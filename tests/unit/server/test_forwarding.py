"""What a process that reads hands on to the one that writes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from elanus_server.admission import Admission, TooBusyError
from elanus_server.answering import Incoming
from elanus_server.wire import SERVICE
from elanus_server.workers.forwarding import ForwardedCalls, ForwardedRequests

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


async def _asked(forwarded: ForwardedRequests, path: str) -> list[Any]:
    """Return what a request without a body is answered with."""
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        # The client stays.
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "raw_path": path.encode(), "query_string": b""}
    await forwarded({**scope, "method": "POST", "headers": []}, receive, send)
    return sent


def test_who_names_no_host_is_answered_as_well(tmp_path: Path) -> None:
    """Clients of HTTP/1.0 do not."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ANSWER)
        writer.close()

    async def run() -> None:
        path, admission = str(tmp_path / "http"), Admission(1, 8, 1_000)
        async with await asyncio.start_unix_server(answer, path):
            head, *rest = await _asked(ForwardedRequests(path, None, admission), "/no")
        assert (head["status"], b"".join(one["body"] for one in rest)) == (404, b"none")
        assert asked[0].lower().count(b"\r\nhost: ") == 1
        admission.close()

    asyncio.run(run())


def test_requests_that_are_too_many_are_refused_as_by_the_process_that_writes() -> None:
    async def run() -> None:
        admission = Admission(1, 0, 1_000)
        forwarded = ForwardedRequests("none", None, admission)
        with admission.held():
            head, body = await _asked(forwarded, "/v2/vectordb/databases/list")
            other, _ = await _asked(forwarded, "/ui/")
        assert head["status"] == 200
        assert json.loads(body["body"])["code"] == 1807
        assert other["status"] == 503
        # Nobody answers at that socket.
        head, _ = await _asked(forwarded, "/v2/vectordb/databases/list")
        assert head["status"] == 503
        admission.close()

    asyncio.run(run())


def test_what_clients_begin_with_is_handed_on_however_many_others_are(tmp_path: Path) -> None:
    async def begun(raw: bytes, context: Any) -> bytes:
        return b"begun"

    async def run() -> None:
        path = str(tmp_path / "grpc")
        names = ("Connect", "ListDatabases")
        handlers = {name: grpc.unary_unary_rpc_method_handler(begun) for name in names}
        server = grpc.aio.server()
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),)
        )
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        admission = Admission(1, 0, 1_000)
        forwarded = ForwardedCalls(path, None, admission)  # type: ignore[arg-type]

        def ask(name: str) -> asyncio.Future[Any]:
            future = asyncio.get_running_loop().create_future()

            def told(raw: bytes | None, error: BaseException | None) -> None:
                future.set_result(raw if error is None else error)

            forwarded(Incoming(name, b"", (), 30.0, "", None), told)
            return future

        with admission.held():
            assert await ask("Connect") == b"begun"
            assert isinstance(await ask("ListDatabases"), TooBusyError)
            with admission.held(is_cheap=True), pytest.raises(TooBusyError, match="small calls"):
                admission.held(is_cheap=True).__enter__()
        assert await ask("ListDatabases") == b"begun"
        await forwarded.close()
        await server.stop(None)
        admission.close()

    asyncio.run(run())
