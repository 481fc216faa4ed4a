"""What do filters find beside the rows of a sealed segment?

The paths of JSON fields as columns, written with the segment, and the scalar indexes that the
background has built. Both are opened when a filter first asks; what is missing or damaged is not
there, and filters read the rows instead.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from elanus.engine.indexing.segment_indexes import SegmentIndexes
from elanus.errors import CorruptionError
from elanus.filter import JsonPath, to_text
from elanus.filter.columns import Keys
from elanus.filter.json.shredded import ShreddedPaths
from elanus.index.scalar.registry import NOTHING, ScalarIndex, open_index
from elanus.schema.ranges import ValueRange
from elanus.storage.block_file import BlockFile

_log = logging.getLogger(__name__)

OpenedT = TypeVar("OpenedT")


def index_key(name: str, keys: Keys) -> str:
    """Return under which name the index of a field or path stands: its canonical text."""
    return to_text(JsonPath(name, keys)) if keys else name


class DerivedColumns:
    """Shredded paths and scalar indexes of one segment. Safe from many threads.

    Args:
        indexes: The files of the segment.
        num_rows: Its rows.
        ranges: Bounds of its fields.
    """

    def __init__(
        self, indexes: SegmentIndexes, num_rows: int, ranges: Mapping[str, ValueRange]
    ) -> None:
        self._ranges = ranges
        self._indexes = indexes
        self._num_rows = num_rows
        self._lock = threading.Lock()
        self._shredded: dict[str, ShreddedPaths | None] = {}
        self._scalars: dict[tuple[str, Keys], ScalarIndex | None] = {}
        self._lost: set[str] = set()

    def index(self, name: str, keys: Keys) -> ScalarIndex | None:
        """Return the index of a field (no keys) or JSON path; None when there is none."""
        # Asked by every condition: without a lock, when it was asked before.
        known = self._scalars
        if (name, keys) in known:
            return known[name, keys]
        found = self._opened(index_key(name, keys), _open_scalar)
        with self._lock:
            self._scalars[name, keys] = found
        return found

    def value_range(self, name: str) -> ValueRange | None:
        """Return the bounds of a field; None: they are not known."""
        return self._ranges.get(name)

    def shredded(self, name: str) -> ShreddedPaths | None:
        """Return the paths of a JSON field that were written as columns."""
        known = self._shredded.get(name, self)
        if known is not self:
            return known  # type: ignore[return-value]

        def opened(file: BlockFile) -> ShreddedPaths:
            return ShreddedPaths(
                file.header["index"],
                file.section_names,
                file.section,
                lambda error: self._lose(name, error),
            )

        found = self._opened(name, opened)
        with self._lock:
            self._shredded[name] = found
        return found

    @property
    def size_bytes(self) -> int:
        """What shredded paths hold in memory besides mapped files."""
        return sum(s.size_bytes for s in [*self._shredded.values()] if s is not None)

    def clear(self) -> None:
        """Forget that; whoever reads some of it keeps it."""
        for shredded in [*self._shredded.values()]:
            if shredded is not None:
                shredded.clear()

    def has(self, key: str) -> bool:
        """Whether a file is named by the manifest and not known to be damaged."""
        return key not in self._lost and self._indexes.has_file(key)

    def forget(self, key: str) -> None:
        """Open what stands under a key anew: another file has taken its place, or none."""
        with self._lock:
            self._lost.discard(key)
            self._shredded.pop(key, None)
            self._scalars = {p: i for p, i in self._scalars.items() if index_key(*p) != key}

    def _opened(self, key: str, make: Callable[[BlockFile], OpenedT]) -> OpenedT | None:
        file = self._indexes.derived_file(key)
        if file is None:
            return None
        try:
            header = file.header["index"]
            if header.get("type") == NOTHING:
                return None
            if header.get("num_rows") != self._num_rows:
                raise CorruptionError(f"{file.path}: made for another number of rows")
            made = make(file)
        except CorruptionError as error:
            self._lose(key, error)
            return None
        return made

    def _lose(self, key: str, error: CorruptionError) -> None:
        _log.warning("%s; filters read the rows until it is built again", error)
        self._lost.add(key)
        self._indexes.on_lost()


def _open_scalar(file: BlockFile) -> ScalarIndex:
    arrays = {name: file.section(name) for name in file.section_names}
    return open_index(file.header["index"], arrays)
