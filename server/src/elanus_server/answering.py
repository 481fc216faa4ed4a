"""Who answers a call that came by gRPC?

A thread of this process, since the engine is synchronous and its kernels release the GIL. The
message is read and written there, too: one of 64 MB would hold up everything else in the event
loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from elanus import Cancellation
from elanus_server.admission import CHEAP, Admission, Room, TooBusyError, TooLateError, kind_of
from elanus_server.calls import answered, call_of
from elanus_server.failures import NOT_AUTHENTICATED, NOT_PERMITTED
from elanus_server.security.guard import NotAuthenticatedError, NotPermittedError
from elanus_server.service.all_calls import METHODS
from elanus_server.service.context import Host
from elanus_server.service.registry import Method
from elanus_server.threads import Told
from elanus_server.wire import common

# As Milvus does: these are no answers of the call, and clients do not try them again.
_REFUSALS = {
    NOT_AUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    NOT_PERMITTED: grpc.StatusCode.PERMISSION_DENIED,
}


@dataclass(slots=True)
class Incoming:
    """A call as it came.

    Attributes:
        name: Of the call.
        raw: Bytes of its message.
        headers: Names and values that came with it.
        remaining_s: Seconds that the client waits; None: for as long as it takes.
        address: Of the client, where it is known.
        room: That its message has in memory; None: it is not counted.
    """

    name: str
    raw: bytes
    headers: tuple[tuple[str, Any], ...] = ()
    remaining_s: float | None = None
    address: str = ""
    room: Room | None = None

    @property
    def authorization(self) -> str:
        """Who the client says that it is."""
        return next((value for name, value in self.headers if name == "authorization"), "")


Cancel = Callable[[], None]
"""Ends a call that nobody waits for any more."""
Answers = Callable[[Incoming, Told], Cancel]
"""Lets a call be answered, and tells the bytes of the response, or why there are none."""


class RefusalError(Exception):
    """A call that is answered with a status of gRPC instead of a message.

    Attributes:
        status: The status.
    """

    def __init__(self, status: grpc.StatusCode, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def _nothing() -> None:
    pass


def busy(name: str, error: TooBusyError) -> bytes:
    """Return the response to a call that is too much.

    It is a response: clients that get a status of gRPC do not try again.

    Raises:
        RefusalError: The responses of the call have no place for it.
    """
    if METHODS[name].is_stream:
        raise RefusalError(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
    raw: bytes = METHODS[name].refused(error).SerializeToString()
    return raw


class Answering:
    """Answers calls in threads of this process.

    Args:
        host: What is served.
        admission: Gives them a thread.
    """

    def __init__(self, host: Host, admission: Admission) -> None:
        self._host = host
        self._admission = admission

    def __call__(self, incoming: Incoming, told: Told) -> Cancel:
        """Let a call be answered, and ``told`` be told the bytes of the response.

        It may be told a ``RefusalError`` or a ``TooBusyError`` in their place.
        """
        method = METHODS[incoming.name]

        def answer(cancellation: Cancellation) -> bytes:
            return self._answered(method, incoming, cancellation)

        def heard(raw: bytes | None, error: BaseException | None) -> None:
            if isinstance(error, TooLateError):
                error = RefusalError(grpc.StatusCode.DEADLINE_EXCEEDED, str(error))
            told(raw, error)

        try:
            begun = self._admission.begin(
                answer,
                heard,
                room=incoming.room,
                timeout_s=incoming.remaining_s,
                is_cheap=incoming.name in CHEAP,
                kind=kind_of(incoming.name, incoming.authorization, incoming.raw),
            )
        except (TooBusyError, TooLateError) as error:
            heard(None, error)
            return _nothing
        return begun.cancel

    def _answered(self, method: Method, incoming: Incoming, cancellation: Cancellation) -> bytes:
        headers: Mapping[str, Any] = dict(incoming.headers)
        try:
            call = call_of(
                self._host,
                headers.get("authorization", ""),
                call=method.name,
                database=headers.get("dbname", ""),
                address=incoming.address,
                cancellation=cancellation,
                method=method.name,
                headers=headers,
            )
            request = method.request.FromString(incoming.raw)
            response = answered(method, call, request)
        except (NotAuthenticatedError, NotPermittedError) as error:
            raise RefusalError(_REFUSALS[error.code], str(error)) from None
        except DecodeError as error:
            told = f"{method.name}: the message cannot be read: {error}"
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, told) from None
        if method.is_stream and response.DESCRIPTOR is common.Status.DESCRIPTOR:
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, response.reason)
        raw: bytes = response.SerializeToString()
        return raw
