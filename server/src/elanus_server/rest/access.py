"""Routes of users, roles and privileges."""

from __future__ import annotations

import base64
from typing import Any

from elanus_server.rest.exchange import Exchange, Reply, forward, route
from elanus_server.rest.parameters import Parameter, missing
from elanus_server.wire import milvus

_USER = Parameter("userName", field="username", required=True)
_PASSWORD = Parameter("password", required=True)
_ROLE = Parameter("roleName", field="role_name", required=True)
_ROLE_ONLY = Parameter("roleName", required=True)
_ABOUT = Parameter("description", field="description")
_GROUP = Parameter("privilegeGroupName", field="group_name", required=True)
_PRIVILEGE = Parameter("privilege", required=True)
_GRANT, _REVOKE = 0, 1

forward(
    "users/list",
    "List the users",
    "ListCredUsers",
    shape=lambda response: list(response.usernames),
)
forward("users/drop", "Drop a user", "DeleteCredential", _USER)
forward("users/grant_role", "Give a user a role", "OperateUserRole", _USER, _ROLE, type=_GRANT)
forward(
    "users/revoke_role", "Take a role from a user", "OperateUserRole", _USER, _ROLE, type=_REVOKE
)


def _encoded(password: str) -> str:
    """Return a password as the protocol carries it."""
    return base64.b64encode(password.encode()).decode()


@route(
    "users/describe",
    "List the roles of a user",
    "SelectUser",
    Parameter("userName", required=True),
)
def describe_user(exchange: Exchange) -> Any:
    name = exchange.values["userName"]
    found = exchange.ask("SelectUser", user=milvus.UserEntity(name=name), include_role_info=True)
    roles = [r.name for one in found.results for r in one.roles]
    return Reply(roles, {"description": "".join(one.description for one in found.results)})


@route("users/create", "Make a user", "CreateCredential", _USER, _PASSWORD, _ABOUT)
def create_user(exchange: Exchange) -> Any:
    password = _encoded(exchange.values["password"])
    exchange.ask("CreateCredential", **exchange.filled(), password=password)
    return {}


@route(
    "users/update_password",
    "Give a user another password, or another description",
    "UpdateCredential",
    _USER,
    Parameter("password", default="", about="The old one; administrators need not know it."),
    Parameter("newPassword", default=""),
    _ABOUT,
)
def update_password(exchange: Exchange) -> Any:
    old, new = exchange.values["password"], exchange.values["newPassword"]
    if not new and exchange.values["description"] is None:
        raise missing("'newPassword' is required")
    exchange.ask(
        "UpdateCredential",
        **exchange.filled(),
        oldPassword=_encoded(old),
        newPassword=_encoded(new),
    )
    return {}


forward(
    "roles/list",
    "List the roles",
    "SelectRole",
    shape=lambda response: [one.role.name for one in response.results],
)
forward("roles/drop", "Drop a role", "DropRole", _ROLE)
forward("roles/alter", "Change the description of a role", "AlterRole", _ROLE, _ABOUT)


@route("roles/create", "Make a role", "CreateRole", _ROLE_ONLY, Parameter("description"))
def create_role(exchange: Exchange) -> Any:
    name, about = exchange.values["roleName"], exchange.values["description"]
    exchange.ask("CreateRole", entity=milvus.RoleEntity(name=name, description=about))
    return {}


@route("roles/describe", "List the privileges of a role", "SelectGrant", _ROLE_ONLY)
def describe_role(exchange: Exchange) -> Any:
    role = milvus.RoleEntity(name=exchange.values["roleName"])
    entity = milvus.GrantEntity(role=role, db_name=exchange.call.database)
    found = exchange.ask("SelectGrant", entity=entity)
    told = exchange.ask("SelectRole", role=role)
    grants = [
        {
            "objectType": grant.object.name,
            "objectName": grant.object_name,
            "privilege": grant.grantor.privilege.name,
            "dbName": grant.db_name,
            "grantor": grant.grantor.user.name,
        }
        for grant in found.entities
    ]
    return Reply(grants, {"description": "".join(one.role.description for one in told.results)})


