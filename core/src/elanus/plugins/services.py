"""Where does a plug-in find its service, and with which key does it ask?"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Collection
from enum import StrEnum
from typing import Any, Final, Protocol

from elanus.errors import InvalidArgumentError
from elanus.plugins.aws import ACCESS_KEY, AwsSignature
from elanus.plugins.google import GoogleToken
from elanus.plugins.http import HttpOptions, Signer


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

    @property
    def path(self) -> str:
        """Behind the address; {model} (or {undotted}), {region}, {project} stand for those."""

    @property
    def sign(self) -> Sign:
        """How requests are signed; without it by a key alone."""


class Sign(StrEnum):
    """What proves who asks, when no key does."""

    NOTHING = ""
    AWS = "aws"
    GOOGLE = "google"


_GOOGLE_AUTH: Final = "google-auth[requests]"

_PLACES: Final = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION", "GOOGLE_CLOUD_LOCATION"),
    "project": ("GOOGLE_CLOUD_PROJECT",),
}
"""Where a service runs and for whom, and the variables that usually say so."""
_PLACE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")


def placed(text: str, user: Any) -> str:
    """Return an address or path with the region and the project of a plug-in.

    Args:
        text: Where ``{region}`` and ``{project}`` stand for them.
        user: The plug-in, with ``service``, and ``region`` and ``project``, which may be None.

    Raises:
        InvalidArgumentError: One of them is needed and not known, or no name of one.
    """
    for name, variables in _PLACES.items():
        if f"{{{name}}}" not in text:
            continue
        usual = (os.environ.get(variable, "").strip() for variable in variables)
        found = getattr(user, name) or next(filter(None, usual), "")
        if not _PLACE.fullmatch(found):
            raise InvalidArgumentError(
                f"{user.service}: expected a {name}, as {name}=... or in the environment variable "
                f"{' or '.join(variables)}, got {found!r}"
            )
        text = text.replace(f"{{{name}}}", found)
    # The one region that addresses do not name.
    return text.replace("//global-aiplatform.", "//aiplatform.")


def request_path(user: Any, defaults: ServiceDefaults) -> str:
    """Return the path of requests for the model of a plug-in."""
    model = urllib.parse.quote(user.model, safe="/")
    path = placed(defaults.path, user).replace("{model}", model)
    return path.replace("{undotted}", model.replace(".", "_"))


def _signer(user: Any, defaults: ServiceDefaults, is_named: bool) -> Signer | None:
    """Return what signs requests; elsewhere than at the vendor only if the user names the keys."""
    if defaults.sign is Sign.AWS and (is_named or user.base_url is None):
        return AwsSignature("bedrock", placed("{region}", user))
    if defaults.sign is Sign.GOOGLE and user.base_url is None:
        return GoogleToken(user.service, _GOOGLE_AUTH)
    return None


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
    base_url = user.base_url or placed(defaults.base_url, user)
    if not base_url:
        raise InvalidArgumentError(
            f"{user.service}: give the address of your server, as base_url='http://host:8080'"
        )
    # The key of a vendor goes to the vendor. Whoever sends it elsewhere says so, by key_env.
    is_elsewhere = user.base_url is not None and defaults.key_required
    usual = "" if is_elsewhere else defaults.key_env
    is_signed = defaults.sign is Sign.AWS and user.key_env == ACCESS_KEY
    key_env = "" if is_signed else user.key_env
    return HttpOptions(
        base_url=base_url,
        key_env=usual if key_env is None else key_env,
        key_required=bool(key_env) or defaults.key_required,
        sign=_signer(user, defaults, is_signed),
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
