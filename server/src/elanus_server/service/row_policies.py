"""Row policies of collections (``security.policies``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elanus_server.codec.pairs import read_name
from elanus_server.failures import invalid
from elanus_server.security.policies import (
    MAX_POLICIES,
    PROPERTY,
    Action,
    RowPolicy,
    checked_policy,
    policies_of,
    stored_policies,
)
from elanus_server.service.context import Call, Hosted
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus


def _policies(hosted: Hosted) -> tuple[RowPolicy, ...]:
    return policies_of(hosted.whole.properties.get(PROPERTY))


def _store(hosted: Hosted, policies: Sequence[RowPolicy]) -> None:
    hosted.whole.alter_properties({PROPERTY: stored_policies(policies)})


@rpc("CreateRowPolicy")
def create_row_policy(call: Call, request: Any) -> None:
    hosted = call.hosted(request)
    policy = RowPolicy(
        request.policy_name,
        tuple(Action(read_name(milvus.RowPolicyAction, number)) for number in request.actions),
        tuple(request.roles),
        request.using_expr.strip(),
        request.check_expr.strip(),
        request.description,
    )
    unknown = set(request.roles) - set(call.host.guard.accounts.roles) - {"PUBLIC"}
    if unknown:
        raise invalid(f"row policy {policy.name}: there is no role {min(unknown)}")
    made = checked_policy(policy, hosted.whole)
    with call.host.changes:
        known = _policies(hosted)
        if any(one.name == made.name for one in known):
            raise invalid(f"row policy {made.name} already exists")
        if len(known) >= MAX_POLICIES:
            raise invalid(f"row policy: a collection has at most {MAX_POLICIES}")
        _store(hosted, (*known, made))


@rpc("DropRowPolicy")
def drop_row_policy(call: Call, request: Any) -> None:
    """Drop a policy; without the last one the collection is open to all who may read it."""
    hosted = call.hosted(request)
    with call.host.changes:
        known = _policies(hosted)
        rest = [one for one in known if one.name != request.policy_name]
        if len(rest) == len(known):
            raise invalid(f"row policy not found[policy={request.policy_name}]")
        _store(hosted, rest)


@rpc("ListRowPolicies")
def list_row_policies(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    made = milvus.ListRowPoliciesResponse(
        db_name=hosted.database, collection_name=hosted.whole.name
    )
    for one in _policies(hosted):
        made.policies.add(
            policy_name=one.name,
            actions=[milvus.RowPolicyAction.Value(str(action)) for action in one.actions],
            roles=one.roles,
            using_expr=one.using,
            check_expr=one.check,
            description=one.description,
            created_at=one.created_at,
        )
    return made
