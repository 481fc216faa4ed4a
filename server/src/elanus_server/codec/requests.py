"""Searches and reads, from messages to what ``Collection`` takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elanus import (
    BM25,
    RRF,
    Boost,
    ByScore,
    DataType,
    Decay,
    Field,
    FunctionScore,
    RandomScore,
    Rerank,
    Schema,
    Weighted,
)
from elanus_server.codec.columns import sparse_vector
from elanus_server.codec.pairs import (
    loose_value,
    read_flag,
    read_integer,
    read_name,
    read_number,
    read_pairs,
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


def decode_fusion(params: Mapping[str, str], legs: int) -> Any:
    """Return the fusion of ``rank_params``; RRF where they name none.

    Raises:
        MilvusError: An unknown strategy, or weights that do not fit the legs.
    """
    strategy = params.get("strategy", "rrf").strip('"').lower()
    inner = loose_value(params.get("params", "{}"))
    given = inner if isinstance(inner, dict) else {}
    norm_score = _truth(given.get("norm_score", True))
    if norm_score is None and strategy == "weighted":
        raise invalid("the type of rank param norm_score should be bool")
    return _fusion(strategy, given, legs, norm_score=norm_score is not False)


def _truth(value: Any) -> bool | None:
    """Return a truth value, also of a text as Go reads it; None where it is none."""
    if isinstance(value, bool):
        return value
    if value in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    return False if value in ("0", "f", "F", "FALSE", "false", "False") else None


def _fusion(strategy: str, params: Mapping[str, Any], legs: int, *, norm_score: bool) -> Any:
    if strategy == "rrf":
        k = params.get("k", 60)
        if not isinstance(k, int | float) or isinstance(k, bool) or not 0 < k < 16_384:
            raise invalid(f"The rank params k should be in range (0, 16384), got {k}")
        return RRF(k=k)
    if strategy != "weighted":
        raise invalid(f"unsupported rank type {strategy}")
    weights = params.get("weights", [])
    if not isinstance(weights, Sequence) or len(weights) != legs:
        count = len(weights) if isinstance(weights, Sequence) else 0
        told = "the length of weights param mismatch with ann search requests"
        raise mismatch(told, legs, count)
    for weight in weights:
        if not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise invalid(f"rank param weight should be in range [0, 1], got {weight}")
    return Weighted(weights=tuple(weights), norm_score=norm_score)


def decode_function_score(message: Any, legs: int) -> tuple[Any, list[Any]]:
    """Return the fusion, or None, and the rankers of a ``FunctionScore``.

    Raises:
        MilvusError: A function that is no ranker, or wrong parameters.
    """
    fusion: Any = None
    joined: Any = None
    boosts: list[Boost] = []
    rankers: list[Any] = []
    for function in message.functions:
        params = {name.lower(): text for name, text in read_pairs(function.params).items()}
        kind = params.get("reranker", "").lower()
        inputs = list(function.input_field_names)
        if kind in ("rrf", "weighted"):
            fusion = _function_fusion(kind, params, legs)
        elif kind == "decay":
            rankers.append(_decay(params, inputs))
            mode = params.get("score_mode", "max").lower()
            if mode not in ("max", "sum", "avg"):
                raise invalid(f"unsupported score_mode: {mode}, only supports [max, sum, avg]")
            joined = ByScore(mode)
        elif kind == "boost":
            boosts.append(_boost(params))
        elif kind == "model":
            rankers.append(_model(params, inputs))
        else:
            raise invalid(f"unsupported reranker: {kind or function.name}")
    if boosts:
        modes = read_pairs(message.params)
        rankers.append(
            FunctionScore(
                boosts,
                boost_mode=modes.get("boost_mode", "multiply"),
                function_mode=modes.get("function_mode", "multiply"),
            )
        )
    # A decay joins legs only where nothing else does.
    return fusion or (joined if legs > 1 else None), rankers


def _function_fusion(kind: str, params: Mapping[str, str], legs: int) -> Any:
    norm_score = _truth(params.get("norm_score", "false"))
    if norm_score is None and kind == "weighted":
        raise invalid(f"failed to parse norm_score: {params['norm_score']!r} is no truth value")
    given = {name: loose_value(text) for name, text in params.items()}
    # Unlike that of rank_params, the ranker of a function takes scores as they are.
    return _fusion(kind, given, legs, norm_score=norm_score is True)


def _decay(params: Mapping[str, str], inputs: Sequence[str]) -> Decay:
    if len(inputs) != 1:
        raise invalid(f"decay ranker: expected one input field, got {list(inputs)}")
    numbers = {}
    for name in ("origin", "scale", "offset", "decay"):
        if name in params:
            value = loose_value(params[name])
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise invalid(f"decay ranker: param {name} is not a number: {params[name]!r}")
            numbers[name] = value
    for name in ("function", "origin", "scale"):
        if name not in params:
            raise invalid(f"decay {name} not specified")
    return Decay(inputs[0], params["function"].lower(), **numbers)


def _boost(params: Mapping[str, str]) -> Boost:
    drawn = None
    if "random_score" in params:
        given = loose_value(params["random_score"])
        given = given if isinstance(given, dict) else {}
        drawn = RandomScore(read_integer("seed", given.get("seed", 0)), given.get("field"))
    if "weight" not in params:
        raise invalid("must set weight params for weight scorer")
    weight = loose_value(params["weight"])
    return Boost(params.get("filter") or None, weight, drawn)


def _model(params: Mapping[str, str], inputs: Sequence[str]) -> Rerank:
    if len(inputs) != 1:
        raise invalid(f"model ranker: expected one input field, got {list(inputs)}")
    provider = params.get("provider", "")
    if not provider:
        raise invalid("model ranker: param provider not found")
    model = params.get("model_name", "")
    queries = loose_value(params.get("queries", "null"))
    name = f"{provider}:{model}" if model else provider
    return Rerank(name, inputs[0], queries)


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
        options["round_decimal"] = read_integer("round_decimal", both["round_decimal"])
    if both.get("analyzer_name"):
        options["analyzer_name"] = both["analyzer_name"]
    if both.get("timezone"):
        options["timezone"] = both["timezone"]
    if both.get("group_by_field"):
        options["group_by"] = _group_field(both)
        options["group_size"] = _group_size(both.get("group_size"))
        strict = both.get("strict_group_size")
        options["strict_group_size"] = read_flag("strict_group_size", str(strict or False))
    return options


def _group_size(given: Any) -> int:
    size = read_integer("group_size", 1 if given is None else given)
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
    name = options.get("group_by")
    is_plain = isinstance(name, str) and name.isidentifier()
    if is_plain and name not in schema and not schema.dynamic:
        raise MilvusError(
            FIELD_NOT_FOUND,
            f"groupBy field not found in schema: field not found[field={name}]",
        )
    ranges = (options.get(name) for name in ("radius", "range_filter"))
    if name is not None and any(value is not None for value in ranges):
        raise invalid("Not allowed to do range-search when doing search-group-by")


def _group_field(params: Mapping[str, Any]) -> str:
    name, path = str(params["group_by_field"]), params.get("json_path")
    return f"{name}{path}" if path and str(path).startswith("[") else name


def is_text_field(known: Any) -> frozenset[str]:
    """Return the fields of a ``CollectionSchema`` that were declared as TEXT."""
    text = messages.DataType.Value("Text")
    return frozenset(field.name for field in known.fields if field.data_type == text)
