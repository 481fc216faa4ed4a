"""How do chunks become entities of a collection?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from elanus.errors import FieldNotFoundError, SchemaError
from elanus.plugins import Embedder, Progress, embed_texts, require_same_model
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.sync.lineage import LINEAGE_FIELD, PlacedChunk
from elanus.types import DataType


class Rows(Protocol):
    """What a sync asks about the entities of a collection."""

    @property
    def text_field(self) -> str:
        """Field of the text."""

    @property
    def vector_fields(self) -> Sequence[str]:
        """Fields whose vectors are made of the text: a chunk that stays keeps them."""

    @property
    def model(self) -> str | None:
        """Which model makes them, where the collection does not know: another one makes all
        anew."""

    def entity(self, chunk: PlacedChunk) -> dict[str, Any]:
        """Return an entity without its vectors and lineage, and with its key only if that is
        another one than the chunk's."""

    def vectors(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> Mapping[str, Sequence[Any]]:
        """Return the vectors of texts by field; those that are left out the engine makes."""


@dataclass(frozen=True, slots=True)
class FieldRows:
    """Entities with their text in one field, and their metadata in fields or in a JSON one.

    Attributes:
        text_field: VARCHAR field of the text.
        vector_fields: Fields whose vectors are made of it.
        metadata_field: JSON field for all metadata; None: metadata are fields of the entity.
        embedder: Makes the vectors of the only vector field; None: the engine does, by the models
            that the fields were declared with.
    """

    text_field: str
    vector_fields: tuple[str, ...]
    metadata_field: str | None = None
    embedder: Embedder | None = None

    @classmethod
    def of(
        cls,
        schema: Schema,
        *,
        text: str | None,
        metadata: str | None,
        embedder: Embedder | None,
    ) -> Self:
        """Find out which fields hold what.

        Raises:
            FieldNotFoundError: No such field.
            ModelMismatchError: The field was declared with another model than ``embedder``.
            SchemaError: It is not clear which field holds the text or the vectors.
        """
        name = _text_field(schema) if text is None else text
        for wanted, dtype in ((name, DataType.VARCHAR), (metadata, DataType.JSON)):
            if wanted is not None and _field(schema, wanted).dtype is not dtype:
                raise SchemaError(
                    f"sync: field {wanted!r} has type {schema.field(wanted).dtype.name}, expected "
                    f"{dtype.name}"
                )
        if embedder is None:
            made = tuple([f.name for f in schema.embedded_fields if _text_of(f) == name])
            return cls(name, made, metadata)
        field = _vector_field(schema, name)
        if field.embedding is not None:
            where = f"field {field.name!r}"
            require_same_model(field.embedding.fingerprint, embedder, where=where)
        return cls(name, (field.name,), metadata, embedder)

    @property
    def model(self) -> str | None:
        return None if self.embedder is None else model_of(self.embedder)

    def entity(self, chunk: PlacedChunk) -> dict[str, Any]:
        if self.metadata_field is None:
            return {**chunk.metadata, self.text_field: chunk.text}
        return {self.metadata_field: dict(chunk.metadata), self.text_field: chunk.text}

    def vectors(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> Mapping[str, Sequence[Any]]:
        if self.embedder is None:
            return {}
        made = embed_texts(self.embedder, texts, progress=progress)
        return {self.vector_fields[0]: list(made)}


def model_of(embedder: Embedder) -> str:
    """Return what tells a model from others without asking it for a vector."""
    return f"{embedder.info.name}@{embedder.info.revision}"


def _field(schema: Schema, name: str) -> Field:
    if name not in schema:
        raise FieldNotFoundError(
            f"sync: no field {name!r}; there are {', '.join(f.name for f in schema.fields)}",
            name=name,
        )
    return schema.field(name)


def _text_of(field: Field) -> str | None:
    return None if field.embedding is None else field.embedding.field


def _text_field(schema: Schema) -> str:
    """Return the field that others are computed from, or the only VARCHAR field."""
    made_of = [f.source or f.embedding for f in schema.fields]
    names = {made.field for made in made_of if made is not None}
    if not names:
        names = {
            f.name
            for f in schema.fields
            if f.dtype is DataType.VARCHAR and not (f.primary or f.partition_key)
        }
    if len(names) != 1:
        found = ", ".join(sorted(names)) or "none"
        raise SchemaError(f"sync: expected one field for the text, found {found}; name it: text=")
    return names.pop()


def _vector_field(schema: Schema, text: str) -> Field:
    dense = [f for f in schema.vector_fields if f.dtype.is_dense_vector]
    chosen = [f for f in dense if _text_of(f) == text] or dense
    if len(chosen) != 1:
        found = ", ".join(f.name for f in chosen) or "none"
        raise SchemaError(
            f"sync: an embedder fills one field of dense vectors, found {found}; declare the model "
            f"of each with embedding=Embedding(...) instead"
        )
    return chosen[0]


def complete_entity(rows: Rows, chunk: PlacedChunk, primary: Field) -> dict[str, Any]:
    """Return the entity of a chunk with its key and its lineage."""
    entity = rows.entity(chunk)
    if not primary.auto_id:
        entity.setdefault(primary.name, chunk.key)
    entity[LINEAGE_FIELD] = chunk.lineage.to_json()
    return entity
