"""Which calls are answered, and by what?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from elanus.errors import ElanusError, InternalError
from elanus_server.failures import as_milvus, invalid, status_of
from elanus_server.security.guard import NotPermittedError
from elanus_server.wire import SERVICE, common, feder, milvus

if TYPE_CHECKING:
    from elanus_server.service.context import Call

_STATUS = common.Status.DESCRIPTOR.full_name
Answer = Callable[["Call", Any], Any]


@dataclass(frozen=True, slots=True)
class Method:
    """One call of the service.

    Attributes:
        name: As in the protocol.
        request: Class of the message that comes in.
        response: Class of the message that goes out.
        answer: What answers it.
        status: Field of the response that tells how it went; empty where all of it does, and for
            two calls with which nothing can go wrong that a client could be told.
        is_stream: Whether any number of responses go out; an error ends them with its status, and
            None is the end of them.
    """

    name: str
    request: Any
    response: Any
    answer: Answer
    status: str
    is_stream: bool = False

    def __call__(self, call: Call, request: Any) -> Any:
        """Answer a request; an error becomes the status of the response.

        Raises:
            NotPermittedError: The user may not make the call.
        """
        if call.method != self.name:
            call = replace(call, method=self.name)
        try:
            call.check(self.name, request)
            answered = self.answer(call, request)
        except NotPermittedError:
            raise
        except ElanusError as error:
            return self.refused(error)
        except DecodeError as error:
            # Some messages hold another one as bytes.
            return self.refused(
                invalid(f"{self.name}: a part of the message cannot be read: {error}")
            )
        response = self.response() if answered is None else answered
        if self.status and hasattr(response, "DESCRIPTOR"):
            # Also of success there is one: the Node client reads fields of it unasked.
            getattr(response, self.status).SetInParent()
        return response

    def refused(self, error: ElanusError) -> Any:
        """Return the response that tells an error."""
        status = status_of(as_milvus(error))
        if self.response is common.Status or self.is_stream:
            return status
        return self.response(**({self.status: status} if self.status else {}))


METHODS: dict[str, Method] = {}
"""What is answered, by name."""
OWN_METHODS: dict[str, Method] = {}
"""What Milvus' protocol does not have: it comes over HTTP only, and is checked, limited and counted
like everything else. Requests and responses are plain objects."""


def rpc(name: str) -> Callable[[Answer], Answer]:
    """Declare that a function answers the call of this name.

    It gets the context and the request, and returns the response; None is an empty one, which says
    that all went well.
    """
    described = SERVICE.methods_by_name.get(name)
    if described is None:
        raise InternalError(f"the protocol has no call {name}")

    def declare(answer: Answer) -> Answer:
        request, response = _message(described.input_type), _message(described.output_type)
        METHODS[name] = Method(
            name,
            request,
            response,
            answer,
            "" if described.server_streaming else _status_field(response),
            described.server_streaming,
        )
        return answer

    return declare


def _status_field(response: Any) -> str:
    """Return where a response holds its status; most call it ``status``, a few otherwise."""
    if response is common.Status:
        return ""
    places = [
        field.name
        for field in response.DESCRIPTOR.fields
        if field.message_type and field.message_type.full_name == _STATUS
    ]
    return str(places[0]) if places else ""


def own(name: str, request: Any, response: Any) -> Callable[[Answer], Answer]:
    """Declare that a function answers a call of elanus' own.

    Args:
        name: Of the call; ``security.privileges`` says who may make it.
        request: Class of what comes in; ``username`` of it names the user that it is about.
        response: Class of what goes out; it has a ``status`` and needs no arguments.
    """

    def declare(answer: Answer) -> Answer:
        OWN_METHODS[name] = Method(name, request, response, answer, "status")
        return answer

    return declare


def _message(described: Any) -> Any:
    for module in (milvus, common, feder):
        found = getattr(module, described.name, None)
        if found is not None:
            return found
    raise InternalError(f"no message {described.full_name}")


def unanswered(answered: Mapping[str, Method]) -> list[str]:
    """Return the calls of the protocol that nothing answers."""
    return [method.name for method in SERVICE.methods if method.name not in answered]
