"""The sockets that a server listens on."""

import asyncio
import contextlib
import socket

import elanus
from elanus_server import Settings
from elanus_server.app import Listeners
from elanus_server.service.context import Host


def test_small_answers_are_sent_at_once() -> None:
    """Nagle's algorithm held back the second part of each HTTP answer for 40 ms."""

    async def first_connection() -> int:
        accepted: asyncio.Queue[int] = asyncio.Queue()

        async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            accepted.put_nowait(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with elanus.connect(":memory:") as database:
            async with contextlib.AsyncExitStack() as stack:
                listeners = Listeners(Settings(":memory:"), Host(database), stack)
                listener = listeners._bound(0, "--port")
                async with await asyncio.start_server(take, sock=listener):
                    _, writer = await asyncio.open_connection(*listener.getsockname())
                    found = await accepted.get()
                    writer.close()
        return found

    assert asyncio.run(first_connection()) == 1
