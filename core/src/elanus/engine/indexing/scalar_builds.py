"""When and from what are scalar indexes and shredded JSON built?

In the background, like vector indexes: a segment that lacks what the settings ask for gets it, one
that has more loses it. Until then, and for small segments when the type is AUTO, filters read
columns. Shredded JSON is written with a segment; what has none, or a damaged one, gets it here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from elanus.engine.definition.settings import IndexChoice
from elanus.engine.indexing.index_choice import MIN_INDEXED_ROWS
from elanus.engine.indexing.scalar_targets import CAST_PARAM, FUNCTION_PARAM, scalar_target
from elanus.engine.indexing.segment_indexes import IndexFile, write_index
from elanus.engine.indexing.shredding import MIN_SHREDDED_ROWS, paths_of
from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState
from elanus.errors import InternalError
from elanus.filter.columns import FilterColumns
from elanus.filter.json.json_columns import JsonColumn
from elanus.filter.json.json_operands import cast_values, json_values
from elanus.filter.json.shredded import TYPE as SHREDDED
from elanus.filter.spatial.geometry_store import boxes_of
from elanus.filter.strings import NO_TEXT, CodedStrings
from elanus.filter.values.operands import Values
from elanus.filter.values.typed_operands import ArrayField
from elanus.index.scalar.ngram import NgramIndex
from elanus.index.scalar.registry import AUTO, NOTHING, ScalarTarget, build_sorted
from elanus.index.scalar.rtree import RTree
from elanus.index.scalar.sorted_index import IndexedValues
from elanus.index.scalar.values import SortedNumbers, SortedTexts
from elanus.schema.batches import ArrayColumn, FixedColumn
from elanus.types import AnyArray, BoolArray, DataType, Int64Array

ROW_BYTES = 64
"""About what a row takes while an index of it is built."""
MAX_EXACT = 2**53
"""Largest whole number that is a double like all smaller ones."""

CHOICE_PARAM = "index_type"
"""Among the stored parameters of an index: the type that was asked for."""


class ScalarBuilds:
    """What filters want of the segments of one collection, and do not have yet."""

    def __init__(self, state: CollectionState) -> None:
        self._state = state

    def missing(self, segment: SealedSegment) -> str | None:
        """Return the key of something to build or to drop; None when all is as it should be."""
        return next(self.all_missing(segment), None)

    def build(self, segment: SealedSegment, key: str) -> None:
        """Build what stands under a key, or drop it when nobody asks for it any more."""
        indexes = dict(segment.info.indexes)
        indexes.pop(key, None)
        file = self._file(segment, key)
        if file is not None:
            indexes[key] = write_index(
                self._state.directory, self._state.path, segment.info.uuid, file
            )
        if self._state.install_indexes(segment, indexes):
            segment.indexes.use_file(self._state.directory, self._state.path, key, indexes.get(key))
            segment.derived.forget(key)

    def all_missing(self, segment: SealedSegment) -> Iterator[str]:
        """Yield the keys of everything to build or to drop."""
        context, entries = self._state.context, segment.info.indexes
        choices = self._state.settings.scalars(segment.fields.schema)
        for key, entry in entries.items():
            if CHOICE_PARAM in entry.params and key not in choices:
                yield key
        size = ROW_BYTES * segment.num_rows
        if not context.memory.can_ever_lease(size) or not context.reserve.has_room(size):
            return
        if segment.num_rows >= MIN_SHREDDED_ROWS:
            for name in segment.fields.json:
                if name in segment.info.columns and not segment.derived.has(name):
                    yield name
        for key, choice in choices.items():
            if choice.type == AUTO and segment.num_rows < MIN_INDEXED_ROWS:
                continue
            is_current = key in entries and dict(entries[key].params) == _stored_params(choice)
            if not is_current or not segment.derived.has(key):
                yield key

    def _file(self, segment: SealedSegment, key: str) -> IndexFile | None:
        if key in segment.fields.json:
            paths = paths_of(segment.reader.column(key))
            if paths is None:
                return IndexFile(key, SHREDDED, {}, {"type": NOTHING}, {})
            return IndexFile(key, SHREDDED, {}, *paths.to_arrays())
        choice = self._state.settings.scalars(segment.fields.schema).get(key)
        if choice is None:
            return None
        cast, function = choice.params.get(CAST_PARAM), choice.params.get(FUNCTION_PARAM)
        target = scalar_target(segment.fields.schema, key, cast, function)
        columns = segment.cache.at(segment.num_rows)
        header, arrays = built_index(columns, target, choice.type, choice.params)
        return IndexFile(key, str(header["type"]), _stored_params(choice), header, arrays)


def _stored_params(choice: IndexChoice) -> dict[str, Any]:
    return {CHOICE_PARAM: choice.type, **choice.params}


def built_index(
    columns: FilterColumns, target: ScalarTarget, kind: str, params: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Return header and arrays of an index of a type over all rows of a segment."""
    num_rows = columns.num_rows
    if kind == NgramIndex.type:
        texts, rows = _texts(columns, target)
        sizes = params["min_gram"], params["max_gram"]
        return NgramIndex.build(texts, rows, num_rows, sizes).to_arrays()
    if target.dtype is DataType.GEOMETRY:
        return RTree.build(boxes_of(columns.column(target.field))).to_arrays()
    values = indexed_values(columns, target)
    if values is None:
        return {"type": NOTHING, "num_rows": num_rows}, {}
    return build_sorted(kind, values).to_arrays()


