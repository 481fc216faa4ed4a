"""How does a collection of documents get the vectors of another model, while the old one answers?

``Collection.migrate_vectors`` fills, switches and rolls back; here is what only the store knows:
which text of a document a model is given, and that writes give vectors of both models meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, runtime_checkable

from elanus.documents.layout import NEXT, PROPERTY, Layout, model_record
from elanus.documents.rows import (
    DenseVectors,
    DocumentBatch,
    StoredDocument,
    dense_matrix,
    entity_to_fields,
    output_fields,
)
from elanus.errors import ModelMismatchError, StateError
from elanus.plugins import Embedder, embed_texts, fingerprint, fingerprints_match
from elanus.schema.collection import Schema
from elanus.types import Float32Array


def _text_of(document: StoredDocument) -> str:
    return document.text


@dataclass(frozen=True, slots=True)
class NextModel:
    """The model that is to make the dense vectors.

    Attributes:
        model: As the caller knows it.
        dim: Dimensions of its vectors.
        encode: Makes vectors of texts.
        text_of: What it is given of a document; by default the text.
        record: What the collection says of it once the old vectors are dropped.
    """

    model: Any
    dim: int
    encode: Callable[[Sequence[str]], DenseVectors]
    text_of: Callable[[StoredDocument], str] = _text_of
    record: Mapping[str, Any] = field(default_factory=dict)

    def vectors_of(self, texts: Sequence[str]) -> Float32Array:
        """Return the vectors of texts, shape ``(count, dim)``."""
        return dense_matrix(self.encode(texts), self.dim, len(texts))

    def vectors_of_batch(self, batch: DocumentBatch) -> Float32Array:
        """Return the vectors of documents that are written."""
        nothing: Sequence[None] = [None] * len(batch.texts)
        return self.vectors_of(
            [
                self.text_of(
                    StoredDocument(
                        id=id_,
                        text=text,
                        metadata=dict(metadata or {}),
                        ref_doc_id=ref_doc_id,
                        node=None if node is None else dict(node),
                    )
                )
                for id_, text, metadata, ref_doc_id, node in zip(
                    batch.ids,
                    batch.texts,
                    batch.metadatas or nothing,
                    batch.ref_doc_ids or nothing,
                    batch.nodes or nothing,
                    strict=True,
                )
            ]
        )


@runtime_checkable
class MigratingCollection(Protocol):
    """A collection whose vectors can be replaced while it is searched."""

    def migrate_vectors(self, field: str, dim: int, make: Any, **options: Any) -> Any:
        """Add a field for other vectors, and fill it."""

    def get(self, ids: Any, output: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return entities."""

    def alter_properties(self, properties: Mapping[str, Any]) -> None:
        """Set what it says of itself."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """What it says of itself."""

    @property
    def schema(self) -> Schema:
        """Its fields."""


def next_record(properties: Mapping[str, Any], schema: Schema) -> Mapping[str, Any] | None:
    """Return what a collection says of the model of a migration under way, or None.

    Its ``field`` holds that model's vectors; ``model``, ``fingerprint``, ``embedder`` and ``dim``
    are those of the layout's own record.
    """
    record = properties.get(PROPERTY)
    found = record.get(NEXT) if isinstance(record, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    # What was abandoned or finished may still be told.
    running = any(one.by == found["field"] and one.field in schema for one in schema.successors)
    return found if running else None


def answers(schema: Schema, field: str) -> bool:
    """Return whether the vectors of a migration answer searches now."""
    return any(one.by == field and one.answers for one in schema.successors)


def is_model(record: Mapping[str, Any], embedder: Embedder) -> bool:
    """Return whether what a collection says of a model is true of this one."""
    known = record.get("fingerprint")
    return known is not None and fingerprints_match(known, fingerprint(embedder))


def next_model(embedder: Embedder) -> NextModel:
    """Return a plug-in as the model that is to make the vectors."""
    encode = partial(embed_texts, embedder)
    return NextModel(embedder, embedder.info.dim, encode, record=model_record(embedder))


def migrate(
    collection: MigratingCollection, layout: Layout, model: NextModel, *, background: bool
) -> Any:
    """Begin to fill the vectors of another model, or go on with it; return the migration.

    Raises:
        StateError: Yet another model is on its way.
    """
    _check_goes_on(collection, layout, model)
    names = layout.names

    def make(pks: list[Any], texts: list[str]) -> Float32Array:
        found = {
            entity[names.id]: StoredDocument(**entity_to_fields(entity, layout, None))
            for entity in collection.get(pks, output_fields(layout, False))
        }
        # Who was deleted meanwhile gets no vector, whatever it is.
        documents = [
            found.get(pk) or StoredDocument(id=pk, text=text, metadata={})
            for pk, text in zip(pks, texts, strict=True)
        ]
        return model.vectors_of([model.text_of(document) for document in documents])

    known = dict(collection.properties.get(PROPERTY) or {})
    known.pop(NEXT, None)
    kept = {k: v for k, v in known.items() if k not in ("model", "fingerprint", "embedder")}
    own = {"dim": model.dim, **model.record}
    migration = collection.migrate_vectors(
        names.dense,
        model.dim,
        make,
        text=names.text,
        properties={PROPERTY: {**kept, **own}},
        background=background,
    )
    told = {**known, NEXT: {**own, "field": migration.successor}}
    if collection.properties.get(PROPERTY) != told:
        collection.alter_properties({PROPERTY: told})
    return migration


def _check_goes_on(collection: MigratingCollection, layout: Layout, model: NextModel) -> None:
    running = next_record(collection.properties, collection.schema)
    if running is None or layout.answers == running["field"]:
        return
    known, given = running.get("fingerprint"), model.record.get("fingerprint")
    if known is not None and given is not None:
        same = fingerprints_match(known, given)
    else:
        same = running.get("model") == model.record.get("model")
    # Of another dim ``migrate_vectors`` itself speaks.
    if not same and running.get("dim") == model.dim:
        raise StateError(
            f"migrate: field {running['field']!r} is being filled by {running.get('model')!r}, got "
            f"{model.record.get('model')!r}; finish that first, or "
            f"collection.embedding_migration().abandon() it"
        )


def check_writer(name: str, layout: Layout, model: NextModel | None) -> None:
    """Refuse a write that would leave documents without the vectors that answer.

    Raises:
        ModelMismatchError: The new model answers, and only the old one is at hand.
    """
    if layout.successor is not None and layout.answers == layout.successor and model is None:
        raise ModelMismatchError(
            f"collection {name!r} is between two models: {layout.successor!r} answers searches, "
            f"{layout.names.dense!r} is there to roll back to, and only the store that began the "
            f"migration writes vectors of both; finish() or rollback() first"
        )
