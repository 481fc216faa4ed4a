"""Between which values do the rows of a column lie?

Bounds that are kept beside the rows, so that a question which no row can answer need not read them.
Bounds of texts are short: a text may lie nearer than its bound, never beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from elanus.schema.batches import Column, FixedColumn, StringColumn
from elanus.types import BoolArray, ByteArray, DataType, Int64Array, UInt64Array

BOUND_BYTES: Final = 32
"""Bytes of a text that its bound keeps."""
MAX_TEXT_BYTES: Final = 256
"""Average length from which texts have no bounds: they are read, not compared."""
CHUNK_ROWS: Final = 1 << 18
"""Texts that are looked at at once."""
_KEY_BYTES: Final = 8
_MAX_CODE_POINT: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)

RANGED_TYPES: Final = frozenset(
    {
        DataType.BOOL,
        DataType.INT8,
        DataType.INT16,
        DataType.INT32,
        DataType.INT64,
        DataType.FLOAT,
        DataType.DOUBLE,
        DataType.TIMESTAMPTZ,
        DataType.VARCHAR,
    }
)
"""Types whose columns have bounds."""


@dataclass(frozen=True, slots=True)
class ValueRange:
    """Bounds of a column.

    Attributes:
        low: No value is less; bools are 0 and 1. None: there is no value but null and NaN.
        high: No value is larger. None beside ``low``: there is no bound.
        has_null: Some row may be null.
        has_nan: Some row may be NaN.
    """

    low: int | float | str | None
    high: int | float | str | None
    has_null: bool = False
    has_nan: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; doubles as texts, because JSON knows no infinity."""

        def stored(bound: int | float | str | None) -> Any:
            return {"double": repr(bound)} if isinstance(bound, float) else bound

        return {
            "low": stored(self.low),
            "high": stored(self.high),
            "has_null": self.has_null,
            "has_nan": self.has_nan,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ValueRange:
        """Return what ``to_json`` returned.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """

        def read(bound: Any) -> int | float | str | None:
            if isinstance(bound, Mapping):
                return float(bound["double"])
            if bound is not None and not isinstance(bound, int | str):
                raise TypeError(f"{bound!r} is no bound")
            return bound

        return cls(
            read(stored["low"]),
            read(stored["high"]),
            bool(stored["has_null"]),
            bool(stored["has_nan"]),
        )


def range_of(column: Column) -> ValueRange | None:
    """Return the bounds of a column of one of ``RANGED_TYPES``; None: they are not worth it."""
    validity = column.validity
    has_null = validity is not None and not bool(validity.all())
    if isinstance(column, FixedColumn):
        return _range_of_numbers(column, has_null)
    if isinstance(column, StringColumn):
        num_bytes = int(column.offsets[-1]) - int(column.offsets[0])
        if num_bytes <= MAX_TEXT_BYTES * len(column):
            return _range_of_texts(column, has_null)
    return None


def _range_of_numbers(column: FixedColumn, has_null: bool) -> ValueRange:
    values = column.values
    if has_null and column.validity is not None:
        values = values[column.validity]
    has_nan = False
    if values.dtype.kind == "f":
        is_nan = np.isnan(values)
        has_nan = bool(is_nan.any())
        values = values[~is_nan] if has_nan else values
    if not len(values):
        return ValueRange(None, None, has_null, has_nan)
    low, high = values.min().item(), values.max().item()
    if isinstance(low, bool):
        low, high = int(low), int(high)
    return ValueRange(low, high, has_null, has_nan)


def _range_of_texts(column: StringColumn, has_null: bool) -> ValueRange:
    lows, highs = [], []
    for start in range(0, len(column), CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, len(column))
        starts, ends = column.offsets[start:stop], column.offsets[start + 1 : stop + 1]
        if column.validity is not None:
            here = column.validity[start:stop]
            starts, ends = starts[here], ends[here]
        if len(starts):
            lows.append(_extreme(column.data, starts, ends, largest=False))
            highs.append(_extreme(column.data, starts, ends, largest=True))
    if not lows:
        return ValueRange(None, None, has_null)
    return ValueRange(_lower_bound(min(lows)), _upper_bound(max(highs)), has_null)


def _extreme(data: ByteArray, starts: Int64Array, ends: Int64Array, *, largest: bool) -> bytes:
    """Return the beginning of the least or largest text, one byte longer than a bound."""
    rows = np.arange(len(starts))
    for offset in range(0, BOUND_BYTES, _KEY_BYTES):
        keys = _keys(data, starts[rows] + offset, ends[rows])
        rows = rows[keys == (keys.max() if largest else keys.min())]
    # They begin alike but for zeros at the end, with which the longer one is larger.
    lengths = (ends - starts)[rows]
    row = rows[int(lengths.argmax() if largest else lengths.argmin())]
    first = int(starts[row])
    return data[first : min(first + BOUND_BYTES + 1, int(ends[row]))].tobytes()


def _keys(data: ByteArray, starts: Int64Array, ends: Int64Array) -> UInt64Array:
    """Return the next bytes of texts as numbers that are in the order of the texts."""
    places = starts[:, None] + np.arange(_KEY_BYTES)
    inside: BoolArray = places < ends[:, None]
    taken = np.zeros(places.shape, dtype=np.uint8)
    taken[inside] = data[places[inside]]
    return taken.view(">u8")[:, 0].astype(np.uint64)


def _lower_bound(least: bytes) -> str:
    return least[:BOUND_BYTES].decode(errors="ignore")


def _upper_bound(largest: bytes) -> str | None:
    """Return a text that no text which begins like ``largest`` is larger than; None: none is."""
    if len(largest) <= BOUND_BYTES:
        return largest.decode()
    # The end is cut off: the next text that does not begin with what is left.
    kept = largest[:BOUND_BYTES].decode(errors="ignore")
    while kept:
        following = ord(kept[-1]) + 1
        if following in _SURROGATES:
            following = _SURROGATES.stop
        if following <= _MAX_CODE_POINT:
            return kept[:-1] + chr(following)
        kept = kept[:-1]
    return None
