"""A database of a server, with the methods of an embedded one."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from elanus.api.database import Database
from elanus.api.opening import ServerOptions
from elanus.engine.definition.names import DEFAULT_DATABASE
from elanus.errors import ClosedError, CollectionNotFoundError, InvalidArgumentError, ReadOnlyError
from elanus.remote.address import Address, tls_context
from elanus.remote.codec import encode
from elanus.remote.collection import Place, RemoteCollection
from elanus.remote.forwarding import forwarded
from elanus.remote.methods import PROTOCOL, Effect, effect_of
from elanus.remote.transport import Transport
from elanus.remote.values import ANSWERS
from elanus.schema.collection import Schema

if TYPE_CHECKING:
    from elanus.api.backup import BackupResult
    from elanus.api.collection import Collection

_KEPT_SCHEMAS = 256


class Connection:
    """How the handles of one ``connect`` talk to their server. Safe from many threads.

    Args:
        transport: Takes the requests there.
        read_only: Whether writes are refused here already.
    """

    def __init__(self, transport: Transport, *, read_only: bool) -> None:
        self.transport = transport
        self.read_only = read_only
        self._schemas: OrderedDict[str, Schema] = OrderedDict()

    @property
    def uri(self) -> str:
        """The server, without credentials."""
        return self.transport.address.uri

    def call(
        self,
        name: str,
        place: Place,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Make a call.

        Args:
            name: Such as ``collection.search``.
            place: What it is about.
            args: What goes with it.
            kwargs: What goes with it, by name.

        Raises:
            ReadOnlyError: It writes, and the database was opened for reading.
        """
        if self.read_only and effect_of(name) is Effect.WRITE:
            raise ReadOnlyError(
                "the database was opened with read_only=True; connect without it to write"
            )
        document = {
            "database": place.database,
            "collection": place.name,
            "identifier": place.identifier,
            # A message of its own: a server reads it after it knows that the user may ask.
            "given": encode([list(args), kwargs], ANSWERS),
        }
        return self.transport.call(name, document)

    def schema_of(self, answer: Mapping[str, Any]) -> Schema:
        """Return a schema that came in: the same object as long as it is the same."""
        digest, schema = answer["digest"], answer["schema"]
        # Two threads may both find none; either object will do.
        known = self._schemas.setdefault(digest, schema)
        while len(self._schemas) > _KEPT_SCHEMAS:
            self._schemas.popitem(last=False)
        return known


class RemoteDatabase(Database):
    """Collections of a server. Use it in a ``with`` statement, or call ``close``.

    Safe from many threads at once, and after a fork.
    """

    def __init__(self, connection: Connection, database: str) -> None:
        # Not that of the base: there is no engine here.
        self._connection = connection
        self._database = database
        self._closed = False

    def ask(self, call: str, *args: Any, **kwargs: Any) -> Any:
        """Make a call on the database.

        Args:
            call: Its name.
            *args: What goes with it.
            **kwargs: What goes with it, by name.
        """
        if self._closed:
            raise ClosedError("the database is closed; connect again")
        place = Place(self._database, "", "")
        return self._connection.call(f"database.{call}", place, args, kwargs)

    def _opened(self, answer: Mapping[str, Any]) -> RemoteCollection:
        place = Place(answer["database"], answer["name"], answer["identifier"])
        schema = self._connection.schema_of(answer)
        return RemoteCollection(self._connection, place, schema)

    create_collection = forwarded(Database.create_collection, _opened)
    has_collection = forwarded(Database.has_collection)
    list_collections = forwarded(Database.list_collections)
    drop_collection = forwarded(Database.drop_collection)
    rename_collection = forwarded(Database.rename_collection)
    create_alias = forwarded(Database.create_alias)
    alter_alias = forwarded(Database.alter_alias)
    drop_alias = forwarded(Database.drop_alias)
    list_aliases = forwarded(Database.list_aliases)
    create_database = forwarded(Database.create_database)
    list_databases = forwarded(Database.list_databases)
    database_properties = forwarded(Database.database_properties)
    alter_database_properties = forwarded(Database.alter_database_properties)
    drop_database_properties = forwarded(Database.drop_database_properties)
    drop_database = forwarded(Database.drop_database)
    snapshot = forwarded(Database.snapshot)
    list_snapshots = forwarded(Database.list_snapshots)
    describe_snapshot = forwarded(Database.describe_snapshot)
    drop_snapshot = forwarded(Database.drop_snapshot)
    restore_snapshot = forwarded(Database.restore_snapshot, _opened)
    stats = forwarded(Database.stats)

    def collection(self, name: str) -> Collection:
        """Return an existing collection.

        Raises:
            CollectionNotFoundError: No such collection; names the nearest one.
        """
        if not isinstance(name, str):
            raise CollectionNotFoundError(f"no collection {name!r}", name=str(name))
        return self._opened(self.ask("collection", name))

    def use_database(self, name: str) -> Database:
        """Return a handle for the collections of another database of the server; close it too.

        Raises:
            NotFoundError: No such database.
        """
        self.ask("use_database", name)
        self._connection.transport.hold()
        return RemoteDatabase(self._connection, name)

    def backup(self, path: str | os.PathLike[str], *, keep: int | None = None) -> BackupResult:
        """Copy the database as of now into a folder **of the server**, while writing goes on.

        As of an embedded database, but for where the folder is; only administrators may.

        Args:
            path: An absolute path on the machine of the server.
            keep: Delete all but this many of the newest backups there; None keeps all.

        Raises:
            InvalidArgumentError: The path is not absolute, or as of an embedded database.
        """
        folder = os.fspath(path)
        if not os.path.isabs(folder):
            raise InvalidArgumentError(
                f"backup: expected an absolute path on the machine of the server, got {folder!r}"
            )
        result: BackupResult = self.ask("backup", folder, keep=keep)
        return result

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._connection.read_only

    def close(self) -> None:
        """Close this handle; the last handle closes the connections. Idempotent."""
        if not self._closed:
            self._closed = True
            self._connection.transport.release()

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"RemoteDatabase({self._connection.uri!r}, {self._database!r}{state})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a connection to a server cannot be pickled; connect again over there")


COMPOSED = ("documents",)
"""Methods of the base that are done here as they are there, over those above."""


def open_server(
    uri: str, token: str | None, database: str, read_only: bool, options: ServerOptions
) -> Database:
    """Connect to a server; see ``elanus.connect``.

    Raises:
        AuthenticationError: It does not know the user.
        InvalidArgumentError: The URL or a file for TLS is wrong.
        NotFoundError: No such database.
        ServerConnectionError: It cannot be reached.
        ServerError: It is no server of elanus.
    """
    address = Address.parse(uri, token)
    timeout, *tls = options
    if timeout is not None and not timeout > 0:
        raise InvalidArgumentError(f"timeout: expected seconds above 0, got {timeout!r}")
    if not address.is_secure and any(tls):
        raise InvalidArgumentError(f"tls_...: {address.uri} is without TLS; use https://")
    wanted = address.database if address.database and database == DEFAULT_DATABASE else database
    context = tls_context(*tls) if address.is_secure else None
    transport = Transport(address, timeout=timeout, context=context)
    made = RemoteDatabase(Connection(transport, read_only=read_only), wanted)
    try:
        told = made.ask("hello", protocol=PROTOCOL)
    except BaseException:
        made.close()
        raise
    transport.max_bytes = int(told["max_bytes"])
    return made
