"""Users and their passwords."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from elanus_server.failures import NOT_AUTHENTICATED, MilvusError, invalid, not_permitted
from elanus_server.security.accounts import ROOT, Accounts
from elanus_server.security.passwords import check_length, hashed
from elanus_server.service.context import Call
from elanus_server.service.names import checked_user
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus


def _password(text: str) -> str:
    """Return a password of a message, where it is base64."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        raise invalid("decode password failed: expected base64") from None


@rpc("CreateCredential")
def create_credential(call: Call, request: Any) -> None:
    name = checked_user(request.username)
    kept = hashed(_password(request.password))

    def create(known: Accounts) -> Accounts:
        if name in (ROOT, *known.users):
            raise invalid(f"user already exists: {name}")
        descriptions = {**known.descriptions, name: request.description}
        return replace(known, users={**known.users, name: kept}, descriptions=descriptions)

    call.host.guard.store.change(create)


@rpc("UpdateCredential")
def update_credential(call: Call, request: Any) -> None:
    """Change a password or a description, or both.

    Who changes a password has to know the old one; an administrator may leave it out for others.
    """
    guard, name = call.host.guard, request.username
    is_described = request.HasField("description")
    is_changed = bool(request.newPassword) or not is_described
    new, old = _password(request.newPassword), _password(request.oldPassword)
    if is_changed:
        check_length(new)
    may_leave_out = not guard.is_on or (guard.accounts.is_admin(call.user) and call.user != name)
    needs_old = is_changed and not (may_leave_out and not old)
    wrong = MilvusError(
        NOT_AUTHENTICATED, f"old password not correct for {name}: not authenticated"
    )
    if needs_old and not guard.is_password(name, old):
        raise wrong
    kept = hashed(new) if is_changed else None

    def update(known: Accounts) -> Accounts:
        if name not in known.users:
            raise wrong
        users = {**known.users, name: kept or known.users[name]}
        about = request.description if is_described else known.descriptions.get(name, "")
        return replace(known, users=users, descriptions={**known.descriptions, name: about})

    guard.store.change(update)


@rpc("DeleteCredential")
def delete_credential(call: Call, request: Any) -> None:
    """Delete a user; one that is not there is no error, as with Milvus."""
    if request.username == ROOT:
        raise not_permitted("root user cannot be deleted")
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
