"""Which row of a segment has this primary key?

The keys of a segment in ascending order with the row of each: the numbers themselves, or 64-bit
hashes of strings, whose text is compared afterwards. The whole index follows from the column of
primary keys, so a damaged one is built again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus.errors import CorruptionError, InternalError
from elanus.kernels.hashing import hash64_strings
from elanus.schema.batches import Column, FixedColumn, StringColumn
from elanus.storage.section_stream import ArraySection, SectionStream
from elanus.types import AnyArray, BoolArray, Int64Array, UInt32Array

KeyColumn: TypeAlias = FixedColumn | StringColumn
"""Primary keys: int64 values, or text."""
KEYS_AT_ONCE = 1 << 20
"""Keys that are sorted in one go."""
KEY_BYTES = 48
"""Memory that each of them takes meanwhile."""


@dataclass(frozen=True, slots=True)
class PkIndex:
    """Sorted keys of one segment.

    Attributes:
        keys: int64 primary keys or uint64 hashes, ascending, shape ``(num_rows,)``.
        rows: uint32 row id of each; equal keys come in the order of their rows.
    """

    keys: NDArray[np.int64] | NDArray[np.uint64]
    rows: UInt32Array

    @classmethod
    def build(cls, column: Column) -> PkIndex:
        """Return the index of a column of primary keys."""
        keys = _sort_keys(_as_keys(column))
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], order.astype(np.uint32))

    @classmethod
    def from_sections(cls, sections: Mapping[str, AnyArray], num_rows: int, path: str) -> PkIndex:
        """Return the index that ``to_sections`` wrote.

        Raises:
            CorruptionError: The arrays do not fit the segment.
        """
        keys, rows = sections["keys"], sections["rows"]
        fits = keys.dtype in (np.int64, np.uint64) and rows.dtype == np.uint32
        if not fits or keys.shape != (num_rows,) or rows.shape != (num_rows,):
            raise CorruptionError(f"{path}: damaged: does not fit its segment", path=path)
        return cls(keys, rows)  # type: ignore[arg-type]

    def to_sections(self) -> dict[str, AnyArray]:
        """Return the arrays to store."""
        return {"keys": self.keys, "rows": self.rows}

    def find(self, wanted: KeyColumn, stored: Column) -> Int64Array:
        """Return the last row with each key.

        Args:
            wanted: The keys to look for.
            stored: The segment's column of primary keys, of the same kind.

        Returns:
            Row ids, int64, -1 where the key is absent; shape ``(len(wanted),)``.
        """
        keys = _sort_keys(wanted)
        found = np.full(len(keys), -1, dtype=np.int64)
        if not len(keys) or not len(self.keys):
            return found
        # New rows mostly have keys beyond all others: the ends tell, without reading between them.
        if keys.min() > self.keys[-1] or keys.max() < self.keys[0]:
            return found
        places = np.searchsorted(self.keys, keys, side="right") - 1
        open_ = np.flatnonzero(places >= 0)
        open_ = open_[self.keys[places[open_]] == keys[open_]]
        if isinstance(wanted, FixedColumn):
            found[open_] = self.rows[places[open_]]
            return found
        texts = _as_keys(stored)
        # Strings with the same hash lie side by side; nearly always the first one is it.
        while len(open_):
            rows = self.rows[places[open_]].astype(np.int64)
            same = _equal_texts(wanted.take(open_), texts.take(rows))
            found[open_[same]] = rows[same]
            open_ = open_[~same]
            places[open_] -= 1
            open_ = open_[places[open_] >= 0]
            open_ = open_[self.keys[places[open_]] == keys[open_]]
        return found


def joined_sections(
    parts: Sequence[tuple[PkIndex, Int64Array]], *, at_once: int = KEYS_AT_ONCE
) -> dict[str, ArraySection]:
    """Return the sections of the index of several segments that become one.

    Args:
        parts: The index of each segment with int64 of shape ``(its rows,)``: the new row id of each
            row, or -1 where it is dropped. Rows keep their order, within a segment and from one to
            the next.
        at_once: Keys that are in memory at the same time, roughly.

    Returns:
        Streams of ``keys`` and ``rows``, each to be taken once.
    """
    total = sum(int(np.count_nonzero(mapping >= 0)) for _, mapping in parts)
    kinds = {index.keys.dtype for index, _ in parts}
    dtype = kinds.pop() if len(kinds) == 1 else np.dtype(np.int64)
    if kinds:
        raise InternalError("primary keys of segments that are merged differ in kind")
    keys = (keys for keys, _ in _joined(parts, at_once))
    rows = (rows for _, rows in _joined(parts, at_once))
    return {
        "keys": SectionStream(dtype, (total,), keys),
        "rows": SectionStream(np.dtype(np.uint32), (total,), rows),
    }


def _joined(
    parts: Sequence[tuple[PkIndex, Int64Array]], at_once: int
) -> Iterator[tuple[AnyArray, UInt32Array]]:
    """Yield keys and rows of the result, some keys at a time."""
    step = max(at_once // max(len(parts), 1), 1)
    starts = [0] * len(parts)
    while True:
        # Up to the smallest of the keys that lie a step ahead: nobody has more than a step of
        # these, but for equal keys.
        ahead = [
            index.keys[min(start + step, len(index.keys)) - 1]
            for start, (index, _) in zip(starts, parts, strict=True)
            if start < len(index.keys)
        ]
        if not ahead:
            return
        bound = min(ahead)
        keys: list[AnyArray] = []
        rows: list[Int64Array] = []
        for part, (index, mapping) in enumerate(parts):
            start = starts[part]
            stop = start + int(np.searchsorted(index.keys[start:], bound, side="right"))
            starts[part] = stop
            mapped = mapping[index.rows[start:stop]]
            kept = mapped >= 0
            keys.append(index.keys[start:stop][kept])
            rows.append(mapped[kept])
        joined = np.concatenate(keys)
        order = np.argsort(joined, kind="stable")
        yield joined[order], np.concatenate(rows)[order].astype(np.uint32)


def _as_keys(column: Column) -> KeyColumn:
    if not isinstance(column, FixedColumn | StringColumn):
        raise InternalError(f"primary keys cannot be a {type(column).__name__}")
    return column


def _sort_keys(column: KeyColumn) -> NDArray[np.int64] | NDArray[np.uint64]:
    if isinstance(column, StringColumn):
        return hash64_strings(column.offsets, column.data)
    if column.values.dtype != np.int64:
        raise InternalError(f"primary keys must be int64, got {column.values.dtype}")
    return column.values.astype(np.int64, copy=False)


def _equal_texts(left: KeyColumn, right: KeyColumn) -> BoolArray:
    """Return which rows hold the same text."""
    if not isinstance(left, StringColumn) or not isinstance(right, StringColumn):
        raise InternalError("primary keys of a segment and those looked for differ in kind")
    return np.fromiter(
        (a == b for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True)),
        dtype=np.bool_,
        count=len(left),
    )
