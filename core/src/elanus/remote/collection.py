"""A collection of a server, with the methods of an embedded one.

What the server can do by itself is asked of it. What calls Python of the user, reads local files or
embeds with an object of this process is done here, over the calls below.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from elanus.api.collection import Collection
from elanus.api.context import Filter
from elanus.api.import_export import column_names, exported_fields
from elanus.api.migration import BATCH_SIZE, EmbeddingMigration, MakeVectors
from elanus.engine.reading import AsOf
from elanus.engine.writing.load_request import LoadRequest
from elanus.errors import InvalidArgumentError, NotAllowedError
from elanus.remote.forwarding import forwarded, forwarded_property
from elanus.remote.held import Held, RemoteImport, RemoteIterator, RemoteLoad, stored_batches
from elanus.remote.migration import RemoteMigration
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.schema.functions import Embedding
from elanus.sync.lineage import LINEAGE_FIELD, Lineage, has_lineage
from elanus.types import PrimaryKey

if TYPE_CHECKING:
    from elanus.api.import_target import Import
    from elanus.api.transfer import Scan
    from elanus.plugins import Embedder
    from elanus.remote.database import Connection

_TURN_PAUSE_S = 0.2
"""Seconds between two looks whether another sync has ended."""


class Place(NamedTuple):
    """Where a collection is.

    Attributes:
        database: Its database.
        name: Its name when somebody last asked.
        identifier: What it is called for good.
    """

    database: str
    name: str
    identifier: str


class RemoteCollection(Collection):
    """A collection of a server. Safe from many threads at once."""

    def __init__(self, connection: Connection, place: Place, schema: Schema) -> None:
        # Not that of the base: there is no engine here.
        self._connection = connection
        self._place = place
        self._seen = schema

    # --- asking -----------------------------------------------------------------------------

    def ask(self, call: str, *args: Any, **kwargs: Any) -> Any:
        """Make a call on the collection.

        Args:
            call: Its name.
            *args: What goes with it.
            **kwargs: What goes with it, by name.
        """
        return self._connection.call(f"collection.{call}", self._place, args, kwargs)

    def ask_held(self, number: str, call: str, **kwargs: Any) -> Any:
        """Make a call on something that the server keeps for this handle."""
        return self._connection.call(f"held.{call}", self._place, (number,), kwargs)

    @property
    def name(self) -> str:
        """Name in the database, not an alias."""
        found = str(self.ask("name"))
        self._place = self._place._replace(name=found)
        return found

    @property
    def identifier(self) -> str:
        """What tells the collection from any other, also from one that had its name before."""
        return self._place.identifier

    @property
    def schema(self) -> Schema:
        """The fields as they are now."""
        self._seen = self._connection.schema_of(self.ask("schema"))
        return self._seen

    @property
    def seen_schema(self) -> Schema:
        """The fields as this handle saw them last: of a server without asking it again."""
        return self._seen

    def __eq__(self, other: object) -> bool:
        """Handles of one collection are equal; one that was made anew under its name is another."""
        if not isinstance(other, RemoteCollection):
            return False
        return self._place.identifier == other._place.identifier

    def __hash__(self) -> int:
        return hash(self._place.identifier)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"collection {self._place.name!r} of a server cannot be pickled; connect again over "
            f"there: elanus.connect(url).collection({self._place.name!r})"
        )

    @property
    def is_restricted(self) -> bool:
        """Whether the handle itself shows a part: what the server shows is not known here."""
        return False

    def restricted(
        self,
        filter: Filter,
        *,
        check: Filter | None = None,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
    ) -> Collection:
        """Refuse: a client that restricts itself keeps nobody from asking the server for more.

        Raises:
            NotAllowedError: Always; row policies of the server bind its users.
        """
        raise NotAllowedError(
            "restricted: a collection of a server is restricted by row policies of the server, "
            "which bind its users whatever they ask"
        )

    # --- what the server does ---------------------------------------------------------------

    run_analyzer = forwarded(Collection.run_analyzer)
    insert = forwarded(Collection.insert)
    upsert = forwarded(Collection.upsert)
    delete = forwarded(Collection.delete)
    create_partition = forwarded(Collection.create_partition)
    drop_partition = forwarded(Collection.drop_partition)
    list_partitions = forwarded(Collection.list_partitions)
    has_partition = forwarded(Collection.has_partition)
    truncate = forwarded(Collection.truncate)
    add_field = forwarded(Collection.add_field)
    drop_field = forwarded(Collection.drop_field)
    alter_field = forwarded(Collection.alter_field)
    rebuild_terms = forwarded(Collection.rebuild_terms)
    create_index = forwarded(Collection.create_index)
    drop_index = forwarded(Collection.drop_index)
    list_indexes = forwarded(Collection.list_indexes)
    set_retention = forwarded(Collection.set_retention)
    set_ttl = forwarded(Collection.set_ttl)
    set_consistency = forwarded(Collection.set_consistency)
    load = forwarded(Collection.load)
    release = forwarded(Collection.release)
    flush = forwarded(Collection.flush)
    compact = forwarded(Collection.compact)
    wait_indexed = forwarded(Collection.wait_indexed)
    stats = forwarded(Collection.stats)
    describe = forwarded(Collection.describe)
    drop = forwarded(Collection.drop)
    alter_properties = forwarded(Collection.alter_properties)
    set_properties = forwarded(Collection.set_properties)
    drop_properties = forwarded(Collection.drop_properties)
    get = forwarded(Collection.get)
    query = forwarded(Collection.query)
    count = forwarded(Collection.count)
    explain = forwarded(Collection.explain)
    aggregate = forwarded(Collection.aggregate)
    facets = forwarded(Collection.facets)
    search = forwarded(Collection.search)
    hybrid_search = forwarded(Collection.hybrid_search)
    why_not = forwarded(Collection.why_not)
    known_item_queries = forwarded(Collection.known_item_queries)
    leg_hits = forwarded(Collection.leg_hits)
    embed_queries = forwarded(Collection.embed_queries)
    sources = forwarded(Collection.sources)
    source_documents = forwarded(Collection.source_documents)
    lineage = forwarded(Collection.lineage)

    properties = forwarded_property(Collection.properties)
    retention_s = forwarded_property(Collection.retention_s)
    ttl = forwarded_property(Collection.ttl)
    consistency = forwarded_property(Collection.consistency)
    last_seq = forwarded_property(Collection.last_seq)

    search_profile = forwarded_property(Collection.search_profile)

    # --- batch by batch ---------------------------------------------------------------------

    query_iterator = forwarded(Collection.query_iterator, RemoteIterator)
    search_iterator = forwarded(Collection.search_iterator, RemoteIterator)

    def scan(
        self,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        as_of: AsOf | None = None,
    ) -> Scan:
        """Return entities as columns, in the order in which they are stored; as ``to_arrow``."""
        from elanus.api.transfer import Scan, default_batch_rows

        schema = self.schema
        names = column_names(schema, output)
        # The server counts and reads the same snapshot, which is that of the first call.
        opened = self.ask("scan", filter, list(names), params, as_of)

        def batches(batch_rows: int) -> Iterator[ColumnBatch]:
            rows = min(batch_rows, default_batch_rows(schema))
            self.ask_held(opened["held"], "begin", batch_rows=rows)
            return stored_batches(self, opened, schema)

        return Scan(exported_fields(schema, names), opened["num_rows"], batches)

    # --- syncs ------------------------------------------------------------------------------

    def lineage_batches(
        self, filter: str, params: Mapping[str, Any], fields: Sequence[str] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield key, lineage and some fields of the entities that pass a filter, as columns."""
        schema = self.schema
        if has_lineage(schema):
            opened = self.ask("lineage_batches", filter, params, list(fields))
            yield from stored_batches(self, opened, schema)

    def owners(self, keys: Sequence[PrimaryKey]) -> Iterator[tuple[PrimaryKey, Lineage | None]]:
        """Yield those of the keys that are taken, with the lineage of who has them."""
        schema = self.schema
        primary, fields = schema.primary.name, (LINEAGE_FIELD,) if has_lineage(schema) else ()
        for entity in self.get(keys, [primary, *fields]):
            value = entity.get(LINEAGE_FIELD)
            yield entity[primary], None if value is None else Lineage.from_json(value)

    def sync_turn(self) -> AbstractContextManager[object]:
        """Return what one sync at a time enters, to compare a source with what is stored."""
        return self._turn()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        while (opened := self.ask("sync_turn")) is None:
            time.sleep(_TURN_PAUSE_S)
        turn = Held(self, opened["held"])
        try:
            yield
        finally:
            turn.close()

    def _load(self, opened: Mapping[str, Any]) -> RemoteLoad:
        # The field of lineages may be a new one.
        self._seen = self.schema
        return RemoteLoad(self, opened["held"])

    begin_sync = forwarded(Collection.begin_sync, _load)

    # --- imports ----------------------------------------------------------------------------

    def begin_import(self, request: LoadRequest) -> Import:
        """Start to write rows that nobody sees before the end of the import.

        Raises:
            StateError: Another import into this collection is running.
        """
        if request.properties is not None:
            raise InvalidArgumentError(
                "import_data: properties are not set through a server; use alter_properties"
            )
        opened = self.ask(
            "begin_import",
            on_conflict=str(request.on_conflict),
            identity=request.identity,
            resume=request.resume,
            partition=request.partition,
        )
        return RemoteImport(self, opened, request)

    # --- another model ----------------------------------------------------------------------

    def migrate_embeddings(
        self,
        new: str | Embedder,
        *,
        field: str | None = None,
        name: str | None = None,
        params: Mapping[str, Any] | None = None,
        batch_size: int = BATCH_SIZE,
        background: bool = True,
    ) -> EmbeddingMigration:
        # The server embeds, so the model has to be one that it can build.
        model = Embedding("text", new, dict(params or {}))
        old, made = self.ask("migrate_embeddings", model, field, name, batch_size)
        migration = RemoteMigration(self, old, made, self._compared)
        if not background:
            migration.wait()
        return migration

    migrate_embeddings.__doc__ = Collection.migrate_embeddings.__doc__

    def migrate_vectors(
        self,
        field: str,
        dim: int,
        make: MakeVectors,
        *,
        text: str,
        properties: Mapping[str, Any] | None = None,
        batch_size: int = BATCH_SIZE,
        background: bool = True,
    ) -> EmbeddingMigration:
        raise InvalidArgumentError(
            f"migrate_vectors: the program makes the vectors of {field!r}, and the server would "
            f"have to call it; open the folder itself, or declare the field with a model of the "
            f"server and take migrate_embeddings"
        )

    migrate_vectors.__doc__ = Collection.migrate_vectors.__doc__

    def embedding_migration(self, field: str | None = None) -> EmbeddingMigration:
        old, made = self.ask("embedding_migration", field)
        return RemoteMigration(self, old, made, self._compared)

    embedding_migration.__doc__ = Collection.embedding_migration.__doc__

    # --- Python -----------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.count()

    def __repr__(self) -> str:
        return f"RemoteCollection({self._place.name!r}, {self._connection.uri!r})"


COMPOSED = (
    *("evaluate", "tune", "sync", "lineages", "import_data", "export_data"),
    *("to_arrow", "to_arrow_reader", "to_pandas", "to_polars"),
)
"""Methods of the base that are done here as they are there, over those above."""
