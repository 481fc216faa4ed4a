"""What does Milvus know of a collection that elanus has no place for?

Numbers of collection and fields, names and parameters of indexes as they were asked for, whether it
is loaded. It is kept in one property of the collection, so it is as durable as the collection and
goes with it into backups. A collection that no Milvus client made has none, and gets one that
follows from what it is.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from elanus_server.clock import now
from elanus_server.wire import schema as messages

PROPERTY = "elanus.server"
IMPORTED = "elanus.server.import"
"""Property of a collection: the last job that imported into it."""
"""Name of the property."""
DEFAULT_KEY_PARTITIONS = 16
"""Partitions that Milvus shows of a collection with a partition key."""


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """An index as a client asked for it.

    Attributes:
        name: Given, or made of the field's name.
        field: Of the collection.
        target: What elanus has the index under: the field, or a path of a JSON field.
        number: Its number.
        params: Everything that the client said, by name.
    """

    name: str
    field: str
    target: str
    number: int
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """What Milvus knows of a collection.

    Attributes:
        number: Its number, which names it in some calls.
        created: Timestamp of its making; 0 where that is not known.
        updated: Timestamp of the last change of its schema.
        schema: ``CollectionSchema`` with the numbers of its fields, as bytes.
        consistency: Level of reads that do not say theirs, a number of Milvus' enumeration.
        shards: As asked for; nothing depends on it.
        key_partitions: Partitions that a collection with a partition key is shown with; 0 without.
        is_loaded: Whether it can be searched.
        unloaded: Partitions that were released while the collection stayed loaded.
        indexes: By name.
        texts: Properties as clients spelled them, by name.
    """

    number: int
    created: int
    updated: int
    schema: bytes = b""
    consistency: int = 2
    shards: int = 1
    key_partitions: int = 0
    is_loaded: bool = False
    unloaded: frozenset[str] = frozenset()
    indexes: Mapping[str, IndexRecord] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def known_schema(self) -> Any:
        """The ``CollectionSchema`` that is kept; an empty one where none is."""
        return messages.CollectionSchema.FromString(self.schema)

    def with_index(self, index: IndexRecord) -> CollectionRecord:
        """Return the record with an index added or replaced."""
        return replace(self, indexes={**self.indexes, index.name: index})

    def without_index(self, name: str) -> CollectionRecord:
        """Return the record without an index."""
        return replace(self, indexes={n: i for n, i in self.indexes.items() if n != name})

    def index_of(self, target: str) -> IndexRecord | None:
        """Return the index of a field or path."""
        return next((i for i in self.indexes.values() if i.target == target), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "created": self.created,
            "updated": self.updated,
            "schema": base64.b64encode(self.schema).decode(),
            "consistency": self.consistency,
            "shards": self.shards,
            "key_partitions": self.key_partitions,
            "is_loaded": self.is_loaded,
            "unloaded": sorted(self.unloaded),
            "indexes": [
                {
                    "name": index.name,
                    "field": index.field,
                    "target": index.target,
                    "number": index.number,
                    "params": dict(index.params),
                }
                for index in self.indexes.values()
            ],
            "texts": dict(self.texts),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> CollectionRecord:
        indexes = [IndexRecord(**index) for index in stored["indexes"]]
        return cls(
            number=stored["number"],
            created=stored["created"],
            updated=stored["updated"],
            schema=base64.b64decode(stored["schema"]),
            consistency=stored["consistency"],
            shards=stored["shards"],
            key_partitions=stored["key_partitions"],
            is_loaded=stored["is_loaded"],
            unloaded=frozenset(stored["unloaded"]),
            indexes={index.name: index for index in indexes},
            texts=stored.get("texts", {}),  # earlier versions kept none
        )

    @classmethod
    def made(cls, schema: Any, **options: Any) -> CollectionRecord:
        """Return the record of a new collection."""
        moment = now()
        return cls(moment, moment, moment, schema=schema.SerializeToString(), **options)

    @classmethod
    def derived(cls, full_name: str, indexed: Mapping[str, str]) -> CollectionRecord:
        """Return the record of a collection that no Milvus client made: it is loaded.

        Args:
            full_name: Of database and collection; its number follows from it.
            indexed: Index type of each field that can be searched.
        """
        number = zlib.crc32(full_name.encode()) + 1
        indexes = {
            name: IndexRecord(name, name, name, number + place, {"index_type": kind})
            for place, (name, kind) in enumerate(indexed.items(), start=1)
        }
        return cls(number, 0, 0, is_loaded=True, indexes=indexes)
