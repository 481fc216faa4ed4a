"""Where does a filter read its values?

The evaluator is handed a ``FilterColumns``: the first rows of a segment or memtable. Whoever owns
the rows keeps one ``ColumnCache`` per segment or memtable for its whole life, so that texts are
numbered and JSON is decoded once, not once per query, and a filter that comes again is not
evaluated again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeAlias

from elanus.analysis.analyzer import Analyzer
from elanus.filter.geometry_store import GeometryStore
from elanus.filter.json_paths import JsonPathStore
from elanus.filter.strings import StringStore
from elanus.filter.term_store import TermStore
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import (
    ArrayColumn,
    Column,
    ColumnBatch,
    StringColumn,
    slice_column,
)
from elanus.types import BoolArray

TEXT_COST, JSON_COST, GEOMETRY_COST = (1, 64), (2, 20), (1, 250)
"""Bytes of decoded values by byte and by row: measured with tracemalloc on titles of 30
characters, of which a third repeat, and on objects of three members; on points, for which GEOS
takes memory that tracemalloc does not see."""

MAX_KNOWN_RESULTS = 64
"""Filters whose rows are remembered: 8 bytes a row, as much as one column of integers."""

ReadColumn: TypeAlias = Callable[[str, int, int], Column]
"""Returns rows ``start`` to ``stop`` of the column with a name."""


class RowFilter(Protocol):
    """Something that allows rows. Equal ones allow the same rows; they can be keys of a dict."""

    def evaluate(self, columns: FilterColumns) -> BoolArray:
        """Return which rows are allowed, bool of shape ``(num_rows,)``."""
        ...


class FilterColumns(Protocol):
    """The rows that a filter is evaluated on."""

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        ...

    def column(self, name: str) -> Column:
        """Return the column of a field, ``num_rows`` long."""
        ...

    def strings(self, name: str) -> StringStore:
        """Return the numbered texts of a VARCHAR field, or of the items of an ARRAY of them."""
        ...

    def terms(self, name: str, analyzer: Analyzer) -> TermStore:
        """Return the words of the texts of a VARCHAR field, as ``analyzer`` cuts them."""
        ...

    def json_paths(self, name: str) -> JsonPathStore:
        """Return the shredded paths of a JSON field."""
        ...

    def geometries(self, name: str) -> GeometryStore:
        """Return the geometries of a GEOMETRY field."""
        ...

    def matching(self, condition: RowFilter) -> Bitset:
        """Return the rows that a filter allows, evaluated or remembered."""
        ...


class ColumnCache:
    """What filters learned about the columns of one segment or memtable.

    Rows may be added at the end, never changed or removed. Safe from many threads, also while
    rows are added.

    Args:
        read: Returns rows ``start`` to ``stop`` of a column. It is called from any thread, and
            for each VARCHAR and JSON row once.
        on_use: Called with the cache before decoded values of it are read.
    """

    def __init__(
        self, read: ReadColumn, on_use: Callable[[ColumnCache], object] = lambda cache: None
    ) -> None:
        self._read = read
        self._on_use = on_use
        self._size = 0
        self._lock = threading.Lock()
        self._strings: dict[str, StringStore] = {}
        self._terms: dict[tuple[str, Analyzer], TermStore] = {}
        self._json_paths: dict[str, JsonPathStore] = {}
        self._geometries: dict[str, GeometryStore] = {}
        # The least recently used first. Rows never change, so a result stays right for ever.
        self._results: dict[tuple[RowFilter, int], Bitset] = {}

    def at(self, num_rows: int) -> FilterColumns:
        """Return the first ``num_rows`` rows, for one evaluation or many."""
        return _CachedColumns(num_rows, self, self._read)

    @property
    def size_bytes(self) -> int:
        """What the decoded values take in memory, roughly."""
        return self._size

    def clear(self) -> None:
        """Forget the decoded values; whoever reads some of them keeps those."""
        with self._lock:
            self._strings.clear()
            self._terms.clear()
            self._json_paths.clear()
            self._geometries.clear()
            self._results.clear()
            self._size = 0

    def strings(self, name: str) -> StringStore:
        """Return the numbered texts of a column."""
        self._on_use(self)
        with self._lock:
            store = self._strings.get(name)
            if store is None:
                read = partial(self._counted, name, TEXT_COST)
                store = self._strings[name] = StringStore(read)
            return store

    def terms(self, name: str, analyzer: Analyzer) -> TermStore:
        """Return the words of the texts of a column."""
        dictionary = self.strings(name).dictionary
        with self._lock:
            store = self._terms.get((name, analyzer))
            if store is None or store.dictionary is not dictionary:
                store = TermStore(dictionary, analyzer, self._grew)
                self._terms[name, analyzer] = store
            return store

    def json_paths(self, name: str) -> JsonPathStore:
        """Return the shredded paths of a column."""
        self._on_use(self)
        with self._lock:
            store = self._json_paths.get(name)
            if store is None:
                read = partial(self._counted, name, JSON_COST)
                store = self._json_paths[name] = JsonPathStore(read)
            return store

    def geometries(self, name: str) -> GeometryStore:
        """Return the geometries of a column."""
        self._on_use(self)
        with self._lock:
            store = self._geometries.get(name)
            if store is None:
                read = partial(self._counted, name, GEOMETRY_COST)
                store = self._geometries[name] = GeometryStore(read)
            return store

    def matching(self, condition: RowFilter, columns: FilterColumns) -> Bitset:
        """Return the rows of ``columns``, the first ones here, that a filter allows."""
        key = condition, columns.num_rows
        with self._lock:
            found = self._results.pop(key, None)
            if found is not None:
                self._results[key] = found
                return found
        self._on_use(self)
        found = Bitset.from_mask(condition.evaluate(columns))
        with self._lock:
            if key not in self._results:
                self._results[key] = found
                self._size += found.words.nbytes
            if len(self._results) > MAX_KNOWN_RESULTS:
                oldest = self._results.pop(next(iter(self._results)))
                self._size -= oldest.words.nbytes
        return found

    def _grew(self, size: int) -> None:
        self._size += size

    def _counted(self, name: str, cost: tuple[int, int], start: int, stop: int) -> Column:
        """Read rows that will be decoded."""
        column = self._read(name, start, stop)
        # Not under the lock, which the reader may hold: a size that is a little off does no harm.
        by_byte, by_row = cost
        self._size += by_byte * _text_bytes(column) + by_row * (stop - start)
        return column


def _text_bytes(column: Column) -> int:
    """Return the bytes of text in a column, those in its lists included."""
    if isinstance(column, ArrayColumn):
        return _text_bytes(slice_column(column.items, column.offsets[0], column.offsets[-1]))
    if isinstance(column, StringColumn):
        return int(column.offsets[-1] - column.offsets[0])
    return 0


class _CachedColumns:
    """The first rows behind a ``ColumnCache``."""

    def __init__(self, num_rows: int, cache: ColumnCache, read: ReadColumn) -> None:
        self.num_rows = num_rows
        self._cache = cache
        self._read = read

    def column(self, name: str) -> Column:
        return self._read(name, 0, self.num_rows)

    def strings(self, name: str) -> StringStore:
        return self._cache.strings(name)

    def terms(self, name: str, analyzer: Analyzer) -> TermStore:
        return self._cache.terms(name, analyzer)

    def json_paths(self, name: str) -> JsonPathStore:
        return self._cache.json_paths(name)

    def geometries(self, name: str) -> GeometryStore:
        return self._cache.geometries(name)

    def matching(self, condition: RowFilter) -> Bitset:
        return self._cache.matching(condition, self)


def batch_columns(batch: ColumnBatch) -> FilterColumns:
    """Return the rows of a batch that never changes, with a cache of their own."""
    cache = ColumnCache(lambda name, start, stop: slice_column(batch.columns[name], start, stop))
    return cache.at(batch.num_rows)
