"""Users and their passwords."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import Any

from elanus_server.failures import MilvusError, invalid
from elanus_server.security.accounts import ROOT, Accounts
from elanus_server.security.passwords import hashed
from elanus_server.service.context import Call
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,31}\Z")


def _password(text: str) -> str:
    """Return a password of a message, where it is base64."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        raise invalid("decode password failed: expected base64") from None


@rpc("CreateCredential")
def create_credential(call: Call, request: Any) -> None:
    name = request.username
    if not _NAME.match(name):
        raise invalid(
            f"invalid user name {name!r}: expected a letter or underscore, then letters, digits, "
            f"'_', '.', '@' or '-', at most 32 characters"
        )
    kept = hashed(_password(request.password))

    def create(known: Accounts) -> Accounts:
        if name in known.users:
            raise invalid(f"user already exists: {name}")
        descriptions = {**known.descriptions, name: request.description}
        return replace(known, users={**known.users, name: kept}, descriptions=descriptions)

    call.host.guard.store.change(create)


@rpc("UpdateCredential")
def update_credential(call: Call, request: Any) -> None:
    """Change a password; who is no administrator has to know the old one."""
    guard, name = call.host.guard, request.username
    stored = guard.accounts.users.get(name)
    if stored is None:
        raise invalid(f"user not found[user={name}]")
    must_know = guard.is_on and (not guard.accounts.is_admin(call.user) or call.user == name)
    if request.newPassword:
        if must_know and not guard.is_password(name, _password(request.oldPassword)):
            raise MilvusError(1400, f"old password not correct for {name}: not authenticated")
        kept = hashed(_password(request.newPassword))
        guard.store.change(lambda known: replace(known, users={**known.users, name: kept}))
    if request.description:
        guard.store.change(
            lambda known: replace(
                known, descriptions={**known.descriptions, name: request.description}
            )
        )


@rpc("DeleteCredential")
def delete_credential(call: Call, request: Any) -> None:
    """Delete a user; one that is not there is no error, as with Milvus."""
    if request.username == ROOT:
        raise invalid("root user cannot be deleted")
    call.host.guard.store.change(lambda known: known.without_user(request.username))


@rpc("ListCredUsers")
def list_cred_users(call: Call, request: Any) -> Any:
    return milvus.ListCredUsersResponse(usernames=_names(call.host.guard.accounts))


def _names(accounts: Accounts) -> list[str]:
    """Return the names of all users; there is a root also where nobody has to say who they are."""
    return sorted({ROOT, *accounts.users})


@rpc("SelectUser")
def select_user(call: Call, request: Any) -> Any:
    accounts = call.host.guard.accounts
    wanted = [request.user.name] if request.user.name else _names(accounts)
    made = milvus.SelectUserResponse()
    for name in wanted:
        if name not in (ROOT, *accounts.users):
            continue
        result = made.results.add(description=accounts.descriptions.get(name, ""))
        result.user.name = name
        if request.include_role_info:
            for role in accounts.roles_of(name):
                if role in accounts.members.get(name, ()) or (name == ROOT and role == "admin"):
                    result.roles.add(name=role)
    return made
