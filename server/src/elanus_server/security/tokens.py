"""Credentials for programs: made for a user, shown once, narrowed, and taken back at any time.

A token is ``elanus_NUMBER_SECRET``. The number finds it, and the secret is 256 random bits, of
which a hash is kept: nobody guesses them, so a slow hash would add nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from elanus_server.failures import invalid
from elanus_server.security.accounts import Accounts, AccountStore, Token
from elanus_server.security.caller import Caller

PREFIX = "elanus_"
MAX_TOKENS = 10_000
"""Of all users together."""
MAX_SECONDS = 10 * 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class TokenWish:
    """A token that somebody asks for.

    Attributes:
        user: Whose it is to be.
        name: What it is called in lists.
        expires_in_s: Seconds until it is worth nothing; None: it does not expire.
        roles: Roles of the user that it is to have; None: all, also those to come.
        read_only: Whether it may only be used for what changes nothing.
    """

    user: str
    name: str = ""
    expires_in_s: float | None = None
    roles: tuple[str, ...] | None = None
    read_only: bool = False


def is_token(text: str) -> bool:
    """Whether a text claims to be a token."""
    return text.startswith(PREFIX) and ":" not in text


def issue(accounts: Accounts, wish: TokenWish) -> tuple[Accounts, Token, str]:
    """Return the accounts with one more token, it, and the text to be shown once.

    Raises:
        MilvusError: There is no such user, they lack one of the roles, or a value is out of range.
    """
    if wish.user not in accounts.users:
        raise invalid(f"user not found[user={wish.user}]")
    missing = sorted(set(wish.roles or ()) - set(accounts.roles_of(wish.user)))
    if missing:
        raise invalid(f"token: the user {wish.user} has no role {missing[0]}")
    if len(wish.name) > 255:
        raise invalid("token: expected a name of at most 255 characters")
    seconds = wish.expires_in_s
    if seconds is not None and not 0 < seconds <= MAX_SECONDS:
        raise invalid(f"token: expected it to expire in 1 to {MAX_SECONDS} seconds, got {seconds}")
    alive = {number: one for number, one in accounts.tokens.items() if not one.is_expired()}
    if len(alive) >= MAX_TOKENS:
        raise invalid(f"token: there are {MAX_TOKENS} already; revoke some")
    number, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    now = time.time()
    made = Token(
        number,
        wish.user,
        _digest(secret),
        wish.name,
        now,
        None if seconds is None else now + seconds,
        wish.roles,
        wish.read_only,
    )
    # Those that have expired are of no use to anybody.
    return replace(accounts, tokens={**alive, number: made}), made, f"{PREFIX}{number}_{secret}"


def add_token(store: AccountStore, wish: TokenWish) -> tuple[Token, str]:
    """Make a token, durably; return it, and the text to be shown once. Errors are those of
    ``issue``."""
    made: list[tuple[Token, str]] = []

    def add(known: Accounts) -> Accounts:
        changed, token, text = issue(known, wish)
        made[:] = [(token, text)]
        return changed

    store.change(add)
    return made[0]


def remove_token(store: AccountStore, number: str) -> None:
    """Take a token back, durably and at once.

    Raises:
        MilvusError: There is none of this number.
    """

    def remove(known: Accounts) -> Accounts:
        if number not in known.tokens:
            raise invalid(f"token not found[id={number}]")
        return replace(known, tokens={n: t for n, t in known.tokens.items() if n != number})

    store.change(remove)


def caller_of(accounts: Accounts, text: str) -> Caller | None:
    """Return who comes with a token; None: nobody, any more."""
    number, _, secret = text.removeprefix(PREFIX).partition("_")
    token = accounts.tokens.get(number)
    is_right = hmac.compare_digest(_digest(secret), "" if token is None else token.digest)
    if token is None or not is_right or token.is_expired() or token.user not in accounts.users:
        return None
    roles = None if token.roles is None else frozenset(token.roles)
    return Caller(token.user, roles, read_only=token.read_only, token=number)


def shown(token: Token) -> Mapping[str, object]:
    """Return what lists say of a token."""
    return {
        "id": token.number,
        "user": token.user,
        "name": token.name,
        "createdAt": int(token.created_at),
        "expiresAt": None if token.expires_at is None else int(token.expires_at),
        "roles": None if token.roles is None else list(token.roles),
        "readOnly": token.read_only,
    }


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
