"""Which states have names, and how does one of them become a collection again?

A named state holds the manifests that it starts from, of all collections or of one; the catalog
knows them. A state of one collection belongs to it: names of several may be equal, and it goes with
its collection.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from elanus.engine.collection import CollectionEngine
from elanus.engine.context import EngineContext
from elanus.engine.definition.names import check_free, resolve, split_name
from elanus.engine.kept_states.restoring import restored_state
from elanus.engine.reading import CollectionReader
from elanus.engine.state import CollectionState
from elanus.errors import AlreadyExistsError, ElanusError, NotFoundError, StorageFailedError
from elanus.schema.collection import did_you_mean
from elanus.schema.fields import check_name
from elanus.storage.catalog import Catalog, NamedSnapshot, collection_path
from elanus.storage.directory import Directory
from elanus.storage.manifest import Manifest, list_versions, load_version


def state_key(collection: uuid.UUID | None, name: str) -> str:
    """Return what the catalog calls a state of one collection, or of all."""
    return name if collection is None else f"{collection}/{name}"


def own_states(catalog: Catalog, collection: uuid.UUID | None) -> dict[str, NamedSnapshot]:
    """Return the states of one collection alone, or those of all collections, by name."""
    prefix = state_key(collection, "")
    found = {n: s for n, s in catalog.snapshots.items() if n.startswith(prefix)}
    return {n[len(prefix) :]: s for n, s in found.items() if "/" not in n[len(prefix) :]}


def pinned_versions(catalog: Catalog, collection: uuid.UUID) -> list[int]:
    """Return the versions of a collection's manifest that named snapshots hold."""
    return [s.versions[collection] for s in catalog.snapshots.values() if collection in s.versions]


