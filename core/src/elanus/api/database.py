"""A database as users hold it, and how to get one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, Unpack

from elanus.api.collection import Collection
from elanus.api.named_snapshots import NamedSnapshots
from elanus.api.opening import (
    ConnectOptions,
    folder_options,
    is_server,
    location_of,
    resolved_folder,
    server_options,
)
from elanus.api.sharing import OpenOptions, SharedEngine, share
from elanus.engine.database import DatabaseEngine
from elanus.engine.definition.names import (
    DEFAULT_DATABASE,
    aliases_of,
    check_database,
    full_name,
    renamed,
    resolve,
    split_name,
    with_alias,
    with_database,
    with_database_properties,
    without_alias,
    without_database,
)
from elanus.engine.definition.properties import TIMEZONE, read_properties
from elanus.engine.stats import DatabaseStats
from elanus.errors import (
    ClosedError,
    CollectionNotFoundError,
    InvalidArgumentError,
    NotFoundError,
    ReadOnlyError,
)
from elanus.schema.collection import Schema
from elanus.schema.fields import check_name
from elanus.storage.memory_directory import MemoryDirectory

# Loaded by the methods that need them: most programs do without.
if TYPE_CHECKING:
    from elanus.api.backup import BackupResult
    from elanus.documents import Documents
    from elanus.plugins import Embedder

MEMORY_URI = ":memory:"


class Database(NamedSnapshots):
    """Collections in one folder. Use it in a ``with`` statement, or call ``close``.

    Safe from many threads at once. One process writes; any number may read with
    ``connect(..., read_only=True)``.
    """

    def __init__(
        self, shared: SharedEngine, *, read_only: bool, database: str = DEFAULT_DATABASE
    ) -> None:
        self._shared = shared
        self._read_only = read_only
        self._closed = False
        self._database = database

    def create_collection(
        self, name: str, schema: Schema, *, properties: Mapping[str, Any] | None = None
    ) -> Collection:
        """Create a collection, durably.

        Args:
            name: Letters, digits and underscores, at most 255 characters.
            schema: Its fields.
            properties: As of ``Collection.alter_properties``. ``timezone`` goes before that of the
                schema, and that before the one of this database.

        Raises:
            CollectionExistsError: The name is taken.
            InvalidArgumentError: A property does not fit.
            SchemaError: The name is not valid.
        """
        if not isinstance(schema, Schema):
            raise InvalidArgumentError(f"schema: expected a Schema, got {type(schema).__name__}")
        given = read_properties(properties or {})
        zone = given.get(TIMEZONE) or self.database_properties().get(TIMEZONE)
        if zone is not None and schema.timezone is None:
            schema = schema.with_timezone(zone)
        full = self._full(check_name(name, "collection"))
        return Collection(self._writable().create(full, schema, given))

    def collection(self, name: str) -> Collection:
        """Return an existing collection.

        Raises:
            CollectionNotFoundError: No such collection; names the nearest one.
        """
        return Collection(self._engine().open(self._full(name)))

    def has_collection(self, name: str) -> bool:
        """Whether a collection or an alias has this name."""
        catalog, full = self._engine().catalog(), self._full(name)
        return full in catalog.collections or full in catalog.aliases

    def list_collections(self) -> list[str]:
        """Return the names of all collections of this database, sorted."""
        names = map(split_name, self._engine().catalog().collections)
        return sorted(name for database, name in names if database == self._database)

    def drop_collection(self, name: str) -> None:
        """Delete a collection with all its entities.

        Raises:
            CollectionNotFoundError: No such collection.
            StateError: It has an alias, or a named snapshot holds it.
        """
        self._writable().drop(self._full(name))

    def rename_collection(self, name: str, new_name: str, *, database: str | None = None) -> None:
        """Give a collection another name, durably. Handles on it go on; its aliases follow.

        Args:
            name: As it is.
            new_name: As it is to be.
            database: Database it is to be in; None leaves it where it is.

        Raises:
            CollectionNotFoundError: No such collection.
            CollectionExistsError: The new name is taken.
            StateError: It has an alias, which stays in its database.
        """
        old, new = (
            self._full(name),
            full_name(database or self._database, check_name(new_name, "collection")),
        )
        self._writable().change_names(lambda catalog: renamed(catalog, old, new))

    def create_alias(self, alias: str, collection: str) -> None:
        """Give a collection a second name, durably; everything that takes a name takes it.

        Args:
            alias: The second name; no collection has it.
            collection: Name of the collection, or an alias of it.

        Raises:
            AlreadyExistsError: The alias, or a collection of that name, exists.
            CollectionNotFoundError: No such collection.
        """
        self._set_alias(alias, collection, move=False)

    def alter_alias(self, alias: str, collection: str) -> None:
        """Let an alias name another collection, durably and at once.

        Args:
            alias: One that exists.
            collection: Name of the collection that it stands for from now on.

        Raises:
            CollectionNotFoundError: No such collection.
            NotFoundError: No such alias.
        """
        self._set_alias(alias, collection, move=True)

    def _set_alias(self, alias: str, collection: str, *, move: bool) -> None:
        made, full = self._full(check_name(alias, "alias")), self._full(collection)
        self._writable().change_names(lambda catalog: with_alias(catalog, made, full, move=move))

    def drop_alias(self, alias: str) -> None:
        """Forget an alias, durably; the collection stays.

        Raises:
            NotFoundError: No such alias.
        """
        full = self._full(alias)
        self._writable().change_names(lambda catalog: without_alias(catalog, full))

    def list_aliases(self, collection: str | None = None) -> dict[str, str]:
        """Return the collection that each alias of this database names.

        Args:
            collection: Only the aliases of this one.

        Raises:
            CollectionNotFoundError: No such collection.
        """
        catalog = self._engine().catalog()
        if collection is not None:
            aliases = aliases_of(catalog, resolve(catalog, self._full(collection)))
        else:
            aliases = sorted(catalog.aliases)
        pairs = [(split_name(alias), split_name(catalog.aliases[alias])[1]) for alias in aliases]
        return {alias: name for (database, alias), name in pairs if database == self._database}

    # --- databases --------------------------------------------------------------------------

    @property
    def database(self) -> str:
        """Name of the database whose collections this handle is for; ``"default"`` at first."""
        return self._database

    def create_database(self, name: str, *, properties: Mapping[str, Any] | None = None) -> None:
        """Add a name space for collections in the same folder, durably.

        Args:
            name: A letter or underscore, then letters, digits or underscores.
            properties: What ``alter_database_properties`` takes.

        Raises:
            AlreadyExistsError: There is one of this name.
            SchemaError: The name is not valid.
            StateError: There are 64 already.
        """
        given = properties or {}
        self._writable().change_names(lambda catalog: with_database(catalog, name, given))

    def use_database(self, name: str) -> Database:
        """Return a handle for the collections of another database of the folder; close it too.

        Raises:
            NotFoundError: No such database.
        """
        check_database(self._engine().catalog(), name)
        self._shared.hold()
        return Database(self._shared, read_only=self._read_only, database=name)

    def list_databases(self) -> list[str]:
        """Return the names of all databases of the folder, ``"default"`` among them, sorted."""
        return sorted({DEFAULT_DATABASE, *self._engine().catalog().databases})

    def database_properties(self, name: str | None = None) -> dict[str, Any]:
        """Return what was stored with a database; None: with this one.

        Raises:
            NotFoundError: No such database.
        """
        catalog, wanted = self._engine().catalog(), name or self._database
        check_database(catalog, wanted)
        return dict(catalog.databases.get(wanted, {}))

    def alter_database_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        """Set properties of a database, durably; the others stay as they are.

        Args:
            name: Of the database.
            properties: JSON values by name; None removes one. ``timezone`` is that of collections
                that are made in it from now on and name none.

        Raises:
            InvalidArgumentError: A value does not fit, or a name is nearly that of a property.
            NotFoundError: No such database.
            SchemaError: No such time zone.
        """
        self._writable().change_names(
            lambda catalog: with_database_properties(catalog, name, properties)
        )

    def drop_database_properties(self, name: str, *properties: str) -> None:
        """Remove properties of a database, durably.

        Args:
            name: Of the database.
            *properties: Their names; those that it does not have are passed over.

        Raises:
            NotFoundError: No such database.
        """
        self.alter_database_properties(name, dict.fromkeys(properties))

    def drop_database(self, name: str) -> None:
        """Remove an empty database, durably.

        Raises:
            NotFoundError: No such database.
            StateError: It has collections, or is the default one.
        """
        self._writable().change_names(lambda catalog: without_database(catalog, name))

    def documents(
        self,
        name: str,
        *,
        embedder: str | Embedder | None = None,
        language: str | None = None,
        **options: Any,
    ) -> Documents:
        """Open or create a collection of texts that embeds and searches them by itself.

        Args:
            name: Of the collection.
            embedder: Name of a plug-in such as ``"minilm"``, or an object with the ``Embedder``
                protocol. None takes the one that the collection was written with; a new
                collection then has full-text search only.
            language: Analyzer of the texts, such as ``"english"``; None takes that of the
                collection, or ``"standard"`` for a new one.
            **options: Further options of ``elanus.documents.Documents.open``.

        Raises:
            ModelMismatchError: The collection was embedded with another model.
            PluginNotInstalledError: No such embedder.
        """
        from elanus.documents import Documents

        return Documents.open(self, name, embedder=embedder, language=language, **options)

    def backup(self, path: str | os.PathLike[str], *, keep: int | None = None) -> BackupResult:
        """Copy the database as of now into a folder, while writing goes on.

        Every write that was acknowledged before the call is in the backup. Files that an earlier
        backup in the same folder has are not copied again. Also saves a ``:memory:`` database.

        Args:
            path: The folder of the backups of this database; created when missing.
            keep: Delete all but this many of the newest backups there; None keeps all.

        Raises:
            CorruptionError: A file of the database is damaged; no backup was made.
            InvalidArgumentError: The folder is inside the database, or holds something else.
            StorageError: The medium failed; earlier backups are as they were.
        """
        from elanus.api.backup import back_up_to

        return back_up_to(self._engine().directory, path, keep=keep)

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._read_only

    def stats(self) -> DatabaseStats:
        """Return bytes on disk and in memory, and the statistics of the collections in use."""
        return self._engine().stats()

    def close(self) -> None:
        """Close this handle; the last handle of a folder closes its files. Idempotent."""
        if not self._closed:
            self._closed = True
            self._shared.release()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __copy__(self) -> Self:
        """Return this handle: what is open is not copied."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return this handle, also inside of settings that a framework copies."""
        return self

    def __reduce__(self) -> NoReturn:
        at = self._shared.location
        if at == MEMORY_URI:
            raise TypeError("a database in memory cannot be pickled: other processes need a folder")
        raise TypeError(
            f"a database cannot be pickled, since an open folder belongs to one process; send its "
            f"path, and open it over there: elanus.connect({at!r}, read_only=True)"
        )

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self.list_collections())} collections"
        return f"Database({self._shared.location!r}, {state})"

    def _full(self, name: str) -> str:
        """Return what the catalog calls a collection or an alias of this database."""
        if not isinstance(name, str) or "/" in name:
            raise CollectionNotFoundError(f"no collection {name!r}", name=str(name))
        return full_name(self._database, name)

    def _engine(self) -> DatabaseEngine:
        if self._closed:
            raise ClosedError("the database is closed; connect again")
        return self._shared.engine

    def _writable(self) -> DatabaseEngine:
        if self._read_only:
            raise ReadOnlyError(
                "the database was opened with read_only=True; connect without it to write"
            )
        return self._engine()


