"""What stands at a JSON path in each row, as arrays?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus.filter.strings import NO_TEXT, CodedStrings
from elanus.types import BoolArray, Float64Array, Int64Array, IntArray


class JsonKind(IntEnum):
    """What stands at a path."""

    MISSING = 0
    NULL = 1
    BOOL = 2
    INT = 3
    FLOAT = 4
    STRING = 5
    ARRAY = 6
    OBJECT = 7


NUMBER_KINDS: Final = frozenset((JsonKind.BOOL, JsonKind.INT, JsonKind.FLOAT))
Containers: TypeAlias = Callable[[], tuple[Sequence[Any], Int64Array]]
"""Returns arrays and objects in row order, and int64 the row of each."""


def no_containers() -> tuple[Sequence[Any], Int64Array]:
    """Return none."""
    return (), np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class JsonColumn:
    """One JSON value per row. All arrays have shape ``(n,)``.

    Attributes:
        kinds: uint8, a ``JsonKind`` per row.
        ints: Integers of any width, the value where the kind is INT, 0 or 1 where it is BOOL,
            else 0; None when no row has such a kind.
        floats: float64, the value where the kind is FLOAT, else 0; None when no row has it.
        strings: Texts where the kind is STRING; None when no row has it.
        containers: Arrays and objects of the rows.
        is_uniform: All rows are known to have one kind.
    """

    kinds: NDArray[np.uint8]
    ints: IntArray | None = None
    floats: Float64Array | None = None
    strings: CodedStrings | None = None
    containers: Containers = no_containers
    is_uniform: bool = False

    def __len__(self) -> int:
        return len(self.kinds)

    def is_array(self) -> BoolArray | None:
        """Where an array stands; None: in every row."""
        if self.is_uniform and len(self) and self.kinds[0] == JsonKind.ARRAY:
            return None
        return np.asarray(self.kinds == JsonKind.ARRAY)

    def is_number(self) -> BoolArray | None:
        """Where a number stands (None: in every row); a bool is the number 0 or 1, as in Python."""
        if self.is_uniform and len(self) and self.kinds[0] in NUMBER_KINDS:
            return None
        return (self.kinds >= JsonKind.BOOL) & (self.kinds <= JsonKind.FLOAT)

    def first(self, num_rows: int) -> JsonColumn:
        """Return the first rows, as views."""
        if num_rows == len(self):
            return self

        def containers() -> tuple[Sequence[Any], Int64Array]:
            values, rows = self.containers()
            cut = int(np.searchsorted(rows, num_rows))
            return values[:cut], rows[:cut]

        return JsonColumn(
            self.kinds[:num_rows],
            None if self.ints is None else self.ints[:num_rows],
            None if self.floats is None else self.floats[:num_rows],
            None if self.strings is None else self.strings.first(num_rows),
            containers,
            self.is_uniform,
        )

    def take(self, rows: Int64Array) -> JsonColumn:
        """Return the given rows; int64, ascending."""

        def containers() -> tuple[Sequence[Any], Int64Array]:
            values, places = self.containers()
            found = np.searchsorted(rows, places)
            here = np.append(rows, -1)[found] == places
            return [values[i] for i in np.flatnonzero(here).tolist()], found[here]

        return JsonColumn(
            self.kinds[rows],
            None if self.ints is None else self.ints[rows],
            None if self.floats is None else self.floats[rows],
            None if self.strings is None else self.strings.take(rows),
            containers,
            self.is_uniform,
        )

    def spread(self, rows: Int64Array, num_rows: int) -> JsonColumn:
        """Put value ``i`` into row ``rows[i]`` of ``num_rows`` rows; the others are MISSING."""
        if len(rows) == num_rows:
            return self
        kinds = np.zeros(num_rows, dtype=np.uint8)
        kinds[rows] = self.kinds
        ints = floats = strings = None
        if self.ints is not None:
            ints = np.zeros(num_rows, dtype=self.ints.dtype)
            ints[rows] = self.ints
        if self.floats is not None:
            floats = np.zeros(num_rows, dtype=np.float64)
            floats[rows] = self.floats
        if self.strings is not None:
            codes = np.full(num_rows, NO_TEXT, dtype=self.strings.codes.dtype)
            codes[rows] = self.strings.codes
            strings = CodedStrings(codes, self.strings.dictionary)

        def containers() -> tuple[Sequence[Any], Int64Array]:
            values, places = self.containers()
            return values, rows[places]

        return JsonColumn(kinds, ints, floats, strings, containers)


@dataclass(frozen=True, slots=True)
class JsonElements:
    """The elements of the arrays at a path.

    Attributes:
        rows: int64, ascending, the row of each element.
        values: The elements.
    """

    rows: Int64Array
    values: JsonColumn
    _lengths: IntArray | None = field(default=None, init=False, repr=False, compare=False)

    def lengths(self, num_rows: int) -> IntArray:
        """Return how many elements stand in each row, shape ``(num_rows,)``; counted once."""
        known = self._lengths
        if known is None or len(known) != num_rows:
            counts = np.bincount(self.rows, minlength=num_rows)
            known = counts.astype(np.min_scalar_type(-1 - int(counts.max(initial=0))))
            object.__setattr__(self, "_lengths", known)
        return known

    def take(self, rows: Int64Array) -> JsonElements:
        """Return the elements of rows (int64, ascending), which are numbered from 0 then."""
        starts, stops = np.searchsorted(self.rows, rows), np.searchsorted(self.rows, rows, "right")
        lengths = stops - starts
        offsets = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) + np.repeat(starts - offsets, lengths)
        spread = np.repeat(np.arange(len(rows), dtype=np.int64), lengths)
        return JsonElements(spread, self.values.take(places))
