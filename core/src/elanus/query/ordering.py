"""In which order do entities come?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.query.sources import SearchSource
from elanus.schema.batches import Column, FixedColumn
from elanus.schema.collection import Schema, did_you_mean
from elanus.types import NUMPY_DTYPES, AnyArray, DataType, Int64Array

_DIRECTIONS = ("asc", "desc")
_NULLS: dict[tuple[str, ...], bool] = {("nulls", "first"): True, ("nulls", "last"): False}


class OrderKey(NamedTuple):
    """A field that entities are ordered by."""

    field: str
    is_descending: bool = False
    nulls_first: bool = False


def order_keys(schema: Schema, order_by: str | Sequence[str]) -> tuple[OrderKey, ...]:
    """Return what ``"year"``, ``"year desc nulls first"`` or several of them say.

    Raises:
        InvalidArgumentError: One names no scalar field, or says more than a direction and a place
            of nulls.
    """
    texts = [order_by] if isinstance(order_by, str) else order_by
    return tuple([_order_key(schema, text) for text in texts])


def order_of(
    sources: Sequence[SearchSource],
    numbers: Int64Array,
    rows: Int64Array,
    keys: Sequence[OrderKey],
) -> Int64Array:
    """Return positions in the order of the keys; equals stay as they stand.

    Args:
        sources: Of one snapshot.
        numbers: int64, for each row the number of its source.
        rows: int64, its row id there.
        keys: The most important first.
    """
    ranks = [_ranks(sources, numbers, rows, key) for key in keys]
    order: Int64Array = np.lexsort(ranks[::-1])
    return order


def _order_key(schema: Schema, text: object) -> OrderKey:
    words = text.split() if isinstance(text, str) else []
    said = tuple([word.lower() for word in words[1:]])
    nulls_first = _NULLS.get(said[-2:])
    if nulls_first is not None:
        said = said[:-2]
    if not words or len(said) > 1 or not all(word in _DIRECTIONS for word in said):
        raise InvalidArgumentError(
            f"order_by: expected a field, followed by asc or desc and by nulls first or nulls last "
            f"if at all, got {text!r}"
        )
    types = schema.column_types
    names = [name for name, dtype in types.items() if _is_ordered(dtype)]
    if words[0] not in names:
        hint = did_you_mean(words[0], names)
        raise InvalidArgumentError(
            f"order_by: expected a field of numbers, bools, moments or texts, "
            f"got {words[0]!r}{hint}"
        )
    return OrderKey(words[0], said == ("desc",), bool(nulls_first))


def _is_ordered(dtype: DataType) -> bool:
    return dtype in NUMPY_DTYPES or dtype is DataType.VARCHAR


def _ranks(
    sources: Sequence[SearchSource], numbers: Int64Array, rows: Int64Array, key: OrderKey
) -> Int64Array:
    """Return the place of each row's value among all that there are; see ``ranks_of``."""
    ranks = np.empty(len(rows), dtype=np.int64)
    parts: list[tuple[Int64Array, Column]] = []
    for number in np.unique(numbers).tolist():
        positions = np.flatnonzero(numbers == number)
        parts.append((positions, sources[number].column(key.field).take(rows[positions])))
    if parts:
        positions = np.concatenate([where for where, _ in parts])
        columns = [column for _, column in parts]
        ranks[positions] = ranks_of(
            columns, is_descending=key.is_descending, nulls_first=key.nulls_first
        )
    return ranks


def ranks_of(
    columns: Sequence[Column], *, is_descending: bool = False, nulls_first: bool = False
) -> Int64Array:
    """Return the place of each value of columns that stand end to end.

    NaN is the last of the values in either direction; nulls come behind it, or before everything.
    """
    values = np.concatenate([_comparable(column) for column in columns])
    _, places = np.unique(values, return_inverse=True)
    ranks: Int64Array = -places if is_descending else places
    if values.dtype.kind == "f":
        ranks[np.isnan(values)] = len(values)
    place_of_nulls = -len(values) if nulls_first else len(values) + 1
    first = 0
    for column in columns:
        if column.validity is not None:
            ranks[first : first + len(column)][~column.validity] = place_of_nulls
        first += len(column)
    return ranks


def _comparable(column: Column) -> AnyArray:
    if isinstance(column, FixedColumn):
        return column.values
    return np.array(["" if text is None else text for text in column.to_pylist()], dtype=object)
