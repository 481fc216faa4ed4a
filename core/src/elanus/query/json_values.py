"""What stands at a path of a JSON field in the rows of many sources, as arrays?

Values are numbered in one order: false, true, numbers, texts. Nothing but the different values
becomes an object of Python, so that paths which are stored as columns are added up as fields are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elanus.filter import JsonPath
from elanus.filter.json.json_columns import JsonColumn, JsonKind
from elanus.query.sources import SearchSource
from elanus.query.text_values import NO_RANK, rank_texts
from elanus.types import AnyArray, BoolArray, Int64Array


class RankedValues(NamedTuple):
    """Values as their places among all different ones.

    Attributes:
        ranks: int64, one for each value; ``NO_RANK`` for nulls, NaN, arrays, objects and nothing.
        known: The value with each rank, ascending.
    """

    ranks: Int64Array
    known: list[Any]


def path_columns(
    sources: Sequence[SearchSource], matching: Sequence[Int64Array], path: JsonPath
) -> list[JsonColumn]:
    """Return what stands at a path in some rows (int64, ascending) of each source."""
    columns = []
    for source, rows in zip(sources, matching, strict=True):
        if len(rows):
            column = source.columns.json_column(path.field, path.keys)
            columns.append(column if len(rows) == len(column) else column.take(rows))
    return columns


def ranked(columns: Sequence[JsonColumn]) -> RankedValues:
    """Return the values of columns that stand end to end, by rank; equal numbers share one."""
    if not columns:
        return RankedValues(np.empty(0, dtype=np.int64), [])
    kinds = _kinds(columns)
    ranks = np.full(len(kinds), NO_RANK, dtype=np.int64)
    known: list[Any] = [False, True]
    ints = _joined([(column, column.ints) for column in columns], np.int64)
    floats = _joined([(column, column.floats) for column in columns], np.float64)
    is_bool, is_int = kinds == JsonKind.BOOL, kinds == JsonKind.INT
    is_float = (kinds == JsonKind.FLOAT) & ~np.isnan(floats)
    ranks[is_bool] = ints[is_bool]
    whole, places_of_ints = np.unique(ints[is_int], return_inverse=True)
    real, places_of_floats = np.unique(floats[is_float], return_inverse=True)
    # In Python, which compares whole numbers beyond 2**53 with floats exactly.
    numbers = sorted(dict.fromkeys([*whole.tolist(), *real.tolist()]))
    rank_of = {number: rank for rank, number in enumerate(numbers, len(known))}
    ranks[is_int] = _ranks_of(whole.tolist(), rank_of)[places_of_ints]
    ranks[is_float] = _ranks_of(real.tolist(), rank_of)[places_of_floats]
    known += numbers
    known += _rank_texts(columns, ranks, len(known))
    return RankedValues(ranks, known)


def numbers(columns: Sequence[JsonColumn]) -> tuple[AnyArray, BoolArray]:
    """Return the numbers of columns that stand end to end, and where there are any.

    They are int64, float64, or objects where some are whole and some are not: a sum of whole
    numbers is whole, whatever stands in other rows. Bools and NaN are no numbers.
    """
    if not columns:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_)
    kinds = _kinds(columns)
    ints = _joined([(column, column.ints) for column in columns], np.int64)
    is_int = kinds == JsonKind.INT
    if not (kinds == JsonKind.FLOAT).any():
        return ints, is_int
    floats = _joined([(column, column.floats) for column in columns], np.float64)
    is_float = (kinds == JsonKind.FLOAT) & ~np.isnan(floats)
    if not is_int.any():
        return floats, is_float
    mixed = ints.astype(object)
    mixed[is_float] = floats[is_float].astype(object)
    return mixed, is_int | is_float


def is_there(columns: Sequence[JsonColumn]) -> BoolArray:
    """Return where columns that stand end to end have a value, which is not null."""
    if not columns:
        return np.empty(0, dtype=np.bool_)
    return np.asarray(_kinds(columns) >= JsonKind.BOOL)


def counted_values(
    sources: Sequence[SearchSource], matching: Sequence[Int64Array], path: JsonPath
) -> tuple[list[Any], Int64Array]:
    """Return the different values at a path, ascending, and how many rows have each.

    A row has each element of an array that stands there, once.
    """
    columns: list[JsonColumn] = []
    owners: list[Int64Array] = []
    start = 0
    for source, rows in zip(sources, matching, strict=True):
        for column in path_columns([source], [rows], path):
            columns.append(column)
            owners.append(np.arange(start, start + len(rows), dtype=np.int64))
            if (column.kinds == JsonKind.ARRAY).any():
                elements = source.columns.json_elements(path.field, path.keys).take(rows)
                columns.append(elements.values)
                owners.append(start + elements.rows)
        start += len(rows)
    ranks, known = ranked(columns)
    if len(ranks) > start:
        pairs = np.concatenate(owners) * len(known) + ranks
        # Sorted: np.unique of whole numbers alone looks them up in a table, which takes far longer.
        pairs = np.sort(pairs[ranks != NO_RANK])
        ranks = pairs[np.diff(pairs, prepend=-1) != 0] % len(known)
    counts = np.bincount(ranks[ranks != NO_RANK], minlength=len(known))
    return known, counts.astype(np.int64)


def _kinds(columns: Sequence[JsonColumn]) -> NDArray[np.uint8]:
    return np.concatenate([column.kinds for column in columns])


def _joined(parts: Sequence[tuple[JsonColumn, AnyArray | None]], dtype: type) -> AnyArray:
    arrays = [np.zeros(len(column), dtype) if own is None else own for column, own in parts]
    return np.concatenate(arrays).astype(dtype, copy=False)


def _ranks_of(values: Sequence[Any], rank_of: dict[Any, int]) -> Int64Array:
    return np.fromiter(map(rank_of.__getitem__, values), np.int64, len(values))


def _rank_texts(columns: Sequence[JsonColumn], ranks: Int64Array, first: int) -> list[str]:
    """Write the ranks of texts, from ``first`` on; return the different texts, ascending."""
    found, texts = rank_texts([c.strings for c in columns if c.strings is not None], first)
    left, start = iter(found), 0
    for column in columns:
        if column.strings is not None:
            at = np.flatnonzero(column.kinds == JsonKind.STRING)
            ranks[start + at] = next(left)[at]
        start += len(column)
    return texts
