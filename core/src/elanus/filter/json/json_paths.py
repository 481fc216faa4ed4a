"""What does a JSON path hold in each row?

Each JSON text is decoded once, for all paths: its top-level keys become typed columns (a kind per
row, numbers as numbers, texts as dictionary codes). Deeper paths and the elements of arrays are
shredded from there when they are first asked for. Rows only grow; columns handed out never change.

Integers outside int64 become doubles. Of a key that stands twice in an object the last one counts.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from elanus.errors import FilterError, InternalError
from elanus.filter.constants import MAX_DEPTH, to_float
from elanus.filter.json.json_columns import JsonColumn, JsonElements, JsonKind
from elanus.filter.strings import NO_TEXT, CodedStrings, Codes, ReadRows, StringDictionary
from elanus.schema.batches import StringColumn
from elanus.types import Float64Array, Int64Array

RECENT_PATHS = 64
"""Paths whose column of one value per row is kept; a row costs up to 21 bytes in each."""
DECODE_ROWS = 8_192
"""Rows decoded by one call: enough to hide the call, little enough to keep memory low."""


_KIND_OF_TYPE: Final[dict[type, int]] = {
    type(None): JsonKind.NULL,
    bool: JsonKind.BOOL,
    int: JsonKind.INT,
    float: JsonKind.FLOAT,
    str: JsonKind.STRING,
    list: JsonKind.ARRAY,
    dict: JsonKind.OBJECT,
}
_ABSENT: Final = object()
_OPAQUE: Final[dict[str, Any]] = {}
"""Stands for a top-level object, whose values are kept under its keys."""


def freeze(value: Any, depth: int = 0) -> Any:
    """Return a hashable form of a JSON value, equal for equal values as Python sees them."""
    if depth > MAX_DEPTH:
        return object()  # no constant is nested so deeply, so that it equals none
    if isinstance(value, list | tuple):
        return tuple(freeze(v, depth + 1) for v in value)
    if isinstance(value, dict):
        return frozenset((key, freeze(v, depth + 1)) for key, v in value.items())
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return to_float(value)
    return value


class JsonPathStore:
    """The shredded paths of one JSON column of one segment or memtable.

    Rows are read and decoded once, when they are first asked for. Safe from many threads.
    """

    def __init__(self, read: ReadRows) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._root = _PathNode()
        self._top: dict[str, _PathNode] = {}
        self._recent: dict[tuple[str | int, ...], JsonColumn] = {}
        self._num_rows = 0

    def column(self, keys: tuple[str | int, ...], num_rows: int) -> JsonColumn:
        """Return what stands at ``keys`` in the first ``num_rows`` rows; ``()`` is the whole."""
        with self._lock:
            self._extend(num_rows)
            dense = self._recent.pop(keys, None)
            if dense is None or len(dense) != self._num_rows:
                node = self._node(keys)
                dense = _noted(node.column().spread(node.rows(), self._num_rows))
            self._recent[keys] = dense
            if len(self._recent) > RECENT_PATHS:
                del self._recent[next(iter(self._recent))]
            return dense.first(num_rows)

    def elements(self, keys: tuple[str | int, ...], num_rows: int) -> JsonElements:
        """Return the elements of the arrays that stand at ``keys``."""
        with self._lock:
            self._extend(num_rows)
            elements = self._node(keys).elements()
            values = elements.column()
            cut = int(np.searchsorted(elements.rows(), num_rows))
            return JsonElements(elements.rows()[:cut], values.first(cut))

    def below(self, keys: tuple[str, ...], num_rows: int) -> frozenset[str]:
        """Return the keys of the objects that stand at ``keys``."""
        with self._lock:
            self._extend(num_rows)
            return self._node(keys).keys() if keys else frozenset(self._top)

    def present(self, keys: tuple[str, ...], num_rows: int) -> tuple[Int64Array, JsonColumn]:
        """Return the rows, ascending, that have something at ``keys``, and what they have."""
        with self._lock:
            self._extend(num_rows)
            node = self._node(keys)
            rows = node.rows()
            cut = int(np.searchsorted(rows, num_rows))
            return rows[:cut], node.column().first(cut)

    def _node(self, keys: tuple[str | int, ...]) -> _PathNode:
        node = self._root
        for depth, key in enumerate(keys):
            if depth == 0 and isinstance(key, str):
                # Top-level keys are complete: one that is not there stands in no row.
                node = self._top.get(key) or _PathNode()
            else:
                node = node.child(key)
        return node

    def _extend(self, num_rows: int) -> None:
        for start in range(self._num_rows, num_rows, DECODE_ROWS):
            stop = min(start + DECODE_ROWS, num_rows)
            column = self._read(start, stop)
            if not isinstance(column, StringColumn):
                raise InternalError(f"expected JSON text, got {type(column).__name__}")
            rows = np.arange(start, stop, dtype=np.int64)
            if column.validity is not None:
                present = np.flatnonzero(column.validity)
                rows, column = rows[present], column.take(present)
            self._absorb(rows, _decode(column, start))
            self._num_rows = stop

    def _absorb(self, rows: Int64Array, documents: list[Any]) -> None:
        """Shred the top level of decoded rows."""
        alike = _columns_of_alike(documents)
        if alike is not None:
            self._root.append(rows, [_OPAQUE] * len(documents))
            for key, of_key in alike.items():
                self._top.setdefault(key, _PathNode()).append(rows, of_key)
            return
        objects = [i for i, document in enumerate(documents) if type(document) is dict]
        by_signature: dict[tuple[str, ...], list[int]] = {}
        # Objects with the same keys in the same order are turned into columns at once; a decoded
        # object has no other columnar form.
        for i in objects:
            by_signature.setdefault(tuple(documents[i]), []).append(i)
        by_key: dict[str, tuple[list[int], list[Any]]] = {}
        for signature, members in by_signature.items():
            values_of_keys = zip(*(documents[i].values() for i in members), strict=True)
            for key, of_members in zip(signature, values_of_keys, strict=True):
                places, values = by_key.setdefault(key, ([], []))
                places.extend(members)
                values.extend(of_members)
        for i in objects:
            documents[i] = _OPAQUE
        self._root.append(rows, documents)
        for key, (places, values) in by_key.items():
            node = self._top.get(key)
            if node is None:
                node = self._top[key] = _PathNode()
            node.append(*_in_row_order(rows, places, values))


def _columns_of_alike(documents: list[Any]) -> dict[str, list[Any]] | None:
    """Return the values by key of objects that all have the same keys; None when they do not."""
    if not documents or set(map(type, documents)) != {dict}:
        return None
    keys = list(documents[0])
    if not keys or set(map(len, documents)) != {len(keys)}:
        return None
    try:
        return {key: list(map(itemgetter(key), documents)) for key in keys}
    except KeyError:
        return None


def _noted(column: JsonColumn) -> JsonColumn:
    """Return a column that knows whether all rows have one kind."""
    kinds = column.kinds
    is_uniform = bool(len(kinds)) and bool((kinds == kinds[0]).all())
    return replace(column, is_uniform=is_uniform)


def _in_row_order(
    rows: Int64Array, places: list[int], values: list[Any]
) -> tuple[Int64Array, list[Any]]:
    at = np.array(places, dtype=np.int64)
    if (at[1:] < at[:-1]).any():
        order = np.argsort(at)
        at, values = at[order], [values[i] for i in order.tolist()]
    return rows[at], values


class _PathNode:
    """Values found at one path so far, in row order, and the paths below it."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._rows: list[Int64Array] = []
        self._dictionary = StringDictionary()
        self._children: dict[str | int, _PathNode] = {}
        self._elements: _PathNode | None = None
        self._num_walked: dict[object, int] = {}
        self._containers: list[Any] = []
        self._container_rows: list[int] = []

    def append(self, rows: Int64Array, values: list[Any]) -> None:
        part = _encode(values, self._dictionary)
        self._parts.append(part)
        self._rows.append(rows)
        self._containers.extend(part.containers)
        self._container_rows.extend(rows[part.container_rows].tolist())

    def rows(self) -> Int64Array:
        if len(self._rows) != 1:
            self._rows = [np.concatenate([np.empty(0, dtype=np.int64), *self._rows])]
        return self._rows[0]

    def column(self) -> JsonColumn:
        """Return the values one after the other, without the rows that have none."""
        if len(self._parts) != 1:
            self._parts = [_join(self._parts)]
        part = self._parts[0]
        strings = None if part.codes is None else CodedStrings(part.codes, self._dictionary)
        found = tuple(self._containers), part.container_rows
        return JsonColumn(part.kinds, part.ints, part.floats, strings, lambda: found)

    def keys(self) -> frozenset[str]:
        """Return the keys of the objects here."""
        return frozenset(chain.from_iterable(c for c in self._containers if type(c) is dict))

    def child(self, key: str | int) -> _PathNode:
        """Return the node of a key below, brought up to date with this one."""
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = _PathNode()
        rows: list[int] = []
        values: list[Any] = []
        wanted: type = dict if isinstance(key, str) else list
        # Nested containers have no columnar form before they are walked, once each.
        for row, container in self._unwalked(key):
            if type(container) is wanted:
                value = _get(container, key)
                if value is not _ABSENT:
                    rows.append(row)
                    values.append(value)
        if rows:
            child.append(np.array(rows, dtype=np.int64), values)
        return child

    def elements(self) -> _PathNode:
        """Return the node of the elements of arrays, brought up to date with this one."""
        if self._elements is None:
            self._elements = _PathNode()
        rows: list[int] = []
        arrays: list[list[Any]] = []
        for row, container in self._unwalked(_ABSENT):
            if type(container) is list:
                rows.append(row)
                arrays.append(container)
        if arrays:
            spread = np.repeat(np.array(rows, dtype=np.int64), list(map(len, arrays)))
            self._elements.append(spread, list(chain.from_iterable(arrays)))
        return self._elements

    def _unwalked(self, key: object) -> Iterable[tuple[int, Any]]:
        start = self._num_walked.get(key, 0)
        self._num_walked[key] = len(self._containers)
        return zip(self._container_rows[start:], self._containers[start:], strict=True)


