"""Is the collection there, and what does it offer?

One ``CollectionHandle`` is shared by all views of a collection, so that it is checked against the
options once and not for every tenant or call.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from elanus.documents.layout import (
    Layout,
    build_properties,
    build_schema,
    read_layout,
    written_field,
)
from elanus.documents.migration import NextModel, answers, next_record
from elanus.documents.options import StoreOptions
from elanus.documents.protocols import DocumentCollection, DocumentDatabase
from elanus.errors import (
    CollectionExistsError,
    CollectionNotFoundError,
    InvalidArgumentError,
    PluginNotInstalledError,
)
from elanus.schema.collection import Schema


@dataclass(frozen=True, slots=True)
class OpenCollection:
    """A collection that exists, and what it offers.

    Attributes:
        collection: The collection.
        layout: What it offers.
        schema: What the layout was read from: a server need not be asked for each look at it.
    """

    collection: DocumentCollection
    layout: Layout
    schema: Schema


class CollectionHandle:
    """A collection by name, whether it exists yet or not. Safe from many threads at once."""

    def __init__(self, database: DocumentDatabase, name: str, options: StoreOptions) -> None:
        self._database = database
        self.name = name
        self.options = options
        self._opened: OpenCollection | None = None
        self.next_model: NextModel | None = None
        """What makes the vectors of a migration, if this process knows it."""
        self.next_field = ""
        """Where they are."""
        self.current_model: NextModel | None = None
        """What took over for good from the model of the options."""
        self.find_model: Callable[[Mapping[str, Any]], NextModel] | None = None
        """Builds the model of a migration of what the collection says of it."""
        self._followed: Mapping[str, Any] | None = None

    def open(self) -> OpenCollection | None:
        """Return the collection, or None while it does not exist.

        Raises:
            SchemaError: It is not what the options ask for.
            ModelMismatchError: It was written with another embedding model.
        """
        try:
            collection = self._database.collection(self.name)
        except CollectionNotFoundError:
            self._opened = None
            return None
        opened, schema = self._opened, collection.seen_schema
        # Another handle may have dropped and remade the collection with other fields, and a
        # migration of its vectors changes them.
        if opened is None or opened.collection != collection or opened.schema is not schema:
            self._follow(collection.properties, schema)
            options = self.options
            if self.next_field and written_field(schema, options.fields) == self.next_field:
                self.current_model = self.next_model
            if self.current_model is not None:
                options = replace(options, embedder=None, dim=None)
            elif self.next_model is not None and answers(schema, self.next_field):
                options = replace(options, embedder=None, model="")
            opened = OpenCollection(collection, read_layout(collection, options), schema)
            self._opened = opened
        return opened

    @property
    def may_migrate(self) -> bool:
        """Whether another model than that of the options may be needed, now or later."""
        return self.next_model is not None or self.find_model is not None

    def take_over(self, model: NextModel, field: str, collection: DocumentCollection) -> None:
        """Have ``model`` make vectors too, of that field, while one model follows another."""
        self._followed = next_record(collection.properties, collection.schema)
        self.next_model, self.next_field = model, field

    def _follow(self, properties: Mapping[str, Any], schema: Schema) -> None:
        """Take over the model of a migration that was begun elsewhere."""
        record = next_record(properties, schema)
        if self.find_model is None or record is None or record == self._followed:
            return
        try:
            model = self.find_model(record)
        except PluginNotInstalledError:
            if answers(schema, record["field"]):
                raise
            # What is written meanwhile is filled when the migration goes on.
            return
        self._followed = record
        self.next_model, self.next_field = model, record["field"]

    def create(self, dim: int | None) -> OpenCollection:
        """Make the collection, or open it when another thread was first.

        Args:
            dim: Dimensions of the dense vectors, or None to have none.
        """
        if dim is None and self.options.bm25 is None and not self.options.sparse:
            raise InvalidArgumentError(
                f"collection {self.name!r}: there is nothing to search by; give an embedding "
                f"model, sparse vectors or BM25(...)"
            )
        with contextlib.suppress(CollectionExistsError):
            made = self._database.create_collection(
                self.name,
                build_schema(self.options, dim),
                properties=build_properties(self.options, dim),
            )
            if dim is not None and self.options.index != "AUTO":
                made.create_index(self.options.fields.dense, self.options.index)
            for key, kind in self.options.metadata_indexes.items():
                path = f"{self.options.fields.metadata}[{json.dumps(key, ensure_ascii=False)}]"
                made.create_index(path, params={"json_cast_type": kind})
        opened = self.open()
        if opened is None:
            raise CollectionNotFoundError(
                f"collection {self.name!r} was dropped while it was written", name=self.name
            )
        return opened

    def drop(self) -> None:
        """Remove the collection, if it exists."""
        with contextlib.suppress(CollectionNotFoundError):
            self._database.drop_collection(self.name)
        self._opened = None
