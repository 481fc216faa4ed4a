"""How do calls get to the process that writes, and their answers back?

As they are: bytes of messages, headers and the time that is left. When a client goes, so does the
call.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import grpc
import h11

from elanus.remote import PATH as NATIVE_PATH
from elanus_server.admission import CHEAP, Admission, TooBusyError
from elanus_server.answering import Answers, Cancel, Incoming, RefusalError
from elanus_server.rest.bodies import error_body, write_json
from elanus_server.rest.exchange import PREFIX
from elanus_server.service.all_calls import METHODS
from elanus_server.threads import Told
from elanus_server.wire import SERVICE
from elanus_server.workers.channel import ADDRESS_HEADER
from elanus_server.workers.routing import PATHS, is_native_read, is_read

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Of one connection, not of what is asked over it.
_OF_CONNECTION = (b"connection", b"keep-alive", b"expect", b"upgrade")
_RESERVED = ("grpc-", ":")
_OF_CLIENT = ("user-agent", "te", "content-type", "host", ADDRESS_HEADER)
_AT_ONCE = 65_536
_LOOKED_AT = 65_536
"""Bytes of a message's beginning in which it has to say what it asks; clients need far fewer."""
_NOT_REACHED = "the process that writes is not reached; try again"


class ForwardedCalls:
    """Answers reads here, and lets the writing process answer the others.

    Args:
        path: Socket where that answers gRPC.
        local: Answers reads.
        admission: Bounds what is under way.
    """

    def __init__(self, path: str, local: Answers, admission: Admission) -> None:
        unbounded = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
        self._channel = grpc.aio.insecure_channel(
            f"unix:{path}", options=[(name, -1) for name in unbounded]
        )
        self._local = local
        self._admission = admission
        self._calls = {
            name: self._channel.unary_unary(f"/{SERVICE.full_name}/{name}") for name in METHODS
        }

    def __call__(self, incoming: Incoming, told: Told) -> Cancel:
        """Let a call be answered, as ``Answering`` does."""
        if is_read(incoming.name, incoming.raw):
            return self._local(incoming, told)
        task = asyncio.ensure_future(self._forward(incoming))

        def heard(task: asyncio.Future[bytes]) -> None:
            if not task.cancelled():
                error = task.exception()
                told(None if error else task.result(), error)

        task.add_done_callback(heard)

        def cancel() -> None:
            task.cancel()

        return cancel

    async def _forward(self, incoming: Incoming) -> bytes:
        """Return the bytes of the response of the process that writes.

        Raises:
            RefusalError: It is told by a status of gRPC.
            TooBusyError: Too many calls are under way.
        """
        headers = [
            (name, value)
            for name, value in incoming.headers
            if not name.startswith(_RESERVED) and name not in _OF_CLIENT
        ]
        headers.append((ADDRESS_HEADER, incoming.address))
        try:
            with self._admission.held(is_cheap=incoming.name in CHEAP):
                raw: bytes = await self._calls[incoming.name](
                    incoming.raw, timeout=incoming.remaining_s, metadata=headers
                )
        except grpc.aio.AioRpcError as error:
            raise RefusalError(error.code(), error.details() or "") from None
        return raw

    async def close(self) -> None:
        """Give up the connection."""
        await self._channel.close()


