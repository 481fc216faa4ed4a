"""What users call to give a field of embedded texts another model; ``Collection`` has these
methods.

A field for the vectors of the new model is added and filled in the background, while the old one
answers. Then one commit lets the new field answer by the old one's name, and another one takes that
back. The schema says what is under way, so nothing is lost when a program ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from elanus.api.comparing import Comparison, Comparisons
from elanus.engine.definition.backfill import Coverage, MadeVectors, coverage, texts_without_vectors
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.reading import CollectionReader
from elanus.errors import ClosedError, InvalidArgumentError, NotFoundError, StateError
from elanus.plugins import fingerprint, get_embedder
from elanus.schema.collection import Schema, Successor
from elanus.schema.evolution import with_answering, with_successor, without_field
from elanus.schema.fields import Field
from elanus.schema.functions import Embedding
from elanus.types import Float32Array, PrimaryKey

if TYPE_CHECKING:
    from elanus.evaluation.judgements import Qrels, Queries
    from elanus.plugins import Embedder

BATCH_SIZE = 256
"""Texts that are embedded and written at a time: what a kill costs at most."""


MakeVectors: TypeAlias = Callable[[list[PrimaryKey], list[str]], Float32Array]
"""Makes the vectors of entities, of which it is given keys and texts; shape ``(count, dim)``."""


@dataclass(frozen=True, slots=True)
class OwnVectors:
    """How a program fills a field that no model was declared for.

    Attributes:
        text: Field of the texts.
        make: Makes the vectors.
        properties: Those of the collection from ``finish`` on.
    """

    text: str
    make: MakeVectors
    properties: Mapping[str, Any]

    def finished(self, settings: CollectionSettings, _schema: Schema) -> CollectionSettings:
        """Return the settings with these properties."""
        return replace(settings, properties={**settings.properties, **self.properties})


class EmbeddingMigration:
    """A field whose vectors another model is to make. Safe from many threads.

    Attributes:
        field: Field with the vectors of the old model.
        successor: Field with the vectors of the new model.
    """

    def __init__(
        self,
        engine: CollectionReader,
        field: str,
        successor: str,
        compare: Callable[..., Comparison],
        own: OwnVectors | None = None,
    ) -> None:
        self.field, self.successor = field, successor
        self._engine = engine
        self._compare = compare
        self._own = own
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._stopping = threading.Event()
        self._failure: Exception | None = None

    @property
    def state(self) -> str:
        """``"filling"``, ``"filled"``, ``"switched"``, ``"finished"`` or ``"abandoned"``."""
        schema = self._engine.schema
        found = next((one for one in schema.successors if one.by == self.successor), None)
        if found is None:
            return "abandoned"
        if found.answers:
            return "switched" if found.field in schema else "finished"
        return "filled" if self.progress().filled == self.progress().total else "filling"

    @property
    def is_running(self) -> bool:
        """Whether the background fills the field now."""
        worker = self._worker
        return worker is not None and worker.is_alive()

    def progress(self) -> Coverage:
        """Return how many entities have a text, and how many of these a vector of it."""
        sources = self._engine.snapshot().sources
        return coverage(sources, self.successor, self._text(self._engine.schema))

    def start(self, *, batch_size: int = BATCH_SIZE) -> EmbeddingMigration:
        """Fill the field in the background, from where it is; nothing if it is running."""
        _check_batch_size(batch_size)
        with self._lock:
            if not self.is_running:
                self._stopping.clear()
                self._failure = None
                self._worker = threading.Thread(
                    target=self._fill_quietly,
                    args=(batch_size,),
                    name=f"elanus-migration-{self.successor}",
                    daemon=True,
                )
                self._worker.start()
        return self

    def run(self, *, batch_size: int = BATCH_SIZE) -> Coverage:
        """Fill the field now, from where it is, and return when that is done.

        Raises:
            ProviderError: The model failed; what was filled stays, and ``run`` goes on from there.
        """
        _check_batch_size(batch_size)
        while self._fill_batch(batch_size):
            pass
        return self.progress()

    def stop(self) -> None:
        """Let the background end after the batch that it is at; ``start`` goes on."""
        self._stopping.set()
        self._join(None)

    def wait(self, timeout: float | None = None) -> Coverage:
        """Wait until the background has filled the field.

        Args:
            timeout: Seconds after which to return in any case; None waits.

        Raises:
            ElanusError: What the background failed with; ``start`` goes on from where it was.
        """
        self._join(timeout)
        if self._failure is not None:
            raise self._failure
        return self.progress()

    def compare(
        self,
        queries: Queries | None = None,
        qrels: Qrels | None = None,
        *,
        k: int = 10,
        metric: str = "ndcg@10",
        count: int = 100,
        seed: int = 0,
    ) -> Comparison:
        """Ask both models the same and say how far their answers agree.

        Args:
            queries: Texts by query id, or pairs; None makes some of the entities.
            qrels: As in ``Collection.evaluate``: both are measured by them.
            k: Hits of each answer.
            metric: By which they are measured.
            count: Queries to make where none are given.
            seed: Same seed, same queries.

        Raises:
            StateError: The old field was dropped, or the new one was.
        """
        missing = [n for n in (self.field, self.successor) if n not in self._engine.schema]
        if missing:
            raise StateError(f"compare: field {missing[0]!r} was dropped, and answers no more")
        return self._compare(
            (self.field, self.successor),
            queries,
            qrels,
            k=k,
            metric=metric,
            count=count,
            seed=seed,
        )

    def switch(self, *, force: bool = False) -> None:
        """Let the new field answer searches by the old one's name, with one commit.

        Searches that began before are answered by the old one wholly, and later ones by the new
        one. New entities get vectors of both, so that ``rollback`` loses nothing.

        Args:
            force: Also where entities still lack the new vectors, and are then not found.

        Raises:
            StateError: Entities lack the new vectors.
        """
        filled, total = self.progress()
        if filled < total and not force:
            raise StateError(
                f"field {self.successor!r}: {total - filled} of {total} entities have no vector "
                f"yet; wait() or run() first, or pass force=True"
            )
        self._change(answers=True)

    def rollback(self) -> None:
        """Let the old field answer again, with one commit; both stay.

        Raises:
            SchemaError: The old field was dropped.
        """
        self._change(answers=False)

    def finish(self) -> None:
        """Drop the old field; searches by its name go on with the new one.

        Raises:
            StateError: The new one does not answer yet.
        """
        if self.state == "finished":
            return
        if self.state != "switched":
            raise StateError(f"finish: {self.successor!r} does not answer yet; switch() first")
        settings = None if self._own is None else self._own.finished
        self._engine.change_schema(lambda schema: without_field(schema, self.field), settings)

    def abandon(self) -> None:
        """Drop the new field and all that was made for it.

        Raises:
            StateError: It answers; ``rollback`` first.
        """
        self.stop()
        if self.state in ("switched", "finished"):
            raise StateError(f"abandon: {self.successor!r} answers searches; rollback() first")
        if self.state != "abandoned":
            self._engine.change_schema(lambda schema: without_field(schema, self.successor))

    def _change(self, *, answers: bool) -> None:
        name = self.successor
        self._engine.change_schema(lambda schema: with_answering(schema, name, answers=answers))

    def _join(self, timeout: float | None) -> None:
        worker = self._worker
        if worker is not None and worker is not threading.current_thread():
            worker.join(timeout)

    def _fill_quietly(self, batch_size: int) -> None:
        try:
            while not self._stopping.is_set() and self._fill_batch(batch_size):
                pass
        except ClosedError:
            # The program is done with the database; the next one goes on.
            return
        except Exception as error:  # noqa: BLE001 - edge of the thread; ``wait`` raises it
            self._failure = error

    def _fill_batch(self, batch_size: int) -> bool:
        """Fill some entities; return whether there may be more."""
        engine = self._engine
        fields = engine.fields
        if self.successor not in fields.schema:
            return False
        sources = engine.snapshot().sources
        text = self._text(fields.schema)
        wanted = texts_without_vectors(fields.schema, sources, self.successor, text, batch_size)
        if not wanted.pks:
            return False
        field = fields.schema.field(self.successor)
        if self._own is not None:
            vectors = self._own.make(wanted.pks, wanted.texts)
        elif field.embedding is not None:
            vectors = fields.embedders.documents(field, wanted.texts)
        else:
            raise StateError(
                f"field {self.successor!r}: no model was declared for it; call migrate_vectors "
                f"again, which says who makes its vectors"
            )
        engine.fill_vectors(MadeVectors(wanted, vectors))
        return True

    def _text(self, schema: Schema) -> str:
        """Return the field whose values have to get vectors; where it is unknown, the key."""
        if self._own is not None:
            return self._own.text
        embedding = schema.field(self.successor).embedding
        return schema.primary.name if embedding is None else embedding.field

    def __repr__(self) -> str:
        return f"EmbeddingMigration({self.field!r} to {self.successor!r}, {self.state})"


class Migrations(Comparisons):
    """The part of ``Collection`` that changes the model of a field."""

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
        """Have another model embed the texts of a field, while the old one answers.

        A field is added, with the metric and the index of the old one, and filled batch by batch;
        entities that are written meanwhile get vectors of both. Searches go on as before until
        ``switch``. Called again for the same model, also after a crash, it goes on where it was;
        what was embedded and written is not embedded again.

        Args:
            new: Name of an embedder plug-in, or one that can be built again from its configuration.
            field: Field to replace, which was declared with a model; None: the only one.
            name: Of the new field; None: that of the old one with a number.
            params: Keyword arguments of the plug-in's factory, as JSON values; never a secret.
            batch_size: Texts embedded and written at a time.
            background: Fill it in a thread; False: return when it is filled.

        Raises:
            SchemaError: The name is taken.
            StateError: Another model is on its way into the field, or an import is running.
            PluginNotInstalledError: No such embedder.
        """
        _check_batch_size(batch_size)
        old = self._embedded_field(field)
        model = Embedding(_embedding(old).field, new, dict(params or {}))
        waiting = self._waiting(old.name)
        if waiting is None:
            made = self._add_successor(old, name, dim=None, embedding=model)
        else:
            made = waiting.by
            self._check_same(made, model)
        migration = EmbeddingMigration(self._engine, old.name, made, self._compared)
        if background:
            return migration.start(batch_size=batch_size)
        migration.run(batch_size=batch_size)
        return migration

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
        """Do what ``migrate_embeddings`` does for a field whose vectors the program makes.

        Whoever writes meanwhile, until ``finish``, gives entities vectors of both fields; those
        without one of the new field are filled like those that were there.

        Args:
            field: Field to replace, declared without a model.
            dim: Dimensions of the new vectors.
            make: Makes them; called with keys and texts of entities, outside of any lock.
            text: Field of the texts.
            properties: Set together with ``finish``, such as what tells the new model.
            batch_size: Entities filled at a time.
            background: Fill it in a thread; False: return when it is filled.

        Raises:
            InvalidArgumentError: The field was declared with a model.
            StateError: A field with another dim is on its way, or an import is running.
        """
        _check_batch_size(batch_size)
        old = self.schema.answering(field)
        if old.embedding is not None:
            raise InvalidArgumentError(
                f"field {field!r} was declared with a model: migrate_embeddings() replaces it"
            )
        waiting = self._waiting(old.name)
        made = self._add_successor(old, None, dim=dim) if waiting is None else waiting.by
        if self.schema.field(made).dim != dim:
            raise StateError(
                f"field {made!r} with dim {self.schema.field(made).dim} is on its way, expected "
                f"{dim}; finish that first, or embedding_migration().abandon() it"
            )
        own = OwnVectors(text, make, dict(properties or {}))
        migration = EmbeddingMigration(self._engine, old.name, made, self._compared, own)
        if background:
            return migration.start(batch_size=batch_size)
        migration.run(batch_size=batch_size)
        return migration

    def embedding_migration(self, field: str | None = None) -> EmbeddingMigration:
        """Return the migration of a field, to go on with it: ``start``, ``switch`` and so on.

        Args:
            field: Field whose model changes; None: the only one.

        Raises:
            NotFoundError: There is none, or several and no name.
        """
        schema = self.schema
        found = [s for s in schema.successors if field in (None, s.field, schema.role_of(s.field))]
        running = [one for one in found if one.field in schema] or found
        if len(running) != 1:
            names = ", ".join(repr(one.field) for one in schema.successors) or "none"
            raise NotFoundError(
                f"embedding_migration: expected the field of one migration, got {field!r}; there "
                f"are {names}"
            )
        field, successor = running[0].field, running[0].by
        return EmbeddingMigration(self._engine, field, successor, self._compared)

    def _embedded_field(self, name: str | None) -> Field:
        schema = self.schema
        if name is not None:
            field = schema.answering(name)
            _embedding(field)
            return field
        fields = [f for f in schema.embedded_fields if f.name not in schema.waiting]
        if len(fields) != 1:
            names = ", ".join(repr(f.name) for f in fields) or "none"
            raise InvalidArgumentError(
                f"migrate_embeddings: expected the field to replace, one declared with a model; "
                f"there are {names}"
            )
        return fields[0]

    def _add_successor(self, old: Field, name: str | None, **changes: Any) -> str:
        """Add a field that is to answer for another one; return its name."""
        made = name or _free_name(self.schema, self.schema.role_of(old.name))
        added = replace(old, name=made, nullable=True, **changes)
        self._engine.change_schema(
            lambda schema: with_successor(schema, old.name, added),
            lambda settings, schema: _with_same_index(settings, old.name, made),
        )
        return made

    def _waiting(self, name: str) -> Successor | None:
        successors = self.schema.successors
        return next((s for s in successors if s.field == name and not s.answers), None)

    def _check_same(self, name: str, model: Embedding) -> None:
        """Raise ``StateError`` unless a field is filled by this model."""
        known = _embedding(self.schema.field(name))
        if fingerprint(get_embedder(model.embedder, **model.params)) != known.fingerprint:
            raise StateError(
                f"field {name!r} is being filled by {known.embedder!r}; finish that first, or "
                f"embedding_migration().abandon() it"
            )


def _embedding(field: Field) -> Embedding:
    if field.embedding is None:
        raise InvalidArgumentError(
            f"field {field.name!r} was declared without a model; its vectors are yours to replace: "
            f"add a field with embedding=Embedding(...) and search that"
        )
    return field.embedding


def _free_name(schema: Schema, name: str) -> str:
    taken = {f.name for f in schema.fields} | {one.field for one in schema.successors}
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _with_same_index(settings: CollectionSettings, old: str, new: str) -> CollectionSettings:
    if old not in settings.indexes:
        return settings
    return replace(settings, indexes={**settings.indexes, new: settings.indexes[old]})


def _check_batch_size(batch_size: int) -> None:
    if type(batch_size) is not int or not 1 <= batch_size <= 65_536:
        raise InvalidArgumentError(f"batch_size: expected 1 to 65536, got {batch_size!r}")
