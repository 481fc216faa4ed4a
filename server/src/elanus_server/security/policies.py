"""Which rows of a collection are there for a user?

Policies are kept in a property of the collection itself, so they stay with it when it is renamed,
moved to another database, backed up or restored. A collection with policies shows a row to a user
when one of the policies of their roles does; without one they see nothing. Administrators are not
bound. What a policy says is compiled into a filter of its own, beside that of the request.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from elanus import Collection
from elanus.errors import FilterError
from elanus.filter import And, Literal, Node, Or, Parameter, parse
from elanus_server.failures import invalid
from elanus_server.security.accounts import Accounts
from elanus_server.security.caller import Caller

PROPERTY = "elanus.row_policies"
"""Property of a collection that holds its policies."""
MAX_POLICIES = 64
_USER = "current_user_name"
_TAG = "current_user_tag_"
_VARIABLE = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |\$current_user_name\b
    |\$current_user_tags\s*\[\s*(?P<quote>["'])(?P<key>[^"'\\\]]+)(?P=quote)\s*\]""",
    re.VERBOSE | re.DOTALL,
)
_NOTHING = Literal(False)


class Action(StrEnum):
    """What a policy is about; the names are those of the protocol."""

    QUERY = "Query"
    SEARCH = "Search"
    INSERT = "Insert"
    DELETE = "Delete"
    UPSERT = "Upsert"


ACTIONS = {
    "Search": Action.SEARCH,
    "HybridSearch": Action.SEARCH,
    "Insert": Action.INSERT,
    "Upsert": Action.UPSERT,
    "Delete": Action.DELETE,
}
"""Of calls; every other one that reads rows reads them as a query does."""

_DESCRIBING = frozenset(
    {
        "HasCollection",
        "DescribeCollection",
        "BatchDescribeCollection",
        "ShowPartitions",
        "HasPartition",
        "DescribeIndex",
        "DescribeAlias",
        "ListAliases",
        "GetIndexState",
        "GetIndexBuildProgress",
        "GetLoadState",
        "GetLoadingProgress",
        "GetFlushState",
        "RunAnalyzer",
    }
)
UNBOUND = frozenset({"LoadCollection", "LoadPartitions", "Flush"})
"""Calls of bound users that need the whole collection, and neither show nor change a row."""
OF_BOUND_USERS = (
    frozenset(ACTIONS)
    | _DESCRIBING
    | UNBOUND
    | {"Query", "GetCollectionStatistics", "GetPartitionStatistics", "GetIndexStatistics"}
)
"""What somebody may call, privileges granted, whom row policies bind. Everything else that names
such a collection is for administrators: it would reach more than rows."""


@dataclass(frozen=True, slots=True)
class RowPolicy:
    """One policy of a collection.

    Attributes:
        name: In the collection.
        actions: What it allows.
        roles: Whom; ``public`` is everybody.
        using: Rows that are seen, replaced and deleted pass it; empty: none does.
        check: Rows pass it as they are written; empty: as ``using``.
        description: For people.
        created_at: Seconds since 1970.
    """

    name: str
    actions: tuple[Action, ...]
    roles: tuple[str, ...]
    using: str = ""
    check: str = ""
    description: str = ""
    created_at: int = 0

    def of(self, action: Action, roles: Sequence[str]) -> bool:
        """Whether it is about an action of somebody with some roles."""
        return action in self.actions and not set(self.roles).isdisjoint(roles)


def policies_of(stored: Any) -> tuple[RowPolicy, ...]:
    """Return the policies that a property holds."""
    return tuple(
        RowPolicy(
            **{
                **one,
                "actions": tuple(Action(action) for action in one["actions"]),
                "roles": tuple(one["roles"]),
            }
        )
        for one in stored or ()
    )


def stored_policies(policies: Sequence[RowPolicy]) -> Any:
    """Return the value of the property; None where there are none."""
    kept = [asdict(one) for one in policies]
    for one in kept:
        one["actions"] = [str(action) for action in one["actions"]]
        one["roles"] = list(one["roles"])
    return kept or None


