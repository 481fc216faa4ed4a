"""Which paths of a JSON field were written as columns?

Every path that leads through objects only, such as ``meta["author"]["name"]``, and the elements of
arrays at such a path, are typed columns in a file beside the segment: kinds where they differ,
whole numbers in the narrowest type that holds them, doubles, and texts as numbers of a dictionary.
Filters map what they need of it; no JSON text is decoded. A place in arrays is an element.
What is not there is decoded from the rows: whole arrays and objects as values, and what is beyond
the limits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np

from elanus.errors import CorruptionError
from elanus.filter.json.json_columns import (
    Containers,
    JsonColumn,
    JsonElements,
    JsonKind,
    no_containers,
)
from elanus.filter.json.json_paths import RECENT_PATHS, JsonPathStore
from elanus.filter.stored_texts import StoredDictionary
from elanus.filter.strings import NO_TEXT, CodedStrings, StringDictionary
from elanus.index.scalar.values import SortedTexts
from elanus.schema.batches import StringColumn
from elanus.types import AnyArray, Int64Array, IntArray

TYPE: Final = "SHREDDED"
"""Name of the file's type in the manifest."""
MAX_PATHS = 256
"""Most columns of a field: those of the most rows."""
MAX_KEYS = 8
"""Deepest path."""
SPARSE_SHARE = 4
"""A path that stands in fewer rows than one in so many is stored with their numbers."""

PathName: TypeAlias = tuple[tuple[str | int, ...], bool]
"""Keys, and whether it is the elements of the arrays there."""


@dataclass(frozen=True, slots=True)
class PathColumn:
    """What stands at one path.

    Attributes:
        rows: int64, ascending: the row of each value; an element's is that of its array.
        values: The values; arrays and objects are left out, only their kind is there.
    """

    rows: Int64Array
    values: JsonColumn

    def moved(self, mapping: Int64Array) -> PathColumn:
        """Return it with row ``mapping[i]`` for row ``i``; where that is -1 the row is gone."""
        moved = mapping[self.rows]
        kept = np.flatnonzero(moved >= 0)
        return PathColumn(moved[kept], self.values.take(kept))


