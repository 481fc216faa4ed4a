"""What roles may do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from elanus_server.codec.pairs import read_name
from elanus_server.failures import (
    UNEXPECTED,
    MilvusError,
    collection_not_found,
    invalid,
)
from elanus_server.security.accounts import ADMIN, ANY, ROOT, Accounts, Grant
from elanus_server.security.privileges import (
    COLLECTION,
    EVERY,
    GLOBAL,
    GROUPS,
    KINDS,
    OLD_GROUPS,
    USER,
    kind_of,
    known_privilege,
    level_of,
    unknown_privilege,
)
from elanus_server.service.context import Call
from elanus_server.service.names import checked_database, checked_name
from elanus_server.service.registry import rpc
from elanus_server.service.roles import check_role
from elanus_server.wire import milvus


def grant_of(entity: Any, grantor: str, database: str) -> Grant:
    """Return the grant that a ``GrantEntity`` tells.

    Args:
        entity: The message.
        grantor: Who grants it.
        database: That it means where it names none.
    """
    given = entity.grantor.privilege.name
    privilege = known_privilege(given) or given
    kind = entity.object.name or kind_of(privilege)
    where = ANY if kind == USER else entity.db_name or database
    return Grant(entity.role.name, privilege, where, entity.object_name or ANY, kind, grantor)


def entity_of(grant: Grant) -> Any:
    """Return a grant as a ``GrantEntity``."""
    entity = milvus.GrantEntity(object_name=grant.name, db_name=grant.database)
    entity.role.name, entity.object.name = grant.role, _kind(grant)
    entity.grantor.user.name, entity.grantor.privilege.name = grant.grantor, grant.privilege
    return entity


def _kind(grant: Grant) -> str:
    return grant.kind if grant.privilege == EVERY else kind_of(grant.privilege)


@rpc("OperatePrivilege")
def operate_privilege(call: Call, request: Any) -> None:
    """Grant or revoke one privilege of one kind of object; groups have a call of their own."""
    accounts, entity = call.host.guard.accounts, request.entity
    kind, name = entity.object.name, entity.grantor.privilege.name
    if kind not in KINDS:
        raise MilvusError(UNEXPECTED, "the object entity in the request is nil or invalid")
    check_role(accounts, entity.role.name)
    for what, groups in (("custom", accounts.groups), ("built-in", GROUPS)):
        if (known_privilege(name) or name) in groups:
            raise MilvusError(UNEXPECTED, f"can not operate the {what} privilege group [{name}]")
    known = known_privilege(name)
    if known is None or (known != EVERY and kind_of(known) != kind):
        raise unknown_privilege(name, f" in object[{kind}]")
    if kind == GLOBAL and known not in OLD_GROUPS:
        entity.object_name = ANY
    _operate(call, grant_of(entity, call.user or ROOT, call.database), request.type)


@rpc("OperatePrivilegeV2")
def operate_privilege_v2(call: Call, request: Any) -> None:
    """Grant or revoke a privilege or a group, in a database and for a collection."""
    accounts, given = call.host.guard.accounts, request.grantor.privilege.name
    database, name = request.db_name or call.database, request.collection_name or ANY
    if database != ANY:
        checked_database(database)
    if name != ANY:
        checked_name(name, "collection")
    check_role(accounts, request.role.name)
    privilege = given if given in accounts.groups else known_privilege(given)
    if privilege is None:
        raise unknown_privilege(given)
    _check_level(accounts, privilege, database, name)
    kind = kind_of(privilege)
    where = ANY if kind == USER else database
    grant = Grant(request.role.name, privilege, where, name, kind, call.user or ROOT)
    _operate(call, grant, request.type)


def _check_level(accounts: Accounts, group: str, database: str, name: str) -> None:
    """Refuse a group where privileges of its level mean nothing.

    Raises:
        MilvusError: It has to be granted in another place.
    """
    members = GROUPS.get(group) or accounts.groups.get(group, ())
    level = level_of(next(iter(members), ""))
    if members and not level:
        raise MilvusError(UNEXPECTED, "not found the privilege level")
    if level == "Cluster" and (database, name) != (ANY, ANY):
        raise invalid(
            f"dbName and collectionName should be * for the cluster level privilege: {group}"
        )
    if level == "Database" and name != ANY:
        raise invalid(f"collectionName should be * for the database level privilege: {group}")
    if level == "Collection" and database == ANY != name:
        raise invalid(f"please specify database name for the collection level privilege: {group}")


def _operate(call: Call, grant: Grant, kind: int) -> None:
    is_granted = read_name(milvus.OperatePrivilegeType, kind) == "Grant"
    grant = _of_collection(call, grant, is_needed=is_granted)

    def operate(known: Accounts) -> Accounts:
        check_role(known, grant.role)
        if grant.role == ADMIN:
            raise invalid("the role admin may do everything; its privileges cannot be changed")
        return known.with_grant(grant) if is_granted else known.without_grant(grant)

    with call.host.changes:
        call.host.guard.store.change(operate)


def _of_collection(call: Call, grant: Grant, *, is_needed: bool) -> Grant:
    """Return a grant for the collection that an alias stands for: it follows the collection.

    Args:
        call: That grants or revokes it.
        grant: With a name as it was given.
        is_needed: Whether there has to be such a collection.

    Raises:
        MilvusError: There is none.
    """
    if grant.kind == USER or grant.name == ANY:
        return grant
    known = call.host.list_databases()
    is_there = (
        grant.database in known
        and (found := call.host.collection_of(grant.database, grant.name))
        in call.host.database(grant.database).list_collections()
    )
    if is_there:
        return replace(grant, name=found)
    if is_needed and grant.kind == COLLECTION:
        raise collection_not_found(grant.database, grant.name)
    return grant


@rpc("SelectGrant")
def select_grant(call: Call, request: Any) -> Any:
    """List what a role may do in a database; in ``*`` everything."""
    wanted = request.entity
    accounts = call.host.guard.accounts
    check_role(accounts, wanted.role.name)
    databases = (ANY, wanted.db_name or call.database)
    found = [
        grant
        for grant in accounts.grants
        if grant.role == wanted.role.name
        and (wanted.db_name == ANY or grant.database in databases)
        and wanted.object.name in ("", _kind(grant))
        and wanted.object_name in ("", grant.name)
    ]
    found.sort(key=lambda grant: (_kind(grant), grant.database, grant.name, grant.privilege))
    return milvus.SelectGrantResponse(entities=[entity_of(grant) for grant in found])