def checked_policy(policy: RowPolicy, collection: Collection) -> RowPolicy:
    """Return a policy that is to be kept, with the time of now.

    Raises:
        MilvusError: It lacks something, or does not fit the collection.
    """
    if not policy.name or len(policy.name) > 255:
        raise invalid("row policy: expected a name of 1 to 255 characters")
    for what, given in (("action", policy.actions), ("role", policy.roles)):
        if not given:
            raise invalid(f"row policy {policy.name}: expected at least one {what}")
    is_about_rows = set(policy.actions) != {Action.INSERT}
    if not policy.using and (is_about_rows or not policy.check):
        raise invalid(f"row policy {policy.name}: expected using_expr, a filter")
    for part, text in (("using_expr", policy.using), ("check_expr", policy.check)):
        if not text:
            continue
        try:
            tree, keys = _read(text)
            collection.restricted(tree, params=_values("", dict.fromkeys(keys, "")))
        except FilterError as error:
            raise invalid(f"row policy {policy.name}: {part}: {error}") from None
    roles = tuple("public" if role.lower() == "public" else role for role in policy.roles)
    return RowPolicy(
        policy.name,
        tuple(dict.fromkeys(policy.actions)),
        tuple(dict.fromkeys(roles)),
        policy.using,
        policy.check,
        policy.description,
        int(time.time()),
    )


def bound_handle(
    whole: Collection,
    policies: Sequence[RowPolicy],
    action: Action,
    caller: str,
    accounts: Accounts,
) -> Collection:
    """Return the handle of a user for what they are about to do."""
    of_caller = _OfCaller(policies, caller, accounts)
    params = _values(str(caller), accounts.tags.get(str(caller), {}))
    seen = of_caller.using(Action.SEARCH if action is Action.SEARCH else Action.QUERY)
    if action in (Action.SEARCH, Action.QUERY):
        return whole.restricted(seen, params=params)
    if action is Action.DELETE:
        return whole.restricted(And((seen, of_caller.using(action))), params=params)
    # An insert of a key that is taken replaces what is there.
    replaced = And((seen, of_caller.using(Action.UPSERT)))
    return whole.restricted(replaced, check=of_caller.check(action), params=params)


class _OfCaller:
    """What the policies of a collection come to for one user."""

    def __init__(self, policies: Sequence[RowPolicy], caller: str, accounts: Accounts) -> None:
        self._policies = policies
        self._roles = accounts.roles_of(Caller.of(caller))
        self._tags = accounts.tags.get(str(caller), {})

    def using(self, action: Action) -> Node:
        """Return the tree that rows must pass for an action."""
        return self._joined([p.using for p in self._policies if p.of(action, self._roles)])

    def check(self, action: Action) -> Node:
        """Return the tree that rows must pass as they are written."""
        return self._joined(
            [p.check or p.using for p in self._policies if p.of(action, self._roles)]
        )

    def _joined(self, texts: Sequence[str]) -> Node:
        trees = [
            tree for tree, keys in map(_read, filter(None, texts)) if keys <= self._tags.keys()
        ]
        return Or(tuple(trees)) if trees else _NOTHING


def _read(text: str) -> tuple[Node, frozenset[str]]:
    """Return the tree of a policy, with parameters for its variables, and the tags it asks for.

    Raises:
        FilterError: It cannot be read.
    """
    keys: set[str] = set()

    def parameter(found: re.Match[str]) -> str:
        if found["text"] is not None:
            return found[0]
        if found["key"] is None:
            return f"{{{_USER}}}"
        keys.add(found["key"])
        return f"{{{_name(found['key'])}}}"

    tree = parse(_VARIABLE.sub(parameter, text))
    known = {_USER, *map(_name, keys)}
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, Parameter) and node.name not in known:
            raise FilterError(
                f"unknown parameter {{{node.name}}}; a policy may ask for $current_user_name and "
                f"$current_user_tags['key']",
                expression=text,
            )
        left.extend(node.children())
    return tree, frozenset(keys)


def _values(name: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the parameters."""
    return {_USER: name, **{_name(key): value for key, value in tags.items()}}


def _name(key: str) -> str:
    return _TAG + key.encode().hex()
