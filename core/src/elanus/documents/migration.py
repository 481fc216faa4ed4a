"""How does a collection of documents get the vectors of another model, while the old one answers?

``Collection.migrate_vectors`` fills, switches and rolls back; here is what only the store knows:
which text of a document a model is given, and that writes give vectors of both models meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from elanus.documents.layout import PROPERTY, Layout
from elanus.documents.rows import (
    DenseVectors,
    DocumentBatch,
    StoredDocument,
    dense_matrix,
    entity_to_fields,
    output_fields,
)
from elanus.errors import ModelMismatchError
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

    @property
    def properties(self) -> Mapping[str, Any]:
        """What it says of itself."""


def migrate(
    collection: MigratingCollection, layout: Layout, model: NextModel, *, background: bool
) -> Any:
    """Begin to fill the vectors of another model, or go on with it; return the migration."""
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
    kept = {k: v for k, v in known.items() if k not in ("model", "fingerprint", "embedder")}
    record = {**kept, "dim": model.dim, **model.record}
    return collection.migrate_vectors(
        names.dense,
        model.dim,
        make,
        text=names.text,
        properties={PROPERTY: record},
        background=background,
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
