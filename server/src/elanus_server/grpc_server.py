"""The service over gRPC.

The event loop reads and writes messages; who answers them is another question
(``answering.Answering``). What nothing answers is UNIMPLEMENTED: clients try every other status
again for a minute.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import grpc

from elanus.errors import InvalidArgumentError
from elanus_server.answering import Incoming, RefusalError
from elanus_server.front import RELAYED
from elanus_server.settings import Settings
from elanus_server.wire import SERVICE

_OPTIONS = (
    # Many SDKs ping each 10 seconds, also without a call under way.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    # Two servers must not share a port and take turns.
    ("grpc.so_reuseport", 0),
    # A client that is gone without a word is found out by asking it.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Bounds what one connection can have under way.
    ("grpc.max_concurrent_streams", 1_024),
)
Answers = Callable[[Incoming], Awaitable[bytes]]


class GrpcServer:
    """Answers the protocol's calls on one port.

    Args:
        methods: Names of the calls that are answered.
        answers: Return the bytes of the response to a call, or raise ``RefusalError``.
        max_message_bytes: Largest message in either direction.
        silence_s: Seconds that a new connection may take to say that it speaks gRPC.
    """

    def __init__(
        self, methods: Iterable[str], answers: Answers, *, max_message_bytes: int, silence_s: float
    ) -> None:
        self._answers = answers
        sizes = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
        options = [
            *_OPTIONS,
            *[(name, max_message_bytes) for name in sizes],
            ("grpc.server_handshake_timeout_ms", int(silence_s * 1000)),
        ]
        self._server = grpc.aio.server(options=options)
        handlers = {one.name: _unanswered(one) for one in SERVICE.methods}
        # Messages stay bytes here: a large one is read by a thread, or by another process.
        handlers |= {name: self._handler(name) for name in methods}
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

    def _handler(self, name: str) -> Any:
        answer = self._answering(name)
        described = SERVICE.methods_by_name[name]
        if described.client_streaming:
            return grpc.stream_stream_rpc_method_handler(_without_answers(answer))
        if described.server_streaming:
            return grpc.unary_stream_rpc_method_handler(answer)
        return grpc.unary_unary_rpc_method_handler(answer)

    def _answering(self, name: str) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def answer(raw: bytes, context: Any) -> bytes:
            headers = tuple(context.invocation_metadata() or ())
            address = address_of(context.peer())
            incoming = Incoming(name, raw, headers, context.time_remaining(), address)
            try:
                return await self._answers(incoming)
            except RefusalError as error:
                await context.abort(error.status, str(error))
                raise  # abort has raised already

        return answer


def _without_answers(begin: Callable[[bytes, Any], Awaitable[bytes]]) -> Callable[..., Any]:
    """Return the handler of a stream that takes messages and ends with the first that says
    anything.

    Args:
        begin: Says whether it begins: without a message, as messages need not come.
    """

    async def handle(requests: Any, context: Any) -> None:
        await begin(b"", context)
        async for raw in requests:
            if raw:
                return

    return handle


def _unanswered(described: Any) -> Any:
    """Return the handler of a call that nothing answers, which says so by its name."""

    async def refuse(request: Any, context: Any) -> None:
        await context.abort(
            grpc.StatusCode.UNIMPLEMENTED, f"{described.name} is not answered by elanus"
        )

    if described.client_streaming:
        return grpc.stream_stream_rpc_method_handler(refuse)
    if described.server_streaming:
        return grpc.unary_stream_rpc_method_handler(refuse)
    return grpc.unary_unary_rpc_method_handler(refuse)


def address_of(peer: str) -> str:
    """Return the address in what gRPC calls a client: ``ipv4:127.0.0.1:4000``."""
    kind, _, address = unquote(peer).partition(":")
    if kind in ("ipv4", "ipv6"):
        return address.rpartition(":")[0].strip("[]")
    _, found, behind = address.partition(RELAYED)
    return behind.rpartition("-")[0] if found else ""


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
