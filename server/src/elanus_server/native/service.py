"""What answers the calls of the native protocol?

Each is checked like the call of Milvus' protocol that it resembles, and then is a call of the same
name on the embedded ``Database`` or ``Collection``. Every read of a user passes ``_on_collection``.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from elanus import Cancellation, Collection
from elanus.errors import (
    ClosedError,
    CollectionNotFoundError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
)
from elanus.remote import (
    ANSWERS,
    COLLECTION_CALLS,
    DATABASE_CALLS,
    PROTOCOL,
    REQUESTS,
    SEARCHES,
    Effect,
    decode,
    effect_of,
    encode,
)
from elanus_server.clock import now
from elanus_server.kept import RESERVED_DATABASE
from elanus_server.native import collections
from elanus_server.native.answers import Answers
from elanus_server.native.keeping import Keeping
from elanus_server.native.kept import Turns
from elanus_server.native.names import OF_ALL, arguments_of, database_of, named
from elanus_server.native.privileges import COLLECTION, DATABASE, Likeness, request_like
from elanus_server.security.policies import PROPERTY as ROW_POLICIES
from elanus_server.service.context import Call, Host
from elanus_server.service.snapshots import restored_properties

_WITH_PROPERTIES = frozenset(
    {"alter_properties", "create_collection", "drop_properties", "set_properties"}
)
"""Calls whose arguments name properties."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        call: Who asks, and in which database.
        owner: ``collection``, ``database`` or ``held``.
        name: Of the call.
        given: What goes with it, as it came.
        collection: Name of the collection that the client knows, or "".
        identifier: What the collection is called for good, or "".
    """

    call: Call
    owner: str
    name: str
    given: bytes
    collection: str = ""
    identifier: str = ""

    @classmethod
    def read(cls, message: Any, caller: Call, cancellation: Cancellation) -> Asked:
        """Return what a message asks.

        Raises:
            InvalidArgumentError: It is no request.
        """
        if not isinstance(message, dict) or not isinstance(message.get("given"), bytes):
            raise InvalidArgumentError("a request is a dict with what is given")
        texts = {
            name: message.get(name, "") for name in ("call", "database", "collection", "identifier")
        }
        if not all(isinstance(text, str) for text in texts.values()):
            raise InvalidArgumentError("a request has call, database, collection and identifier")
        owner, _, name = texts["call"].partition(".")
        database = texts["database"] or "default"
        call = replace(caller, database=database, cancellation=cancellation)
        return cls(
            call,
            owner,
            name,
            message["given"],
            texts["collection"],
            texts["identifier"],
        )

    def arguments(self, tags: Any = REQUESTS) -> tuple[list[Any], dict[str, Any]]:
        """Return what goes with the call, by place and by name.

        Args:
            tags: What may be in it; of those who may not search no models.

        Raises:
            ElanusError: It is nothing that can go with a call.
        """
        found = decode(self.given, tags)
        if isinstance(found, list) and len(found) == 2:
            args, kwargs = found
            are_names = isinstance(kwargs, dict) and all(isinstance(n, str) for n in kwargs)
            if isinstance(args, list) and are_names:
                return args, kwargs
        raise InvalidArgumentError("a request has arguments by place and by name")

    @property
    def full_name(self) -> str:
        """Of the call, with what it is about."""
        return f"{self.owner}.{self.name}"

    def check(self, like: Likeness, **names: Any) -> None:
        """Refuse what the user may not do.

        Raises:
            NotPermittedError: The user may not.
        """
        self.call.check(like.method, request_like(like, self.call.database, **names))

    @property
    def ended(self) -> AbstractContextManager[object]:
        """What ends the call when nobody waits for it any more, if it may end halfway."""
        if self.call.cancellation is None or effect_of(self.full_name) is not Effect.READ:
            return nullcontext()
        return self.call.cancellation


class NativeService:
    """Answers calls over one host. Safe from many threads.

    Attributes:
        instance: What tells this server from the one that was here before a restart.
        answers: What writes were answered with.
    """

    def __init__(self, host: Host, *, max_bytes: int) -> None:
        self.host = host
        self.instance = uuid.uuid4().hex
        self.answers = Answers()
        self.max_bytes = max_bytes
        self._kept = Keeping()
        self._turns = Turns()
        self._migrations = collections.Migrations()

    def close(self) -> None:
        """Give up what is kept for clients."""
        self._kept.close()
        self._migrations.close()

    def answer(self, asked: Asked) -> Any:
        """Return what a request is answered with.

        Raises:
            ElanusError: It cannot be; of any class that a client knows.
            MilvusError: The same in Milvus' words.
            TypeError: The arguments do not fit.
        """
        if asked.owner == "database" and asked.name in DATABASE_CALLS:
            return self._on_database(asked)
        if asked.owner == "collection" and asked.name in COLLECTION_CALLS:
            return self._on_collection(asked)
        if asked.owner == "held":
            return self._on_held(asked)
        raise NotFoundError(
            f"there is no call {asked.full_name[:100]!r}; is the client newer than the server?"
        )

    # --- databases --------------------------------------------------------------------------

    def _on_database(self, asked: Asked) -> Any:
        like = DATABASE.get(asked.name)
        call = asked.call
        if asked.name == "hello":
            return self._hello(asked)
        args, kwargs = asked.arguments()
        _check_policies_are_left(asked, args, kwargs)
        arguments = arguments_of(asked.name, args, kwargs)
        if like is None or (asked.name in OF_ALL and arguments.get("collection") is None):
            # A snapshot of everything is nobody's but theirs.
            _only_administrators(asked)
        else:
            target = database_of(asked.name, arguments, call.database)
            request = request_like(like, target, **named(asked.name, arguments))
            call.check(like.method, request)
        host, guard = self.host, self.host.guard
        if asked.name == "list_databases":
            return [n for n in host.list_databases() if guard.sees_database(call.user, n)]
        if asked.name == "use_database":
            return self._seen_database(asked, arguments["name"])
        if RESERVED_DATABASE in (arguments.get("name"), arguments.get("database")):
            raise NotFoundError(f"no database {RESERVED_DATABASE!r}")
        handle = host.database(call.database)
        if asked.name in ("collection", "create_collection"):
            return self._opened(getattr(handle, asked.name)(*args, **kwargs), call.database)
        if asked.name == "restore_snapshot":
            state = handle.describe_snapshot(arguments["name"], arguments["collection"])
            own = restored_properties(handle, arguments["collection"], state, now())
            given = {**own, **(arguments.get("properties") or {})}
            made = handle.restore_snapshot(**{**arguments, "properties": given})
            return self._opened(made, arguments.get("database") or call.database)
        if asked.name in ("drop_database", "drop_collection", "rename_collection"):
            return self._changed(asked, arguments)
        found = getattr(handle, asked.name)(*args, **kwargs)
        if asked.name == "list_collections":
            return [n for n in found if guard.sees_collection(call.user, call.database, n)]
        if asked.name == "stats":
            return _without_reserved(found)
        return found

    def _hello(self, asked: Asked) -> dict[str, Any]:
        asked.check(DATABASE["hello"])
        self._seen_database(asked, asked.call.database)
        wanted = asked.arguments()[1].get("protocol")
        if wanted != PROTOCOL:
            raise InvalidArgumentError(
                f"the client speaks version {wanted!r} of the protocol, and the server "
                f"{PROTOCOL}: upgrade the older one"
            )
        return {"max_bytes": self.max_bytes, "version": self.host.version}

    def _seen_database(self, asked: Asked, name: Any) -> None:
        """Refuse a database that there is not, or of which the user may not know."""
        names = self.host.list_databases()
        if name not in names or not (
            # Everybody may begin with the default one.
            name == "default" or self.host.guard.sees_database(asked.call.user, name)
        ):
            raise NotFoundError(f"no database {str(name)[:255]!r}")

    def _changed(self, asked: Asked, arguments: Mapping[str, Any]) -> None:
        """Drop or rename something that the host remembers."""
        host, database = self.host, asked.call.database
        with host.changes:
            if asked.name == "drop_database":
                # Its handle would hold it open.
                host.root.drop_database(arguments["name"])
                host.forget_database(arguments["name"])
                return
            handle = host.database(database)
            getattr(handle, asked.name)(**arguments)
            to = arguments.get("new_name") and (
                arguments.get("database") or database,
                arguments["new_name"],
            )
            host.collection_moved(database, arguments["name"], to)

    def _opened(self, collection: Collection, database: str) -> dict[str, Any]:
        return {
            **self._described(collection),
            "database": database,
            "name": collection.name,
            "identifier": collection.identifier,
        }

    def _described(self, collection: Collection) -> dict[str, Any]:
        """Return the schema, and what tells it from others: clients keep one object of each."""
        schema = collection.schema
        digest = hashlib.sha256(encode(schema, ANSWERS)).hexdigest()[:32]
        return {"schema": schema, "digest": digest}

    # --- collections ------------------------------------------------------------------------

    def _on_collection(self, asked: Asked) -> Any:
        """Answer a call on a collection: everything that a user reads of one passes here."""
        likes = COLLECTION.get(asked.name)
        if likes is None:
            _only_administrators(asked)
        collection = self._checked(asked, likes or ())
        if asked.name == "name":
            return collection.name
        if asked.name == "schema":
            return self._described(collection)
        if asked.name == "sync_turn":
            turn = self._turns.take(collection.identifier)
            return None if turn is None else {"held": self._keep(asked, collection, turn)}
        args, kwargs = asked.arguments(SEARCHES)
        _check_policies_are_left(asked, args, kwargs)
        opens = collections.OPENING.get(asked.name)
        if opens is not None:
            thing, told = opens(collection, *args, **kwargs)
            return {**told, "held": self._keep(asked, collection, thing)}
        if asked.name in collections.MIGRATING:
            return self._migrations.answer(collection, asked.name, args, kwargs)
        found = getattr(collection, asked.name)
        answer = found(*args, **kwargs) if callable(found) else found
        if asked.name in ("describe", "properties"):
            answer = _without_policies(asked, answer)
        if asked.name == "drop":
            self.host.collection_moved(asked.call.database, collection.name, None)
        return answer

    def _checked(self, asked: Asked, likes: tuple[Likeness, ...]) -> Collection:
        """Return the collection, if the user may do this with it.

        Raises:
            ClosedError: It was dropped.
            NotPermittedError: The user may not.
        """
        for like in likes:
            asked.check(like, collection_name=asked.collection)
        collection = self._found(asked)
        name = collection.name
        if name != asked.collection:
            # An alias, or it was renamed: what counts is what it is called now.
            for like in likes:
                asked.check(like, collection_name=name)
        methods = [like.method for like in likes]
        return asked.call.as_seen(asked.call.database, collection, methods)

    def _found(self, asked: Asked) -> Collection:
        """Return the collection that a client has a handle of, also after it was renamed."""
        host, database = self.host, asked.call.database
        try:
            found = host.collection(database, asked.collection)
            if found.identifier == asked.identifier:
                return found
        except CollectionNotFoundError:
            pass
        for name in host.database(database).list_collections():
            try:
                found = host.collection(database, name)
            except CollectionNotFoundError:  # dropped meanwhile
                continue
            if found.identifier == asked.identifier:
                return found
        raise ClosedError(
            f"collection {asked.collection!r} was dropped, or moved to another database; open it "
            f"again"
        )

    # --- what is kept between calls ---------------------------------------------------------

    def _keep(self, asked: Asked, collection: Collection, thing: Any) -> str:
        owner = (asked.call.user, asked.call.database, collection.identifier)
        return self._kept.keep(owner, asked.name, thing)

    def _on_held(self, asked: Asked) -> Any:
        args, kwargs = asked.arguments()
        number = args[0] if args else None
        owner = (asked.call.user, asked.call.database, asked.identifier)
        if asked.name == "close":
            self._close(str(number), owner)
            return None
        entry = self._kept.find(str(number), owner)
        # Privileges may have been taken away since it began.
        self._checked(asked, COLLECTION.get(entry.call, ()))
        actions: Mapping[str, Callable[..., Any]] = {
            name: getattr(entry.thing, name)
            for name in collections.ACTIONS
            if hasattr(entry.thing, name)
        }
        if asked.name not in actions:
            raise NotFoundError(f"there is no call {asked.full_name[:100]!r} of {entry.call}")
        with entry.lock:
            found = actions[asked.name](**kwargs)
        if getattr(entry.thing, "is_over", False):
            self._kept.give_up(str(number))
        return found

    def _close(self, number: str, owner: tuple[str, str, str]) -> None:
        try:
            self._kept.find(number, owner)
        except NotFoundError:
            return
        self._kept.give_up(number)


def _is_administrator(asked: Asked) -> bool:
    guard = asked.call.host.guard
    return not guard.is_on or guard.accounts.is_admin(asked.call.user)


def _check_policies_are_left(asked: Asked, args: list[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse to name the property of row policies to whoever is no administrator.

    Raises:
        PermissionDeniedError: It is named.
    """
    if asked.name not in _WITH_PROPERTIES or _is_administrator(asked):
        return
    for value in (*args, *kwargs.values()):
        is_named = value == ROW_POLICIES or (
            isinstance(value, Mapping | list | tuple) and ROW_POLICIES in value
        )
        if is_named:
            raise PermissionDeniedError(
                f"{asked.full_name}: the property {ROW_POLICIES} is for administrators"
            )


def _without_policies(asked: Asked, answer: Any) -> Any:
    """Return properties, or a description with them, without what binds the one who asks."""
    if _is_administrator(asked):
        return answer
    if isinstance(answer, Mapping):
        return {name: value for name, value in answer.items() if name != ROW_POLICIES}
    return replace(answer, properties=_without_policies(asked, answer.properties))


def _only_administrators(asked: Asked) -> None:
    guard = asked.call.host.guard
    if guard.is_on and not guard.accounts.is_admin(asked.call.user):
        raise PermissionDeniedError(
            f"{asked.full_name}: permission deny to {asked.call.user}: it is for administrators"
        )


def _without_reserved(stats: Any) -> Any:
    for name in [n for n in stats.collections if n.startswith(f"{RESERVED_DATABASE}/")]:
        del stats.collections[name]
    return stats