def _operate(exchange: Exchange, kind: int) -> Any:
    values = exchange.values
    grantor = milvus.GrantorEntity(privilege=milvus.PrivilegeEntity(name=values["privilege"]))
    entity = milvus.GrantEntity(
        role=milvus.RoleEntity(name=values["roleName"]),
        object=milvus.ObjectEntity(name=values["objectType"]),
        object_name=values["objectName"],
        db_name=exchange.call.database,
        grantor=grantor,
    )
    exchange.ask("OperatePrivilege", entity=entity, type=kind)
    return {}


def _operate_v2(exchange: Exchange, kind: int) -> Any:
    values = exchange.values
    exchange.ask(
        "OperatePrivilegeV2",
        role=milvus.RoleEntity(name=values["roleName"]),
        grantor=milvus.GrantorEntity(privilege=milvus.PrivilegeEntity(name=values["privilege"])),
        type=kind,
        db_name=values["dbName"] or "",
        collection_name=values["collectionName"],
    )
    return {}


_OBJECT = (
    _ROLE_ONLY,
    Parameter("objectType", required=True),
    Parameter("objectName", required=True),
    _PRIVILEGE,
)
_PLACE = (_ROLE_ONLY, Parameter("collectionName", default=""), _PRIVILEGE)


@route("roles/grant_privilege", "Give a role a privilege", "OperatePrivilege", *_OBJECT)
def grant_privilege(exchange: Exchange) -> Any:
    return _operate(exchange, _GRANT)


@route("roles/revoke_privilege", "Take a privilege from a role", "OperatePrivilege", *_OBJECT)
def revoke_privilege(exchange: Exchange) -> Any:
    return _operate(exchange, _REVOKE)


@route("roles/grant_privilege_v2", "Give a role a privilege", "OperatePrivilegeV2", *_PLACE)
def grant_privilege_v2(exchange: Exchange) -> Any:
    return _operate_v2(exchange, _GRANT)


@route("roles/revoke_privilege_v2", "Take a privilege from a role", "OperatePrivilegeV2", *_PLACE)
def revoke_privilege_v2(exchange: Exchange) -> Any:
    return _operate_v2(exchange, _REVOKE)


forward(
    "privilege_groups/list",
    "List the groups of privileges",
    "ListPrivilegeGroups",
    shape=lambda response: {
        "privilegeGroups": [
            {
                "privilegeGroupName": group.group_name,
                "privileges": ",".join(one.name for one in group.privileges),
            }
            for group in response.privilege_groups
        ]
    },
)
forward("privilege_groups/create", "Make a group of privileges", "CreatePrivilegeGroup", _GROUP)
forward("privilege_groups/drop", "Drop a group of privileges", "DropPrivilegeGroup", _GROUP)


def _operate_group(exchange: Exchange, kind: int) -> Any:
    names = exchange.values["privileges"]
    privileges = [milvus.PrivilegeEntity(name=name) for name in names]
    exchange.ask("OperatePrivilegeGroup", **exchange.filled(), privileges=privileges, type=kind)
    return {}


_PRIVILEGES = Parameter("privileges", "strings", default=[])


@route(
    "privilege_groups/add_privileges_to_group",
    "Add privileges to a group",
    "OperatePrivilegeGroup",
    _GROUP,
    _PRIVILEGES,
)
def add_to_group(exchange: Exchange) -> Any:
    return _operate_group(exchange, _GRANT)


@route(
    "privilege_groups/remove_privileges_from_group",
    "Take privileges out of a group",
    "OperatePrivilegeGroup",
    _GROUP,
    _PRIVILEGES,
)
def remove_from_group(exchange: Exchange) -> Any:
    return _operate_group(exchange, _REVOKE)
