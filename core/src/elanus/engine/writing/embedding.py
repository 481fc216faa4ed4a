"""How do texts become vectors that nobody gave?

A field may be declared with a model. Its vectors are made before a write is queued, outside of any
lock, of the texts of those rows that give no vector; and a query that is a text is embedded too.
So are MinHash signatures, but of every row: nobody gives them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from elanus.engine.definition.terms import has_terms, same_analyzer
from elanus.engine.writing.signatures import SignatureMaker
from elanus.errors import EntityError, InternalError, InvalidArgumentError, SchemaError
from elanus.plugins import Embedder, fingerprint, get_embedder, plugin_config, require_same_model
from elanus.plugins.batching import Role, embed_texts
from elanus.schema.batches import Column, ColumnBatch, DenseVectorColumn, StringColumn
from elanus.schema.collection import Schema
from elanus.schema.evolution import with_other_fields
from elanus.schema.fields import Field
from elanus.schema.functions import Embedding
from elanus.types import Float32Array


def with_models(schema: Schema, before: Schema | None = None) -> Schema:
    """Return a schema that knows the models of its fields: their dim, and what tells them apart.

    Args:
        schema: As it is to be.
        before: As it was; its fields keep to models that make the vectors that are there.

    Raises:
        InvalidArgumentError: A plug-in was given itself and cannot be built again.
        PluginNotInstalledError: No such embedder.
        SchemaError: A model makes vectors of another dim than declared, or others than those that
            are there.
    """
    fields = [field for field in schema.embedded_fields if not _embedding(field).fingerprint]
    if not fields:
        return schema
    known = {} if before is None else {f.name: _embedding(f) for f in before.embedded_fields}
    made = [_with_model(field) for field in fields]
    for field in made:
        old, new = known.get(field.name), _embedding(field)
        if old is not None and old.fingerprint != new.fingerprint:
            raise SchemaError(
                f"field {field.name!r}: its vectors were made by {old.embedder!r}, and "
                f"{new.embedder!r} makes others; take them over with migrate_embeddings"
            )
    return with_other_fields(schema, made)


def _with_model(field: Field) -> Field:
    declared = _embedding(field)
    name, params = declared.embedder, dict(declared.params)
    embedder = get_embedder(name, **params)
    if not isinstance(name, str):
        config: dict[str, Any] = plugin_config(embedder)
        if config["params"] is None:
            raise InvalidArgumentError(
                f"field {field.name!r}: {type(embedder).__name__} has no config and could not be "
                f"built again when the collection is opened; name a plug-in, or embed texts "
                f"yourself and give vectors"
            )
        name, params = config["name"], config["params"]
    dim = embedder.info.dim
    if field.dim not in (None, dim):
        raise SchemaError(
            f"field {field.name!r}: declared with dim={field.dim}, but {embedder.info.name!r} "
            f"makes vectors of dim {dim}; leave dim out"
        )
    known = Embedding(declared.field, name, params, fingerprint(embedder))
    return replace(field, dim=dim, embedding=known)


class Embedders:
    """The models of one schema, built when they are first needed, and its makers of signatures.

    Safe from many threads.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._lock = threading.Lock()
        self._known: dict[str, Embedder] = {}
        self._makers: dict[str, SignatureMaker] = {}

    def signatures(self, field: Field) -> SignatureMaker:
        """Return what makes the MinHash signatures of texts for a field."""
        with self._lock:
            found = self._makers.get(field.name)
            if found is None:
                # Made now: the analyzer may be one that is not installed where nobody writes.
                analyzer = same_analyzer(self._schema, field) if has_terms(field) else None
                found = SignatureMaker(field, analyzer)
                self._makers[field.name] = found
            return found

    def queries(self, field: Field, texts: Sequence[str]) -> Float32Array:
        """Return the vectors of queries, float32 ``(len(texts), dim)``."""
        return embed_texts(self._embedder(field), texts, role=Role.QUERY)

    def documents(self, field: Field, texts: Sequence[str]) -> Float32Array:
        """Return the vectors of texts to store, float32 ``(len(texts), dim)``."""
        return embed_texts(self._embedder(field), texts)

    def completed(self, batch: ColumnBatch) -> ColumnBatch:
        """Return the batch with a vector made of the text wherever one is missing.

        Args:
            batch: Entities that were converted with ``schema.evolution.as_given``; a field of
                vectors may be missing altogether when its text is there.

        Raises:
            EntityError: Vector and text are missing, and the field is not nullable.
        """
        columns = dict(batch.columns)
        for field in self._schema.minhash_fields:
            self._sign(field, columns, len(batch))
        for field in self._schema.embedded_fields:
            text, given = columns.get(_embedding(field).field), columns.get(field.name)
            if text is None and given is not None:
                text = StringColumn(
                    np.zeros(len(batch) + 1, dtype=np.int64),
                    np.empty(0, dtype=np.uint8),
                    np.zeros(len(batch), dtype=np.bool_),
                )
            if text is not None:
                columns[field.name] = self._filled(field, text, given)
        return ColumnBatch(len(batch), columns)

    def _sign(self, field: Field, columns: dict[str, Column], num_rows: int) -> None:
        """Put the signatures of the texts into the columns; without texts take theirs out."""
        maker, function = self.signatures(field), field.minhash
        text = columns.get(function.field) if function is not None else None
        if text is None:
            columns.pop(field.name, None)
            return
        values = text.to_pylist()
        names = None if maker.by_field is None else columns.get(maker.by_field)
        if maker.by_field is not None and names is None:
            raise EntityError(
                f"field {maker.by_field!r} names the analyzer of {field.name!r}; give it with the "
                f"text",
                field=maker.by_field,
            )
        columns[field.name] = maker.column(values, None if names is None else names.to_pylist())

    def _filled(self, field: Field, text: Column, given: Column | None) -> Column:
        num_rows = len(text)
        if given is None:
            nothing = np.zeros((num_rows, field.dim or 0), dtype=np.float32)
            given = DenseVectorColumn(nothing, np.zeros(num_rows, dtype=np.bool_))
        if not isinstance(given, DenseVectorColumn):
            raise InternalError(f"field {field.name!r} holds no vectors")
        if given.validity is None or given.validity.all():
            return DenseVectorColumn(given.values)
        rows = np.flatnonzero(~given.validity)
        texts = text.take(rows.astype(np.int64)).to_pylist()
        empty = [row for row, found in zip(rows.tolist(), texts, strict=True) if found is None]
        if empty and not field.nullable:
            source = _embedding(field).field
            raise EntityError(
                f"field {field.name!r}: no vector is given, and there is no text in {source!r} to "
                f"make one of (row {empty[0]})",
                field=field.name,
                row=empty[0],
            )
        values, validity = given.values.copy(), given.validity.copy()
        there = [i for i, found in enumerate(texts) if found is not None]
        if there:
            made = embed_texts(self._embedder(field), [str(texts[i]) for i in there])
            values[rows[there]] = made
            validity[rows[there]] = True
        return DenseVectorColumn(values, None if validity.all() else validity)

    def _embedder(self, field: Field) -> Embedder:
        with self._lock:
            found = self._known.get(field.name)
            if found is None:
                declared = _embedding(field)
                found = get_embedder(declared.embedder, **declared.params)
                require_same_model(declared.fingerprint, found, where=f"field {field.name!r}")
                self._known[field.name] = found
            return found


def _embedding(field: Field) -> Embedding:
    if field.embedding is None:
        raise InternalError(f"field {field.name!r} has no model")
    return field.embedding
