"""What does a call work on?

A ``Host`` is one database with everything in it; a ``Call`` is one request of one user for one of
its databases; a ``Hosted`` is one collection with what Milvus knows of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import elanus
from elanus import Cancellation, Collection, Database, Schema
from elanus.errors import CollectionNotFoundError, ElanusError, NotFoundError
from elanus_server.clock import now
from elanus_server.codec.requests import is_text_field
from elanus_server.codec.schema import encode_schema
from elanus_server.failures import (
    COLLECTION_NOT_LOADED,
    MilvusError,
    collection_not_found,
    database_not_found,
)
from elanus_server.files import SharedFolder
from elanus_server.kept import RESERVED_DATABASE, Kept
from elanus_server.metrics import Metrics
from elanus_server.security.accounts import Accounts, AccountStore
from elanus_server.security.audit import AuditLog, AuditRecord
from elanus_server.security.caller import Caller
from elanus_server.security.guard import Guard, NotPermittedError, named_collections
from elanus_server.security.limits import Limits
from elanus_server.security.policies import (
    ACTIONS,
    OF_BOUND_USERS,
    UNBOUND,
    Action,
    bound_handle,
    policies_of,
)
from elanus_server.security.policies import PROPERTY as ROW_POLICIES
from elanus_server.service.cursors import Cursors
from elanus_server.service.database_rules import DatabaseRules, is_ruled
from elanus_server.service.jobs import Jobs
from elanus_server.service.names import checked_name
from elanus_server.service.records import PROPERTY, CollectionRecord
from elanus_server.service.sessions import Sessions
from elanus_server.settings import Settings
from elanus_server.tracing import Tracer
from elanus_server.wire import schema as messages

DEFAULT_DATABASE = "default"
MAX_BOUND = 1_024
"""Handles of users that row policies bind, which are remembered."""


class Host:
    """One folder that is served. Safe from many threads.

    Attributes:
        version: What clients see as the version of the server: of the protocol, and of elanus.
        guard: Says who may do what.
        changes: Held while names or what Milvus knows of a collection change.
        limits: Says how much each user may ask for.
        rules: Says what the properties of databases forbid.
        cursors: Search iterators under way.
        sessions: What iterators under way see.
        metrics: What was counted.
        kept: Values that the server itself keeps.
        jobs: What goes on in the background.
        files: Which files clients may name.
        max_vector_fields: That a collection may have which a client of Milvus makes.
        tracer: Makes a span of each call; None: nobody asks for them.
    """

    version = f"v3.0.0-elanus-{elanus.__version__}"

    def __init__(
        self,
        database: Database,
        guard: Guard | None = None,
        *,
        import_folder: str | None = None,
        limits: Mapping[str, float] | None = None,
        max_vector_fields: int = 4,
    ) -> None:
        """Serve a folder.

        Args:
            database: The database ``default``.
            guard: Says who may do what; None: everybody may do everything.
            import_folder: Whose files clients may import; None: none.
            limits: What each user may ask for, unless they have limits of their own.
            max_vector_fields: That a collection may have which a client of Milvus makes.
        """
        self._root = database
        self.guard = guard or Guard(AccountStore(database), is_on=False)
        self.limits = Limits(limits or {}, lambda: self.guard.accounts)
        self.rules = DatabaseRules()
        self._audit: AuditLog | None = None
        self._lock = threading.Lock()
        self._handles: dict[str, Database] = {DEFAULT_DATABASE: database}
        self._known: dict[tuple[str, str], Known] = {}
        self._collections: dict[tuple[str, str], Collection] = {}
        self._bound: dict[Hashable, _Bound] = {}
        self.changes = threading.RLock()
        self.cursors = Cursors()
        self.sessions = Sessions()
        self.metrics = Metrics()
        if not database.read_only:
            self.metrics.watch(self)
        self.kept = Kept(database)
        self.jobs = Jobs(self.kept)
        self.files = SharedFolder(import_folder)
        self.max_vector_fields = max_vector_fields
        self.tracer: Tracer | None = None

    def begin_audit(self, settings: Settings) -> AuditLog:
        """Write calls down from now on; return what writes.

        Raises:
            InvalidArgumentError: The file cannot be written.
        """
        self._audit = AuditLog(
            settings.audit_log or "",
            max_bytes=settings.audit_max_bytes,
            every_call=settings.audit_every_call,
            count=self.metrics.count_audit,
        )
        return self._audit

    def records(self, is_wanted: Callable[[], bool]) -> bool:
        """Whether a call is written down, of which ``is_wanted`` says whether it is of a kind that
        always is."""
        return self._audit is not None and (self._audit.every_call or is_wanted())

    def record(self, record: AuditRecord) -> None:
        """Write a call down, if there is an audit log."""
        if self._audit is not None:
            self._audit.add(record)

    @property
    def root(self) -> Database:
        """The database ``default``, which knows the others."""
        return self._root

    def database(self, name: str) -> Database:
        """Return the handle of a database.

        Raises:
            MilvusError: There is none of this name.
        """
        wanted = name or DEFAULT_DATABASE
        if wanted == RESERVED_DATABASE:
            raise database_not_found(wanted)
        with self._lock:
            # The process that only reads is not told of what the writing one drops.
            is_there = not self._root.read_only or wanted in self._root.list_databases()
            if wanted in self._handles and is_there:
                return self._handles[wanted]
            try:
                handle = self._root.use_database(wanted)
            except NotFoundError:
                raise database_not_found(wanted) from None
            self._handles[wanted] = handle
            return handle

    def list_databases(self) -> list[str]:
        """Return the names of the databases that clients may see."""
        return [name for name in self._root.list_databases() if name != RESERVED_DATABASE]

    def collection_of(self, database: str, name: str) -> str:
        """Return the collection that an alias stands for; any other name stands for itself."""
        if database not in self.list_databases():
            return name
        return self.database(database).list_aliases().get(name, name)

    def collection(self, database: str, name: str) -> Collection:
        """Return a collection by name or alias: the same handle again, which remembers what was
        asked of it.

        Raises:
            CollectionNotFoundError: No such collection.
            MilvusError: No such database.
        """
        found = self.database(database).collection(name)
        key = (database, found.name)
        known = self._collections.get(key)
        if known != found:
            known = self._collections[key] = found
        return known

    def bound(self, database: str, whole: Collection, caller: str, action: Action) -> Collection:
        """Return the handle of a user for a collection: bound by its row policies, if any.

        The same one again, as long as neither policies nor accounts change.

        Args:
            database: Where it is.
            whole: The collection.
            caller: As the guard named them.
            action: What they are about to do.
        """
        stored = self.policies_stored(whole, caller)
        if stored is None:
            return whole
        accounts = self.guard.accounts
        key = (database, whole.name, Caller.of(caller).rights, action)
        found = self._bound.get(key)
        if found is None or not found.is_of(whole, stored, accounts):
            handle = bound_handle(whole, policies_of(stored), action, caller, accounts)
            if len(self._bound) >= MAX_BOUND:
                self._bound.clear()
            found = self._bound[key] = _Bound(whole, stored, accounts, handle)
        return found.handle

    def policies_stored(self, whole: Collection, caller: str) -> Any:
        """Return the row policies that bind a user, as they are kept; None: nothing binds them."""
        if not self.guard.is_on or self.guard.accounts.is_admin(caller):
            return None
        return whole.properties.get(ROW_POLICIES)

    def collection_moved(self, database: str, name: str, to: tuple[str, str] | None) -> None:
        """Take in that a collection has gone from a name: what was granted follows it.

        Args:
            database: Where it was.
            name: What it was called.
            to: Database and name that it has now; None: it was dropped.
        """
        self.forget_collection(database, name)
        self.guard.store.change(lambda known: known.moved(database, name, to))

    def forget_collection(self, database: str, name: str) -> None:
        """Give up what is remembered of a collection that is no more under a name."""
        self._collections.pop((database, name), None)
        self._known.pop((database, name), None)

    def forget_database(self, name: str) -> None:
        """Give up the handle of a database that was dropped."""
        with self._lock:
            handle = self._handles.pop(name, None)
        if handle is not None:
            handle.close()

    def close(self) -> None:
        """End the jobs, and give up the handles of databases; that of ``default`` is the
        caller's."""
        self.jobs.close()
        with self._lock:
            others = [h for name, h in self._handles.items() if name != DEFAULT_DATABASE]
            self._handles = {DEFAULT_DATABASE: self._root}
        for handle in others:
            handle.close()

    def known(self, database: str, collection: Collection) -> Known:
        """Return what Milvus knows of a collection; it is read anew when something has changed."""
        stored, schema = collection.properties.get(PROPERTY), collection.schema
        key = (database, collection.name)
        found = self._known.get(key)
        if found is None or found.stored is not stored or found.schema is not schema:
            found = self._known[key] = Known.of(database, collection.name, schema, stored)
        return found


