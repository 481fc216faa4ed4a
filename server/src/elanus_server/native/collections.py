"""The calls on a collection that begin something, and those of its migrations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from elanus import Collection
from elanus.errors import InvalidArgumentError, NotFoundError
from elanus.remote import LoadRequest, OnConflict
from elanus_server.native.kept import ImportLoad, Pages, SyncLoad

Opened = tuple[Any, dict[str, Any]]
"""What is kept, and what the client is told of it."""


def _iterator(iterator: Any) -> Opened:
    return Pages(iterator, lambda: str(iterator.token)), {"token": iterator.token}


def _query_iterator(collection: Collection, *args: Any, **kwargs: Any) -> Opened:
    return _iterator(collection.query_iterator(*args, **kwargs))


def _search_iterator(collection: Collection, *args: Any, **kwargs: Any) -> Opened:
    return _iterator(collection.search_iterator(*args, **kwargs))


def _scan(collection: Collection, *args: Any) -> Opened:
    scan = collection.scan(*args)
    pages = Pages(None, begin=lambda rows: iter(scan.batches(max(1, int(rows)))))
    return pages, {"num_rows": scan.num_rows, "token": ""}


def _lineage_batches(collection: Collection, *args: Any) -> Opened:
    return Pages(collection.lineage_batches(*args)), {"token": ""}


def _begin_sync(collection: Collection, partition: str | None = None) -> Opened:
    return SyncLoad(collection.begin_sync(partition)), {}


def _begin_import(
    collection: Collection,
    *,
    on_conflict: str,
    identity: Mapping[str, Any] | None,
    resume: bool,
    partition: str | None,
) -> Opened:
    def begin(report: Any, progress: Any) -> Any:
        return collection.begin_import(
            LoadRequest(
                OnConflict(on_conflict), identity, bool(resume), report, progress, partition
            )
        )

    load = ImportLoad(begin)
    return load, load.told()


OPENING: Mapping[str, Callable[..., Opened]] = {
    "query_iterator": _query_iterator,
    "search_iterator": _search_iterator,
    "scan": _scan,
    "lineage_batches": _lineage_batches,
    "begin_sync": _begin_sync,
    "begin_import": _begin_import,
}
ACTIONS = ("add", "begin", "finish", "forget", "next")
"""What can be asked of what is kept."""
MIGRATING = frozenset({"embedding_migration", "migrate_embeddings", "migration", "migration_state"})
_STEPS = frozenset({"abandon", "finish", "rollback", "start", "stop", "switch", "wait"})
_ANSWERING_STEPS = frozenset({"wait"})


class Migrations:
    """Fields that get the vectors of another model. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Any] = {}

    def answer(
        self, collection: Collection, call: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Answer a call of those in ``MIGRATING``.

        Raises:
            ElanusError: As the call does.
        """
        if call == "migrate_embeddings":
            return self._begun(collection, *args, **kwargs)
        if call == "embedding_migration":
            found = collection.embedding_migration(*args, **kwargs)
            return [found.field, found.successor]
        field, successor, *rest = args
        migration = self._of(collection, str(field), str(successor))
        if call == "migration_state":
            return {
                "state": migration.state,
                "is_running": migration.is_running,
                "progress": migration.progress() if migration.state != "abandoned" else None,
            }
        step = rest[0] if rest else None
        if step not in _STEPS:
            raise InvalidArgumentError(f"migration: expected one of {sorted(_STEPS)}, got {step!r}")
        answer = getattr(migration, step)(**kwargs)
        return answer if step in _ANSWERING_STEPS else None

    def close(self) -> None:
        """Let what runs in the background end; another server goes on."""
        with self._lock:
            known = list(self._known.values())
        for migration in known:
            migration.stop()

    def _begun(
        self,
        collection: Collection,
        model: Any,
        field: str | None,
        name: str | None,
        batch_size: int,
    ) -> list[str]:
        migration = collection.migrate_embeddings(
            model.embedder,
            field=field,
            name=name,
            params=model.params,
            batch_size=batch_size,
        )
        key = (collection.identifier, migration.successor)
        with self._lock:
            before, self._known[key] = self._known.get(key), migration
        if before is not None:
            # One thread is enough.
            before.stop()
        return [migration.field, migration.successor]

    def _of(self, collection: Collection, field: str, successor: str) -> Any:
        """Return the migration of a field: the same object, which knows whether it runs."""
        key = (collection.identifier, successor)
        with self._lock:
            found = self._known.get(key)
            if found is None:
                found = collection.embedding_migration(field)
                if found.successor != successor:
                    raise NotFoundError(
                        f"embedding_migration: no migration of {field!r} to {successor!r}"
                    )
                self._known[key] = found
            return found
