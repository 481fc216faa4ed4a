"""What do the matching entities add up to?

Columns are read once for all sources and reduced by arrays; a null takes part in no aggregate but
``count(*)``, as in SQL. What stands at a path of a JSON field takes part as a field does; what is
not there, and what has no place in the order of values, is like null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple

import numpy as np

from elanus.errors import FilterError, InvalidArgumentError
from elanus.filter import BoundFilter, JsonPath
from elanus.filter.json.json_columns import JsonColumn
from elanus.query.json_values import counted_values, is_there, numbers, path_columns, ranked
from elanus.query.paths import read_path
from elanus.query.sources import SearchSource, matching_rows
from elanus.query.text_values import NO_RANK, texts_of, texts_of_arrays
from elanus.schema.batches import ArrayColumn, Column, FixedColumn
from elanus.schema.collection import Schema, did_you_mean
from elanus.schema.times import to_datetimes
from elanus.types import NUMPY_DTYPES, AnyArray, BoolArray, DataType, Int64Array

FUNCTIONS = ("count", "min", "max", "sum", "avg")
_CALL = re.compile(r"\s*(\w+)\s*\(\s*(.+?)\s*\)\s*")
_SAFE_SUM = 2**62


class Place(NamedTuple):
    """Where a value of each entity stands.

    Attributes:
        name: Its key in the answer, as it was asked for.
        path: Where it stands in a JSON field; None: ``name`` is a field.
    """

    name: str
    path: JsonPath | None = None


class Aggregate(NamedTuple):
    """One number or value for each group.

    Attributes:
        name: Its key in the answer, as it was asked for.
        function: One of ``FUNCTIONS``.
        place: What it is about; None counts entities.
    """

    name: str
    function: str
    place: Place | None


class _Values(NamedTuple):
    """Values of one place for all matching rows.

    Attributes:
        values: Anything where there is none.
        present: False where there is none.
        zone: Time zone of moments; None: the values are none.
        known: What the values are the places in; None: they are the values.
    """

    values: AnyArray
    present: BoolArray
    zone: tzinfo | None = None
    known: list[Any] | None = None

    def plain(self, value: Any) -> Any:
        """Return what users see of one of the values."""
        if self.known is not None:
            return self.known[value]
        if self.zone is not None:
            return to_datetimes(np.array([value], dtype=np.int64), self.zone)[0]
        return _plain(value)


def parse_aggregates(schema: Schema, texts: str | Sequence[str]) -> tuple[Aggregate, ...]:
    """Return what ``"count(*)"`` or ``"max(price)"`` say.

    Raises:
        InvalidArgumentError: Another form or function, or a field that it cannot be asked of.
    """
    asked = [texts] if isinstance(texts, str) else list(texts)
    if not asked:
        raise InvalidArgumentError("metrics: expected at least one, such as 'count(*)'")
    return tuple([_aggregate(schema, text) for text in asked])


def group_places(schema: Schema, names: str | Sequence[str]) -> tuple[Place, ...]:
    """Return what to group by.

    Raises:
        InvalidArgumentError: One is no field of numbers, bools, moments or texts, and no path.
    """
    given = (names,) if isinstance(names, str) else tuple(names)
    return tuple([_place(schema, name, "group_by", _is_scalar) for name in given])


def facet_places(schema: Schema, names: str | Sequence[str]) -> tuple[Place, ...]:
    """Return the places whose values are counted; arrays are counted by element.

    Raises:
        InvalidArgumentError: One is no field of numbers, bools, moments, texts or arrays, and no
            path.
    """
    given = (names,) if isinstance(names, str) else tuple(names)
    return tuple([_place(schema, name, "facets", _is_counted) for name in given])


def aggregate(
    schema: Schema,
    sources: Sequence[SearchSource],
    filters: Sequence[BoundFilter],
    group_by: Sequence[Place],
    metrics: Sequence[Aggregate],
) -> list[dict[str, Any]]:
    """Return a dict for each group, in the order of its values, nulls last.

    Args:
        schema: Of the collection.
        sources: Of one snapshot.
        filters: All must pass.
        group_by: What groups share; an empty one makes one group of everything.
        metrics: What is asked of each group.
    """
    matching = [matching_rows(source, filters) for source in sources]
    num_rows = sum(map(len, matching))
    asked = {(place, "") for place in group_by}
    asked |= {(m.place, _view(m)) for m in metrics if m.place is not None}
    read = {(place, view): _read(schema, sources, matching, place, view) for place, view in asked}
    codes = np.zeros(num_rows, dtype=np.int64)
    for place in group_by:
        own, number = _codes(read[place, ""])
        # Together they stay below the number of rows, so that products never overflow.
        _, codes = np.unique(codes * number + own, return_inverse=True)
    _, first, group_of = np.unique(codes, return_index=True, return_inverse=True)
    if not group_by and not num_rows:
        first = np.zeros(1, dtype=np.int64)
    groups: list[dict[str, Any]] = [{} for _ in first]
    for place in group_by:
        found = read[place, ""]
        for group, row in zip(groups, first.tolist(), strict=True):
            group[place.name] = found.plain(found.values[row]) if found.present[row] else None
    for metric in metrics:
        about = None if metric.place is None else read[metric.place, _view(metric)]
        for group, value in zip(groups, _reduce(metric, about, group_of, len(groups)), strict=True):
            group[metric.name] = value
    return groups


def facet(
    schema: Schema,
    sources: Sequence[SearchSource],
    filters: Sequence[BoundFilter],
    place: Place,
    limit: int,
) -> list[tuple[Any, int]]:
    """Return the commonest values of a place and how many entities have each; equals by value.

    An entity counts once for each value that its array holds; a null counts nowhere.
    """
    matching = [matching_rows(source, filters) for source in sources]
    if place.path is not None:
        known, counts = counted_values(sources, matching, place.path)
        counted = np.flatnonzero(counts)
        counts, read = counts[counted], _Values(counted, counted >= 0, known=known)
    else:
        read = _read(schema, sources, matching, place, "")
        counted, counts = np.unique(read.values[read.present], return_counts=True)
    order = np.lexsort((np.arange(len(counts)), -counts))[:limit]
    return [(read.plain(counted[i]), int(counts[i])) for i in order.tolist()]


def _aggregate(schema: Schema, text: object) -> Aggregate:
    call = _CALL.fullmatch(text) if isinstance(text, str) else None
    function = call[1].lower() if call is not None else ""
    if call is None or function not in FUNCTIONS:
        raise InvalidArgumentError(
            f"metrics: expected count(*) or one of {', '.join(FUNCTIONS)} of a field or a path, "
            f"such as 'max(price)', got {text!r}"
        )
    name = call[0].strip()
    if call[2] == "*":
        if function != "count":
            raise InvalidArgumentError(f"metrics: {function} needs a field, got {text!r}")
        return Aggregate(name, function, None)
    takes = _is_number if function in ("sum", "avg") else _is_scalar
    return Aggregate(name, function, _place(schema, call[2], f"metrics: {function}", takes))


def _place(schema: Schema, name: object, what: str, takes: Callable[[DataType], bool]) -> Place:
    types = schema.column_types
    names = [known for known, dtype in types.items() if takes(dtype)]
    if isinstance(name, str) and name in names:
        return Place(name)
    dtype = types.get(name) if isinstance(name, str) else None
    if isinstance(name, str) and dtype is None and (schema.dynamic or not name.isidentifier()):
        return Place(name, _path(schema, name, what))
    got = f"no field {name!r}" if dtype is None else f"{name!r} is {dtype.name}"
    hint = f", or a path such as {name}['key']" if dtype is DataType.JSON else ""
    raise InvalidArgumentError(f"{what}: {got}{did_you_mean(name, names)}{hint}")


def _path(schema: Schema, name: str, what: str) -> JsonPath:
    try:
        path = read_path(schema, name)
    except FilterError as error:
        raise InvalidArgumentError(f"{what}: {error}") from None
    if not isinstance(path, JsonPath) or schema.field(path.field).dtype is not DataType.JSON:
        raise InvalidArgumentError(
            f"{what}: expected a field or a path of a JSON field, such as meta['key'], got {name!r}"
        )
    return path


def _is_number(dtype: DataType) -> bool:
    return dtype.is_number


def _is_scalar(dtype: DataType) -> bool:
    return dtype in NUMPY_DTYPES or dtype is DataType.VARCHAR


def _is_counted(dtype: DataType) -> bool:
    return _is_scalar(dtype) or dtype is DataType.ARRAY


def _view(metric: Aggregate) -> str:
    """Return what of a path a metric needs: whether it is there, numbers, or ("") values."""
    if metric.function == "count":
        return "count"
    return "numbers" if metric.function in ("sum", "avg") else ""


def _read(
    schema: Schema,
    sources: Sequence[SearchSource],
    matching: Sequence[Int64Array],
    place: Place,
    view: str,
) -> _Values:
    if place.path is not None:
        return _read_path(path_columns(sources, matching, place.path), view)
    field = schema.field(place.name)
    texts = None
    if field.dtype is DataType.VARCHAR:
        texts = texts_of(sources, matching, field.name)
    elif field.dtype is DataType.ARRAY and field.element_type is DataType.VARCHAR:
        texts = texts_of_arrays(sources, matching, field.name)
    if texts is not None:
        ranks = np.concatenate([np.empty(0, dtype=np.int64), *texts.ranks])
        return _Values(ranks, ranks != NO_RANK, known=list(texts.known))
    parts = [
        _values_of(source.column(field.name).take(rows))
        for source, rows in zip(sources, matching, strict=True)
        if len(rows)
    ]
    if not parts:
        return _Values(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_))
    return _Values(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.present for part in parts]),
        field.zone if field.dtype is DataType.TIMESTAMPTZ else None,
    )


def _read_path(columns: Sequence[JsonColumn], view: str) -> _Values:
    if view == "numbers":
        return _Values(*numbers(columns))
    if view == "count":
        present = is_there(columns)
        return _Values(present, present)
    ranks, known = ranked(columns)
    return _Values(ranks, ranks != NO_RANK, known=known)


def _values_of(column: Column) -> _Values:
    if isinstance(column, FixedColumn):
        validity = column.validity
        present = np.ones(len(column), dtype=np.bool_) if validity is None else validity
        return _Values(column.values, present)
    found = column.to_pylist()
    if isinstance(column, ArrayColumn):
        # Each element of a row once.
        found = [item for row in found if isinstance(row, list) for item in dict.fromkeys(row)]
    present = np.array([value is not None for value in found], dtype=np.bool_)
    values = np.empty(len(found), dtype=object)
    values[:] = ["" if value is None else value for value in found]
    return _Values(values, present)


def _codes(read: _Values) -> tuple[Int64Array, int]:
    """Return a number for each row's value, in the order of the values, and how many there are."""
    if read.known is not None:
        return np.where(read.present, read.values, len(read.known)), len(read.known) + 1
    known, inverse = np.unique(read.values[read.present], return_inverse=True)
    codes = np.full(len(read.values), len(known), dtype=np.int64)
    codes[read.present] = inverse
    return codes, len(known) + 1


