"""Limits of single users (``security.limits``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from elanus_server.security.limits import with_limits
from elanus_server.service.context import Call
from elanus_server.service.registry import own
from elanus_server.wire import common


@dataclass(frozen=True, slots=True)
class LimitsRequest:
    """Limits of a user: of those given, null takes one away."""

    username: str
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LimitsResponse:
    """Limits that hold for a user, those of the server among them."""

    status: Any = field(default_factory=common.Status)
    limits: Mapping[str, float] = field(default_factory=dict)


@own("SetLimits", LimitsRequest, LimitsResponse)
def set_limits(call: Call, request: LimitsRequest) -> LimitsResponse:
    call.host.guard.store.change(
        lambda known: replace(known, limits=with_limits(known, request.username, request.limits))
    )
    return _holding(call, request.username)


@own("ListLimits", LimitsRequest, LimitsResponse)
def list_limits(call: Call, request: LimitsRequest) -> LimitsResponse:
    return _holding(call, request.username)


def _holding(call: Call, user: str) -> LimitsResponse:
    return LimitsResponse(limits=dict(call.host.limits.of(user)))
