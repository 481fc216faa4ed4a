"""What is searched for, from JSON to the protocol's messages."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elanus import BM25, DataType, Field, Schema
from elanus_server.codec.entities import encode_ids
from elanus_server.codec.pairs import as_text, write_pairs
from elanus_server.codec.requests import searched_field
from elanus_server.failures import MilvusError, invalid
from elanus_server.rest.parameters import BAD_KEYS, not_json
from elanus_server.rest.rows import read_vector
from elanus_server.rest.schemas import function_schema
from elanus_server.wire import common
from elanus_server.wire import schema as messages

_PLACEHOLDERS = {
    DataType.FLOAT_VECTOR: "FloatVector",
    DataType.FLOAT16_VECTOR: "Float16Vector",
    DataType.BFLOAT16_VECTOR: "BFloat16Vector",
    DataType.INT8_VECTOR: "Int8Vector",
    DataType.BINARY_VECTOR: "BinaryVector",
    DataType.SPARSE_FLOAT_VECTOR: "SparseFloatVector",
}
_TEXTS = "VarChar"
_INTEGER = re.compile(r"-?[0-9]{1,19}")


def placeholder_group(data: Sequence[Any], schema: Schema, name: str) -> bytes:
    """Return the queries of a search as a ``PlaceholderGroup``.

    Args:
        data: Vectors, texts, or lists of vectors.
        schema: Of the collection.
        name: Of the field that is searched; empty where there is one only.

    Raises:
        MilvusError: They do not fit the field, or there is no such field.
    """
    field = searched_field(schema, name)
    kind, values = _encoded(data, field)
    placeholder = common.PlaceholderValue(
        tag="$0", type=common.PlaceholderType.Value(kind), values=values
    )
    group = common.PlaceholderGroup(placeholders=[placeholder])
    raw: bytes = group.SerializeToString()
    return raw


def _encoded(data: Sequence[Any], field: Field) -> tuple[str, list[bytes]]:
    is_made = field.source is not None or field.embedding is not None
    is_text = all(isinstance(one, str) for one in data)
    if isinstance(field.source, BM25) or (is_made and is_text):
        if not is_text:
            raise not_json(f"field {field.name} is searched by text, got {data[0]!r}")
        return _TEXTS, [text.encode() for text in data]
    inner = _inner(field.vector_type, field.dim)
    plain = _PLACEHOLDERS[field.vector_type]
    try:
        if field.is_vector_list and all(_is_matrix(one) for one in data):
            rows = [b"".join([_bytes(read_vector(v, inner), inner) for v in one]) for one in data]
            return f"EmbList{plain}", rows
        return plain, [_bytes(read_vector(one, inner), inner) for one in data]
    except MilvusError as error:
        raise not_json(str(error).partition("error: ")[2]) from None


@functools.lru_cache(maxsize=256)
def _inner(kind: DataType, dim: int | None) -> Field:
    """Return a field of single vectors, as which each is read."""
    return Field("data", kind, dim=dim)


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], list | str)


def _bytes(vector: Any, field: Field) -> bytes:
    if isinstance(vector, bytes):
        return vector
    if field.dtype is DataType.SPARSE_FLOAT_VECTOR:
        pairs = np.array(sorted(vector.items()), dtype=[("dim", "<u4"), ("weight", "<f4")])
        return pairs.tobytes()
    if field.dtype is DataType.BFLOAT16_VECTOR:
        # The upper half of a float32.
        halves = (vector.astype("<f4").view("<u4") >> 16).astype("<u2")
        return bytes(halves.tobytes())
    return bytes(vector.tobytes())


def search_params(given: Mapping[str, Any]) -> dict[str, str]:
    """Return ``searchParams`` as the protocol carries them: each outside, and all in ``params``.

    Raises:
        MilvusError: One stands inside and outside with different values.
    """
    inner = given.get("params")
    if inner is not None and not isinstance(inner, dict):
        raise invalid("searchParams.params must be a dict")
    both = dict(inner or {})
    for name, value in given.items():
        if name == "params":
            continue
        if name in both and both[name] != value:
            raise invalid(
                f"ambiguous parameter: {name}, in search_param: {value}, in search_param.params: "
                f"{both[name]}"
            )
        both[name] = value
    renamed = {"ignoreGrowing": "ignore_growing"}
    outer = {renamed.get(n, n): as_text(v) for n, v in given.items() if n != "params"}
    return {"round_decimal": "-1", **outer, "params": json.dumps(both)}


def template_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``exprParams`` as ``TemplateValue`` messages.

    Raises:
        MilvusError: A value is neither a scalar nor an array of them.
    """
    return {name: _template(name, value) for name, value in given.items()}