class NamedStates:
    """The part of a ``DatabaseEngine`` that makes, drops and restores named states."""

    _lock: threading.RLock
    _catalog: Catalog
    _context: EngineContext
    _directory: Directory
    _collections: dict[str, CollectionReader]
    _uncertain: list[NamedSnapshot]

    # Of the whole engine.
    def open(self, name: str) -> CollectionReader:
        raise NotImplementedError

    def catalog(self) -> Catalog:
        raise NotImplementedError

    def _check_writable(self) -> None:
        raise NotImplementedError

    def _commit(self, **changes: Any) -> None:
        raise NotImplementedError

    def _adopt(self, engine: CollectionReader) -> None:
        raise NotImplementedError

    def drop(self, name: str) -> None:
        raise NotImplementedError

    def snapshots(self, collection: str | None = None) -> dict[str, NamedSnapshot]:
        """Return the named states of one collection alone, or those of all, by name.

        Raises:
            CollectionNotFoundError: No such collection.
        """
        with self._lock:
            catalog = self.catalog()
            return own_states(catalog, _identity(catalog, collection))

    def create_snapshot(
        self, name: str, collection: str | None = None, description: str = ""
    ) -> NamedSnapshot:
        """Keep the state of all collections, or of one, as of now, durably.

        Raises:
            AlreadyExistsError: The name is taken.
            CollectionNotFoundError: No such collection.
            ReadOnlyError: Opened for reading only.
            SchemaError: The name is not valid.
        """
        check_name(name, "snapshot")
        with self._lock, contextlib.ExitStack() as stack:
            self._check_writable()
            only = _identity(self._catalog, collection)
            key = state_key(only, name)
            if key in self._catalog.snapshots:
                raise AlreadyExistsError(
                    f"snapshot {name!r} exists already; drop it first or choose another name"
                )
            states = self._open_states()
            wanted = self._catalog.collections.values() if only is None else [only]
            for found in wanted:
                if found in states:
                    stack.enter_context(states[found].lock)
                    # The catalog would name writes that a weaker durability may still lose.
                    states[found].sync()
            # No write is under way now, so the number cuts all collections at one moment.
            made = NamedSnapshot(
                self._context.clock.tick(),
                datetime.now(UTC).isoformat(timespec="milliseconds"),
                {
                    found: states[found].manifest.version
                    if found in states
                    else self._newest_version(found)
                    for found in wanted
                },
                description,
            )
            self._keep(key, made, states)
            return made

    def _keep(
        self, key: str, made: NamedSnapshot, states: Mapping[uuid.UUID, CollectionState]
    ) -> None:
        try:
            self._pin({**self._catalog.snapshots, key: made}, states)
            self._commit(snapshots={**self._catalog.snapshots, key: made})
        except StorageFailedError:
            # It may be there: what it needs is kept until the database is closed.
            self._uncertain.append(made)
            raise
        except BaseException:
            self._pin(self._catalog.snapshots, states)
            raise

    def drop_snapshot(self, name: str, collection: str | None = None) -> None:
        """Forget a named state; what only it kept is deleted.

        Raises:
            CollectionNotFoundError: No such collection.
            NotFoundError: No such state.
            ReadOnlyError: Opened for reading only.
        """
        with self._lock:
            self._check_writable()
            only = _identity(self._catalog, collection)
            self._named(self._catalog, name, only)
            key = state_key(only, name)
            left = {n: s for n, s in self._catalog.snapshots.items() if n != key}
            self._commit(snapshots=left)
            states = self._open_states()
            self._pin(left, states)
            for state in states.values():
                state.tidy()

    def named_seq(self, name: str, collection: uuid.UUID) -> int:
        """Return the sequence number of a state of a collection alone, else of all.

        Raises:
            NotFoundError: No such state.
        """
        with self._lock:
            catalog = self.catalog()
            own = own_states(catalog, collection)
            return (own[name] if name in own else self._named(catalog, name, None)).seq

    def snapshot_manifest(self, name: str, collection: str) -> Manifest:
        """Return the manifest that a state of a collection starts from.

        Raises:
            CollectionNotFoundError: No such collection.
            NotFoundError: No such state, or the collection is not part of it.
        """
        with self._lock:
            catalog = self.catalog()
            identity, found = self._state_of(catalog, name, collection)
            path = collection_path(identity)
            return load_version(self._directory, path, found.versions[identity])

    def _state_of(
        self, catalog: Catalog, name: str, collection: str
    ) -> tuple[uuid.UUID, NamedSnapshot]:
        """Return a collection, and a state of it alone, or else of all that it is part of."""
        identity = catalog.collections[resolve(catalog, collection)]
        own = own_states(catalog, identity)
        found = own[name] if name in own else self._named(catalog, name, None)
        if identity not in found.versions:
            raise NotFoundError(
                f"collection {split_name(collection)[1]!r} is not part of snapshot {name!r}"
            )
        return identity, found

    def restore(
        self, collection: str, snapshot: str, new: str, properties: Mapping[str, Any]
    ) -> None:
        """Make a new collection of a named state of another one, durably.

        Files of segments are shared with the collection where the medium can do that; a crash
        leaves nothing, or all of it.

        Args:
            collection: Whose state.
            snapshot: Name of the state.
            new: Name of the new collection.
            properties: Set in the new collection, beside those that the state has.

        Raises:
            CollectionExistsError: The new name is taken.
            CollectionNotFoundError: No such collection.
            NotFoundError: No such state, or the collection is not part of it.
        """
        with self._lock:
            self._check_writable()
            check_free(self._catalog, new)
            source, found = self._state_of(self._catalog, snapshot, collection)
            made = uuid.uuid4()
            # From here on its folder is one that opening sweeps, until the catalog names it.
            self._directory.make_dir(collection_path(made))
            self._commit(dropped=(*self._catalog.dropped, made))
        # Writes go on meanwhile: what is read does not change.
        with self._abandoned_on_error(made) as states:
            states.append(
                restored_state(
                    self._context, source, found.versions[source], found.seq, made, new, properties
                )
            )
            self._name(made, states[0], new)

    def _name(self, made: uuid.UUID, state: CollectionState, name: str) -> None:
        """Let the catalog name a collection whose folder it would sweep until now."""
        with self._lock:
            self._check_writable()
            check_free(self._catalog, name)
            left = tuple(u for u in self._catalog.dropped if u != made)
            collections = {**self._catalog.collections, name: made}
            self._commit(collections=collections, dropped=left)
            engine = CollectionEngine(self._context, state, name)
            engine.on_drop = lambda: self.drop(engine.name)
            self._adopt(engine)

    @contextlib.contextmanager
    def _abandoned_on_error(self, made: uuid.UUID) -> Iterator[list[CollectionState]]:
        """Give a list for the state that is made; close it, and delete its folder, on failure."""
        states: list[CollectionState] = []
        try:
            yield states
        except BaseException as error:
            for state in states:
                state.close()
            # After a failure of this kind the catalog may name it.
            if not isinstance(error, StorageFailedError):
                with contextlib.suppress(ElanusError):
                    self._directory.delete_dir(collection_path(made))
            raise

    @staticmethod
    def _named(catalog: Catalog, name: str, collection: uuid.UUID | None) -> NamedSnapshot:
        known = own_states(catalog, collection)
        if name not in known:
            raise NotFoundError(f"no snapshot {name!r}{did_you_mean(name, sorted(known))}")
        return known[name]

    def _open_states(self) -> dict[uuid.UUID, CollectionState]:
        """Return the collections that may be written to at this moment, by identifier."""
        return {
            self._catalog.collections[name]: engine.state
            for name, engine in sorted(self._collections.items())
            if isinstance(engine, CollectionEngine)
        }

    def _pin(
        self,
        snapshots: Mapping[str, NamedSnapshot],
        states: Mapping[uuid.UUID, CollectionState],
    ) -> None:
        kept = [*snapshots.values(), *self._uncertain]
        for found, state in states.items():
            state.pin(s.versions[found] for s in kept if found in s.versions)

    def _newest_version(self, collection: uuid.UUID) -> int:
        return list_versions(self._directory, collection_path(collection))[-1]


def _identity(catalog: Catalog, name: str | None) -> uuid.UUID | None:
    return None if name is None else catalog.collections[resolve(catalog, name)]
