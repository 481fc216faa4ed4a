"""May this user make this call?

Everything is refused that nothing allows: a call whose privilege is not known is for administrators
alone.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from elanus_server.failures import NOT_AUTHENTICATED, NOT_PERMITTED, MilvusError
from elanus_server.security.accounts import ANY, ROOT, Accounts, AccountStore
from elanus_server.security.caller import Caller
from elanus_server.security.passwords import KnownCredentials, hashed
from elanus_server.security.privileges import (
    OPEN,
    READING,
    SEEN_FROM_WITHIN,
    SEEN_WITH_ANY,
    needed_privilege,
)
from elanus_server.security.tokens import caller_of, is_token

_COLLECTION_FIELDS = ("collection_name", "collection_names", "collectionName", "oldName", "alias")
_ANYBODY = Caller("")
_USER_PRIVILEGES = ("UpdateUser", "SelectUser")


class NotAuthenticatedError(MilvusError):
    """Nobody whom the server knows.

    Attributes:
        user: Whose password it was to be, for the audit log, where there is such a user.
    """

    def __init__(self, user: str = "") -> None:
        super().__init__(
            NOT_AUTHENTICATED,
            "auth check failure, please check username and password are correct",
        )
        self.user = user


class NotPermittedError(MilvusError):
    """The user may not make the call."""

    def __init__(self, user: str, privilege: str, database: str) -> None:
        super().__init__(
            NOT_PERMITTED,
            f"Privilege{privilege}: permission deny to {user} in the `{database}` database",
        )


class Guard:
    """Checks credentials and privileges of one folder. Safe from many threads.

    Args:
        store: The accounts.
        is_on: Whether anybody has to say who they are; without, everybody may do everything.
    """

    def __init__(self, store: AccountStore, *, is_on: bool) -> None:
        self.store = store
        self.is_on = is_on
        self._known = KnownCredentials()

    @property
    def accounts(self) -> Accounts:
        """Users, roles and grants as they are now."""
        return self.store.accounts

    def set_up(self, password: str | None) -> str | None:
        """Make the user ``root`` where there is none yet.

        Args:
            password: Its password; None makes one up.

        Returns:
            The password that was made up, to be shown once; None where none was.
        """
        if ROOT in self.accounts.users:
            return None
        chosen = password or secrets.token_urlsafe(18)
        kept = hashed(chosen)
        self.store.change(lambda known: _with_user(known, ROOT, kept))
        return None if password else chosen

    def user_of(self, header: str) -> Caller:
        """Return who sent a header ``authorization``; "" where nobody has to say.

        Args:
            header: ``user:password`` or a token, as it is or in base64.

        Raises:
            NotAuthenticatedError: Nobody whom the server knows.
        """
        if not self.is_on:
            return _ANYBODY
        given = _credentials(header)
        if is_token(given):
            caller = caller_of(self.accounts, given)
            if caller is None:
                raise NotAuthenticatedError
            return caller
        user, _, password = given.partition(":")
        if not self.is_password(user, password):
            raise NotAuthenticatedError(user if user in self.accounts.users else "")
        return Caller(user)

    def is_password(self, user: str, password: str) -> bool:
        """Whether a password is that of a user."""
        return self._known.is_right(user, password, self.accounts.users.get(user))

    def check(
        self,
        user: str,
        method: str,
        request: Any,
        database: str,
        collection_of: Callable[[str], str] = lambda name: name,
    ) -> None:
        """Refuse a call that a user may not make.

        Args:
            user: Who asks.
            method: Name of the call.
            request: Its message.
            database: That the request means.
            collection_of: Returns the collection that a name or alias stands for.

        Raises:
            NotPermittedError: The user may not.
        """
        if not self.is_on or method in OPEN:
            return
        accounts = self.accounts
        privilege = needed_privilege(method, type(request))
        if Caller.of(user).read_only and privilege not in READING:
            raise NotPermittedError(user, privilege or method, database)
        if accounts.is_admin(user):
            return
        if privilege is None:
            raise NotPermittedError(user, method, database)
        if privilege in _USER_PRIVILEGES:
            named = _named_user(request)
            if named != user and not accounts.may(user, privilege, database, named or ANY):
                raise NotPermittedError(user, privilege, database)
            return
        names = [collection_of(name) for name in _collections(request)] or [ANY]
        for place in _databases(method, request, database):
            if privilege == SEEN_FROM_WITHIN and accounts.may_in(user, place):
                continue
            for name in names:
                is_seen = privilege in SEEN_WITH_ANY and accounts.may_anything(user, place, name)
                if not is_seen and not accounts.may(user, privilege, place, name):
                    raise NotPermittedError(user, privilege, place)

    def sees_database(self, user: str, database: str) -> bool:
        """Whether a user may know of a database."""
        accounts = self.accounts
        return not self.is_on or accounts.is_admin(user) or accounts.may_in(user, database)

    def sees_collection(self, user: str, database: str, name: str) -> bool:
        """Whether a user may know of a collection."""
        accounts = self.accounts
        return (
            not self.is_on or accounts.is_admin(user) or accounts.may_anything(user, database, name)
        )


def _with_user(accounts: Accounts, user: str, kept: str) -> Accounts:
    return replace(accounts, users={**accounts.users, user: kept})


def _credentials(header: str) -> str:
    """Return what a header holds: base64 as SDKs send it, or plain text."""
    text = header.removeprefix("Bearer ").removeprefix("Basic ").strip()
    if ":" in text or is_token(text):
        return text
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""


def named_collections(request: Any) -> list[str]:
    """Return the collections and aliases that a request names."""
    names: list[str] = []
    for field in _COLLECTION_FIELDS:
        found = getattr(request, field, "")
        names += [found] if isinstance(found, str) else list(found)
    for side in ("op_left", "op_right"):
        vectors = getattr(request, side, None)
        if vectors is not None and vectors.WhichOneof("array") == "id_array":
            names.append(vectors.id_array.collection_name)
    return [name for name in names if name]


def _collections(request: Any) -> list[str]:
    """Return what a request names; ``*`` for those without a name."""
    names = named_collections(request)
    numbers = getattr(request, "collectionID", 0)
    if numbers and (not isinstance(numbers, int) or not names):
        names.append(ANY)
    return names


def _databases(method: str, request: Any, database: str) -> list[str]:
    """Return the databases that a call reaches."""
    if method == "RenameCollection" and request.newDBName:
        return [database, request.newDBName]
    if method == "RestoreSnapshot" and request.target_db_name:
        return [database, request.target_db_name]
    if method == "FlushAll" and not request.db_name:
        return [ANY]
    return [database]


def _named_user(request: Any) -> str:
    for field in ("username", "user_name"):
        if hasattr(request, field):
            return str(getattr(request, field))
    return str(request.user.name) if hasattr(request, "user") else ""
