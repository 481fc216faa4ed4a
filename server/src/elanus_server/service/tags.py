"""Tags of users, which row policies may ask for. Only administrators give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from elanus_server.failures import MilvusError, invalid
from elanus_server.security.accounts import Accounts
from elanus_server.service.context import Call
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus

MAX_TAGS = 64
MAX_CHARACTERS = 1_024


def _user_not_found(name: str) -> MilvusError:
    return invalid(f"user not found[user={name}]")


def _with_tags(accounts: Accounts, user: str, tags: Mapping[str, str]) -> Accounts:
    if user not in accounts.users:
        raise _user_not_found(user)
    return replace(accounts, tags={**accounts.tags, user: dict(tags)})


@rpc("AddUserTags")
def add_user_tags(call: Call, request: Any) -> None:
    given = dict(request.tags)
    if not given:
        raise invalid("tags: expected at least one, got none")
    for key, value in given.items():
        if not key or set(key) & set("\"'\\]") or max(len(key), len(value)) > MAX_CHARACTERS:
            raise invalid(
                f"tags: expected keys without quotes, backslashes and ']', keys and values of at "
                f"most {MAX_CHARACTERS} characters, got the key {key[:60]!r}"
            )

    def add(known: Accounts) -> Accounts:
        tags = {**known.tags.get(request.user_name, {}), **given}
        if len(tags) > MAX_TAGS:
            raise invalid(f"tags: a user has at most {MAX_TAGS}")
        return _with_tags(known, request.user_name, tags)

    call.host.guard.store.change(add)


@rpc("DeleteUserTags")
def delete_user_tags(call: Call, request: Any) -> None:
    gone = set(request.tag_keys)

    def delete(known: Accounts) -> Accounts:
        tags = known.tags.get(request.user_name, {})
        return _with_tags(
            known, request.user_name, {k: v for k, v in tags.items() if k not in gone}
        )

    call.host.guard.store.change(delete)


@rpc("GetUserTags")
def get_user_tags(call: Call, request: Any) -> Any:
    accounts = call.host.guard.accounts
    if request.user_name not in accounts.users:
        raise _user_not_found(request.user_name)
    return milvus.GetUserTagsResponse(tags=accounts.tags.get(request.user_name, {}))


@rpc("ListUsersWithTag")
def list_users_with_tag(call: Call, request: Any) -> Any:
    """List the users with a tag; an empty value stands for any."""
    names = [
        user
        for user, tags in sorted(call.host.guard.accounts.tags.items())
        if request.tag_key in tags and request.tag_value in ("", tags[request.tag_key])
    ]
    return milvus.ListUsersWithTagResponse(user_names=names)