def connect(
    uri: str | os.PathLike[str],
    *,
    read_only: bool = False,
    token: str | None = None,
    database: str = DEFAULT_DATABASE,
    **options: Unpack[ConnectOptions],
) -> Database:
    """Open a database, creating it when there is none, or connect to a server.

    Args:
        uri: A folder; ``":memory:"`` for a new private database without files; or the URL of a
            server, such as ``http://localhost:19530``.
        read_only: Take no lock and refuse writes; works on read-only media and beside a writing
            process, whose writes each search sees. The folder must hold a database.
        token: Credentials for a server: ``"user:password"``, or a token.
        database: Database of the folder or server whose collections are meant.
        **options: Of a folder ``wait_s``, ``durability``, ``sync_interval_ms`` and
            ``memory_limit``, of a server ``timeout``, ``tls_ca``, ``tls_cert`` and ``tls_key``;
            see ``ConnectOptions``.

    Returns:
        A ``Database``. A folder opened twice in one process shares its files.

    Raises:
        DatabaseLockedError: Another process has the folder open for writing; carries its pid.
        NotFoundError: ``read_only`` and nothing there, or no such ``database``.
        AuthenticationError: The server does not know the user.
        ServerConnectionError: The server cannot be reached.
        InvalidArgumentError: ``uri`` is a file, or an option is for servers and this is a folder,
            or the other way round.
    """
    location = location_of(uri)
    if is_server(location):
        from elanus.remote.database import open_server

        return open_server(location, token, database, read_only, server_options(options))
    shared = _opened(_folder_of(location), folder_options(location, read_only, token, options))
    try:
        check_database(shared.engine.catalog(), database)
    except NotFoundError:
        shared.release()
        raise
    return Database(shared, read_only=read_only, database=database)


def _opened(path: Path | None, options: OpenOptions) -> SharedEngine:
    if path is not None:
        return share(path, options)
    engine = DatabaseEngine(MemoryDirectory(), memory_limit=options.memory_limit)
    return SharedEngine(engine, None)


def _folder_of(uri: str) -> Path | None:
    """Return the folder that is meant; None for a database in memory."""
    if uri == MEMORY_URI:
        return None
    return resolved_folder(uri)