def _reduce(
    metric: Aggregate, about: _Values | None, group_of: Int64Array, num_groups: int
) -> list[Any]:
    """Return the value of each group."""
    if about is None:
        counts: list[Any] = np.bincount(group_of, minlength=num_groups).tolist()
        return counts
    group_of, values = group_of[about.present], about.values[about.present]
    order = np.argsort(group_of, kind="stable")
    counts = np.bincount(group_of, minlength=num_groups).tolist()
    if metric.function == "count":
        return counts
    reduced: list[Any] = [None] * num_groups
    start = 0
    values = values[order]
    for group, count in enumerate(counts):
        if count:
            found = _reduced(metric.function, values[start : start + count])
            reduced[group] = found if metric.function in ("sum", "avg") else about.plain(found)
        start += count
    return reduced


def _reduced(function: str, values: AnyArray) -> Any:
    """Return what at least one value comes to; NaN counts where there is nothing else."""
    if function in ("min", "max"):
        pick = np.fmin if function == "min" else np.fmax
        return _plain(pick.reduce(values) if values.dtype != object else _extreme(function, values))
    total: float | int
    if values.dtype == object:
        total = sum(values.tolist())
    elif values.dtype.kind == "f":
        total = float(values.sum(dtype=np.float64))
    else:
        largest = max(abs(int(values.max())), abs(int(values.min())))
        exact = values if largest * len(values) < _SAFE_SUM else values.astype(object)
        total = int(exact.sum(dtype=np.int64 if exact.dtype != object else object))
    return total if function == "sum" else total / len(values)


def _extreme(function: str, values: AnyArray) -> Any:
    return min(values.tolist()) if function == "min" else max(values.tolist())


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
