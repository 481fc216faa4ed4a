"""A folder whose accounts have tokens of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import elanus
from elanus_server.security.accounts import Accounts, AccountStore
from elanus_server.security.guard import Guard
from elanus_server.security.passwords import hashed
from elanus_server.security.tokens import TokenWish, add_token, remove_token
from support.secured import PASSWORD


def folder_with_tokens(path: str) -> dict[str, str]:
    """Make a folder with the users ``root``, ``weak`` and ``gone``; return tokens by kind.

    ``admin``, ``reader`` (read-only) and ``narrow`` (no role) are root's; ``weak`` is of a user
    without a role; ``expired``, ``revoked``, ``gone`` (its user is), ``forged`` and ``cut`` are
    worth nothing.
    """
    with elanus.connect(path) as database:
        store = AccountStore(database)
        Guard(store, is_on=True).set_up(PASSWORD)
        for user in ("weak", "gone"):
            _change(store, user, hashed(f"{user}-password"))
        wishes = {
            "admin": TokenWish("root"),
            "reader": TokenWish("root", read_only=True),
            "narrow": TokenWish("root", roles=()),
            "weak": TokenWish("weak"),
            "expired": TokenWish("root", expires_in_s=60),
            "revoked": TokenWish("root"),
            "gone": TokenWish("gone"),
        }
        made = {kind: add_token(store, wish) for kind, wish in wishes.items()}
        texts = {kind: text for kind, (_, text) in made.items()}
        number = made["expired"][0].number
        store.change(
            lambda known: replace(
                known, tokens={**known.tokens, number: replace(made["expired"][0], expires_at=1.0)}
            )
        )
        remove_token(store, made["revoked"][0].number)
        store.change(lambda known: known.without_user("gone"))
    texts["forged"] = f"elanus_{made['admin'][0].number}_{'x' * 43}"
    texts["cut"] = texts["admin"][:-1]
    return texts


def _change(store: AccountStore, user: str, kept: str) -> None:
    change: Callable[[Accounts], Accounts] = lambda known: replace(  # noqa: E731
        known, users={**known.users, user: kept}
    )
    store.change(change)
