"""The service over gRPC.

The event loop reads and writes messages; each call is answered by a thread, since the engine is
synchronous and its kernels release the GIL. What nothing answers is UNIMPLEMENTED: clients try
every other status again for a minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from elanus_server.failures import UNEXPECTED, MilvusError
from elanus_server.service.all_calls import METHODS
from elanus_server.service.context import DEFAULT_DATABASE, Call, Host
from elanus_server.service.registry import Method
from elanus_server.wire import SERVICE

_log = logging.getLogger(__name__)
_OPTIONS = (
    # Many SDKs ping each 10 seconds, also without a call under way.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    # Two servers must not share a port and take turns.
    ("grpc.so_reuseport", 0),
)


class GrpcServer:
    """Answers the protocol's calls on one port.

    Args:
        host: What is served.
        threads: Calls that are answered at once; further ones wait.
        max_message_bytes: Largest message in either direction.
    """

    def __init__(self, host: Host, *, threads: int, max_message_bytes: int) -> None:
        self._host = host
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="elanus-call")
        sizes = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
        options = [*_OPTIONS, *[(name, max_message_bytes) for name in sizes]]
        self._server = grpc.aio.server(options=options)
        handlers = {name: self._handler(method) for name, method in METHODS.items()}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),)
        )

    def listen(self, address: str) -> int:
        """Take a port; return its number.

        Raises:
            RuntimeError: It is taken.
        """
        return int(self._server.add_insecure_port(address))

    async def start(self) -> None:
        """Begin to answer."""
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and give those under way some time to end."""
        await self._server.stop(grace_s)
        self._threads.shutdown(wait=True)

    async def wait(self) -> None:
        """Return when the server was stopped."""
        await self._server.wait_for_termination()

    def _handler(self, method: Method) -> Any:
        return grpc.unary_unary_rpc_method_handler(
            self._answering(method),
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )

    def _answering(self, method: Method) -> Callable[[Any, Any], Awaitable[Any]]:
        loop_of = asyncio.get_running_loop

        async def answer(request: Any, context: Any) -> Any:
            headers: Mapping[str, str] = dict(context.invocation_metadata() or ())
            call = Call(self._host, headers.get("dbname") or DEFAULT_DATABASE)
            return await loop_of().run_in_executor(self._threads, _answered, method, call, request)

        return answer


def _answered(method: Method, call: Call, request: Any) -> Any:
    try:
        return method(call, request)
    except Exception as error:  # noqa: BLE001 - see below
        # The edge of the process: what nobody foresaw is logged whole and told in short.
        _log.exception("%s failed", method.name)
        told = f"{method.name}: {type(error).__name__}: {error}"
        return method.refused(MilvusError(UNEXPECTED, told))
