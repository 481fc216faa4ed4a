"""One request to a route, and the table of routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from elanus_server.calls import answered
from elanus_server.failures import MilvusError, status_in
from elanus_server.rest.parameters import Parameter
from elanus_server.security.guard import NotPermittedError
from elanus_server.service.all_calls import METHODS
from elanus_server.service.context import Call
from elanus_server.service.registry import OWN_METHODS

PREFIX = "/v2/vectordb/"
"""Before every path of the table."""
NOT_SUPPORTED = 10
COLLECTION = Parameter("collectionName", field="collection_name", required=True)
DATABASE = Parameter(
    "dbName", about="The database; else the header DB-Name counts, else it is 'default'."
)


@dataclass(slots=True)
class Exchange:
    """A request under way.

    Attributes:
        route: That it came to.
        call: What the service is asked with.
        values: Of the parameters by name.
        allow_int64: Whether 64-bit integers are sent as numbers, else as strings.
        raw: The body, of which ``values`` is a part.
    """

    route: Route
    call: Call
    values: dict[str, Any]
    allow_int64: bool = True
    raw: bytes = b""

    def ask(self, name: str, /, **fields: Any) -> Any:
        """Return the response of the service to a call.

        Args:
            name: Of the call, as in the protocol.
            fields: Of its request; the database is added.

        Raises:
            MilvusError: The service refused, or does not answer this call.
            NotPermittedError: The user may not make it.
        """
        response = self._send(name, fields)
        status = status_in(response)
        if status.code or status.error_code:
            raise MilvusError(status.code, status.reason, retriable=status.retriable)
        return response

    def try_ask(self, name: str, /, **fields: Any) -> Any:
        """Return the response of the service, whatever its status.

        Raises:
            MilvusError: The service does not answer this call.
        """
        try:
            return self._send(name, fields)
        except NotPermittedError as error:
            return METHODS[name].refused(error)

    def _send(self, name: str, fields: dict[str, Any]) -> Any:
        method = METHODS.get(name) or OWN_METHODS.get(name)
        if method is None:
            raise MilvusError(NOT_SUPPORTED, f"{name} is not supported: service unimplemented")
        request = method.request(**fields)
        if getattr(request, "db_name", None) == "":
            request.db_name = self.call.database
        return answered(method, self.call, request)

    def filled(self) -> dict[str, Any]:
        """Return the fields of the message that parameters fill as they are."""
        given = ((one.field, self.values[one.name]) for one in self.route.parameters if one.field)
        return {name: value for name, value in given if value is not None}

    def number(self, value: int) -> int | str:
        """Return a 64-bit integer as the client can read it."""
        return value if self.allow_int64 else str(value)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent beside ``code``.

    Attributes:
        data: The answer.
        extra: Further members of the body.
    """

    data: Any
    extra: dict[str, Any] = field(default_factory=dict)


Answer = Callable[[Exchange], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One path.

    Attributes:
        path: Behind the prefix.
        summary: What it does, in one line.
        call: Of the protocol that answers it.
        parameters: Of its body; ``dbName`` is added to all.
        answer: What answers it: the data, or a ``Reply``.
    """

    path: str
    summary: str
    call: str
    parameters: tuple[Parameter, ...]
    answer: Answer


ROUTES: dict[str, Route] = {}
"""Every route by its path behind the prefix."""


def route(path: str, summary: str, call: str, *parameters: Parameter) -> Callable[[Answer], Answer]:
    """Declare that a function answers a path."""
    taken = {one.name for one in parameters}
    declared = parameters if DATABASE.name in taken else (*parameters, DATABASE)

    def declare(answer: Answer) -> Answer:
        ROUTES[path] = Route(path, summary, call, declared, answer)
        return answer

    return declare


def forward(
    path: str,
    summary: str,
    call: str,
    *parameters: Parameter,
    shape: Callable[[Any], Any] = lambda response: {},
    **constants: Any,
) -> None:
    """Declare a path whose parameters fill a message as they are.

    Args:
        path: Behind the prefix.
        summary: What it does.
        call: Of the protocol.
        parameters: Of the body.
        shape: Makes the data of the response.
        constants: Further fields of the message.
    """

    def answer(exchange: Exchange) -> Any:
        return shape(exchange.ask(call, **exchange.filled(), **constants))

    route(path, summary, call, *parameters)(answer)