class _Bound(NamedTuple):
    """A handle of a user, and what it follows from."""

    whole: Collection
    stored: Any
    accounts: Accounts
    handle: Collection

    def is_of(self, whole: Collection, stored: Any, accounts: Accounts) -> bool:
        """Whether it still follows from the same."""
        is_same = self.stored is stored and self.accounts is accounts
        return is_same and self.whole == whole


class Known(NamedTuple):
    """What follows from the schema and the property of a collection.

    Attributes:
        schema: That it follows from.
        stored: The value of the property; None where no Milvus client made the collection.
        record: What the property says.
        message: The ``CollectionSchema``, with the numbers of the fields; never changed.
        numbers: Number of each field by name.
        texts: Fields that were declared as Milvus' TEXT.
        plans: What searches came to by what they said, while all of this holds.
    """

    schema: Schema
    stored: Any
    record: CollectionRecord
    message: Any
    numbers: dict[str, int]
    texts: frozenset[str]
    plans: dict[Any, Any]

    @classmethod
    def of(cls, database: str, name: str, schema: Schema, stored: Any) -> Known:
        """Work it out."""
        if stored is None:
            searchable = [field.name for field in schema.fields if field.dtype.is_vector]
            record = CollectionRecord.derived(
                f"{database}/{name}", dict.fromkeys(searchable, "AUTOINDEX")
            )
        else:
            record = CollectionRecord.from_json(stored)
        kept = record.known_schema
        message = encode_schema(schema, name, database, kept)
        fields = (*message.fields, *message.struct_array_fields)
        numbers = {field.name: field.fieldID for field in fields}
        return cls(schema, stored, record, message, numbers, is_text_field(kept), {})


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        host: What is served.
        database: That the client is connected to.
        user: Who asks; empty where nobody has to say.
        cancellation: Ends the reads of the call; None: nothing does.
        method: Name of the call.
        address: Of the client, where it is known.
        headers: What the transport brought beside the message, by names in lower case.
    """

    host: Host
    database: str = DEFAULT_DATABASE
    user: str = ""
    cancellation: Cancellation | None = None
    method: str = ""
    address: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)

    def check(self, method: str, request: Any) -> None:
        """Refuse what the user may not do, or what nobody may do in this database.

        Raises:
            NotPermittedError: The user may not.
            MilvusError: Properties of the database forbid it.
        """
        guard = self.host.guard
        if guard.is_on:
            database = self.database_of(request)
            guard.check(
                self.user, method, request, database, partial(self.host.collection_of, database)
            )
            if method not in OF_BOUND_USERS:
                self._check_unbound(method, database, request)
        if is_ruled(method):
            database = self.database_of(request)
            self.host.rules.check(method, database, self.host.database(database), request)

    def _check_unbound(self, method: str, database: str, request: Any) -> None:
        """Refuse a call that reaches more than rows of a collection whose policies bind the user.

        Raises:
            NotPermittedError: There is such a collection among those that the request names.
        """
        if self.host.guard.accounts.is_admin(self.user):
            return
        for name in named_collections(request):
            try:
                whole = self.host.collection(database, name)
            except ElanusError:
                continue  # there is none, which the call itself says
            if self.host.policies_stored(whole, self.user) is not None:
                raise NotPermittedError(self.user, f"{method} over row policies", database)

    def database_of(self, request: Any) -> str:
        """Return the name of the database that a request means."""
        return getattr(request, "db_name", "") or self.database or DEFAULT_DATABASE

    def handle_of(self, request: Any) -> Database:
        """Return the database that a request means."""
        return self.host.database(self.database_of(request))

    def hosted(self, request: Any, name: str | None = None) -> Hosted:
        """Return the collection that a request means, by name or alias.

        Raises:
            MilvusError: No such collection or database.
        """
        wanted = request.collection_name if name is None else name
        database = self.database_of(request)
        try:
            collection = self.host.collection(database, wanted)
        except CollectionNotFoundError:
            # Of a name that no collection can have that is said first, as Milvus does.
            checked_name(wanted, "collection")
            raise collection_not_found(database, wanted) from None
        return self._hosted(database, collection)

    def _hosted(self, database: str, collection: Collection) -> Hosted:
        """Return a collection as the user may see it for this call.

        Raises:
            NotPermittedError: Row policies bind the user, and the call reaches more than rows.
        """
        found = Hosted(self.host, database, collection)
        found.collection = self.as_seen(database, collection, [self.method])
        return found

    def as_seen(self, database: str, whole: Collection, methods: Sequence[str]) -> Collection:
        """Return a collection as the user may see it.

        Args:
            database: Where it is.
            whole: It.
            methods: Names of the calls of the protocol that are being answered.

        Raises:
            NotPermittedError: Row policies bind the user, and a call reaches more than rows.
        """
        if self.host.policies_stored(whole, self.user) is None:
            return whole
        for method in methods:
            if method not in OF_BOUND_USERS:
                raise NotPermittedError(self.user, f"{method} over row policies", database)
        if UNBOUND.issuperset(methods):
            return whole
        action = ACTIONS.get(methods[0], Action.QUERY)
        return self.host.bound(database, whole, self.user, action)

    def by_number(self, number: int, request: Any) -> Hosted:
        """Return the collection of a number, in whichever database.

        Raises:
            MilvusError: There is none.
        """
        database = self.database_of(request)
        handle = self.host.database(database)
        for name in handle.list_collections():
            with suppress(CollectionNotFoundError):
                found = Hosted(self.host, database, handle.collection(name))
                if found.record.number == number:
                    return self._hosted(database, found.whole)
        raise collection_not_found(database, str(number))


class Hosted:
    """One collection, and what Milvus knows of it.

    Attributes:
        collection: As the user of the call may see it.
        whole: The same without row policies, for what is not about rows.
    """

    def __init__(self, host: Host, database: str, collection: Collection) -> None:
        self.host = host
        self.database = database
        self.collection = self.whole = collection

    @property
    def known(self) -> Known:
        """What Milvus knows of it, as it is now."""
        return self.host.known(self.database, self.whole)

    @property
    def record(self) -> CollectionRecord:
        """What its property says."""
        return self.known.record

    def schema(self) -> Any:
        """Return a copy of its ``CollectionSchema``, with the numbers of the fields."""
        made = messages.CollectionSchema()
        made.CopyFrom(self.known.message)
        return made

    def change(self, change: Callable[[CollectionRecord], CollectionRecord]) -> None:
        """Replace what Milvus knows of the collection, durably."""
        with self.host.changes:
            wanted = change(self.record)
            self.whole.alter_properties({PROPERTY: wanted.to_json()})

    def keep_schema(self, kept: Any) -> None:
        """Remember a ``CollectionSchema`` with its numbers."""
        raw = kept.SerializeToString()
        self.change(lambda record: replace(record, schema=raw, updated=now()))

    def check_loaded(self, partitions: list[str] | None = None) -> None:
        """Refuse to search what was not loaded.

        Raises:
            MilvusError: The collection, or one of the partitions, is not loaded.
        """
        name = self.collection.name
        if not self.record.is_loaded:
            raise MilvusError(COLLECTION_NOT_LOADED, f"collection not loaded[collection={name}]")
        missing = sorted(self.record.unloaded & set(partitions or ()))
        if missing:
            raise MilvusError(201, f"partition not loaded[partition={missing[0]}]")
