"""How are the hits of a search added up in buckets, and buckets of buckets?

Milvus' search aggregation: the nearest rows of each complete key, a value of every field of every
level, are what buckets consist of. How many of each key: the most hits that any level shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from math import prod
from typing import Any, NamedTuple

from elanus import DataType, Schema, SearchResult
from elanus_server.codec import documents
from elanus_server.codec.entities import shown_moment
from elanus_server.failures import FIELD_NOT_FOUND, MilvusError, invalid

MAX_LEVELS = 4
MAX_FIELDS = 10
MAX_ROWS = 10_000
"""Rows of all queries of a call."""
SCORE, COUNT, KEY = "_score", "_count", "_key"
_OPERATIONS = ("count", "sum", "avg", "min", "max")
_DIRECTIONS = {"": False, "asc": False, "desc": True}
_UNFIT = {
    "offset": "offset",
    "group_by": "group_by_field",
    "highlight": "a highlighter",
    "per_element": "a search for elements",
}


class Row(NamedTuple):
    """A hit that is counted."""

    pk: Any
    score: float
    key: tuple[Any, ...]
    entity: Mapping[str, Any]

    def value(self, name: str) -> Any:
        return self.score if name == SCORE else self.entity.get(name)


class _Order(NamedTuple):
    """By what to order, in which direction."""

    name: str
    is_descending: bool
    is_null_first: bool


class _Metric(NamedTuple):
    """One number of a bucket; ``field`` is "*" where rows are counted."""

    operation: str
    field: str

    def of(self, rows: Sequence[Row]) -> Any:
        """Return it of some rows; None where none of them has a value."""
        if self.field == "*":
            return len(rows)
        values = [v for v in (row.value(self.field) for row in rows) if v is not None]
        if self.operation == "count":
            return len(values)
        if not values:
            return None
        if self.operation == "avg":
            return sum(values) / len(values)
        if self.operation == "sum":
            return sum(values)
        return min(values) if self.operation == "min" else max(values)


class Bucket(NamedTuple):
    """Rows that share a key.

    Attributes:
        key: A value of each field of its level.
        rows: Best first.
        metrics: By alias; None where no row has a value.
        hits: Those that are shown.
        below: The buckets of the next level.
    """

    key: tuple[Any, ...]
    rows: list[Row]
    metrics: dict[str, Any]
    hits: list[Row]
    below: list[Bucket]

    def order_value(self, name: str) -> Any:
        """Return what it is ordered by: ``_count``, or a metric."""
        return len(self.rows) if name == COUNT else self.metrics[name]


class _Level:
    """One level of buckets, read.

    Attributes:
        fields: That the key of its buckets consists of.
        size: Most buckets that are answered.
        searched: Buckets that are searched for.
        num_hits: That each bucket shows.
    """

    def __init__(self, spec: Any, schema: Schema, first: int) -> None:
        self._first = first
        self.fields = [_key_field(schema, name) for name in spec.fields]
        if not self.fields:
            raise invalid("search aggregation: fields is empty; name one field at least")
        self.size = _size("size", spec.size)
        self.searched = _size("search_size", spec.search_size or self.size)
        if self.searched < self.size:
            raise invalid(
                f"search aggregation: search_size ({self.searched}) is less than size ({self.size})"
            )
        self._metrics = {
            alias: _metric(schema, alias, one) for alias, one in sorted(spec.metrics.items())
        }
        self._order = [_order(o.key, o.direction, null_first=o.null_first) for o in spec.order]
        for order in self._order:
            if order.name not in {COUNT, KEY, *self._metrics}:
                raise invalid(
                    f"search aggregation: order by {order.name!r}: expected {COUNT}, {KEY} or an "
                    f"alias of metrics"
                )
        has_hits = spec.HasField("top_hits")
        self.num_hits = _size("top_hits.size", spec.top_hits.size) if has_hits else 0
        self._sort = [
            _order(s.field_name, s.direction, null_first=s.null_first) for s in spec.top_hits.sort
        ]
        for sort in self._sort:
            _check_stored(schema, sort.name, "top_hits.sort")

    def read(self) -> Iterator[str]:
        """Yield the fields whose values it needs, keys besides."""
        yield from (m.field for m in self._metrics.values() if m.field not in ("*", SCORE))
        yield from (sort.name for sort in self._sort if sort.name != SCORE)

    def buckets(self, rows: Sequence[Row], below: Sequence[_Level]) -> list[Bucket]:
        """Return the buckets of some rows, and of the levels below."""
        end = self._first + len(self.fields)
        shared: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            # Of true and 1 only one is a value of a field.
            shared.setdefault(row.key[self._first : end], []).append(row)
        made = [
            Bucket(
                key,
                found,
                {alias: metric.of(found) for alias, metric in self._metrics.items()},
                _sorted(found, self._sort, Row.value)[: self.num_hits],
                below[0].buckets(found, below[1:]) if below else [],
            )
            for key, found in shared.items()
        ]
        return self._ordered(made)[: self.size]

    def _ordered(self, buckets: list[Bucket]) -> list[Bucket]:
        for order in reversed(self._order):
            if order.name == KEY:
                for place in reversed(range(len(self.fields))):
                    by = order._replace(name=str(place))
                    buckets = _sorted(buckets, [by], lambda bucket, name: bucket.key[int(name)])
            else:
                buckets = _sorted(buckets, [order], Bucket.order_value)
        return buckets


class SearchAggregation:
    """A ``SearchAggregationSpec``, read.

    Args:
        spec: The message.
        schema: Of the collection.
        options: Of the search, of which some do not go with it.

    Attributes:
        fields: All of the complete key, level by level.
        limit: Complete keys to search for.
        group_size: Rows of each of them.

    Raises:
        MilvusError: It cannot be answered.
    """

    def __init__(self, spec: Any, schema: Schema, options: Mapping[str, Any]) -> None:
        unfit = [text for name, text in _UNFIT.items() if options.get(name)]
        if unfit:
            raise invalid(f"search aggregation cannot be used with {' and '.join(unfit)}")
        self._schema = schema
        self._levels: list[_Level] = []
        self.fields: list[str] = []
        left = spec
        while True:
            self._levels.append(_Level(left, schema, len(self.fields)))
            self.fields += self._levels[-1].fields
            if not left.HasField("sub_aggregation"):
                break
            if len(self._levels) == MAX_LEVELS:
                raise invalid(f"search aggregation: more than {MAX_LEVELS} levels")
            left = left.sub_aggregation
        if len(self.fields) > MAX_FIELDS:
            raise invalid(f"search aggregation: more than {MAX_FIELDS} fields in all levels")
        if len(set(self.fields)) < len(self.fields):
            raise invalid(f"search aggregation: a field stands in it twice: {self.fields}")
        self.limit = prod(level.searched for level in self._levels)
        self.group_size = max(1, *(level.num_hits for level in self._levels))

    def check_rows(self, num_queries: int) -> None:
        """Refuse what would look at too many rows.

        Raises:
            MilvusError: It would.
        """
        rows = num_queries * self.limit * self.group_size
        if rows > MAX_ROWS:
            raise invalid(
                f"search aggregation: {num_queries} queries, {self.limit} keys of "
                f"{self.group_size} rows are {rows} rows, at most {MAX_ROWS} are looked at; ask "
                f"for fewer buckets (size, search_size) or hits (top_hits.size)"
            )

    def read(self) -> list[str]:
        """Return the fields whose values are needed, keys besides."""
        return [name for level in self._levels for name in level.read()]

    def fill(
        self, data: Any, results: Sequence[SearchResult], shown: Sequence[str], numbers: Any
    ) -> None:
        """Put the buckets of each query into a ``SearchResultData``.

        Args:
            data: The message.
            results: Hits in groups by ``fields``.
            shown: Fields to send of hits.
            numbers: Of the fields, by name.
        """
        for result in results:
            top, *below = self._levels
            buckets = top.buckets(list(_rows(result)), below)
            data.agg_topks.append(len(buckets))
            for bucket in buckets:
                self._fill_bucket(data.agg_buckets.add(), bucket, 0, shown, numbers)

    def _fill_bucket(
        self, made: Any, bucket: Bucket, depth: int, shown: Sequence[str], numbers: Any
    ) -> None:
        made.count = len(bucket.rows)
        for name, value in zip(self._levels[depth].fields, bucket.key, strict=True):
            part = made.key.add(field_id=numbers.get(name, 0), field_name=name)
            _fill_value(part, value)
        for alias, value in bucket.metrics.items():
            _fill_value(made.metrics[alias], value)
        for row in bucket.hits:
            hit = made.hits.add(score=row.score)
            if isinstance(row.pk, str):
                hit.str_pk = row.pk
            else:
                hit.int_pk = row.pk
            for name in shown:
                field = hit.fields.add(field_id=numbers.get(name, 0), field_name=name)
                _fill_value(field, row.entity.get(name), self._type_of(name))
        for below in bucket.below:
            self._fill_bucket(made.sub_groups.add(), below, depth + 1, shown, numbers)

    def _type_of(self, name: str) -> DataType | None:
        return self._schema.column_types.get(name)


def _rows(result: SearchResult) -> Iterator[Row]:
    """Yield the rows of groups, best first."""
    answer = result.answer
    keys = [value for value, count in answer.groups for _ in range(count)]
    yield from map(Row, answer.ids, answer.scores, keys, answer.entities)


def _fill_value(message: Any, value: Any, kind: DataType | None = None) -> None:
    """Put a value where there are several kinds; nothing for None."""
    if value is None:
        return
    if isinstance(value, datetime):
        value = shown_moment(value)
    if isinstance(value, bool):
        message.bool_val = value
    elif isinstance(value, int):
        message.int_val = value
    elif isinstance(value, float) and kind is DataType.FLOAT:
        message.float_val = value
    elif isinstance(value, float):
        message.double_val = value
    elif isinstance(value, str):
        message.string_val = value
    else:
        message.bytes_val = value if isinstance(value, bytes) else documents.dump(value)


def _sorted(items: list[Any], orders: Sequence[_Order], value: Callable[..., Any]) -> list[Any]:
    """Return items in an order; those that are alike in it stay as they were."""
    for order in reversed(orders):
        known = [item for item in items if value(item, order.name) is not None]
        lacking = [item for item in items if value(item, order.name) is None]
        name = order.name
        known.sort(key=lambda item: value(item, name), reverse=order.is_descending)
        items = lacking + known if order.is_null_first else known + lacking
    return items


def _size(name: str, given: int) -> int:
    if not 1 <= given <= MAX_ROWS:
        raise invalid(f"search aggregation: {name}: expected 1 to {MAX_ROWS}, got {given}")
    return given


def _order(name: str, direction: str, *, null_first: bool) -> _Order:
    found = _DIRECTIONS.get(direction.lower())
    if found is None:
        raise invalid(f"search aggregation: direction: expected asc or desc, got {direction!r}")
    return _Order(name, found, null_first)


def _key_field(schema: Schema, name: str) -> str:
    kind = schema.column_types.get(name)
    if kind is None:
        raise MilvusError(
            FIELD_NOT_FOUND,
            f"groupBy field not found in schema: field not found[field={name}]",
        )
    if kind.is_integer or kind in (DataType.BOOL, DataType.VARCHAR, DataType.TIMESTAMPTZ):
        return name
    raise invalid(
        f"search aggregation: fields: expected fields of whole numbers, bools, moments or texts, "
        f"got {name!r} ({kind.name})"
    )


def _check_stored(schema: Schema, name: str, where: str) -> DataType | None:
    """Return the type of a field that has an order; None of the score."""
    if name == SCORE:
        return None
    kind = schema.column_types.get(name)
    has_order = kind is not None and (
        kind.is_integer or kind.name in ("FLOAT", "DOUBLE", "BOOL", "VARCHAR", "TIMESTAMPTZ")
    )
    if not has_order:
        raise invalid(
            f"search aggregation: {where}: expected {SCORE}, or a field of numbers, bools, moments "
            f"or texts, got {name!r}"
        )
    return kind


def _metric(schema: Schema, alias: str, spec: Any) -> _Metric:
    operation = spec.op.lower()
    if operation not in _OPERATIONS:
        raise invalid(
            f"search aggregation: metrics[{alias!r}]: expected one of {', '.join(_OPERATIONS)}, "
            f"got {spec.op!r}"
        )
    if spec.field_name == "*":
        if operation != "count":
            raise invalid(f"search aggregation: metrics[{alias!r}]: '*' can only be counted")
        return _Metric(operation, "*")
    kind = _check_stored(schema, spec.field_name, f"metrics[{alias!r}]")
    is_number = kind is None or kind.is_integer or kind in (DataType.FLOAT, DataType.DOUBLE)
    if operation in ("sum", "avg") and not is_number:
        raise invalid(
            f"search aggregation: metrics[{alias!r}]: {operation} takes numbers, and field "
            f"{spec.field_name!r} has none"
        )
    return _Metric(operation, spec.field_name)