class ForwardedRequests:
    """An ASGI application that answers reads here, and lets the writing process answer the others.

    Args:
        path: Socket where that answers HTTP/1.1.
        local: The application that answers reads.
        admission: Bounds what is under way.
    """

    def __init__(self, path: str, local: Any, admission: Admission) -> None:
        self._path = path
        self._local = local
        self._admission = admission

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        is_local = scope["type"] != "http" or scope["path"] in PATHS
        if not is_local and scope["path"] == NATIVE_PATH:
            # Only the message says what is asked.
            is_local, receive = await _looked_at(receive)
        if is_local:
            await self._local(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        try:
            with self._admission.held():
                await exchange.run(self._path, scope)
        except TooBusyError as error:
            if scope["path"].startswith(PREFIX):
                await exchange.answer(200, write_json(error_body(error)))
            else:
                await exchange.refuse(str(error))
        except (OSError, h11.RemoteProtocolError):
            await exchange.refuse(_NOT_REACHED)


async def _looked_at(receive: Receive) -> tuple[bool, Receive]:
    """Return whether a message is answered here, and what gives all of its body again.

    Only as much is read as tells that. The rest comes to who answers, where it is counted.
    """
    begin, more = b"", True
    is_read: bool | None = None
    while is_read is None and more and len(begin) <= _LOOKED_AT:
        message = await receive()
        if message["type"] != "http.request":
            # The client is gone; whoever asks on is told so again.
            break
        begin += message.get("body", b"")
        more = bool(message.get("more_body"))
        is_read = is_native_read(begin)
    first: list[Message] = [{"type": "http.request", "body": begin, "more_body": more}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return bool(is_read), again


class _Exchange:
    """One request that goes on, and its response."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._connection = h11.Connection(h11.CLIENT)
        self._has_begun = False

    async def run(self, path: str, scope: Any) -> None:
        """Carry a request to a socket, and the response back."""
        # No stream of asyncio: one that cannot be written to any more gives up what has come, and
        # who answers before all of a request was read may close while we write.
        with socket.socket(socket.AF_UNIX) as connection:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, path)
            asking = asyncio.ensure_future(self._ask(scope, connection))
            telling = asyncio.ensure_future(self._tell(connection))
            try:
                # The client that goes ends both: the other process sees that it is closed.
                await asyncio.wait((asking, telling), return_when="FIRST_COMPLETED")
                if telling.done():
                    telling.result()
                elif asking.exception() is not None:
                    await telling
            finally:
                for task in (asking, telling):
                    task.cancel()
                await asyncio.gather(asking, telling, return_exceptions=True)

    async def _ask(self, scope: Any, connection: socket.socket) -> None:
        """Send the request; return when the client is gone."""
        loop = asyncio.get_running_loop()
        target = scope["raw_path"]
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        headers = [(n, v) for n, v in scope["headers"] if n not in _OF_CONNECTION]
        if not any(name == b"host" for name, _ in headers):
            # HTTP/1.0 needs none, 1.1 does.
            headers.append((b"host", b"elanus"))
        headers.append((b"connection", b"close"))
        head = h11.Request(method=scope["method"], target=target, headers=headers)
        said = self._connection.send(head) or b""
        more = True
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return
            if more:
                more = message.get("more_body", False)
                said += self._connection.send(h11.Data(message.get("body", b""))) or b""
                if not more:
                    said += self._connection.send(h11.EndOfMessage()) or b""
                await loop.sock_sendall(connection, said)
                said = b""

    async def _tell(self, connection: socket.socket) -> None:
        """Send the response."""
        loop = asyncio.get_running_loop()
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._connection.receive_data(await loop.sock_recv(connection, _AT_ONCE))
            elif isinstance(event, h11.Response):
                headers = [(n, v) for n, v in event.headers if n not in _OF_CONNECTION]
                await self._begin(event.status_code, headers)
            elif isinstance(event, h11.Data):
                await self._send(
                    {"type": "http.response.body", "body": bytes(event.data), "more_body": True}
                )
            elif isinstance(event, h11.EndOfMessage):
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError

    async def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._has_begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def refuse(self, reason: str) -> None:
        """Tell that there is no answer for now, unless one was begun."""
        told = json.dumps({"code": 503, "message": reason}).encode()
        await self.answer(503, told, (b"retry-after", b"1"))

    async def answer(self, status: int, told: bytes, *headers: tuple[bytes, bytes]) -> None:
        """Tell something else than the other process, which has not begun to tell anything."""
        if self._has_begun:
            return
        length = (b"content-length", str(len(told)).encode())
        await self._begin(status, [(b"content-type", b"application/json"), length, *headers])
        await self._send({"type": "http.response.body", "body": told, "more_body": False})