@dataclass(frozen=True, slots=True)
class _Part:
    """Encoded values; ``container_rows`` counts from the first of them."""

    kinds: NDArray[np.uint8]
    ints: Int64Array | None = None
    floats: Float64Array | None = None
    codes: Codes | None = None
    containers: list[Any] = field(default_factory=list)
    container_rows: Int64Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def _get(container: Any, key: str | int) -> Any:
    if isinstance(key, int):
        return container[key] if key < len(container) else _ABSENT
    return container.get(key, _ABSENT)


def _decode(column: StringColumn, start: int) -> list[Any]:
    """Decode rows with one call; the texts become elements of one array."""
    texts = [str(text) for text in column.to_pylist()]
    try:
        documents: list[Any] = json.loads(f"[{','.join(texts)}]")
    except RecursionError:
        raise FilterError(
            f"a JSON value in rows {start} to {start + len(texts)} is nested too deeply to filter"
        ) from None
    return documents


def _encode(values: list[Any], dictionary: StringDictionary) -> _Part:
    """Sort values into typed arrays by kind."""
    n = len(values)
    types = set(map(type, values))
    if len(types) == 1:
        # Mostly so, and then no value has to be looked for.
        uniform = _encode_uniform(values, types.pop(), dictionary)
        if uniform is not None:
            return uniform
    kinds = np.fromiter(map(_KIND_OF_TYPE.__getitem__, map(type, values)), np.uint8, n)
    present = np.bincount(kinds, minlength=len(JsonKind))
    ints = floats = codes = None
    if present[JsonKind.INT] or present[JsonKind.BOOL]:
        at = np.flatnonzero((kinds == JsonKind.INT) | (kinds == JsonKind.BOOL))
        whole = [values[i] for i in at.tolist()]
        ints = np.zeros(n, dtype=np.int64)
        try:
            ints[at] = np.array(whole, dtype=np.int64)
        except OverflowError:
            wide = [i for i, v in enumerate(whole) if not -(2**63) <= v < 2**63]
            for i in wide:
                values[at[i]], whole[i] = to_float(whole[i]), 0
            ints[at] = np.array(whole, dtype=np.int64)
            kinds[at[wide]] = JsonKind.FLOAT
    at = np.flatnonzero(kinds == JsonKind.FLOAT)
    if len(at):
        floats = np.zeros(n, dtype=np.float64)
        floats[at] = [values[i] for i in at.tolist()]
    if present[JsonKind.STRING]:
        at = np.flatnonzero(kinds == JsonKind.STRING)
        codes = np.full(n, NO_TEXT, dtype=np.int32)
        codes[at] = dictionary.encode([values[i] for i in at.tolist()])
    at = np.flatnonzero(kinds >= JsonKind.ARRAY).astype(np.int64)
    return _Part(kinds, ints, floats, codes, [values[i] for i in at.tolist()], at)


