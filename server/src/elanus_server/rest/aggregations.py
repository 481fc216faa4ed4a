"""The aggregation of a search, from JSON to the protocol's message, and its buckets back."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from elanus import DataType, Schema
from elanus_server.codec import documents
from elanus_server.failures import invalid
from elanus_server.rest.exchange import Exchange, Reply
from elanus_server.rest.parameters import Parameter, not_json, read_all
from elanus_server.rest.results import finite, shown_floats
from elanus_server.wire import common

_NAME = "searchAggregation"
AGGREGATION = Parameter(
    _NAME,
    "object",
    about=(
        "Buckets in place of hits: fields, size, searchSize, metrics ({alias: {op, fieldName}}), "
        "order ([{key, direction, nullFirst}]), topHits ({size, sort: [{fieldName, direction, "
        "nullFirst}]}) and subAggregation, a level below."
    ),
)
_LEVEL = (
    Parameter("fields", "strings", default=[]),
    Parameter("size", "long", default=0),
    Parameter("searchSize", "long", default=0),
    Parameter("metrics", "object", default={}),
    Parameter("order", "objects", default=[]),
    Parameter("topHits", "object"),
    Parameter("subAggregation", "object"),
)
_METRIC = (Parameter("op", default=""), Parameter("fieldName", default=""))
_DIRECTION = (
    Parameter("direction", default=""),
    Parameter("nullFirst", "boolean", default=False),
)
_ORDER = (Parameter("key", default=""), *_DIRECTION)
_SORT = (Parameter("fieldName", default=""), *_DIRECTION)
_HITS = (Parameter("size", "long", default=0), Parameter("sort", "objects", default=[]))
_MAX_DEPTH = 16
"""Levels that are read; how many are answered, the service says."""


def aggregation(values: Mapping[str, Any]) -> Any:
    """Return what a search is added up by, as a ``SearchAggregationSpec``; None: it is not.

    Args:
        values: Of the parameters of a search.

    Raises:
        MilvusError: It has another shape, or does not go with what else is asked.
    """
    given = values[_NAME]
    if given is None:
        return None
    params = values["searchParams"]
    unfit = (
        (values["ids"], f"ids and {_NAME} cannot be used simultaneously"),
        (values["offset"], f"offset is not supported with {_NAME}"),
        (_has(params, "offset"), f"searchParams.offset is not supported with {_NAME}"),
        (
            values["groupingField"] or values["groupSize"] or values["strictGroupSize"],
            f"groupingField/groupSize/strictGroupSize and {_NAME} cannot be used simultaneously",
        ),
        (
            _has(params, "group_by_field") or _has(params, "group_by_fields"),
            f"searchParams.group_by_field(s) and {_NAME} cannot be used simultaneously",
        ),
        (values["orderByFields"], f"orderByFields and {_NAME} cannot be used simultaneously"),
    )
    for is_given, told in unfit:
        if is_given:
            raise invalid(told)
    return _level(given, _NAME)


def refuse_aggregation(given: Mapping[str, Any]) -> None:
    """Refuse the aggregation of a hybrid search, or of a part of one.

    Raises:
        MilvusError: There is one.
    """
    if given.get(_NAME) is not None:
        raise invalid(f"{_NAME} is not supported for hybrid search")


def _has(params: Mapping[str, Any], name: str) -> bool:
    inner = params.get("params")
    return name in params or (isinstance(inner, dict) and name in inner)


def _level(given: Mapping[str, Any], where: str, depth: int = 1) -> Any:
    values = read_all(_LEVEL, given, f"{where}.")
    if depth > _MAX_DEPTH:
        raise invalid(f"{where}: more than {_MAX_DEPTH} levels")
    made = common.SearchAggregationSpec(
        fields=values["fields"], size=values["size"], search_size=values["searchSize"]
    )
    for alias, metric in values["metrics"].items():
        if not isinstance(metric, dict):
            raise not_json(f"{where}.metrics.{alias}: expected an object, got {metric!r}")
        read = read_all(_METRIC, metric, f"{where}.metrics.{alias}.")
        made.metrics[alias].op, made.metrics[alias].field_name = read["op"], read["fieldName"]
    for one in values["order"]:
        read = read_all(_ORDER, one, f"{where}.order.")
        made.order.add(key=read["key"], **_direction(read))
    if values["topHits"] is not None:
        hits = read_all(_HITS, values["topHits"], f"{where}.topHits.")
        made.top_hits.size = hits["size"]
        for one in hits["sort"]:
            read = read_all(_SORT, one, f"{where}.topHits.sort.")
            made.top_hits.sort.add(field_name=read["fieldName"], **_direction(read))
    if values["subAggregation"] is not None:
        below = _level(values["subAggregation"], f"{where}.subAggregation", depth + 1)
        made.sub_aggregation.CopyFrom(below)
    return made


def _direction(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"direction": values["direction"], "null_first": values["nullFirst"]}


def buckets_of(exchange: Exchange, results: Any, schema: Schema) -> Reply:
    """Return the buckets of a search, those of each query by themselves.

    Args:
        exchange: The request.
        results: ``SearchResultData``.
        schema: Of the collection.
    """
    reader = _Reader(exchange, schema)
    left = iter(results.agg_buckets)
    data = [
        {"buckets": [reader.bucket(next(left)) for _ in range(count)]}
        for count in results.agg_topks
    ]
    topks = [exchange.number(count) for count in results.agg_topks]
    return Reply(data, {"cost": 0, "aggTopks": topks})


class _Reader:
    """Makes JSON of buckets."""

    def __init__(self, exchange: Exchange, schema: Schema) -> None:
        self._number = exchange.number
        self._types = schema.column_types
        self._primary = schema.primary.name

    def bucket(self, bucket: Any) -> dict[str, Any]:
        return {
            "key": [
                {
                    "fieldId": self._number(part.field_id),
                    "fieldName": part.field_name,
                    "value": self._value(part, part.field_name),
                }
                for part in bucket.key
            ],
            "count": self._number(bucket.count),
            "metrics": {alias: self._value(bucket.metrics[alias]) for alias in bucket.metrics},
            "hits": [self._hit(hit) for hit in bucket.hits],
            "subGroups": [self.bucket(below) for below in bucket.sub_groups],
        }

    def _hit(self, hit: Any) -> dict[str, Any]:
        shown = {field.field_name: self._value(field, field.field_name) for field in hit.fields}
        is_text = hit.WhichOneof("pk") == "str_pk"
        shown[self._primary] = hit.str_pk if is_text else self._number(hit.int_pk)
        return {**shown, "distance": _float(hit.score)}

    def _value(self, message: Any, name: str = "") -> Any:
        """Return the value of a message that has one of several kinds; None where it has none."""
        kind = message.WhichOneof("value")
        if kind is None:
            return None
        value = getattr(message, kind)
        if kind == "int_val":
            is_long = self._types.get(name, DataType.INT64) is DataType.INT64
            return self._number(value) if is_long else value
        if kind == "float_val":
            return _float(value)
        if kind == "double_val":
            return finite(value)
        return self._read(value, name) if kind == "bytes_val" else value

    def _read(self, raw: bytes, name: str) -> Any:
        """Return what is no scalar: of JSON the text, as rows have it."""
        kind = self._types.get(name)
        if kind is DataType.JSON:
            return raw.decode()
        try:
            return documents.load(raw)
        except ValueError:
            return base64.b64encode(raw).decode()


def _float(value: float) -> Any:
    shown: Sequence[Any] = shown_floats([value])
    return shown[0]
