"""Which chunks of a document are stored, and with which vectors?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from elanus.schema.batches import Column, ColumnBatch, DenseVectorColumn
from elanus.sync.lineage import LINEAGE_FIELD, Lineage, PlacedChunk
from elanus.sync.rows import Rows
from elanus.types import PrimaryKey


class StoredChunks:
    """The entities of some documents of one source, with the vectors that can be kept.

    Args:
        batches: Their columns: primary key, lineage, text and vectors.
        primary: Name of the primary key.
        rows: What the columns are called.
    """

    def __init__(self, batches: Iterable[ColumnBatch], primary: str, rows: Rows) -> None:
        self.keys: list[PrimaryKey] = []
        """Their primary keys."""
        self._fields = tuple(rows.vector_fields)
        self._columns: list[list[Column]] = []
        self._places: dict[tuple[str, str, str | None], tuple[int, int]] = {}
        for number, batch in enumerate(batches):
            self.keys += batch.columns[primary].to_pylist()  # type: ignore[arg-type]
            self._columns.append([batch.columns[name] for name in self._fields])
            texts = batch.columns[rows.text_field].to_pylist()
            lineages = read_lineages(batch)
            for row, (lineage, text) in enumerate(zip(lineages, texts, strict=True)):
                if lineage is not None and text is not None and lineage.model == rows.model:
                    key = (lineage.document, str(text), lineage.embedded)
                    self._places[key] = (number, row)

    def vectors(self, chunk: PlacedChunk) -> dict[str, Any] | None:
        """Return the vectors of a chunk by field; None if its document had no such chunk, or
        another model made them."""
        place = self._places.get((chunk.lineage.document, chunk.text, chunk.lineage.embedded))
        if place is None:
            return None
        number, row = place
        columns = self._columns[number]
        return {n: _value(c, row) for n, c in zip(self._fields, columns, strict=True)}


def read_lineages(batch: ColumnBatch) -> list[Lineage | None]:
    """Return the lineage of each row; None where it has none."""
    column = batch.columns[LINEAGE_FIELD]
    values: Sequence[Any] = column.json_at(np.arange(len(batch), dtype=np.int64))  # type: ignore[union-attr]
    return [None if value is None else Lineage.from_json(value) for value in values]


def _value(column: Column, row: int) -> Any:
    if isinstance(column, DenseVectorColumn):
        is_there = column.validity is None or bool(column.validity[row])
        return column.to_numbers()[row] if is_there else None
    return column.take(np.array([row], dtype=np.int64)).to_pylist()[0]
