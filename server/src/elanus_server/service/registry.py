"""Which calls are answered, and by what?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elanus.errors import ElanusError, InternalError
from elanus_server.failures import as_milvus, status_of
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
    """

    name: str
    request: Any
    response: Any
    answer: Answer

    def __call__(self, call: Call, request: Any) -> Any:
        """Answer a request; an error becomes the status of the response.

        Raises:
            NotPermittedError: The user may not make the call.
        """
        call.check(self.name, request)
        try:
            answered = self.answer(call, request)
        except ElanusError as error:
            return self.refused(error)
        return self.response() if answered is None else answered

    def refused(self, error: ElanusError) -> Any:
        """Return the response that tells an error."""
        status = status_of(as_milvus(error))
        if self.response is common.Status:
            return status
        # Most responses call it ``status``, a few otherwise, and two have none: nothing can go
        # wrong with their calls that a client could be told.
        places = [
            field.name
            for field in self.response.DESCRIPTOR.fields
            if field.message_type and field.message_type.full_name == _STATUS
        ]
        return self.response(**dict.fromkeys(places[:1], status))


METHODS: dict[str, Method] = {}
"""What is answered, by name."""


def rpc(name: str) -> Callable[[Answer], Answer]:
    """Declare that a function answers the call of this name.

    It gets the context and the request, and returns the response; None is an empty one, which says
    that all went well.
    """
    described = SERVICE.methods_by_name.get(name)
    if described is None:
        raise InternalError(f"the protocol has no call {name}")

    def declare(answer: Answer) -> Answer:
        METHODS[name] = Method(
            name, _message(described.input_type), _message(described.output_type), answer
        )
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
