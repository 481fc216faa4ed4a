"""Roles, what they may do, and groups of privileges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from elanus_server.codec.pairs import read_name
from elanus_server.failures import MilvusError, invalid
from elanus_server.security.accounts import ADMIN, ANY, PUBLIC, ROOT, Accounts, Grant
from elanus_server.security.privileges import ALL, GROUPS, PRIVILEGES, privilege_name
from elanus_server.service.context import Call
from elanus_server.service.names import checked_name
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus

_KINDS = ("Collection", "Global", "User", "Database")
_BUILT_IN = (ADMIN, PUBLIC)


def _role_not_found(name: str) -> MilvusError:
    return invalid(
        f"not found the role, maybe the role isn't existed or internal system error[role={name}]"
    )


def _check_role(accounts: Accounts, name: str) -> None:
    if name not in accounts.roles:
        raise _role_not_found(name)


@rpc("CreateRole")
def create_role(call: Call, request: Any) -> None:
    name = checked_name(request.entity.name, "role")

    def create(known: Accounts) -> Accounts:
        if name in known.roles:
            raise invalid(f"role [name:{name}] already exists")
        return replace(known, roles={**known.roles, name: request.entity.description})

    call.host.guard.store.change(create)


@rpc("AlterRole")
def alter_role(call: Call, request: Any) -> None:
    def alter(known: Accounts) -> Accounts:
        _check_role(known, request.role_name)
        return replace(known, roles={**known.roles, request.role_name: request.description})

    call.host.guard.store.change(alter)


@rpc("DropRole")
def drop_role(call: Call, request: Any) -> None:
    name = request.role_name

    def drop(known: Accounts) -> Accounts:
        _check_role(known, name)
        if name in _BUILT_IN:
            raise invalid(f"the role[{name}] is a default role, which can't be dropped")
        if not request.force_drop and any(grant.role == name for grant in known.grants):
            raise invalid(
                f"fail to drop the role that it has privileges. Use REVOKE API to revoke "
                f"privileges[role={name}]"
            )
        return known.without_role(name)

    call.host.guard.store.change(drop)


@rpc("OperateUserRole")
def operate_user_role(call: Call, request: Any) -> None:
    user, role = request.username, request.role_name
    is_added = read_name(milvus.OperateUserRoleType, request.type) == "AddUserToRole"

    def operate(known: Accounts) -> Accounts:
        _check_role(known, role)
        if user not in (ROOT, *known.users):
            raise invalid(f"not found the user, maybe the user isn't existed[user={user}]")
        if user == ROOT and role == ADMIN and not is_added:
            raise invalid("the user root cannot be removed from the role admin")
        others = tuple(r for r in known.members.get(user, ()) if r != role)
        roles = (*others, role) if is_added else others
        return replace(known, members={**known.members, user: roles})

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


def _grant(call: Call, entity: Any) -> Grant:
    kind = entity.object.name
    if kind not in _KINDS:
        raise invalid(f"the object type in the object entity[{kind}] is invalid")
    return Grant(
        entity.role.name,
        _privilege(call, entity.grantor.privilege.name),
        ANY if kind == "User" else entity.db_name or call.database,
        entity.object_name or ANY,
        kind,
        call.user or ROOT,
    )


def _privilege(call: Call, name: str) -> str:
    """Return a privilege as it is kept; groups that users made are kept by their name."""
    if name in call.host.guard.accounts.groups:
        return name
    return privilege_name(name)


def _operate(call: Call, grant: Grant, kind: int) -> None:
    is_granted = read_name(milvus.OperatePrivilegeType, kind) == "Grant"

    def operate(known: Accounts) -> Accounts:
        _check_role(known, grant.role)
        if grant.role == ADMIN:
            raise invalid("the role admin may do everything; its privileges cannot be changed")
        return known.with_grant(grant) if is_granted else known.without_grant(grant)

    call.host.guard.store.change(operate)


@rpc("OperatePrivilege")
def operate_privilege(call: Call, request: Any) -> None:
    _operate(call, _grant(call, request.entity), request.type)


@rpc("OperatePrivilegeV2")
def operate_privilege_v2(call: Call, request: Any) -> None:
    privilege = _privilege(call, request.grantor.privilege.name)
    database = request.db_name or call.database
    name = request.collection_name or ANY
    grant = Grant(request.role.name, privilege, database, name, grantor=call.user or ROOT)
    _operate(call, grant, request.type)


@rpc("SelectGrant")
def select_grant(call: Call, request: Any) -> Any:
    wanted = request.entity
    accounts = call.host.guard.accounts
    _check_role(accounts, wanted.role.name)
    made = milvus.SelectGrantResponse()
    for grant in accounts.grants:
        if grant.role != wanted.role.name:
            continue
        if wanted.object.name and grant.kind != wanted.object.name:
            continue
        if wanted.object_name and grant.name not in (ANY, wanted.object_name):
            continue
        # The Node client asks for the database "*" to see them all.
        if wanted.db_name not in ("", ANY, grant.database) and grant.database != ANY:
            continue
        made.entities.append(_entity(grant))
    return made


def _entity(grant: Grant) -> Any:
    entity = milvus.GrantEntity(object_name=grant.name, db_name=grant.database)
    entity.role.name, entity.object.name = grant.role, grant.kind
    entity.grantor.user.name = grant.grantor
    entity.grantor.privilege.name = "*" if grant.privilege == ALL else grant.privilege
    return entity


@rpc("CreatePrivilegeGroup")
def create_privilege_group(call: Call, request: Any) -> None:
    name = checked_name(request.group_name, "privilege group")

    def create(known: Accounts) -> Accounts:
        if name in known.groups or name in GROUPS or name in PRIVILEGES:
            raise invalid(f"privilege group name [{name}] is defined by the system or taken")
        return replace(known, groups={**known.groups, name: ()})

    call.host.guard.store.change(create)


def _check_group(accounts: Accounts, name: str) -> None:
    if name not in accounts.groups:
        raise invalid(f"there is no privilege group name [{name}] to operate")


@rpc("DropPrivilegeGroup")
def drop_privilege_group(call: Call, request: Any) -> None:
    name = request.group_name

    def drop(known: Accounts) -> Accounts:
        if name not in known.groups:
            return known
        users = [grant.role for grant in known.grants if grant.privilege == name]
        if users:
            raise invalid(
                f"privilege group [{name}] is used by role [{users[0]}], Use REVOKE API to revoke "
                f"it first"
            )
        return replace(known, groups={n: m for n, m in known.groups.items() if n != name})

    call.host.guard.store.change(drop)


@rpc("OperatePrivilegeGroup")
def operate_privilege_group(call: Call, request: Any) -> None:
    given = [privilege_name(privilege.name) for privilege in request.privileges]
    groups = [name for name in given if name in GROUPS]
    if groups:
        raise invalid(f"the group {groups[0]} cannot be part of a group")
    is_added = read_name(milvus.OperatePrivilegeGroupType, request.type) == "AddPrivilegesToGroup"

    def operate(known: Accounts) -> Accounts:
        _check_group(known, request.group_name)
        others = tuple(p for p in known.groups[request.group_name] if p not in given)
        members = (*others, *given) if is_added else others
        return replace(known, groups={**known.groups, request.group_name: members})

    call.host.guard.store.change(operate)


@rpc("ListPrivilegeGroups")
def list_privilege_groups(call: Call, request: Any) -> Any:
    made = milvus.ListPrivilegeGroupsResponse()
    known = {name: sorted(members) for name, members in GROUPS.items()}
    for name, members in {**known, **call.host.guard.accounts.groups}.items():
        group = made.privilege_groups.add(group_name=name)
        for member in members:
            group.privileges.add(name=member)
    return made


@rpc("BackupRBAC")
def backup_rbac(call: Call, request: Any) -> Any:
    """Return everything about users; passwords are hashes that only a server can check."""
    accounts = call.host.guard.accounts
    made = milvus.BackupRBACMetaResponse()
    for name, kept in accounts.users.items():
        user = made.RBAC_meta.users.add(user=name, password=kept)
        for role in accounts.members.get(name, ()):
            user.roles.add(name=role)
    for name, description in accounts.roles.items():
        made.RBAC_meta.roles.add(name=name, description=description)
    made.RBAC_meta.grants.extend([_entity(grant) for grant in accounts.grants])
    for name, members in accounts.groups.items():
        group = made.RBAC_meta.privilege_groups.add(group_name=name)
        for member in members:
            group.privileges.add(name=member)
    return made


@rpc("RestoreRBAC")
def restore_rbac(call: Call, request: Any) -> None:
    """Add what a backup has; what is there already must not be in it."""
    meta = request.RBAC_meta

    def restore(known: Accounts) -> Accounts:
        taken = [user.user for user in meta.users if user.user in known.users and user.user != ROOT]
        if taken:
            raise invalid(f"restore: the user {taken[0]} exists already")
        new = [user for user in meta.users if user.user not in known.users]
        roles = {role.name: role.description for role in meta.roles}
        groups = {g.group_name: tuple(p.name for p in g.privileges) for g in meta.privilege_groups}
        made = replace(
            known,
            users={**known.users, **{user.user: user.password for user in new}},
            members={**known.members, **{u.user: tuple(r.name for r in u.roles) for u in new}},
            roles={**roles, **known.roles},
            groups={**groups, **known.groups},
        )
        for entity in meta.grants:
            made = made.with_grant(_grant(call, entity))
        return made

    call.host.guard.store.change(restore)
