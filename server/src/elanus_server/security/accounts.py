"""Users, roles, what roles may do, and groups of privileges.

All of it is one value that the server keeps: a change happens whole or not at all. Passwords are
kept as hashes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from elanus import Database
from elanus_server.kept import Kept
from elanus_server.security.caller import Caller
from elanus_server.security.privileges import (
    ALL,
    BROUGHT_BY,
    COLLECTION,
    EVERY,
    GROUPS,
    OLD_GROUPS,
    USER,
    kind_of,
)

_NAME = "accounts"
ROOT, ADMIN, PUBLIC = "root", "admin", "public"
ANY = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a role may do.

    Attributes:
        role: Name of the role.
        privilege: A privilege, a group of privileges, ``All``, or ``*``: all of the kind.
        database: Where; ``*`` is everywhere.
        name: Of the collection, or with ``kind`` ``User`` of the user; ``*`` is any.
        kind: Of the object that it is about: ``Collection``, ``Global`` or ``User``.
        grantor: Who granted it.
    """

    role: str
    privilege: str
    database: str = ANY
    name: str = ANY
    kind: str = COLLECTION
    grantor: str = ROOT

    @property
    def place(self) -> tuple[str, ...]:
        """What makes two grants the same."""
        kind = self.kind if self.privilege == EVERY else ""
        return self.role, self.privilege, self.database, self.name, kind


@dataclass(frozen=True, slots=True)
class Token:
    """A credential of a program.

    Attributes:
        number: Finds it; no secret.
        user: Whose it is.
        digest: Hash of the secret.
        name: What its owner calls it.
        created_at: Seconds since 1970.
        expires_at: Seconds since 1970 from which it is worth nothing; None: it does not expire.
        roles: Roles of the user that it has; None: all.
        read_only: Whether it is only for what changes nothing.
    """

    number: str
    user: str
    digest: str = field(repr=False)
    name: str = ""
    created_at: float = 0.0
    expires_at: float | None = None
    roles: tuple[str, ...] | None = None
    read_only: bool = False

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and time.time() >= self.expires_at


