"""What does an entity know of the document that it was made from?

The lineage stands in a JSON field of its own, so it can be filtered, returned and exported as
everything else, and what was stored of a source is never told by anything but its entities.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from elanus.errors import SchemaError
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType, PrimaryKey

LINEAGE_FIELD = "lineage"
"""Name of the JSON field; the first sync adds it to the schema."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where an entity comes from.

    Attributes:
        source: Name of the source.
        document: What the document is called there.
        hash: What changes with the content of the document.
        place: Which of its chunks it is, from 0.
        places: How many chunks the document has.
        fingerprint: What the source said of the document's state, as it is stored, or None.
        model: Which model embedded it, where the collection was not declared with one, or None.
        embedded: What changes with the text that was embedded in place of its own, or None.
    """

    source: str
    document: str
    hash: str
    place: int
    places: int
    fingerprint: str | None = None
    model: str | None = None
    embedded: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the value of the field."""
        return {
            "source": self.source,
            "document": self.document,
            "hash": self.hash,
            "place": self.place,
            "places": self.places,
            "fingerprint": self.fingerprint,
            "model": self.model,
            "embedded": self.embedded,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what a value of the field says.

        Raises:
            SchemaError: It was written by something else.
        """
        try:
            return cls(**value)
        except TypeError:
            raise SchemaError(
                f"field {LINEAGE_FIELD!r}: expected what sync writes, got {value!r}; give the "
                f"field that holds other values another name"
            ) from None


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """A source that was synchronised into a collection.

    Attributes:
        name: Its name.
        documents: How many of its documents have entities.
        chunks: How many entities that are.
    """

    name: str
    documents: int
    chunks: int


@dataclass(slots=True)
class StoredDocument:
    """What is stored of a document.

    Attributes:
        hash: That of its content.
        fingerprint: What its source said of its state, or None.
        model: Which model embedded it, where the collection does not know.
        places: How many chunks it had.
        chunks: How many of them are there.
    """

    hash: str
    fingerprint: str | None
    model: str | None
    places: int
    chunks: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nobody deleted a part of it."""
        return self.chunks == self.places


StoredSource = dict[str, StoredDocument]
"""What is stored of a source, by document."""


def stored_source(lineages: Iterable[Lineage]) -> StoredSource:
    """Return what the entities of one source say."""
    documents: StoredSource = {}
    for lineage in lineages:
        known = documents.get(lineage.document)
        if known is None:
            known = StoredDocument(lineage.hash, lineage.fingerprint, lineage.model, lineage.places)
            documents[lineage.document] = known
        known.chunks += 1
    return documents


def has_lineage(schema: Schema) -> bool:
    """Whether something was synchronised into a collection before.

    Raises:
        SchemaError: The name of the field is taken by one of another type.
    """
    if LINEAGE_FIELD not in schema:
        return False
    field = schema.field(LINEAGE_FIELD)
    if field.dtype is not DataType.JSON:
        raise SchemaError(
            f"field {LINEAGE_FIELD!r} has type {field.dtype.name}; sync keeps there, as JSON, "
            f"where entities come from: rename the field that is there"
        )
    return True


def lineage_field() -> Field:
    """Return the field that sync adds."""
    return Field(
        LINEAGE_FIELD, DataType.JSON, nullable=True, description="Where the entity comes from."
    )


@dataclass(frozen=True, slots=True)
class PlacedChunk:
    """A chunk that is about to become an entity.

    Attributes:
        key: Its primary key; None where the engine makes them.
        text: Its text.
        metadata: Those of its document and its own, which win.
        lineage: Where it comes from.
        embedded_text: What a model is given.
    """

    key: PrimaryKey | None
    text: str
    metadata: Mapping[str, Any]
    lineage: Lineage
    embedded_text: str
