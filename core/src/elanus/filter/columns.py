"""Where does a filter read its values?

The evaluator is handed a ``FilterColumns``: the first rows of a segment or memtable. Whoever owns
the rows keeps one ``ColumnCache`` per segment or memtable for its whole life, so that texts are
numbered and JSON is decoded once, not once per query, and a filter that comes again is not
evaluated again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

from elanus.analysis.analyzer import Analyzer
from elanus.errors import InternalError
from elanus.filter.json.json_columns import JsonColumn, JsonElements
from elanus.filter.json.json_paths import JsonPathStore
from elanus.filter.json.shredded import ShreddedPaths
from elanus.filter.spatial.geometry_store import Geometries, GeometryStore, read_geometries
from elanus.filter.strings import CodedStrings, StringStore
from elanus.filter.words.term_store import TermStore
from elanus.index.scalar.registry import ScalarIndex
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import (
    ArrayColumn,
    Column,
    ColumnBatch,
    StringColumn,
    gather_ranges,
    slice_column,
)
from elanus.schema.ranges import ValueRange
from elanus.types import Int64Array

TEXT_COST, JSON_COST, GEOMETRY_COST = (1, 110), (2, 20), (1, 250)
"""Bytes of decoded values by byte and by row: measured with tracemalloc on titles of 100
characters, which hardly repeat, and on objects of three members; on points, for which GEOS
takes memory that tracemalloc does not see."""

READ_TWICE = 2
"""How often all texts of a column are read a few at a time before all of them are numbered."""

MAX_KNOWN_RESULTS = 64
"""Filters whose rows are remembered: 8 bytes a row, as much as one column of integers."""

Keys: TypeAlias = tuple[str | int, ...]
"""Keys of a path inside a JSON field; none are the whole."""

ReadColumn: TypeAlias = Callable[[str, int, int], Column]
"""Returns rows ``start`` to ``stop`` of the column with a name."""


@dataclass(frozen=True, slots=True)
class TraceStep:
    """What one condition did.

    Attributes:
        condition: The condition.
        method: ``columns``, or the type of an index.
        asked: Rows that it was asked about.
        allowed: Rows that it let through.
    """

    condition: object
    method: str
    asked: int
    allowed: int


Trace: TypeAlias = list[TraceStep]


class RowFilter(Protocol):
    """Something that allows rows."""

    @property
    def identity(self) -> Hashable:
        """What is known of it is remembered by this: equal ones allow the same rows."""
        ...

    def at_once(self, columns: FilterColumns) -> Bitset | None:
        """Return the rows that are allowed, found in less time than remembering them takes; None:
        that is not so."""
        ...

    def allowed(self, columns: FilterColumns) -> Bitset:
        """Return the rows that are allowed."""
        ...


class FilterColumns(Protocol):
    """The rows that a filter is evaluated on."""

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def trace(self) -> Trace | None:
        """Where conditions write down what they do; None: nowhere."""
        ...

    def column(self, name: str) -> Column:
        """Return the column of a field, ``num_rows`` long."""
        ...

    def strings(self, name: str) -> CodedStrings:
        """Return the texts of a VARCHAR field, or those of an ARRAY, all items of all rows."""
        ...

    def num_texts(self, name: str) -> int | None:
        """Return how many distinct texts a VARCHAR field has; None: they are not numbered yet."""
        ...

    def terms(self, name: str, analyzer: Analyzer) -> TermStore:
        """Return the words of the texts of a VARCHAR field, as ``analyzer`` cuts them."""
        ...

    def json_column(self, name: str, keys: Keys) -> JsonColumn:
        """Return what stands at a path of a JSON field."""
        ...

    def json_elements(self, name: str, keys: Keys) -> JsonElements:
        """Return the elements of the arrays that stand at a path of a JSON field."""
        ...

    def index(self, name: str, keys: Keys) -> ScalarIndex | None:
        """Return the index of a field (no keys) or JSON path; None when there is none."""
        ...

    def value_range(self, name: str) -> ValueRange | None:
        """Return the bounds of a field; None: they are not known."""
        ...

    def select(self, rows: Int64Array) -> FilterColumns | None:
        """Return some rows, ascending, as rows of their own; None when that saves nothing."""
        ...

    def geometries(self, name: str) -> Geometries:
        """Return the geometries of a GEOMETRY field."""
        ...

    def matching(self, condition: RowFilter) -> Bitset:
        """Return the rows that a filter allows, evaluated or remembered."""
        ...

    def traced(self, trace: Trace) -> FilterColumns:
        """Return the same rows; conditions write down there what they do."""
        ...


class Derived(Protocol):
    """What was written with a segment so that filters need not read its rows."""

    def index(self, name: str, keys: Keys) -> ScalarIndex | None:
        """Return the index of a field (no keys) or JSON path; None when there is none."""
        ...

    def shredded(self, name: str) -> ShreddedPaths | None:
        """Return the paths of a JSON field that were written as columns."""
        ...

    def value_range(self, name: str) -> ValueRange | None:
        """Return the bounds of a field; None: they are not known."""
        ...

    @property
    def size_bytes(self) -> int:
        """What of it is held in memory besides mapped files."""
        ...

    def clear(self) -> None:
        """Forget that; whoever reads some of it keeps it."""
        ...


class ColumnCache:
    """What filters learned about the columns of one segment or memtable.

    Rows may be added at the end, never changed or removed. Safe from many threads, also while
    rows are added.

    Args:
        read: Returns rows ``start`` to ``stop`` of a column. It is called from any thread, and
            for each VARCHAR and JSON row once.
        on_use: Called with the cache before decoded values of it are read.
        derived: Indexes and shredded paths; None: there are none.
    """

    def __init__(
        self,
        read: ReadColumn,
        on_use: Callable[[ColumnCache], object] = lambda cache: None,
        derived: Derived | None = None,
    ) -> None:
        self._read = read
        self._on_use = on_use
        self.derived = derived
        self._size = 0
        self._lock = threading.Lock()
        self._strings: dict[str, StringStore] = {}
        self._terms: dict[tuple[str, Analyzer], TermStore] = {}
        self._json_paths: dict[str, JsonPathStore] = {}
        self._geometries: dict[str, GeometryStore] = {}
        self._num_read: dict[str, int] = {}
        # The least recently used first. Rows never change, so a result stays right for ever.
        self._results: dict[tuple[Hashable, int], Bitset] = {}

    def at(self, num_rows: int, trace: Trace | None = None) -> FilterColumns:
        """Return the first ``num_rows`` rows, for one evaluation or many.

        Args:
            num_rows: Rows that are there.
            trace: Where conditions write down what they do.
        """
        return _CachedColumns(num_rows, self, self._read, trace)

    @property
    def size_bytes(self) -> int:
        """What the decoded values take in memory, roughly."""
        return self._size + (0 if self.derived is None else self.derived.size_bytes)

    def clear(self) -> None:
        """Forget the decoded values; whoever reads some of them keeps those."""
        with self._lock:
            self._strings.clear()
            self._terms.clear()
            self._json_paths.clear()
            self._geometries.clear()
            self._num_read.clear()
            self._results.clear()
            self._size = 0
        if self.derived is not None:
            self.derived.clear()

    def shredded(self, name: str) -> ShreddedPaths | None:
        """Return the paths of a column that were written with the rows."""
        found = None if self.derived is None else self.derived.shredded(name)
        if found is not None:
            self._on_use(self)
        return found

    def strings(self, name: str) -> StringStore:
        """Return the numbered texts of a column."""
        self._on_use(self)
        with self._lock:
            store = self._strings.get(name)
            if store is None:
                read = partial(self._counted, name, TEXT_COST)
                store = self._strings[name] = StringStore(read)
            return store

    def num_texts(self, name: str) -> int | None:
        """Return how many distinct texts a column has; None: they are not numbered yet."""
        with self._lock:
            store = self._strings.get(name)
        return None if store is None else len(store.dictionary)

    def terms(self, name: str, analyzer: Analyzer) -> TermStore:
        """Return the words of the texts of a column."""
        dictionary = self.strings(name).dictionary
        with self._lock:
            store = self._terms.get((name, analyzer))
            if store is None or store.dictionary is not dictionary:
                store = TermStore(dictionary, analyzer, self._grew)
                self._terms[name, analyzer] = store
            return store

    def strings_at(self, name: str, column: Column, num_rows: int) -> CodedStrings | None:
        """Return the texts of some rows, alone; None when all of them are better numbered.

        Args:
            name: Name of the column.
            column: The rows.
            num_rows: How many the column has in all.
        """
        with self._lock:
            if not isinstance(column, StringColumn) or name in self._strings:
                return None
            if self._is_read_twice(name, len(column), num_rows):
                return None
        return StringStore(lambda start, stop: column).strings(len(column))

    def json_paths(self, name: str) -> JsonPathStore:
        """Return the decoded paths of a column."""
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

    def geometries_at(self, name: str, column: Column, rows: Int64Array) -> Geometries | None:
        """Return the geometries of some rows, alone; None when those of all are better read.

        Args:
            name: Name of the column.
            column: All rows.
            rows: Which of them, ascending.
        """
        with self._lock:
            store = self._geometries.get(name)
            if store is not None and store.num_read >= len(column):
                return store.geometries(len(column)).take(rows)
            if self._is_read_twice(name, len(rows), len(column)):
                return None
        return read_geometries(column.take(rows))

    def matching(self, condition: RowFilter, columns: FilterColumns) -> Bitset:
        """Return the rows of ``columns``, the first ones here, that a filter allows."""
        key = condition.identity, columns.num_rows
        if key in self._results:
            with self._lock:
                found = self._results.pop(key, None)
                if found is not None:
                    self._results[key] = found
                    return found
        self._on_use(self)
        found = condition.allowed(columns)
        with self._lock:
            if self._results.setdefault(key, found) is found:
                self._size += found.words.nbytes
            if len(self._results) > MAX_KNOWN_RESULTS:
                oldest = self._results.pop(next(iter(self._results)))
                self._size -= oldest.words.nbytes
        return found

    def _is_read_twice(self, name: str, num_taken: int, num_rows: int) -> bool:
        """Count rows of a column that are read alone; return whether it was all too often."""
        num_read = self._num_read.get(name, 0) + num_taken
        self._num_read[name] = num_read
        return num_read > READ_TWICE * num_rows

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

    def __init__(
        self, num_rows: int, cache: ColumnCache, read: ReadColumn, trace: Trace | None
    ) -> None:
        self.num_rows = num_rows
        self.trace = trace
        self._cache = cache
        self._read = read

    def column(self, name: str) -> Column:
        return self._read(name, 0, self.num_rows)

    def strings(self, name: str) -> CodedStrings:
        strings = self._cache.strings(name).strings(self.num_rows)
        column = self.column(name)
        if isinstance(column, ArrayColumn):
            return strings.first(int(column.offsets[-1] - column.offsets[0]))
        return strings.first(self.num_rows)

    def num_texts(self, name: str) -> int | None:
        return self._cache.num_texts(name)

    def terms(self, name: str, analyzer: Analyzer) -> TermStore:
        return self._cache.terms(name, analyzer)

    def json_column(self, name: str, keys: Keys) -> JsonColumn:
        shredded = self._cache.shredded(name)
        if shredded is not None:
            found = shredded.column(keys, lambda: self._decoded(name, keys).containers())
            if found is not None:
                return found.first(self.num_rows)
        return self._decoded(name, keys)

    def json_elements(self, name: str, keys: Keys) -> JsonElements:
        shredded = self._cache.shredded(name)
        found = None if shredded is None else shredded.elements(keys)
        if found is not None:
            return found
        return self._cache.json_paths(name).elements(keys, self.num_rows)

    def index(self, name: str, keys: Keys) -> ScalarIndex | None:
        derived = self._cache.derived
        return None if derived is None else derived.index(name, keys)

    def value_range(self, name: str) -> ValueRange | None:
        derived = self._cache.derived
        return None if derived is None else derived.value_range(name)

    def select(self, rows: Int64Array) -> FilterColumns | None:
        return SelectedColumns(self, self._cache, rows)

    def geometries(self, name: str) -> Geometries:
        return self._cache.geometries(name).geometries(self.num_rows)

    def matching(self, condition: RowFilter) -> Bitset:
        found = condition.at_once(self)
        return self._cache.matching(condition, self) if found is None else found

    def traced(self, trace: Trace) -> FilterColumns:
        return self._cache.at(self.num_rows, trace)

    def _decoded(self, name: str, keys: Keys) -> JsonColumn:
        return self._cache.json_paths(name).column(keys, self.num_rows)


class SelectedColumns:
    """Some rows of a segment as rows of their own.

    Args:
        base: All rows.
        cache: What is known about them.
        chosen: int64, ascending.
    """

    def __init__(self, base: FilterColumns, cache: ColumnCache, chosen: Int64Array) -> None:
        self.num_rows = len(chosen)
        self.trace = base.trace
        self.base = base
        self._cache = cache
        self.chosen = chosen

    def column(self, name: str) -> Column:
        return self.base.column(name).take(self.chosen)

    def strings(self, name: str) -> CodedStrings:
        column = self.base.column(name)
        if isinstance(column, ArrayColumn):
            places = gather_ranges(column.offsets, self.chosen)[1] - int(column.offsets[0])
            return self.base.strings(name).take(places)
        few = self._cache.strings_at(name, column.take(self.chosen), len(column))
        return self.base.strings(name).take(self.chosen) if few is None else few

    def json_column(self, name: str, keys: Keys) -> JsonColumn:
        return self.base.json_column(name, keys).take(self.chosen)

    def json_elements(self, name: str, keys: Keys) -> JsonElements:
        return self.base.json_elements(name, keys).take(self.chosen)

    def num_texts(self, name: str) -> int | None:
        return self._cache.num_texts(name)

    def terms(self, name: str, analyzer: Analyzer) -> TermStore:
        raise InternalError("words are numbered for all rows of a segment")

    def geometries(self, name: str) -> Geometries:
        few = self._cache.geometries_at(name, self.base.column(name), self.chosen)
        return self.base.geometries(name).take(self.chosen) if few is None else few

    def index(self, name: str, keys: Keys) -> ScalarIndex | None:
        return None  # it finds rows among all, of which most are not asked about

    def value_range(self, name: str) -> ValueRange | None:
        return self.base.value_range(name)

    def select(self, rows: Int64Array) -> FilterColumns | None:
        return SelectedColumns(self.base, self._cache, self.chosen[rows])

    def matching(self, condition: RowFilter) -> Bitset:
        raise InternalError("filters are remembered for all rows of a segment")

    def traced(self, trace: Trace) -> FilterColumns:
        raise InternalError("filters are traced for all rows of a segment")


def batch_columns(batch: ColumnBatch) -> FilterColumns:
    """Return the rows of a batch that never changes, with a cache of their own."""
    cache = ColumnCache(lambda name, start, stop: slice_column(batch.columns[name], start, stop))
    return cache.at(batch.num_rows)
