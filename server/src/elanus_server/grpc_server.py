"""The service over gRPC.

The event loop reads and writes messages; each call is answered by a thread, since the engine is
synchronous and its kernels release the GIL. What nothing answers is UNIMPLEMENTED: clients try
every other status again for a minute.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import grpc

from elanus.errors import InvalidArgumentError
from elanus_server.calls import answered
from elanus_server.failures import NOT_AUTHENTICATED, NOT_PERMITTED, MilvusError
from elanus_server.security.guard import NotAuthenticatedError, NotPermittedError
from elanus_server.service.all_calls import METHODS
from elanus_server.service.context import DEFAULT_DATABASE, Call, Host
from elanus_server.service.registry import Method
from elanus_server.settings import Settings
from elanus_server.wire import SERVICE

# As Milvus does: these are no answers of the call, and clients do not try them again.
_REFUSALS = {
    NOT_AUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    NOT_PERMITTED: grpc.StatusCode.PERMISSION_DENIED,
}
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
        threads: Answer the calls; those that find none free wait.
        max_message_bytes: Largest message in either direction.
    """

    def __init__(self, host: Host, threads: Executor, *, max_message_bytes: int) -> None:
        self._host = host
        self._threads = threads
        sizes = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
        options = [*_OPTIONS, *[(name, max_message_bytes) for name in sizes]]
        self._server = grpc.aio.server(options=options)
        handlers = {name: self._handler(method) for name, method in METHODS.items()}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),)
        )

    def listen(self, address: str, secure: grpc.ServerCredentials | None = None) -> int:
        """Take a port; return its number.

        Args:
            address: Host and port; port 0 takes a free one.
            secure: Certificates for TLS; None: without.

        Raises:
            RuntimeError: It is taken.
        """
        if secure is not None:
            return int(self._server.add_secure_port(address, secure))
        return int(self._server.add_insecure_port(address))

    async def start(self) -> None:
        """Begin to answer."""
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and give those under way some time to end."""
        await self._server.stop(grace_s)

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
            found = await loop_of().run_in_executor(
                self._threads, self._answered, method, headers, request
            )
            if isinstance(found, MilvusError):
                await context.abort(_REFUSALS[found.code], str(found))
            return found

        return answer

    def _answered(self, method: Method, headers: Mapping[str, str], request: Any) -> Any:
        """Return the response, or the error of somebody who may not ask."""
        try:
            user = self._host.guard.user_of(headers.get("authorization", ""))
            call = Call(self._host, headers.get("dbname") or DEFAULT_DATABASE, user)
            return answered(method, call, request)
        except (NotAuthenticatedError, NotPermittedError) as error:
            return error


def credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """Return the certificates of a server; None where it does without TLS.

    Raises:
        InvalidArgumentError: A file cannot be read, or one of the two is missing.
    """
    if settings.tls_cert is None and settings.tls_key is None:
        if settings.tls_client_ca is not None:
            raise InvalidArgumentError("tls_client_ca: needs tls_cert and tls_key as well")
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise InvalidArgumentError("TLS: expected both tls_cert and tls_key, got one of them")
    pair = _read("tls_key", settings.tls_key), _read("tls_cert", settings.tls_cert)
    authority = settings.tls_client_ca
    known = None if authority is None else _read("tls_client_ca", authority)
    return grpc.ssl_server_credentials(
        [pair], root_certificates=known, require_client_auth=known is not None
    )


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the same certificates for connections that gRPC does not take itself.

    Raises:
        InvalidArgumentError: As for ``credentials``, or a file holds something else.
    """
    if credentials(settings) is None or settings.tls_cert is None:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        made.load_cert_chain(settings.tls_cert, settings.tls_key)
        if settings.tls_client_ca is not None:
            made.load_verify_locations(settings.tls_client_ca)
            made.verify_mode = ssl.CERT_REQUIRED
    except ssl.SSLError as error:
        raise InvalidArgumentError(f"TLS: {settings.tls_cert} and its like: {error}") from error
    # Clients of gRPC insist on being told that HTTP/2 is spoken.
    made.set_alpn_protocols(["h2", "http/1.1"])
    return made


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidArgumentError(f"{name}: cannot read {path}: {error.strerror}") from None
