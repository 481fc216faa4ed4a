"""How does a method of the embedded classes become one that asks a server?

Nothing is written twice: name, signature, types and docstring are those of the method.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

MethodT = TypeVar("MethodT", bound=Callable[..., Any])


class Asking(Protocol):
    """Something that asks a server."""

    def ask(self, call: str, *args: Any, **kwargs: Any) -> Any:
        """Make a call of the same name."""


def forwarded(
    method: MethodT, then: Callable[[Any, Any], Any] = lambda asking, answer: answer
) -> MethodT:
    """Return a method that asks a server to do what a method of an embedded class does.

    Args:
        method: That of the embedded class.
        then: Makes what is returned of who asked and of the answer.
    """
    name = method.__name__

    @functools.wraps(method)
    def call(self: Asking, *args: Any, **kwargs: Any) -> Any:
        return then(self, self.ask(name, *args, **kwargs))

    return cast(MethodT, call)


def forwarded_property(found: Any) -> Any:
    """Return a property that asks a server for what one of an embedded class says."""
    name = found.fget.__name__

    @functools.wraps(found.fget)
    def get(self: Asking) -> Any:
        return self.ask(name)

    return property(get)
