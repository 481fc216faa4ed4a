"""Searches and reads, from messages to what ``Collection`` takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from elanus import (
    BM25,
    DataType,
    Field,
    MetricType,
    Schema,
)
from elanus_server.codec.columns import sparse_vector
from elanus_server.codec.pairs import (
    loose_value,
    read_flag,
    read_integer,
    read_name,
    read_number,
    read_text,
)
from elanus_server.failures import FIELD_NOT_FOUND, MilvusError, invalid, mismatch
from elanus_server.wire import common
from elanus_server.wire import schema as messages

_DENSE = {
    "FloatVector": (DataType.FLOAT_VECTOR, "<f4"),
    "Float16Vector": (DataType.FLOAT16_VECTOR, "<f2"),
    "BFloat16Vector": (DataType.BFLOAT16_VECTOR, "<u2"),
    "Int8Vector": (DataType.INT8_VECTOR, "i1"),
    "BinaryVector": (DataType.BINARY_VECTOR, "u1"),
}
_LIST_PREFIX = "EmbList"
_GROUPED = (DataType.BOOL, DataType.VARCHAR, DataType.TIMESTAMPTZ, DataType.JSON)
_TRUTHS = {"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"}
MAX_DECIMALS = 6
MAX_GROUP_SIZE = 10
"""``quotaAndLimits.limits.maxGroupSize`` of Milvus."""


def decode_queries(raw: bytes, field: Field) -> list[Any]:
    """Return the queries of a ``PlaceholderGroup``: vectors, sparse vectors, texts, or matrices for
    a search of lists of vectors.

    Raises:
        MilvusError: They do not fit the field.
    """
    group = common.PlaceholderGroup.FromString(raw)
    if len(group.placeholders) != 1:
        raise invalid(f"expected one placeholder, got {len(group.placeholders)}")
    (placeholder,) = group.placeholders
    kind = read_name(common.PlaceholderType, placeholder.type)
    values = placeholder.values
    if kind == "VarChar":
        if field.source is None and field.embedding is None:
            raise invalid(
                f"field {field.name} is {field.dtype.name}: only fields that a function fills are "
                f"searched by text"
            )
        return [read_text(value) for value in values]
    if isinstance(field.source, BM25):
        raise invalid(f"please provide varchar/text for BM25 Function based search, got {kind}")
    is_list = kind.startswith(_LIST_PREFIX)
    plain = kind.removeprefix(_LIST_PREFIX)
    if plain == "SparseFloatVector":
        if field.dtype is not DataType.SPARSE_FLOAT_VECTOR:
            raise _mismatch(field, plain)
        return [sparse_vector(value) for value in values]
    if plain not in _DENSE:
        raise invalid(f"placeholder type {kind} is not supported")
    dtype, layout = _DENSE[plain]
    if dtype is not field.vector_type:
        raise _mismatch(field, plain)
    return [_dense_query(value, field, layout, is_list=is_list) for value in values]


def _dense_query(value: bytes, field: Field, layout: str, *, is_list: bool) -> Any:
    dim = field.dim or 0
    width = dim // 8 if field.vector_type is DataType.BINARY_VECTOR else dim
    size = width * np.dtype(layout).itemsize
    if not size or len(value) % size or (not is_list and len(value) != size) or not value:
        raise invalid(
            f"vector dimension mismatch, expected vector size(byte) {size}, actual {len(value)}"
        )
    vector = np.frombuffer(value, dtype=layout)
    return vector.reshape(-1, width) if is_list else vector


def _mismatch(field: Field, given: str) -> Exception:
    return invalid(
        f"vector type must be the same, field {field.name} - type {field.vector_type.name}, search "
        f"info type {given}"
    )


def decode_ids(message: Any) -> list[Any]:
    """Return the keys of an ``IDs`` message."""
    kind = message.WhichOneof("id_field")
    return [] if kind is None else list(getattr(message, kind).data)


def decode_templates(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of ``{name}`` templates."""
    return {name: _template(value) for name, value in values.items()}


def _template(value: Any) -> Any:
    kind = value.WhichOneof("val")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind != "array_val":
        return held
    return _template_list(held)


def _template_list(array: Any) -> list[Any]:
    kind = array.WhichOneof("data")
    if kind is None:
        return []
    values = getattr(array, kind).data
    if kind == "array_data":
        return [_template_list(one) for one in values]
    if kind == "json_data":
        return [json.loads(raw) for raw in values]
    return list(values)


def searched_field(schema: Schema, name: str) -> Field:
    """Return the field that is searched; the only one that can be where none is named.

    Raises:
        MilvusError: No such field, none named where there are several, or one without vectors.
    """
    if not name:
        fields = [f for f in schema.fields if f.dtype.is_vector] or list(schema.vector_lists)
        if len(fields) != 1:
            raise invalid(
                "multiple anns_fields exist, please specify a anns_field in search_params"
            )
        return fields[0]
    if name not in schema:
        raise invalid(f"failed to get field schema by name: fieldName({name}) not found")
    field = schema.field(name)
    if not field.vector_type.is_vector:
        raise invalid(f"field ({name}) to search is not of vector data type")
    return field


def read_limit(name: str, text: str, *, least: int) -> int:
    """Return a number of hits or rows.

    Raises:
        MilvusError: It is out of the range of Milvus.
    """
    value = read_integer(name, text)
    if not least <= value <= 16_384:
        raise out_of_range(name, value)
    return value


