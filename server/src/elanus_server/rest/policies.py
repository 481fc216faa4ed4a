"""Routes of row policies and of the tags of users."""

from __future__ import annotations

from typing import Any

from elanus_server.rest.exchange import COLLECTION, Exchange, forward, route
from elanus_server.rest.parameters import Parameter, not_json
from elanus_server.wire import milvus

_POLICY = Parameter("policyName", field="policy_name", required=True)
_USER = Parameter("userName", field="user_name", required=True)
_ACTIONS = tuple(milvus.RowPolicyAction.keys())


@route(
    "row_policies/create",
    "Show some rows of a collection to some roles",
    "CreateRowPolicy",
    COLLECTION,
    _POLICY,
    Parameter("actions", "strings", required=True, about=f"Of {', '.join(_ACTIONS)}."),
    Parameter("roles", "strings", field="roles", required=True, about="public is everybody."),
    Parameter("usingExpr", field="using_expr", default="", about="Rows that are there for them."),
    Parameter("checkExpr", field="check_expr", default="", about="Rows that they may write."),
    Parameter("description", field="description", default=""),
)
def create_policy(exchange: Exchange) -> Any:
    names = {name.lower(): name for name in _ACTIONS}
    given = [name.lower() for name in exchange.values["actions"]]
    unknown = [name for name in given if name not in names]
    if unknown:
        raise not_json(f"actions: expected some of {', '.join(_ACTIONS)}, got {unknown[0]!r}")
    actions = [milvus.RowPolicyAction.Value(names[name]) for name in given]
    exchange.ask("CreateRowPolicy", **exchange.filled(), actions=actions)
    return {}


forward("row_policies/drop", "Drop a row policy", "DropRowPolicy", COLLECTION, _POLICY)


@route("row_policies/list", "List the row policies of a collection", "ListRowPolicies", COLLECTION)
def list_policies(exchange: Exchange) -> Any:
    found = exchange.ask("ListRowPolicies", **exchange.filled())
    return [
        {
            "policyName": one.policy_name,
            "actions": [milvus.RowPolicyAction.Name(number) for number in one.actions],
            "roles": list(one.roles),
            "usingExpr": one.using_expr,
            "checkExpr": one.check_expr,
            "description": one.description,
            "createdAt": exchange.number(one.created_at),
        }
        for one in found.policies
    ]


@route(
    "users/add_tags",
    "Give a user tags, which row policies may ask for",
    "AddUserTags",
    _USER,
    Parameter("tags", "object", required=True, about="Texts by key."),
)
def add_tags(exchange: Exchange) -> Any:
    tags = exchange.values["tags"]
    if not all(isinstance(value, str) for value in tags.values()):
        raise not_json("tags: expected strings")
    exchange.ask("AddUserTags", **exchange.filled(), tags=tags)
    return {}


forward(
    "users/delete_tags",
    "Take tags from a user",
    "DeleteUserTags",
    _USER,
    Parameter("keys", "strings", field="tag_keys", required=True),
)
forward(
    "users/list_tags",
    "List the tags of a user",
    "GetUserTags",
    _USER,
    shape=lambda response: dict(response.tags),
)
forward(
    "users/list_with_tag",
    "List the users with a tag",
    "ListUsersWithTag",
    Parameter("key", field="tag_key", required=True),
    Parameter("value", field="tag_value", default="", about="Else any."),
    shape=lambda response: list(response.user_names),
)