def _texts(columns: FilterColumns, target: ScalarTarget) -> tuple[list[str], Int64Array]:
    """Return the texts of a field or path, and the row of each."""
    if target.is_json:
        strings = columns.json_column(target.field, target.keys).strings
    elif target.keys:
        strings = _elements_at(columns, target)[0].strings
    else:
        strings = columns.strings(target.field)
    if strings is None:
        return [], np.empty(0, dtype=np.int64)
    rows = np.flatnonzero(strings.codes != NO_TEXT)
    return strings.take(rows).texts().tolist(), rows


def indexed_values(columns: FilterColumns, target: ScalarTarget) -> IndexedValues | None:
    """Return the values of a field or path; None when an index could not answer exactly."""
    num_rows = columns.num_rows
    if target.is_json and target.of_elements:
        elements = columns.json_elements(target.field, target.keys)
        return _of_json(elements.values, elements.rows, target, num_rows)
    rows = np.arange(num_rows, dtype=np.int64)
    if target.is_json:
        return _of_json(columns.json_column(target.field, target.keys), rows, target, num_rows)
    column = columns.column(target.field)
    if target.keys:
        return _of_place(columns, target, rows)
    if isinstance(column, ArrayColumn):
        rows = np.repeat(rows, np.diff(column.offsets))
        first, last = int(column.offsets[0]), int(column.offsets[-1])
        if isinstance(column.items, FixedColumn):
            return _numbers(column.items.values[first:last], rows, num_rows, of_elements=True)
        return _coded(columns.strings(target.field), rows, num_rows, of_elements=True)
    if isinstance(column, FixedColumn):
        values = column.values
        if column.validity is not None:
            rows = np.flatnonzero(column.validity)
            values = values[rows]
        return _numbers(values, rows, num_rows)
    return _coded(columns.strings(target.field), rows, num_rows)


def _of_place(columns: FilterColumns, target: ScalarTarget, rows: Int64Array) -> IndexedValues:
    """Return the values at one place of the arrays of a field."""
    values, is_there = _elements_at(columns, target)
    if values.strings is not None:
        return _coded(values.strings, rows, columns.num_rows)
    if values.numbers is None:
        return _no_values(target, columns.num_rows)
    rows = rows[is_there]
    ints, floats = values.numbers.ints, values.numbers.floats
    found: AnyArray = ints if floats is None else floats  # type: ignore[assignment]
    return _numbers(found[rows], rows, columns.num_rows)


def _elements_at(columns: FilterColumns, target: ScalarTarget) -> tuple[Values, BoolArray]:
    """Return the elements at the place of a target, and the rows that have one."""
    return ArrayField(target.field, target.dtype).element(columns, int(target.keys[0]))


def _no_values(target: ScalarTarget, num_rows: int) -> IndexedValues:
    nothing = np.empty(0, dtype=np.int64)
    is_text = target.dtype is DataType.VARCHAR
    values = SortedTexts.of([]) if is_text else SortedNumbers(nothing)
    return IndexedValues(values, nothing, nothing, num_rows, target.of_elements)


def _of_json(
    column: JsonColumn, rows: Int64Array, target: ScalarTarget, num_rows: int
) -> IndexedValues | None:
    of_elements = target.of_elements
    if target.dtype is DataType.VARCHAR:
        if column.strings is None:
            return _no_values(target, num_rows)
        return _coded(column.strings, rows, num_rows, of_elements=of_elements)
    # In a filter a bool is the number 0 or 1 and may meet any number: all of them are indexed.
    found = cast_values(column) if target.is_cast else json_values(column)
    if found.numbers is None:
        return replace(_no_values(target, num_rows), is_cast=target.is_cast)
    is_number, numbers = found.is_number, found.numbers
    places = np.arange(len(column)) if is_number is None else np.flatnonzero(is_number)
    if numbers.floats is None:
        values: AnyArray = numbers.ints[places]  # type: ignore[index]
    else:
        values = numbers.floats[places]
        if numbers.ints is not None and numbers.is_int is not None:
            ints = numbers.ints[places].astype(np.int64)
            is_int = numbers.is_int[places]
            if (is_int & ((ints > MAX_EXACT) | (ints < -MAX_EXACT))).any():
                return None
            values = np.where(is_int, ints, values)
    made = _numbers(values, rows[places], num_rows, of_elements=of_elements)
    return replace(made, is_cast=target.is_cast)


def _numbers(
    values: AnyArray, rows: Int64Array, num_rows: int, *, of_elements: bool = False
) -> IndexedValues:
    if values.dtype.kind == "b":
        values = values.view(np.uint8)
    distinct, codes = np.unique(values, return_inverse=True)
    return _distinct(SortedNumbers(distinct), codes, rows, num_rows, of_elements)


def _coded(
    strings: CodedStrings, rows: Int64Array, num_rows: int, *, of_elements: bool = False
) -> IndexedValues:
    present = np.flatnonzero(strings.codes != NO_TEXT)
    used, codes = np.unique(strings.codes[present], return_inverse=True)
    texts = strings.dictionary.texts()[used].tolist()
    order = np.array(sorted(range(len(texts)), key=texts.__getitem__), dtype=np.int64)
    place_of = np.empty(len(order), dtype=np.int64)
    place_of[order] = np.arange(len(order))
    values = SortedTexts.of([texts[i].encode() for i in order.tolist()])
    return _distinct(values, place_of[codes], rows[present], num_rows, of_elements)


def _distinct(
    values: SortedNumbers | SortedTexts,
    codes: Int64Array,
    rows: Int64Array,
    num_rows: int,
    of_elements: bool,
) -> IndexedValues:
    if len(codes) != len(rows):
        raise InternalError(f"{len(codes)} values for {len(rows)} rows")
    if of_elements and len(rows):
        # What an array holds twice is found once.
        pairs = np.unique(rows * max(len(values), 1) + codes)
        rows, codes = np.divmod(pairs, max(len(values), 1))
    return IndexedValues(values, codes, rows, num_rows, of_elements)
