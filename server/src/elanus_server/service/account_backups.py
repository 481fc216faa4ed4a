"""Everything about users as one message, and back."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Any

from elanus_server.failures import UNEXPECTED, MilvusError, invalid
from elanus_server.security.accounts import ROOT, Accounts
from elanus_server.security.privileges import known_privilege
from elanus_server.service.context import Call
from elanus_server.service.grants import entity_of, grant_of
from elanus_server.service.registry import rpc
from elanus_server.service.roles import BUILT_IN
from elanus_server.wire import milvus


@rpc("BackupRBAC")
def backup_rbac(call: Call, request: Any) -> Any:
    """Return everything about users but ``root`` and the roles that are always there; passwords
    are hashes that only a server can check."""
    accounts = call.host.guard.accounts
    made = milvus.BackupRBACMetaResponse()
    for name, kept in accounts.users.items():
        if name == ROOT:
            continue
        user = made.RBAC_meta.users.add(user=name, password=kept)
        for role in accounts.members.get(name, ()):
            user.roles.add(name=role)
    for name, description in accounts.roles.items():
        if name not in BUILT_IN:
            made.RBAC_meta.roles.add(name=name, description=description)
    made.RBAC_meta.grants.extend([entity_of(grant) for grant in accounts.grants])
    for name, members in accounts.groups.items():
        group = made.RBAC_meta.privilege_groups.add(group_name=name)
        for member in members:
            group.privileges.add(name=member)
    return made


@rpc("RestoreRBAC")
def restore_rbac(call: Call, request: Any) -> None:
    """Add what a backup has; what is there already must not be in it."""
    meta = request.RBAC_meta
    if not (meta.users or meta.roles or meta.grants or meta.privilege_groups):
        raise MilvusError(UNEXPECTED, "rbac meta is empty")
    users = {user.user: user for user in meta.users if user.user != ROOT}
    roles = {role.name: role.description for role in meta.roles if role.name not in BUILT_IN}
    groups = {g.group_name: tuple(p.name for p in g.privileges) for g in meta.privilege_groups}

    def restore(known: Accounts) -> Accounts:
        _check_new("role", roles, known.roles)
        _check_new("privilege group", groups, known.groups)
        _check_new("user", users, known.users)
        made = replace(
            known,
            users={**known.users, **{name: user.password for name, user in users.items()}},
            members={
                **known.members,
                **{name: tuple(role.name for role in user.roles) for name, user in users.items()},
            },
            roles={**known.roles, **roles},
            groups={**known.groups, **groups},
        )
        _check_there("role", [role for name in users for role in made.members[name]], made.roles)
        for entity in meta.grants:
            name = entity.grantor.privilege.name
            if known_privilege(name) is None:
                _check_there("privilege", [name], made.groups)
            _check_there("role", [entity.role.name], made.roles)
            grantor = entity.grantor.user.name or call.user or ROOT
            made = made.with_grant(grant_of(entity, grantor, call.database))
        return made

    call.host.guard.store.change(restore)


def _check_new(what: str, names: Iterable[str], taken: Container[str]) -> None:
    """Refuse what is there already.

    Raises:
        MilvusError: One of the names is taken.
    """
    for name in names:
        if name in taken:
            raise invalid(f"{what} [{name}] already exists")


def _check_there(what: str, names: Iterable[str], known: Container[str]) -> None:
    """Refuse what points nowhere.

    Raises:
        MilvusError: One of the names is not known.
    """
    for name in names:
        if name not in known:
            raise invalid(f"{what} [{name}] does not exist")
