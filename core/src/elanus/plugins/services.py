"""Where does a plug-in find its service, and with which key does it ask?"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from elanus.errors import InvalidArgumentError
from elanus.plugins.http import HttpOptions


class ServiceDefaults(Protocol):
    """What is known of a service."""

    @property
    def base_url(self) -> str:
        """Address of the vendor; "" where everybody runs their own."""

    @property
    def key_env(self) -> str:
        """Environment variable in which the key usually is; "" for none."""

    @property
    def key_required(self) -> bool:
        """Whether it answers nobody without one."""


def require_service(service: str, model: object, known: Collection[str]) -> None:
    """Raise unless a service is known and a model is named.

    Raises:
        InvalidArgumentError: It is not.
    """
    if service not in known:
        raise InvalidArgumentError(
            f"service must be one of {', '.join(sorted(known))}, got {service!r}"
        )
    if not isinstance(model, str) or not model:
        raise InvalidArgumentError(f"{service}: expected the name of a model, got {model!r}")


def http_options(user: Any, defaults: ServiceDefaults) -> HttpOptions:
    """Return how a service is asked.

    Args:
        user: The plug-in, with ``service``, ``base_url`` and ``key_env`` (None where they are to
            be the usual ones), and those of the fields of ``HttpOptions`` that limit requests.
        defaults: What is usual.

    Raises:
        InvalidArgumentError: The service has no address of its own and none was given.
    """
    base_url = user.base_url or defaults.base_url
    if not base_url:
        raise InvalidArgumentError(
            f"{user.service}: give the address of your server, as base_url='http://host:8080'"
        )
    # The key of a vendor goes to the vendor. Whoever sends it elsewhere says so, by key_env.
    is_elsewhere = user.base_url is not None and defaults.key_required
    usual = "" if is_elsewhere else defaults.key_env
    return HttpOptions(
        base_url=base_url,
        key_env=usual if user.key_env is None else user.key_env,
        key_required=bool(user.key_env) or defaults.key_required,
        timeout_s=user.timeout_s,
        attempts=user.attempts,
        longest_wait_s=user.longest_wait_s,
        concurrency=user.concurrency,
        requests_per_minute=user.requests_per_minute,
        tokens_per_minute=user.tokens_per_minute,
    )


def sendable(text: str, max_chars: int | None) -> str:
    """Return a text as services accept it: cut, and a space where there is nothing."""
    cut = text[:max_chars]
    return cut if cut.strip() else " "
