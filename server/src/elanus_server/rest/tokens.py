"""Routes of tokens and limits, which Milvus has not."""

from __future__ import annotations

from typing import Any

from elanus_server.rest.exchange import Exchange, route
from elanus_server.rest.parameters import Parameter

_USER = Parameter("userName", default="", about="Whose; else the one who asks.")
_NAMED = Parameter("userName", required=True)


@route(
    "tokens/create",
    "Make a token; it is shown this once",
    "CreateToken",
    _USER,
    Parameter("name", default="", about="What lists call it."),
    Parameter("expiresInSeconds", "number", about="When it expires; else it does not."),
    Parameter("roles", "strings", about="Roles of the user that it has; else all."),
    Parameter("readOnly", "boolean", default=False, about="Only for what changes nothing."),
)
def create_token(exchange: Exchange) -> Any:
    values = exchange.values
    roles = values["roles"]
    made = exchange.ask(
        "CreateToken",
        username=values["userName"] or str(exchange.call.user),
        name=values["name"],
        expires_in_s=values["expiresInSeconds"],
        roles=None if roles is None else tuple(roles),
        read_only=values["readOnly"],
    )
    return {"token": made.secret, **made.tokens[0]}


@route(
    "tokens/list",
    "List tokens, without their secrets",
    "ListTokens",
    Parameter("userName", default="", about="Whose; else those of everybody one may see."),
)
def list_tokens(exchange: Exchange) -> Any:
    name = exchange.values["userName"]
    # Who is no administrator sees their own, and needs to name nobody for that.
    accounts = exchange.call.host.guard.accounts
    if not name and exchange.call.user and not accounts.is_admin(exchange.call.user):
        name = str(exchange.call.user)
    return list(exchange.ask("ListTokens", username=name).tokens)


@route(
    "tokens/revoke",
    "Take a token back, at once",
    "RevokeToken",
    Parameter("id", required=True, about="As lists show it."),
    _USER,
)
def revoke_token(exchange: Exchange) -> Any:
    user = exchange.values["userName"] or str(exchange.call.user)
    exchange.ask("RevokeToken", number=exchange.values["id"], username=user)
    return {}


@route(
    "users/set_limits",
    "Limit what a user may ask of the server",
    "SetLimits",
    _NAMED,
    Parameter("limits", "object", required=True, about="By name; null takes one away."),
)
def set_limits(exchange: Exchange) -> Any:
    values = exchange.values
    made = exchange.ask("SetLimits", username=values["userName"], limits=values["limits"])
    return dict(made.limits)


@route("users/list_limits", "List the limits of a user", "ListLimits", _NAMED)
def list_limits(exchange: Exchange) -> Any:
    return dict(exchange.ask("ListLimits", username=exchange.values["userName"]).limits)