def _template(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return messages.TemplateValue(array_val=_template_array(value))
    kind = _template_kind(value)
    if kind is None:
        raise not_json(f"exprParams.{name}: expected a scalar or an array, got {value!r}")
    member = {
        "bool": "bool_val",
        "long": "int64_val",
        "double": "float_val",
        "string": "string_val",
    }
    return messages.TemplateValue(**{member[kind]: value})


def _template_kind(value: Any) -> str | None:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise not_json(f"exprParams: {value} is out of the range of 64 bits")
        return "long"
    if isinstance(value, float):
        return "double"
    return "string" if isinstance(value, str) else None


def _template_array(values: Sequence[Any]) -> Any:
    if values and all(isinstance(value, list) for value in values):
        inner = messages.TemplateArrayValueArray(data=[_template_array(v) for v in values])
        return messages.TemplateArrayValue(array_data=inner)
    kinds = {_template_kind(value) for value in values}
    if len(kinds) == 1 and None not in kinds:
        return _filled_array(kinds.pop() or "", values)
    raws = [json.dumps(value).encode() for value in values]
    return messages.TemplateArrayValue(json_data=messages.JSONArray(data=raws))


def _filled_array(kind: str, values: Sequence[Any]) -> Any:
    arrays = {
        "bool": messages.BoolArray,
        "long": messages.LongArray,
        "double": messages.DoubleArray,
        "string": messages.StringArray,
    }
    return messages.TemplateArrayValue(**{f"{kind}_data": arrays[kind](data=values)})


def keys_filter(keys: Any, primary: Field) -> str:
    """Return the filter that chooses entities by their keys.

    Raises:
        MilvusError: A key is of another type than the field.
    """
    given = read_keys(keys if isinstance(keys, list) else [keys], primary)
    shown = ",".join(json.dumps(key, ensure_ascii=False) for key in given)
    return f"{primary.name} in [{shown}]"


def key_message(keys: Sequence[Any], primary: Field) -> Any:
    """Return keys as ``IDs``.

    Raises:
        MilvusError: A key is of another type than the field.
    """
    return encode_ids(primary, read_keys(keys, primary))


def read_keys(keys: Sequence[Any], primary: Field) -> list[Any]:
    """Return keys of JSON; whole numbers may be strings, and strings whole numbers.

    Raises:
        MilvusError: A key is of another type than the field.
    """
    is_text = primary.dtype is DataType.VARCHAR
    found = []
    for key in keys:
        value: Any = key
        if is_text and type(key) is int:
            value = str(key)
        elif not is_text and isinstance(key, str):
            value = int(key) if _INTEGER.fullmatch(key) else None
        kind: type = str if is_text else int
        fits = isinstance(value, kind) and not isinstance(value, bool)
        if not fits or (not is_text and not -(2**63) <= value < 2**63):
            raise MilvusError(
                BAD_KEYS,
                "please check the primary key and its' type can only in [int, string], error: "
                f"expected {primary.dtype.name}, got {key!r}",
            )
        found.append(value)
    return found


def function_score(given: Mapping[str, Any]) -> Any:
    """Return the rankers of a search as a ``FunctionScore``; None where there are none.

    Raises:
        MilvusError: A function is not described well.
    """
    functions = given.get("functions") or []
    if not isinstance(functions, list) or not all(isinstance(one, dict) for one in functions):
        raise not_json("functionScore.functions: expected an array of objects")
    params = given.get("params") or {}
    if not isinstance(params, dict):
        raise not_json("functionScore.params: expected an object")
    if not functions:
        return None
    return messages.FunctionScore(
        functions=[function_schema(one) for one in functions], params=write_pairs(params)
    )