@dataclass(frozen=True, slots=True)
class Accounts:
    """Everything that is known of users. It never changes; changes make another.

    Attributes:
        users: Hash of the password by name.
        descriptions: Of users, by name.
        members: Roles of each user.
        roles: Description of each role by name.
        grants: What roles may do.
        groups: Privileges of groups that users made, by name.
        tags: What administrators say of each user, by key; row policies may ask for it.
        tokens: By number.
        limits: Of each user, by name (``security.limits``).
    """

    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=lambda: {ADMIN: "", PUBLIC: ""})
    grants: tuple[Grant, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def roles_of(self, user: str) -> tuple[str, ...]:
        """Return the roles of a user; everybody has ``public``, and ``root`` is ``admin``.

        Who came with a token has those that it leaves them.
        """
        own = self.members.get(user, ())
        roles = (*([ADMIN] if user == ROOT and ADMIN not in own else []), *own, PUBLIC)
        left = Caller.of(user).roles
        return roles if left is None else tuple([role for role in roles if role in left])

    def is_admin(self, user: str) -> bool:
        """Whether a user may do everything."""
        return ADMIN in self.roles_of(user)

    def may(self, user: str, privilege: str, database: str, name: str) -> bool:
        """Whether a user may do something with a collection; ``*`` stands for all of them."""
        return any(self.holds(grant, privilege) for grant in self._of(user, database, name))

    def may_anything(self, user: str, database: str, name: str) -> bool:
        """Whether a user may do anything with a collection."""
        return any(grant.kind != USER for grant in self._of(user, database, name))

    def may_in(self, user: str, database: str) -> bool:
        """Whether a user may do anything in a database."""
        roles = set(self.roles_of(user))
        return any(
            grant.role in roles and grant.kind != USER and grant.database in (ANY, database)
            for grant in self.grants
        )

    def _of(self, user: str, database: str, name: str) -> list[Grant]:
        roles = set(self.roles_of(user))
        return [
            grant
            for grant in self.grants
            if grant.role in roles
            and grant.database in (ANY, database)
            and grant.name in (ANY, name)
        ]

    def holds(self, grant: Grant, privilege: str) -> bool:
        """Whether a grant is, or has, a privilege."""
        granted = grant.privilege
        if granted == EVERY:
            return kind_of(privilege) == grant.kind
        members = GROUPS.get(granted) or self.groups.get(granted)
        if members is None:
            members = OLD_GROUPS.get(granted, ())
        enough = (ALL, privilege, *BROUGHT_BY.get(privilege, ()))
        return granted in enough or any(one in members for one in enough)

    def with_grant(self, grant: Grant) -> Accounts:
        """Return accounts with one more grant."""
        if any(known.place == grant.place for known in self.grants):
            return self
        return replace(self, grants=(*self.grants, grant))

    def without_grant(self, grant: Grant) -> Accounts:
        """Return accounts without a grant."""
        return replace(self, grants=tuple(g for g in self.grants if g.place != grant.place))

    def moved(self, database: str, name: str, to: tuple[str, str] | None) -> Accounts:
        """Return accounts whose grants follow a collection.

        Args:
            database: Where it was.
            name: What it was called.
            to: Database and name that it has now; None: it was dropped, and what was granted with
                it must not hold for the next one of its name.
        """
        kept: list[Grant] = []
        for grant in self.grants:
            if grant.kind == USER or (grant.database, grant.name) != (database, name):
                kept.append(grant)
            elif to is not None:
                kept.append(replace(grant, database=to[0], name=to[1]))
        return self if kept == list(self.grants) else replace(self, grants=tuple(kept))

    def without_user(self, user: str) -> Accounts:
        """Return accounts without a user."""
        return replace(
            self,
            users=_without(self.users, user),
            descriptions=_without(self.descriptions, user),
            members=_without(self.members, user),
            tags=_without(self.tags, user),
            tokens={n: token for n, token in self.tokens.items() if token.user != user},
            limits=_without(self.limits, user),
        )

    def without_role(self, role: str) -> Accounts:
        """Return accounts without a role and all that was granted to it."""
        members = {u: tuple(r for r in roles if r != role) for u, roles in self.members.items()}
        return replace(
            self,
            roles=_without(self.roles, role),
            members=members,
            grants=tuple(g for g in self.grants if g.role != role),
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Accounts:
        return cls(
            users=stored["users"],
            descriptions=stored["descriptions"],
            members={user: tuple(roles) for user, roles in stored["members"].items()},
            roles=stored["roles"],
            grants=tuple(Grant(**grant) for grant in stored["grants"]),
            groups={name: tuple(members) for name, members in stored["groups"].items()},
            tags=stored.get("tags", {}),
            tokens={number: _token(kept) for number, kept in stored.get("tokens", {}).items()},
            limits=stored.get("limits", {}),
        )


def _token(stored: Mapping[str, Any]) -> Token:
    roles = stored["roles"]
    return Token(**{**stored, "roles": None if roles is None else tuple(roles)})


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


class AccountStore:
    """The accounts of a folder. Safe from many threads.

    Args:
        database: Any database of the folder.
    """

    def __init__(self, database: Database) -> None:
        self._read_only = database.read_only
        self._kept = Kept(database)
        self._lock = threading.Lock()
        self._stored: Any = None
        self._accounts = Accounts()
        self._read()

    @property
    def accounts(self) -> Accounts:
        """As they are now."""
        if self._read_only:
            with self._lock:
                self._read()
        return self._accounts

    def _read(self) -> None:
        """Take in what is stored, unless it is known."""
        stored = self._kept.read(_NAME, None)
        if stored is not self._stored:
            self._accounts = Accounts() if stored is None else Accounts.from_json(stored)
            self._stored = stored

    def change(self, change: Callable[[Accounts], Accounts]) -> None:
        """Replace the accounts by what ``change`` makes of them, durably."""
        with self._lock:
            wanted = change(self._accounts)
            if wanted is self._accounts:
                return
            self._kept.change(_NAME, None, lambda stored: wanted.to_json())
            self._accounts = wanted
