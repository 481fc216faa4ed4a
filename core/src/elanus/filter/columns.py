"""Where does a filter read its values?

The evaluator is handed a ``FilterColumns``: the first rows of a segment or memtable. Whoever owns
the rows keeps one ``ColumnCache`` per segment or memtable for its whole life, so that texts are
numbered and JSON is decoded once, not once per query.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeAlias

from elanus.filter.json_paths import JsonPathStore
from elanus.filter.strings import StringStore
from elanus.schema.batches import Column, ColumnBatch, slice_column

ReadColumn: TypeAlias = Callable[[str, int, int], Column]
"""Returns rows ``start`` to ``stop`` of the column with a name."""


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

    def json_paths(self, name: str) -> JsonPathStore:
        """Return the shredded paths of a JSON field."""
        ...


class ColumnCache:
    """What filters learned about the columns of one segment or memtable.

    Rows may be added at the end, never changed or removed. Safe from many threads, also while
    rows are added.

    Args:
        read: Returns rows ``start`` to ``stop`` of a column. It is called from any thread, and
            for each VARCHAR and JSON row once.
    """

    def __init__(self, read: ReadColumn) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._strings: dict[str, StringStore] = {}
        self._json_paths: dict[str, JsonPathStore] = {}

    def at(self, num_rows: int) -> FilterColumns:
        """Return the first ``num_rows`` rows, for one evaluation or many."""
        return _CachedColumns(num_rows, self, self._read)

    def strings(self, name: str) -> StringStore:
        """Return the numbered texts of a column."""
        with self._lock:
            store = self._strings.get(name)
            if store is None:
                store = self._strings[name] = StringStore(partial(self._read, name))
            return store

    def json_paths(self, name: str) -> JsonPathStore:
        """Return the shredded paths of a column."""
        with self._lock:
            store = self._json_paths.get(name)
            if store is None:
                store = self._json_paths[name] = JsonPathStore(partial(self._read, name))
            return store


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

    def json_paths(self, name: str) -> JsonPathStore:
        return self._cache.json_paths(name)


def batch_columns(batch: ColumnBatch) -> FilterColumns:
    """Return the rows of a batch that never changes, with a cache of their own."""
    cache = ColumnCache(lambda name, start, stop: slice_column(batch.columns[name], start, stop))
    return cache.at(batch.num_rows)