@dataclass(frozen=True, slots=True)
class PathColumns:
    """The paths of one JSON field of one segment.

    Attributes:
        num_rows: Rows of the segment.
        paths: Columns by path; its keys are those of objects.
        is_complete: A path that is not there stands in no row.
    """

    num_rows: int
    paths: Mapping[PathName, PathColumn]
    is_complete: bool

    @classmethod
    def of(cls, store: JsonPathStore, num_rows: int) -> PathColumns:
        """Return the paths of decoded rows."""
        found: dict[PathName, PathColumn] = {}
        is_complete = True
        pending: list[tuple[str, ...]] = [()]
        while pending:
            keys = pending.pop()
            rows, values = store.present(keys, num_rows)
            found[keys, False] = PathColumn(rows, replace(values, containers=no_containers))
            if (values.kinds == JsonKind.ARRAY).any():
                elements = store.elements(keys, num_rows)
                if not (elements.values.kinds >= JsonKind.ARRAY).any():
                    found[keys, True] = PathColumn(elements.rows, elements.values)
            if (values.kinds == JsonKind.OBJECT).any():
                below = sorted(store.below(keys, num_rows))
                if len(keys) == MAX_KEYS or len(found) + len(pending) + len(below) > 4 * MAX_PATHS:
                    is_complete = False
                    continue
                pending += [(*keys, key) for key in below]
        return cls(num_rows, found, is_complete).limited()

    def limited(self) -> PathColumns:
        """Return the paths of the most rows, when there are too many."""
        if len(self.paths) <= MAX_PATHS:
            return self
        names = sorted(self.paths, key=lambda name: -len(self.paths[name].rows))[:MAX_PATHS]
        return PathColumns(self.num_rows, {name: self.paths[name] for name in names}, False)

    @classmethod
    def joined(cls, parts: Sequence[tuple[PathColumns, Int64Array]], num_rows: int) -> PathColumns:
        """Return the paths of the rows of several segments together.

        Args:
            parts: The paths of each, and int64: the new row of each of its rows, or -1.
            num_rows: Rows of all of them.
        """
        names = {name: None for part, _ in parts for name in part.paths}
        incomplete = [part for part, _ in parts if not part.is_complete]
        shared = [name for name in names if all(name in part.paths for part in incomplete)]
        paths: dict[PathName, PathColumn] = {}
        for name in shared:
            if not name[1] or all(_has_all_elements(part, name[0]) for part, _ in parts):
                moved = [part.paths[name].moved(m) for part, m in parts if name in part.paths]
                paths[name] = _joined([column for column in moved if len(column.rows)])
        return cls(num_rows, paths, not incomplete).limited()

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return header and arrays to store."""
        listed: list[dict[str, Any]] = []
        arrays: dict[str, AnyArray] = {}
        for number, ((keys, is_elements), column) in enumerate(self.paths.items()):
            stored = dict(_stored(column, None if is_elements else self.num_rows))
            kinds = column.values.kinds
            is_uniform = "kinds" not in stored
            kind = int(kinds[0]) if is_uniform and len(kinds) else int(JsonKind.MISSING)
            path = {"keys": list(keys), "elements": is_elements, "kind": kind}
            listed.append(path | {"ascends": True} if "codes" in stored else path)
            arrays |= {f"{number}.{name}": array for name, array in stored.items()}
        header = {"num_rows": self.num_rows, "paths": listed, "is_complete": self.is_complete}
        return header, arrays


class ShreddedPaths:
    """The paths of one JSON field as they were written. Safe from many threads.

    Args:
        header: What ``PathColumns.to_arrays`` returned.
        sections: Names of the arrays that were stored.
        section: Returns one of them; raises ``CorruptionError`` where it is damaged.
        on_lost: Called when one is; from then on everything is decoded.

    Raises:
        CorruptionError: The header is not understood.
    """

    def __init__(
        self,
        header: Mapping[str, Any],
        sections: Sequence[str],
        section: Callable[[str], AnyArray],
        on_lost: Callable[[CorruptionError], None],
    ) -> None:
        try:
            self.num_rows = int(header["num_rows"])
            self._is_complete = bool(header["is_complete"])
            self._kinds: dict[PathName, tuple[int, int]] = {
                (tuple(path["keys"]), bool(path["elements"])): (number, int(path["kind"]))
                for number, path in enumerate(header["paths"])
            }
            # Files of before have their texts in the order in which they came first.
            self._ascending = frozenset(
                number for number, path in enumerate(header["paths"]) if path.get("ascends", False)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptionError(f"shredded paths are not understood: {error!r}") from error
        self._sections = frozenset(sections)
        self._section = section
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._recent: dict[tuple[str | int, ...], JsonColumn] = {}
        self._elements: dict[tuple[str | int, ...], JsonElements] = {}
        self._is_lost = False
        self._sizes: dict[tuple[str | int, ...], int] = {}

    @property
    def size_bytes(self) -> int:
        """What is held in memory besides the map, roughly: texts, and columns that were spread."""
        return sum(self._sizes.copy().values())

    def clear(self) -> None:
        """Forget what is held in memory; whoever reads some of it keeps that."""
        with self._lock:
            self._recent.clear()
            self._elements.clear()
            self._sizes.clear()

    def column(self, keys: tuple[str | int, ...], containers: Containers) -> JsonColumn | None:
        """Return what stands at ``keys`` in all rows; None when it has to be decoded.

        Args:
            keys: The path.
            containers: Returns the arrays and objects there, if they are asked for.
        """
        with self._lock:
            found = self._recent.pop(keys, None)
            if found is None and not self._is_lost:
                found = self._found(keys, containers)
            if found is not None:
                self._recent[keys] = found
                if len(self._recent) > RECENT_PATHS:
                    oldest = next(iter(self._recent))
                    del self._recent[oldest]
                    self._sizes.pop(oldest, None)
            return found

    def elements(self, keys: tuple[str | int, ...]) -> JsonElements | None:
        """Return the elements of the arrays at ``keys``; None when they have to be decoded."""
        with self._lock:
            return self._elements_at(keys)

    def all_columns(self) -> PathColumns | None:
        """Return every path; None when something is damaged."""
        with self._lock:
            try:
                paths = {name: self._load(name) for name in self._kinds}
            except CorruptionError as error:
                self._lose(error)
                return None
            return PathColumns(self.num_rows, paths, self._is_complete)

    def _elements_at(self, keys: tuple[str | int, ...]) -> JsonElements | None:
        if self._is_lost or (keys, True) not in self._kinds:
            return None
        if keys not in self._elements:
            try:
                column = self._load((keys, True))
            except CorruptionError as error:
                self._lose(error)
                return None
            self._elements[keys] = JsonElements(column.rows, column.values)
            # A byte a row is what lengths take, once they are asked for.
            size = column.rows.nbytes + _text_bytes(column.values) + self.num_rows
            self._sizes[keys] = self._sizes.get(keys, 0) + size
        return self._elements[keys]

    def _found(self, keys: tuple[str | int, ...], containers: Containers) -> JsonColumn | None:
        *path, last = keys or ("",)
        if not all(isinstance(key, str) for key in path):
            return None
        if not isinstance(last, int):
            return self._read(keys, containers)
        elements = self._elements_at(keys[:-1])
        if elements is None:
            return None
        # Elements of a row follow each other; those that are written are no containers.
        firsts = np.flatnonzero(np.diff(elements.rows, prepend=-1))
        lengths = np.diff(firsts, append=len(elements.rows))
        firsts = firsts[lengths > last]
        values = elements.values.take(firsts + last)
        spread = values.spread(elements.rows[firsts], self.num_rows)
        arrays = (spread.kinds, spread.ints, spread.floats)
        self._sizes[keys] = sum(array.nbytes for array in arrays if array is not None)
        return spread

    def _read(self, keys: tuple[str | int, ...], containers: Containers) -> JsonColumn | None:
        if (keys, False) not in self._kinds:
            if not self._is_complete:
                return None
            missing = np.broadcast_to(np.uint8(JsonKind.MISSING), (self.num_rows,))
            return JsonColumn(missing, is_uniform=True)
        try:
            column = self._load((keys, False))
        except CorruptionError as error:
            self._lose(error)
            return None
        spread = column.values.spread(column.rows, self.num_rows)
        is_spread = len(column.rows) != self.num_rows
        arrays = (spread.kinds, spread.ints, spread.floats) if is_spread else ()
        size = sum(array.nbytes for array in arrays if array is not None)
        self._sizes[keys] = self._sizes.get(keys, 0) + size + _text_bytes(spread)
        return replace(spread, containers=containers)

    def _lose(self, error: CorruptionError) -> None:
        self._is_lost = True
        self._on_lost(error)

    def _load(self, name: PathName) -> PathColumn:
        number, kind = self._kinds[name]

        def stored(what: str) -> Any:
            section = f"{number}.{what}"
            return self._section(section) if section in self._sections else None

        rows = stored("rows")
        size = self.num_rows if rows is None else len(rows)
        kinds = stored("kinds")
        is_uniform = kinds is None
        if kinds is None:
            kinds = np.broadcast_to(np.uint8(kind), (size,))
        strings, codes = None, stored("codes")
        if codes is not None:
            offsets, data = _given(stored("offsets")), _given(stored("data"))
            texts = SortedTexts(offsets, data)
            lying = StringColumn(offsets, data)
            dictionary = (
                StoredDictionary(texts, lying)
                if number in self._ascending
                else StringDictionary.of(list(texts.texts(0, len(texts))), lying)
            )
            strings = CodedStrings(codes, dictionary)
        ints, floats = stored("ints"), stored("floats")
        for array in (kinds, ints, floats, codes):
            if array is not None and len(array) != size:
                raise CorruptionError("shredded paths have arrays that do not fit each other")
        all_rows = np.arange(size, dtype=np.int64) if rows is None else rows.astype(np.int64)
        values = JsonColumn(kinds, ints, floats, strings, is_uniform=is_uniform)
        return PathColumn(all_rows, values)


def _text_bytes(column: JsonColumn) -> int:
    return 0 if column.strings is None else column.strings.dictionary.held_bytes


def _stored(column: PathColumn, num_rows: int | None) -> Iterator[tuple[str, AnyArray]]:
    """Yield the arrays of a column by name.

    Args:
        column: The column.
        num_rows: Rows of the segment, to leave out the rows of a column that stands in all of
            them or to fill up one that stands in many; None: rows are always stored.
    """
    rows, values = column.rows, column.values
    if num_rows is not None and len(rows) * SPARSE_SHARE >= num_rows:
        values = values.spread(rows, num_rows)
    elif num_rows is None or len(rows) != num_rows:
        yield "rows", rows.astype(np.uint32)
    if not len(values) or (values.kinds != values.kinds[0]).any():
        yield "kinds", np.ascontiguousarray(values.kinds)
    if values.ints is not None:
        yield "ints", _narrow(values.ints)
    if values.floats is not None:
        yield "floats", values.floats
    if values.strings is not None:
        codes, texts = _ascending(values.strings)
        yield "codes", _narrow(codes)
        yield from texts.arrays().items()


def _ascending(strings: CodedStrings) -> tuple[IntArray, SortedTexts]:
    """Return the codes of rows by texts in ascending order, and those."""
    texts = [str(text).encode() for text in strings.dictionary.texts()[:-1].tolist()]
    order = sorted(range(len(texts)), key=texts.__getitem__)
    # One place more: the code -1, of no text, stays what it is.
    code_of = np.full(len(texts) + 1, NO_TEXT, dtype=np.int64)
    code_of[order] = np.arange(len(texts))
    return code_of[strings.codes], SortedTexts.of([texts[place] for place in order])


def _narrow(values: IntArray) -> AnyArray:
    """Return integers in the narrowest signed type that holds them."""
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    for dtype in (np.int8, np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return values.astype(dtype)
    return values.astype(np.int64)


def _joined(parts: Sequence[PathColumn]) -> PathColumn:
    """Join columns, in the order of their rows."""
    if not parts:
        return PathColumn(np.empty(0, dtype=np.int64), JsonColumn(np.empty(0, dtype=np.uint8)))
    rows = np.concatenate([part.rows for part in parts])
    values = [part.values for part in parts]
    kinds = np.concatenate([v.kinds for v in values])
    ints = floats = strings = None
    if any(v.ints is not None for v in values):
        ints = np.concatenate([_or_zeros(v.ints, len(v), np.int8) for v in values])
    if any(v.floats is not None for v in values):
        floats = np.concatenate([_or_zeros(v.floats, len(v), np.float64) for v in values])
    if any(v.strings is not None for v in values):
        dictionary = StringDictionary()
        codes = [_codes_in(dictionary, v.strings, len(v)) for v in values]
        strings = CodedStrings(np.concatenate(codes), dictionary)
    column = JsonColumn(kinds, ints, floats, strings)
    if (rows[1:] < rows[:-1]).any():
        # Rows in the order of a clustering key: those of the segments stand among each other.
        order = np.argsort(rows, kind="stable")
        rows, column = rows[order], replace(column.take(order), containers=no_containers)
    return PathColumn(rows, column)


def _or_zeros(array: AnyArray | None, size: int, dtype: Any) -> AnyArray:
    return np.zeros(size, dtype=dtype) if array is None else array


def _codes_in(dictionary: StringDictionary, strings: CodedStrings | None, size: int) -> AnyArray:
    """Return texts as numbers of another dictionary, in which those that are new are taken up."""
    if strings is None:
        return np.full(size, NO_TEXT, dtype=np.int32)
    # Only texts of rows that live on: others would stay for ever.
    used, places = np.unique(strings.codes, return_inverse=True)
    texts = strings.dictionary.texts()
    present = used != NO_TEXT
    made = np.full(len(used), NO_TEXT, dtype=np.int32)
    made[present] = dictionary.encode(texts[used[present]].tolist())
    return made[places]


def _has_all_elements(part: PathColumns, keys: tuple[str | int, ...]) -> bool:
    """Whether the elements of the arrays at a path are known, if there are arrays."""
    if (keys, True) in part.paths:
        return True
    column = part.paths.get((keys, False))
    return column is None or not bool((column.values.kinds == JsonKind.ARRAY).any())


def _given(array: Any) -> Any:
    if array is None:
        raise CorruptionError("shredded paths lack the texts of a path")
    return array
