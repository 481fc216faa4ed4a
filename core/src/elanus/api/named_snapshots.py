"""States of a database, or of one collection, that were given a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elanus.api.collection import Collection
from elanus.engine.database import DatabaseEngine
from elanus.engine.definition.names import full_name
from elanus.engine.definition.properties import read_properties
from elanus.engine.definition.settings import DEFAULT_PARTITION, CollectionSettings
from elanus.schema.collection import Schema
from elanus.schema.fields import check_name
from elanus.schema.serialization import schema_from_json
from elanus.storage.catalog import NamedSnapshot


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """What a collection was in a snapshot.

    Attributes:
        schema: Its fields.
        properties: Its properties.
        partitions: Names of its partitions.
    """

    schema: Schema
    properties: Mapping[str, Any]
    partitions: tuple[str, ...]


class NamedSnapshots:
    """The part of a ``Database`` that keeps states and brings them back."""

    # Of the whole database.
    @property
    def database(self) -> str:
        raise NotImplementedError

    def _engine(self) -> DatabaseEngine:
        raise NotImplementedError

    def _writable(self) -> DatabaseEngine:
        raise NotImplementedError

    def _full(self, name: str) -> str:
        raise NotImplementedError

    def snapshot(
        self, name: str, *, collection: str | None = None, description: str = ""
    ) -> NamedSnapshot:
        """Keep the state of all collections, or of one, as of now under a name, durably.

        All collections are cut at one moment. ``search(as_of=name)`` asks for it; deleted and
        replaced entities that belong to it take space until ``drop_snapshot``.

        Args:
            name: Of the snapshot. Those of one collection have names of their own, which go before
                those of all collections, and are dropped with it.
            collection: Only this one.
            description: Free text, kept with it.

        Raises:
            AlreadyExistsError: The name is taken.
            CollectionNotFoundError: No such collection.
            SchemaError: The name is not valid.
        """
        return self._writable().create_snapshot(name, self._found(collection), description)

    def list_snapshots(self, collection: str | None = None) -> dict[str, NamedSnapshot]:
        """Return the snapshots of all collections, or those of one collection alone, by name.

        Raises:
            CollectionNotFoundError: No such collection.
        """
        return self._engine().snapshots(self._found(collection))

    def describe_snapshot(self, name: str, collection: str) -> SnapshotState:
        """Return what a collection was in a snapshot, without its entities.

        Args:
            name: Of the snapshot.
            collection: That it is of, or that is part of it.

        Raises:
            CollectionNotFoundError: No such collection.
            NotFoundError: No such snapshot, or the collection is not part of it.
        """
        manifest = self._engine().snapshot_manifest(name, self._full(collection))
        settings = CollectionSettings.from_json(manifest.properties)
        return SnapshotState(
            schema_from_json(manifest.schema),
            dict(settings.properties),
            (DEFAULT_PARTITION, *settings.partitions),
        )

    def drop_snapshot(self, name: str, *, collection: str | None = None) -> None:
        """Forget a snapshot of all collections, or of one, durably.

        Raises:
            CollectionNotFoundError: No such collection.
            NotFoundError: No such snapshot.
        """
        self._writable().drop_snapshot(name, self._found(collection))

    def restore_snapshot(
        self,
        name: str,
        collection: str,
        new_name: str,
        *,
        database: str | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> Collection:
        """Make a new collection of what a collection was in a snapshot, durably.

        Fields, properties, indexes and partitions are those of that moment. Files of segments are
        shared with the collection where the file system can do that, so it takes little time and
        space. A crash leaves all of the new collection, or nothing.

        Args:
            name: Of the snapshot.
            collection: That it is of, or that is part of it.
            new_name: Of the new collection.
            database: Database that it is to be in; None: this one.
            properties: Set in it, as with ``create_collection``.

        Raises:
            CollectionExistsError: The new name is taken.
            CollectionNotFoundError: No such collection.
            NotFoundError: No such snapshot or database, or the collection is not part of it.
        """
        full = full_name(database or self.database, check_name(new_name, "collection"))
        given = read_properties(properties or {})
        engine = self._writable()
        engine.restore(self._full(collection), name, full, given)
        return Collection(engine.open(full))

    def _found(self, name: str | None) -> str | None:
        return None if name is None else self._full(name)
