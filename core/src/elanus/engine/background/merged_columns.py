"""How are the rows of several segments written as one without holding them in memory?

Each array of a column becomes a stream of parts: some rows of one segment are read from its map,
those that live on are copied, and the copy is forgotten once it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from elanus.engine.background.clustering import in_order
from elanus.engine.sealed import SealedSegment
from elanus.errors import InternalError
from elanus.schema.batches import ArrayColumn, Column, DenseVectorColumn, FixedColumn, StringColumn
from elanus.schema.collection import Schema
from elanus.storage.columns import ITEM_PREFIX, column_to_sections
from elanus.storage.pk_index import KEY_BYTES, KEYS_AT_ONCE
from elanus.storage.pk_index import joined_sections as joined_keys
from elanus.storage.section_stream import ArraySection, SectionStream
from elanus.storage.segment_writer import SegmentStreams
from elanus.types import AnyArray, Int64Array, VectorArray

PART_BYTES = 8 << 20
"""Bytes of vectors copied in one go."""
PART_ROWS = 16_384
"""Rows of any other column copied in one go."""

Kept = Sequence[tuple[SealedSegment, Int64Array]]
"""Segments, oldest first, and the rows of each that live on, int64, ascending."""


def merged_streams(
    schema: Schema,
    kept: Kept,
    mappings: Sequence[Int64Array],
    checkpoint: Callable[[], None],
    *,
    part_bytes: int | None = None,
    order: Int64Array | None = None,
) -> SegmentStreams:
    """Return the rows ``kept`` of each segment, end to end or in another order.

    Args:
        schema: Its stored fields are the columns.
        kept: Segments and rows.
        mappings: For each segment int64: the new row of each of its rows, or -1.
        checkpoint: Called before each part; may raise to cancel.
        part_bytes: Bytes of vectors or keys in memory at once; ``PART_BYTES`` by default.
        order: int64: which of the kept rows, counted end to end, comes at each place; None: they
            stay end to end.
    """
    columns = {
        field.name: _ColumnStreams(
            field.name, kept, checkpoint, min(part_bytes or PART_BYTES, PART_BYTES), order
        ).sections()
        for field in schema.stored_fields
    }
    seqs = np.concatenate([segment.reader.seqs[rows] for segment, rows in kept])
    if order is not None:
        seqs = seqs[order]
    at_once = KEYS_AT_ONCE if part_bytes is None else min(KEYS_AT_ONCE, part_bytes // KEY_BYTES)
    indexes = [segment.reader.pk_index() for segment, _ in kept]
    keys = joined_keys(list(zip(indexes, mappings, strict=True)), at_once=at_once)
    return SegmentStreams(len(seqs), columns, seqs, keys)


class _ColumnStreams:
    """One column of all segments."""

    def __init__(
        self,
        name: str,
        kept: Kept,
        checkpoint: Callable[[], None],
        part_bytes: int,
        order: Int64Array | None,
    ) -> None:
        self._part_bytes = part_bytes
        self._parts = [(segment.reader.column(name), rows) for segment, rows in kept]
        if order is not None:
            every = np.arange(len(order), dtype=np.int64)
            self._parts = [(in_order(self._parts, order), every)]
        self._checkpoint = checkpoint
        self._num_rows = sum(len(rows) for _, rows in self._parts)

    def sections(self) -> dict[str, ArraySection]:
        """Return the sections of the column, named and ordered as ``column_to_sections`` does."""
        sections: dict[str, ArraySection] = {}
        validity = self._validity()
        if validity is not None:
            sections["validity"] = validity
        first = self._parts[0][0]
        if isinstance(first, FixedColumn):
            sections["values"] = self._stream(first.values.dtype, self._num_rows, "values")
        elif isinstance(first, DenseVectorColumn):
            none = _no_rows(first)
            shape = (self._num_rows, none.shape[1])
            sections["values"] = SectionStream(none.dtype, shape, self._arrays("values"))
        else:
            sections |= self._lists(first)
        return sections

    def _lists(self, first: Column) -> dict[str, ArraySection]:
        """Return the sections of a column whose rows have lengths of their own."""
        lengths = [_lengths(column, rows) for column, rows in self._parts]
        total = int(sum(part.sum() for part in lengths))
        sections: dict[str, ArraySection] = {"offsets": _offsets(lengths)}
        if isinstance(first, StringColumn):
            sections["data"] = self._stream(np.dtype(np.uint8), total, "data")
        elif not isinstance(first, ArrayColumn):
            sections["indices"] = self._stream(np.dtype(np.uint32), total, "indices")
            sections["values"] = self._stream(np.dtype(np.float32), total, "values")
        elif isinstance(first.items, DenseVectorColumn):
            none = _no_rows(first.items)
            name = f"{ITEM_PREFIX}values"
            shape = (total, none.shape[1])
            sections[name] = SectionStream(none.dtype, shape, self._arrays(name))
        elif isinstance(first.items, FixedColumn):
            name = f"{ITEM_PREFIX}values"
            sections[name] = self._stream(first.items.values.dtype, total, name)
        else:
            items = [_item_lengths(column, rows) for column, rows in self._parts]
            sections[f"{ITEM_PREFIX}offsets"] = _offsets(items)
            name = f"{ITEM_PREFIX}data"
            size = int(sum(part.sum() for part in items))
            sections[name] = self._stream(np.dtype(np.uint8), size, name)
        return sections

    def _validity(self) -> AnyArray | None:
        if all(column.validity is None for column, _ in self._parts):
            return None
        bits = [
            np.ones(len(rows), dtype=np.bool_) if c.validity is None else c.validity[rows]
            for c, rows in self._parts
        ]
        return np.packbits(np.concatenate(bits), bitorder="little")

    def _stream(self, dtype: np.dtype[np.generic], length: int, name: str) -> SectionStream:
        return SectionStream(dtype, (length,), self._arrays(name))

    def _arrays(self, name: str) -> Iterator[AnyArray]:
        """Yield one array of the column, part by part."""
        for column, rows in self._parts:
            for start, stop in self._cuts(column, rows):
                self._checkpoint()
                part = column.take(rows[start:stop])
                if isinstance(part, DenseVectorColumn):
                    yield part.values
                else:
                    yield column_to_sections(part)[name]

    def _cuts(self, column: Column, rows: Int64Array) -> Iterator[tuple[int, int]]:
        """Yield ranges of ``rows`` that are copied in one go."""
        if isinstance(column, ArrayColumn) and isinstance(column.items, DenseVectorColumn):
            none = _no_rows(column.items)
            most = max(self._part_bytes // (none.itemsize * none.shape[1]), 1)
            ends = np.cumsum(_lengths(column, rows))
            start = 0
            while start < len(rows):
                before = int(ends[start - 1]) if start else 0
                stop = int(np.searchsorted(ends, before + most, side="right"))
                stop = min(max(stop, start + 1), start + PART_ROWS)
                yield start, stop
                start = stop
            return
        step = PART_ROWS
        if isinstance(column, DenseVectorColumn):
            none = _no_rows(column)
            step = max(self._part_bytes // (none.itemsize * none.shape[1]), 1)
        for start in range(0, len(rows), step):
            yield start, min(start + step, len(rows))


def _no_rows(column: DenseVectorColumn) -> VectorArray:
    """Return dtype and width of the vectors without verifying any, as asking for all of them
    would."""
    return column.take(np.empty(0, dtype=np.int64)).values


def _lengths(column: Column, rows: Int64Array) -> Int64Array:
    if isinstance(column, FixedColumn | DenseVectorColumn):
        raise InternalError(f"the rows of a {type(column).__name__} have no length")
    return column.offsets[rows + 1] - column.offsets[rows]


def _item_lengths(column: Column, rows: Int64Array) -> Int64Array:
    """Return the length of each text in the lists of the given rows."""
    if not isinstance(column, ArrayColumn) or not isinstance(column.items, StringColumn):
        raise InternalError(f"a {type(column).__name__} holds no lists of texts")
    lengths = _lengths(column, rows)
    ends = np.cumsum(lengths)
    items = np.repeat(column.offsets[rows] - ends + lengths, lengths)
    items += np.arange(len(items), dtype=np.int64)
    sizes: Int64Array = column.items.offsets[items + 1] - column.items.offsets[items]
    return sizes


def _offsets(lengths: Sequence[Int64Array]) -> Int64Array:
    offsets = np.zeros(sum(len(part) for part in lengths) + 1, dtype=np.int64)
    np.cumsum(np.concatenate(lengths), out=offsets[1:])
    return offsets
