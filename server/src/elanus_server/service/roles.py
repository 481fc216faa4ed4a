"""Roles, and who has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from elanus_server.codec.pairs import read_name
from elanus_server.failures import UNEXPECTED, MilvusError, invalid, not_permitted
from elanus_server.security.accounts import ADMIN, PUBLIC, ROOT, Accounts
from elanus_server.service.context import Call
from elanus_server.service.names import checked_role
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus

BUILT_IN = (ADMIN, PUBLIC)
"""Roles that are always there."""


def check_role(accounts: Accounts, name: str) -> None:
    """Refuse a role that there is not.

    Raises:
        MilvusError: There is none of this name.
    """
    if name not in accounts.roles:
        told = "not found the role, maybe the role isn't existed or internal system error"
        raise MilvusError(UNEXPECTED, f"{told}[role={name}]")


@rpc("CreateRole")
def create_role(call: Call, request: Any) -> None:
    name = checked_role(request.entity.name)

    def create(known: Accounts) -> Accounts:
        if name in known.roles:
            raise MilvusError(UNEXPECTED, f'role [name:"{name}"] already exists')
        return replace(known, roles={**known.roles, name: request.entity.description})

    call.host.guard.store.change(create)


@rpc("AlterRole")
def alter_role(call: Call, request: Any) -> None:
    if request.role_name in BUILT_IN:
        raise not_permitted(
            f"the role[{request.role_name}] is a builtin role, which can't be altered"
        )

    def alter(known: Accounts) -> Accounts:
        check_role(known, request.role_name)
        return replace(known, roles={**known.roles, request.role_name: request.description})

    call.host.guard.store.change(alter)


@rpc("DropRole")
def drop_role(call: Call, request: Any) -> None:
    name = request.role_name
    if name in BUILT_IN:
        raise not_permitted(f"the role[{name}] is a default role, which can't be dropped")

    def drop(known: Accounts) -> Accounts:
        check_role(known, name)
        if not request.force_drop and any(grant.role == name for grant in known.grants):
            raise invalid(
                f"fail to drop the role that it has privileges. Use REVOKE API to revoke "
                f"privileges[role={name}]"
            )
        return known.without_role(name)

    call.host.guard.store.change(drop)


@rpc("OperateUserRole")
def operate_user_role(call: Call, request: Any) -> None:
    """Give a user a role, or take it; taking what is not there is no error, as with Milvus.

    ``root`` stays an administrator whatever is taken.
    """
    user, role = request.username, request.role_name
    is_added = read_name(milvus.OperateUserRoleType, request.type) == "AddUserToRole"

    def operate(known: Accounts) -> Accounts:
        check_role(known, role)
        if is_added and user not in (ROOT, *known.users):
            told = "not found the user, maybe the user isn't existed or internal system error"
            raise MilvusError(UNEXPECTED, f"{told}[user={user}]")
        own = known.members.get(user, ())
        others = tuple(r for r in own if r != role)
        roles = (*others, role) if is_added else others
        return known if roles == own else replace(known, members={**known.members, user: roles})

    call.host.guard.store.change(operate)


@rpc("SelectRole")
def select_role(call: Call, request: Any) -> Any:
    accounts = call.host.guard.accounts
    made = milvus.SelectRoleResponse()
    names = [request.role.name] if request.role.name else sorted(accounts.roles)
    for name in names:
        if name not in accounts.roles:
            continue
        result = made.results.add()
        result.role.name, result.role.description = name, accounts.roles[name]
        if request.include_user_info:
            users = sorted({ROOT, *accounts.users})
            members = [user for user in users if name in accounts.roles_of(user)]
            for user in members if name != PUBLIC else []:
                result.users.add(name=user)
    return made