def _encode_uniform(values: list[Any], kind: type, dictionary: StringDictionary) -> _Part | None:
    """Return scalars of one type as arrays; None for containers, and for integers out of range."""
    kinds = np.full(len(values), _KIND_OF_TYPE[kind], dtype=np.uint8)
    if kind is float:
        return _Part(kinds, floats=np.array(values, dtype=np.float64))
    if kind is str:
        return _Part(kinds, codes=dictionary.encode(values))
    if kind is int or kind is bool:
        try:
            return _Part(kinds, ints=np.array(values, dtype=np.int64))
        except OverflowError:
            return None
    return _Part(kinds) if kind is type(None) else None


def _join(parts: list[_Part]) -> _Part:
    if not parts:
        return _Part(np.empty(0, dtype=np.uint8))
    starts = np.cumsum([0, *(len(p.kinds) for p in parts)])
    return _Part(
        np.concatenate([p.kinds for p in parts]),
        _join_arrays(parts, [p.ints for p in parts], np.zeros, np.int64),
        _join_arrays(parts, [p.floats for p in parts], np.zeros, np.float64),
        _join_arrays(parts, [p.codes for p in parts], _no_texts, np.int32),
        [],
        np.concatenate([p.container_rows + s for p, s in zip(parts, starts, strict=False)]),
    )


def _no_texts(n: int, dtype: Any) -> Codes:
    return np.full(n, NO_TEXT, dtype=dtype)


def _join_arrays(parts: list[_Part], arrays: list[Any], make: Any, dtype: Any) -> Any:
    if all(array is None for array in arrays):
        return None
    return np.concatenate(
        [
            make(len(p.kinds), dtype) if array is None else array
            for p, array in zip(parts, arrays, strict=True)
        ]
    )
