"""Tokens of users: issued, listed and revoked (``security.tokens``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from elanus_server.failures import invalid
from elanus_server.security.caller import Caller
from elanus_server.security.guard import NotPermittedError
from elanus_server.security.tokens import TokenWish, add_token, remove_token, shown
from elanus_server.service.context import Call
from elanus_server.service.registry import own
from elanus_server.wire import common


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What is asked about tokens.

    Attributes:
        username: Whose; empty is the caller, or of a list everybody.
        name: Of a token that is to be made.
        expires_in_s: Its seconds; None: it does not expire.
        roles: Roles that it is to have; None: all of the user.
        read_only: Whether it is for reading only.
        number: Of the token that is to be revoked.
    """

    username: str = ""
    name: str = ""
    expires_in_s: float | None = None
    roles: tuple[str, ...] | None = None
    read_only: bool = False
    number: str = ""


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What is told about tokens.

    Attributes:
        status: How it went.
        secret: The token that was made; nothing shows it again.
        tokens: What there is to say of each.
    """

    status: Any = field(default_factory=common.Status)
    secret: str = field(default="", repr=False)
    tokens: tuple[Mapping[str, object], ...] = ()


def _check_manager(call: Call, user: str) -> None:
    """Refuse whoever is neither the user nor an administrator, and everybody with a token: it
    could make itself another that outlives it.

    Raises:
        NotPermittedError: They may not.
    """
    guard = call.host.guard
    if not guard.is_on:
        return
    is_own = user == call.user
    if Caller.of(call.user).token or not (is_own or guard.accounts.is_admin(call.user)):
        raise NotPermittedError(call.user, "UpdateUser", call.database)


@own("CreateToken", TokenRequest, TokenResponse)
def create_token(call: Call, request: TokenRequest) -> TokenResponse:
    user = request.username or call.user
    _check_manager(call, user)
    wish = TokenWish(user, request.name, request.expires_in_s, request.roles, request.read_only)
    token, text = add_token(call.host.guard.store, wish)
    return TokenResponse(secret=text, tokens=(shown(token),))


@own("ListTokens", TokenRequest, TokenResponse)
def list_tokens(call: Call, request: TokenRequest) -> TokenResponse:
    """List the tokens of a user, or of everybody; those that have expired among them."""
    guard = call.host.guard
    sees_all = not guard.is_on or guard.accounts.is_admin(call.user)
    found = [
        shown(token)
        for token in guard.accounts.tokens.values()
        if request.username in ("", token.user) and (sees_all or token.user == call.user)
    ]
    return TokenResponse(tokens=tuple(found))


@own("RevokeToken", TokenRequest, TokenResponse)
def revoke_token(call: Call, request: TokenRequest) -> None:
    guard = call.host.guard
    token = guard.accounts.tokens.get(request.number)
    sees_all = not guard.is_on or guard.accounts.is_admin(call.user)
    if token is None or not (sees_all or token.user == call.user):
        raise invalid(f"token not found[id={request.number}]")
    _check_manager(call, token.user)

    remove_token(guard.store, request.number)