def check_window(limit: int, offset: int) -> None:
    """Refuse a page that begins before the first row, or ends behind what can be asked for.

    Raises:
        MilvusError: It does.
    """
    told = ""
    if offset < 0:
        told = f"offset [{offset}] is invalid, should be gte than 0"
    elif limit <= 0:
        told = f"limit [{limit}] is invalid, should be greater than 0"
    elif limit + offset > 16_384:
        told = f"(offset+limit) should be in range [1, 16384], but got {limit + offset}"
    if told:
        raise invalid(f"invalid max query result window, {told}")


def out_of_range(name: str, value: int) -> MilvusError:
    """Return the error of a number of hits that is no number of hits."""
    return invalid(
        f"{name} [{value}] is invalid, it should be in range [1, 16384], but got {value}"
    )


def read_options(params: Mapping[str, str], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a search by the names of elanus.

    Args:
        params: ``search_params`` of a request.
        inner: What ``params`` holds in them.
    """
    both = {**inner, **{n: loose_value(v) for n, v in params.items() if n != "params"}}
    options: dict[str, Any] = {}
    for name in ("radius", "range_filter", "drop_ratio_search", "recall"):
        if both.get(name) is not None:
            options[name] = read_number(name, both[name])
    if both.get("round_decimal", -1) not in (None, -1):
        options["round_decimal"] = _decimals(both["round_decimal"])
    if both.get("analyzer_name"):
        options["analyzer_name"] = both["analyzer_name"]
    if both.get("timezone"):
        options["timezone"] = both["timezone"]
    groups = _group_fields(both)
    if groups is not None:
        options["group_by"] = groups
        options["group_size"] = _group_size(both.get("group_size"))
        strict = both.get("strict_group_size")
        options["strict_group_size"] = read_flag("strict_group_size", str(strict or False))
    return options


def check_growing(params: Mapping[str, str]) -> None:
    """Refuse an ``ignore_growing`` that is no truth value as Go reads it.

    Whether it is true or not changes nothing: everything that was written is found.

    Args:
        params: ``search_params``, ``query_params`` or ``rank_params`` of a request.

    Raises:
        MilvusError: It is none.
    """
    if params.get("ignore_growing", "true").strip('"') not in _TRUTHS:
        raise invalid("parse ignore growing field failed")


def _decimals(given: Any) -> int:
    if type(given) is not int or not 0 <= given <= MAX_DECIMALS:
        raise invalid(
            f"round_decimal [{given}] is invalid, should be -1 or an integer in range "
            f"[0, {MAX_DECIMALS}]"
        )
    return given


def check_range(options: Mapping[str, Any], metric: MetricType) -> None:
    """Refuse a range that holds nothing, or has no far end.

    Args:
        options: What ``read_options`` returned.
        metric: Of the field that is searched.

    Raises:
        MilvusError: It does.
    """
    radius, near = options.get("radius"), options.get("range_filter")
    if near is None:
        return
    if radius is None:
        raise mismatch(
            "range_filter requires radius to be set; range_filter alone is not a valid range "
            "search parameter",
            "range_filter",
            "",
        )
    told = f"range_filter:{near:f}, radius:{radius:f}"
    if metric.is_distance and radius <= near:
        raise invalid(f"range_filter must be less than radius for L2/HAMMING/JACCARD, {told}")
    if not metric.is_distance and radius >= near:
        raise invalid(f"range_filter must be greater than radius for IP/COSINE, {told}")


def _group_size(given: Any) -> int:
    size = 1 if given is None else given
    if type(size) is not int:
        raise invalid(f"failed to parse input group size:{size}")
    if size < 1:
        raise invalid(f"input group size:{size} is negative, failed to do search_groupby")
    if size > MAX_GROUP_SIZE:
        raise invalid(f"input group size:{size} exceeds configured max group size:{MAX_GROUP_SIZE}")
    return size


def check_group(options: Mapping[str, Any], schema: Schema) -> None:
    """Refuse to group by a field that is not there, or within a range.

    Args:
        options: What ``read_options`` returned.
        schema: Of the collection.

    Raises:
        MilvusError: It is not there, or there is a range as well.
    """
    groups = options.get("group_by")
    for name in [groups] if isinstance(groups, str) else groups or ():
        if name.partition("[")[0] not in schema and not schema.dynamic:
            raise MilvusError(
                FIELD_NOT_FOUND,
                f"groupBy field not found in schema: field not found[field={name}]",
            )
        dtype = schema.field(name).dtype if name in schema else None
        if dtype is not None and not (dtype.is_integer or dtype in _GROUPED):
            raise invalid(f"unsupported data type {dtype.name} for group by operator")
    ranges = (options.get(name) for name in ("radius", "range_filter"))
    if groups is not None and any(value is not None for value in ranges):
        raise mismatch("Not allowed to do range-search when doing search-group-by", "", "")


def _group_fields(params: Mapping[str, Any]) -> str | list[str] | None:
    """Return what hits are grouped by: a field, as older clients ask, or several."""
    name = str(params.get("group_by_field") or "").strip()
    if not name:
        names = str(params.get("group_by_fields") or "").split(",")
        return [one.strip() for one in names if one.strip()] or None
    path = str(params.get("json_path") or "")
    if path.startswith("["):
        return f"{name}{path}"
    return path if "[" in path else name


def is_text_field(known: Any) -> frozenset[str]:
    """Return the fields of a ``CollectionSchema`` that were declared as TEXT."""
    text = messages.DataType.Value("Text")
    return frozenset(field.name for field in known.fields if field.data_type == text)
