"""A server with users, spoken to with the protocol's own messages."""

from __future__ import annotations

import base64
from typing import Any

import grpc

from elanus_server.service.all_calls import METHODS
from elanus_server.wire import SERVICE, common

PASSWORD = "root-Password"


def header(credentials: str) -> tuple[str, str]:
    """Return the header that clients send: ``user:password`` or a token."""
    return ("authorization", base64.b64encode(credentials.encode()).decode())


class Caller:
    """Makes calls with the same credentials; returns whole responses."""

    def __init__(self, channel: grpc.Channel, credentials: str) -> None:
        self._channel = channel
        self._metadata = [header(credentials)]

    def ask(self, name: str, /, **fields: Any) -> Any:
        method = METHODS[name]
        request = method.request(**fields)
        call = self._channel.unary_unary(
            f"/{SERVICE.full_name}/{name}",
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        return call(request, timeout=60, metadata=self._metadata)

    def done(self, name: str, /, **fields: Any) -> Any:
        """Return a response that tells no error."""
        response = self.ask(name, **fields)
        status = response if isinstance(response, common.Status) else response.status
        assert status.code == 0, status
        return response

    def code(self, name: str, /, **fields: Any) -> int | grpc.StatusCode:
        """Return Milvus' number, or how gRPC says that the call was refused."""
        try:
            response = self.ask(name, **fields)
        except grpc.RpcError as error:
            return error.code()
        status = response if isinstance(response, common.Status) else response.status
        return int(status.code)
