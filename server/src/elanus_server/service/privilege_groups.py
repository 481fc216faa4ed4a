"""Groups of privileges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from elanus_server.codec.pairs import read_name
from elanus_server.failures import invalid
from elanus_server.security.accounts import Accounts
from elanus_server.security.privileges import (
    EVERY,
    GROUPS,
    OLD_GROUPS,
    known_privilege,
    level_of,
)
from elanus_server.service.context import Call
from elanus_server.service.names import checked_group
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus


@rpc("CreatePrivilegeGroup")
def create_privilege_group(call: Call, request: Any) -> None:
    name = checked_group(request.group_name)
    if known_privilege(name) is not None:
        raise invalid(
            f"privilege group name [{name}] is defined by built in privileges or privilege groups "
            f"in system"
        )

    def create(known: Accounts) -> Accounts:
        if name in known.groups:
            raise invalid(f"privilege group name [{name}] is defined by users")
        return replace(known, groups={**known.groups, name: ()})

    call.host.guard.store.change(create)


@rpc("DropPrivilegeGroup")
def drop_privilege_group(call: Call, request: Any) -> None:
    """Drop a group; one that is not there is no error, as with Milvus."""
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
    """Add privileges to a group, which are all of one level, or take some out of it."""
    name = checked_group(request.group_name)
    given = [_member(privilege.name) for privilege in request.privileges]
    is_added = read_name(milvus.OperatePrivilegeGroupType, request.type) == "AddPrivilegesToGroup"

    def operate(known: Accounts) -> Accounts:
        if name not in known.groups:
            raise invalid(f"there is no privilege group name [{name}] defined in system to operate")
        if not given:
            raise invalid("privileges is empty when alter the privilege group")
        others = tuple(p for p in known.groups[name] if p not in given)
        members = (*others, *dict.fromkeys(given)) if is_added else others
        if is_added and len({level_of(member) for member in members}) > 1:
            raise invalid("privileges are not the same privilege level")
        return replace(known, groups={**known.groups, name: members})

    call.host.guard.store.change(operate)


def _member(name: str) -> str:
    """Return a privilege as groups keep it.

    Raises:
        MilvusError: There is none of this name, or it is a group itself.
    """
    known = known_privilege(name)
    if known is None or known == EVERY:
        raise invalid(
            f"there is no privilege name or privilege group name [{name}] defined in system to "
            f"operate"
        )
    if known in GROUPS or known in OLD_GROUPS:
        raise invalid(f"the group {known} cannot be part of a group")
    return known


@rpc("ListPrivilegeGroups")
def list_privilege_groups(call: Call, request: Any) -> Any:
    made = milvus.ListPrivilegeGroupsResponse()
    known = {name: sorted(members) for name, members in GROUPS.items()}
    for name, members in {**known, **call.host.guard.accounts.groups}.items():
        group = made.privilege_groups.add(group_name=name)
        for member in members:
            group.privileges.add(name=member)
    return made
