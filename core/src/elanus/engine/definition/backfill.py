"""How does a field of vectors that was added get those of the entities that are there?

Batch by batch: rows that have a text and no vector are read, their texts are embedded outside of
any lock, and the vectors are written to those that are still as they were read. Whatever was
changed or deleted meanwhile is left alone: a write makes the vectors of its own texts. Where it is
can be seen in the rows, so that a backfill which ended early goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from elanus.query.sources import SearchSource
from elanus.schema.batches import ColumnBatch, DenseVectorColumn, concat_batches
from elanus.schema.collection import Schema
from elanus.types import BoolArray, Float32Array, Int64Array, PrimaryKey


class TextsWithoutVectors(NamedTuple):
    """Entities that a backfill is to give vectors.

    Attributes:
        schema: What they were read with.
        field: Field of vectors.
        text: Field of the texts.
        pks: Their keys.
        texts: Their texts.
    """

    schema: Schema
    field: str
    text: str
    pks: list[PrimaryKey]
    texts: list[str]


class Coverage(NamedTuple):
    """Entities with a text, and how many of them have a vector."""

    filled: int
    total: int


def texts_without_vectors(
    schema: Schema, sources: Sequence[SearchSource], field: str, text: str, limit: int
) -> TextsWithoutVectors:
    """Return the first entities, at most ``limit``, that have a text and no vector."""
    pks: list[PrimaryKey] = []
    texts: list[str] = []
    for source in sources:
        rows = np.flatnonzero(_has(source, text) & ~_has(source, field))[: limit - len(pks)]
        rows = rows.astype(np.int64)
        if len(rows):
            pks += source.column(schema.primary.name).take(rows).to_pylist()  # type: ignore[arg-type]
            texts += [str(one) for one in source.column(text).take(rows).to_pylist()]
        if len(pks) == limit:
            break
    return TextsWithoutVectors(schema, field, text, pks, texts)


def coverage(sources: Sequence[SearchSource], field: str, text: str) -> Coverage:
    """Return how many entities have a text, and a vector of it."""
    filled = total = 0
    for source in sources:
        with_text = _has(source, text)
        total += int(with_text.sum())
        filled += int((with_text & _has(source, field)).sum())
    return Coverage(filled, total)


class MadeVectors(NamedTuple):
    """Vectors for entities.

    Attributes:
        wanted: The entities, as they were read.
        vectors: float32, shape ``(len(wanted.pks), dim)``.
    """

    wanted: TextsWithoutVectors
    vectors: Float32Array

    def completed(self, sources: Sequence[SearchSource]) -> tuple[list[PrimaryKey], ColumnBatch]:
        """Return the entities that still have the same text and no vector, whole."""
        wanted = self.wanted
        parts = []
        pks: list[PrimaryKey] = []
        for source in sources:
            rows = source.find_pks(wanted.pks)
            places = np.flatnonzero(rows >= 0)
            kept = self._unchanged(source, rows[places], places)
            if len(kept):
                pks += [wanted.pks[place] for place in kept.tolist()]
                parts.append(self._rows(source, rows[kept], kept))
        if not parts:
            return [], ColumnBatch(0, {})
        return pks, concat_batches(parts)

    def _unchanged(self, source: SearchSource, rows: Int64Array, places: Int64Array) -> Int64Array:
        wanted = self.wanted
        texts = source.column(wanted.text).take(rows).to_pylist()
        validity = source.column(wanted.field).take(rows).validity
        kept = [
            place
            for i, place in enumerate(places.tolist())
            if texts[i] == wanted.texts[place] and validity is not None and not validity[i]
        ]
        return np.array(kept, dtype=np.int64)

    def _rows(self, source: SearchSource, rows: Int64Array, places: Int64Array) -> ColumnBatch:
        fields = self.wanted.schema.stored_fields
        columns = {
            f.name: source.column(f.name).take(rows) for f in fields if f.name != self.wanted.field
        }
        columns[self.wanted.field] = DenseVectorColumn(self.vectors[places])
        return ColumnBatch(len(rows), {f.name: columns[f.name] for f in fields})


def _has(source: SearchSource, name: str) -> BoolArray:
    """Return which visible rows have a value."""
    validity = source.column(name).validity
    present = np.ones(source.num_rows, dtype=np.bool_) if validity is None else validity
    alive = source.alive
    return present if alive is None else present & alive.to_mask()
