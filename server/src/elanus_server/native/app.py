"""The native protocol over HTTP/1.1.

A small ASGI application in front of the one of the RESTful API: a search takes less than a
millisecond, so what stands between it and the socket counts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from elanus import Cancellation
from elanus.errors import (
    AuthenticationError,
    ElanusError,
    InternalError,
    InvalidArgumentError,
    MessageTooLargeError,
    NotAllowedError,
    NotFoundError,
    PermissionDeniedError,
    ServerBusyError,
    ServerConnectionError,
    ServerTimeoutError,
)
from elanus.remote import (
    AGAIN_HEADER,
    ANSWERS,
    PATH,
    REQUESTS,
    TIMEOUT_HEADER,
    TYPE,
    decode,
    effect_of,
    encode,
    error_to_json,
    is_known_error,
)
from elanus_server.admission import Admission, Room, TooBusyError, TooLateError, kind_of
from elanus_server.calls import call_of
from elanus_server.failures import DATABASE_NOT_FOUND, QUOTA, MilvusError
from elanus_server.native.answers import BUSY, Told
from elanus_server.native.service import Asked, NativeService
from elanus_server.native.watching import most_bytes, watched
from elanus_server.request_body import TooLongError, read_body
from elanus_server.security.guard import NotAuthenticatedError, NotPermittedError
from elanus_server.security.limits import RateLimitedError
from elanus_server.service.context import Host

_log = logging.getLogger(__name__)
_OK = 200
_STATUS: tuple[tuple[type[BaseException], int], ...] = (
    (AuthenticationError, 401),
    (PermissionDeniedError, 403),
    (MessageTooLargeError, 413),
    (ServerTimeoutError, 408),
    (ServerBusyError, BUSY),
    (InternalError, 500),
    (BaseException, 400),
)


class NativeApp:
    """Answers the protocol, and hands everything else on.

    Args:
        host: What is served.
        admission: Gives calls a thread.
        others: The ASGI application of all other paths.
        max_body_bytes: Longest message in either direction.
    """

    def __init__(
        self, host: Host, admission: Admission, others: Any, *, max_body_bytes: int
    ) -> None:
        self.service = NativeService(host, max_bytes=max_body_bytes)
        self._host = host
        self._admission = admission
        self._others = others
        self._max_bytes = max_body_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._others(scope, receive, send)
            return
        began = time.perf_counter()
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        raw, name = b"", ""
        is_too_long = False
        try:
            # The rest of one that is too long is not read.
            raw, room = await read_body(
                receive,
                headers.get("content-length", "") if scope["method"] == "POST" else "",
                self._admission,
                limit=self._max_bytes,
                read_out=0,
            )
        except TooLongError:
            is_too_long = True
            status, told = self._too_long()
        except TooBusyError as error:
            status, told = self._refused(ServerBusyError(str(error)))
        else:
            address = str((scope.get("client") or ("",))[0])
            try:
                name, (status, told) = await self._answer(headers, raw, room, address)
            finally:
                room.give_up()
        seconds = time.perf_counter() - began
        # What a client makes up gets no label, or it could make as many as it likes.
        label = f"{PATH}/{name}" if effect_of(name) is not None else PATH
        self._host.metrics.count_rest(label, seconds, len(raw), len(told))
        sent = [(b"content-type", TYPE.encode()), (b"content-length", str(len(told)).encode())]
        if is_too_long:
            sent.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": told})

    async def _answer(
        self, headers: Mapping[str, str], raw: bytes, room: Room, address: str
    ) -> tuple[str, Told]:
        """Return the name of the call, and what it is answered with."""
        seconds = _seconds(headers)
        work = self._admission.run(
            partial(self._answered, headers, raw, address),
            room=room,
            timeout_s=seconds,
            kind=kind_of(PATH, headers.get("authorization", ""), raw),
        )
        try:
            return await asyncio.wait_for(work, seconds)
        except TooBusyError as error:
            return "", self._refused(ServerBusyError(str(error)))
        except (TimeoutError, TooLateError):
            # A write that a thread has begun it ends; nobody waits for it any more.
            late = ServerTimeoutError("the client waits no longer", timeout_s=seconds)
            return "", self._refused(late)

    def _answered(
        self, headers: Mapping[str, str], raw: bytes, address: str, cancellation: Cancellation
    ) -> tuple[str, Told]:
        """Answer a request, in a thread."""
        name = ""
        try:
            given = headers.get("authorization", "")
            caller = call_of(self._host, given, call=PATH, address=address)
            user = caller.user
            message = decode(raw, REQUESTS)
            asked = Asked.read(message, caller, cancellation)
            name = asked.full_name
            key = message.get("key")
            if not isinstance(key, str) or not key:
                return name, self._told(asked)
            again = headers.get(AGAIN_HEADER)
            known = (user, key[:64])
            is_other = again is not None and again != self.service.instance
            if is_other and not self.service.answers.knows(known):
                return name, self._refused(_unknown(name))
            return name, self.service.answers.once(known, lambda: self._told(asked))
        except Exception as error:  # noqa: BLE001 - the edge of the process
            return name, self._refused(_as_known(name, error))

    def _told(self, asked: Asked) -> Told:
        try:
            with asked.ended, watched(asked):
                value = self.service.answer(asked)
            told = encode({"value": value, "instance": self.service.instance}, ANSWERS)
        except Exception as error:  # noqa: BLE001 - the edge of the process
            return self._refused(_as_known(asked.full_name, error))
        most = most_bytes(asked, self._max_bytes)
        if len(told) > most:
            return self._refused(
                MessageTooLargeError(
                    f"{asked.full_name}: the answer has {len(told)} bytes, and messages may have "
                    f"{most}; ask for fewer entities or fields, or take query_iterator",
                    size=len(told),
                    limit=most,
                )
            )
        return _OK, told

    def _too_long(self) -> Told:
        told = f"a request may have {self._max_bytes} bytes; give it in several"
        return self._refused(MessageTooLargeError(told, limit=self._max_bytes))

    def _refused(self, error: BaseException) -> Told:
        status = next(code for kind, code in _STATUS if isinstance(error, kind))
        told = {"error": error_to_json(error), "instance": self.service.instance}
        return status, encode(told, ANSWERS)


def _unknown(name: str) -> ServerConnectionError:
    return ServerConnectionError(
        f"{name}: the server was started anew while this was under way: whether it was applied is "
        f"not known; read before you repeat it",
        is_unknown=True,
    )


_CLASSES: dict[int, type[ElanusError]] = {DATABASE_NOT_FOUND: NotFoundError, QUOTA: NotAllowedError}
"""Class of errors that are told in Milvus' words, by number; all others are wrong arguments."""


def _as_known(name: str, error: Exception) -> BaseException:
    """Return an error that a client has a class for."""
    if isinstance(error, NotAuthenticatedError):
        return AuthenticationError(f"{error}; give token='user:password' of a user of this server")
    if isinstance(error, NotPermittedError):
        return PermissionDeniedError(f"{name}: {error}")
    if isinstance(error, RateLimitedError):
        return ServerBusyError(str(error), retry_after_s=error.retry_after_s)
    if isinstance(error, MilvusError):
        return _CLASSES.get(error.code, InvalidArgumentError)(str(error))
    if is_known_error(error):
        return error
    _log.exception("%s failed", name, exc_info=error)
    return InternalError(f"{name}: {type(error).__name__}: {error}")


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long the client waits; None: for as long as it takes."""
    text = headers.get(TIMEOUT_HEADER, "")
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or not int(text):
        return None
    return int(text) / 1000
