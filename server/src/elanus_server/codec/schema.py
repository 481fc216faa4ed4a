"""Schemas, between ``CollectionSchema`` messages and ``elanus.Schema``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from elanus import BM25, DataType, Embedding, Field, MinHash, Schema
from elanus_server.codec.analyzers import read_analyzer
from elanus_server.codec.pairs import (
    loose_value,
    read_flag,
    read_integer,
    read_name,
    read_pairs,
    write_pairs,
)
from elanus_server.failures import MISSING_PARAMETER, MilvusError, invalid
from elanus_server.wire import schema as messages

FIRST_FIELD_ID = 100
"""Milvus keeps the numbers below for fields of its own."""
_TEXT = messages.DataType.Value("Text")
_STRING = messages.DataType.Value("String")
_ARRAY_OF_VECTOR = messages.DataType.Value("ArrayOfVector")
_DEFAULT_CAPACITY = 4096
_MAX_DIM = 32_768


def decode_schema(message: Any) -> Schema:
    """Return the schema that a ``CollectionSchema`` describes; metrics are those of elanus.

    Raises:
        MilvusError: A type, a function or a parameter that elanus does not know.
        SchemaError: The fields contradict each other.
    """
    functions = _functions(message)
    names = [field.name for field in message.fields]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"duplicated field name {name} found")
    fields = [
        decode_field(
            field,
            auto_id=message.autoID and field.is_primary_key,
            made_by=functions.get(field.name),
        )
        for field in message.fields
        if not field.is_dynamic
    ]
    fields += [decode_struct(struct) for struct in message.struct_array_fields]
    return Schema(fields, dynamic=message.enable_dynamic_field, description=message.description)


def decode_field(
    message: Any, *, auto_id: bool = False, made_by: BM25 | Embedding | MinHash | None = None
) -> Field:
    """Return the field that a ``FieldSchema`` describes.

    Args:
        message: The ``FieldSchema``.
        auto_id: Keys are made, whatever the message says.
        made_by: The function that fills the field.

    Raises:
        MilvusError: As for ``decode_schema``.
    """
    params = read_pairs(message.type_params)
    options: dict[str, Any] = {
        "primary": message.is_primary_key,
        "auto_id": message.autoID or auto_id,
        "nullable": message.nullable,
        "default": _default(message),
        "partition_key": message.is_partition_key,
        "clustering_key": message.is_clustering_key,
        "description": message.description,
    }
    dtype = _data_type(message.data_type, message.name)
    if dtype is DataType.ARRAY:
        options["element_type"] = _data_type(message.element_type, message.name)
        options["max_capacity"] = _max_capacity(message, params)
    options["dim"] = _number(params, "dim") if "dim" in params else None
    if dtype.is_dense_vector:
        _check_dim(message.name, dtype, options["dim"])
    held = options.get("element_type", dtype)
    if held is DataType.VARCHAR and message.data_type != _TEXT:
        options["max_length"] = _max_length(message, params)
    if dtype is DataType.VARCHAR:
        options["analyzer"] = _analyzer(params)
    if dtype is DataType.SPARSE_FLOAT_VECTOR:
        options["dim"] = None
    if isinstance(made_by, BM25 | MinHash):
        options["source"] = made_by
    elif made_by is not None:
        options["embedding"] = made_by
    return Field(message.name, dtype, **options)


def decode_struct(message: Any) -> Field:
    """Return the array of structs that a ``StructArrayFieldSchema`` describes."""
    parts, capacity = [], None
    for part in message.fields:
        params = read_pairs(part.type_params)
        capacity = _number(params, "max_capacity") if "max_capacity" in params else capacity
        options: dict[str, Any] = {"description": part.description}
        if "dim" in params:
            options["dim"] = _number(params, "dim")
        dtype = _data_type(part.element_type, part.name)
        if dtype is DataType.VARCHAR:
            options["max_length"] = _max_length(part, params)
        parts.append(Field(part.name, dtype, **options))
    return Field(
        message.name,
        DataType.ARRAY,
        element_type=DataType.STRUCT,
        struct=parts,
        max_capacity=capacity,
        nullable=message.nullable,
        description=message.description,
    )


def function_of(message: Any) -> tuple[str, BM25 | Embedding | MinHash] | None:
    """Return the output field of a ``FunctionSchema`` and what fills it; None: a ranker.

    Raises:
        MilvusError: A kind of function that elanus does not know, or wrong fields.
    """
    kind = read_name(messages.FunctionType, message.type)
    if kind == "Rerank":
        return None
    inputs, outputs = list(message.input_field_names), list(message.output_field_names)
    if kind not in ("BM25", "TextEmbedding", "MinHash"):
        raise invalid(f"function {message.name}: {kind} is not supported")
    if len(inputs) != 1 or len(outputs) != 1:
        raise invalid(
            f"function {message.name}: {kind} has one input field and one output field, "
            f"got {inputs} and {outputs}"
        )
    params = read_pairs(message.params)
    if kind == "BM25":
        return outputs[0], BM25(inputs[0])
    if kind == "MinHash":
        return outputs[0], _minhash(message.name, inputs[0], params)
    provider, model = params.pop("provider", ""), params.pop("model_name", "")
    if not provider:
        raise MilvusError(
            MISSING_PARAMETER, f"function {message.name}: expected the parameter 'provider'"
        )
    name = f"{provider}:{model}" if model else provider
    return outputs[0], Embedding(
        inputs[0], name, params={key: loose_value(text) for key, text in params.items()}
    )


_MINHASH_NUMBERS = ("num_hashes", "shingle_size", "seed")
_MINHASH_WORDS = ("token_level", "hash_function")


def _minhash(name: str, field: str, params: Mapping[str, str]) -> MinHash:
    """Return the function that parameters describe, whose names may be in any case."""
    given: dict[str, Any] = {key.lower(): text for key, text in params.items()}
    unknown = sorted(set(given) - {*_MINHASH_NUMBERS, *_MINHASH_WORDS})
    if unknown:
        raise invalid(f"function {name}: MinHash has no parameter {unknown[0]}")
    for key, text in given.items():
        given[key] = read_integer(key, text) if key in _MINHASH_NUMBERS else text.strip('"').lower()
    return MinHash(field, **given)


def _functions(message: Any) -> dict[str, BM25 | Embedding | MinHash]:
    found = (function_of(function) for function in message.functions)
    return dict(one for one in found if one is not None)


def _data_type(number: int, field: str) -> DataType:
    if number in (_TEXT, _STRING):
        return DataType.VARCHAR
    if number == _ARRAY_OF_VECTOR:
        return DataType.ARRAY
    try:
        return DataType(number)
    except ValueError:
        known = messages.DataType.DESCRIPTOR.values_by_number
        name = known[number].name if number in known else str(number)
        raise invalid(f"field {field}: data type {name} is not supported") from None


def _number(params: Mapping[str, str], name: str) -> int | None:
    return read_integer(name, params[name]) if params.get(name) else None


def _max_length(message: Any, params: Mapping[str, str]) -> int:
    if not params.get("max_length"):
        told = f"type param(max_length) should be specified for the field({message.name})"
        raise MilvusError(MISSING_PARAMETER, f"{told}: missing parameter")
    return read_max_length(message.name, params["max_length"])


def read_max_length(name: str, text: str) -> int:
    """Return the longest text of a field, in bytes.

    Raises:
        MilvusError: It is out of the range of Milvus.
    """
    length = read_integer("max_length", text)
    if not 1 <= length <= 65_535:
        raise invalid(
            f"the maximum length specified for the field({name}) should be in (0, 65535], "
            f"but got {length} instead"
        )
    return length


def _max_capacity(message: Any, params: Mapping[str, str]) -> int | None:
    if not params.get("max_capacity"):
        # Clients of before 2.3 name none.
        return None
    return read_max_capacity(params["max_capacity"])


def read_max_capacity(text: str) -> int:
    """Return how many elements an array has at most.

    Raises:
        MilvusError: It is out of the range of Milvus.
    """
    capacity = read_integer("max_capacity", text)
    if not 1 <= capacity <= _DEFAULT_CAPACITY:
        raise invalid("the maximum capacity specified for a Array should be in (0, 4096]")
    return capacity


def _check_dim(name: str, dtype: DataType, dim: int | None) -> None:
    """Refuse a dimension that vectors cannot have, in Milvus' words."""
    if dim is None:
        raise invalid(
            f"dimension is not defined in field type params of field {name}, check type param "
            f"`dim` for vector field"
        )
    if dim <= 1:
        raise invalid(f"invalid dimension: {dim}. should be in range 2 ~ {_MAX_DIM}")
    told = f"invalid dimension: {dim} of field {name}."
    if dtype is DataType.BINARY_VECTOR:
        if dim % 8:
            raise invalid(f"{told} binary vector dimension should be multiple of 8. ")
        if dim > 8 * _MAX_DIM:
            raise invalid(f"{told} binary vector dimension should be in range 2 ~ {8 * _MAX_DIM}")
    elif dim > _MAX_DIM:
        raise invalid(f"{told} float vector dimension should be in range 2 ~ {_MAX_DIM}")


def _analyzer(params: Mapping[str, str]) -> Any:
    if not read_flag("enable_analyzer", params.get("enable_analyzer", "")):
        return None
    several = params.get("multi_analyzer_params")
    given = several or params.get("analyzer_params") or params.get("tokenizer_params")
    return read_analyzer(loose_value(given)) if given else "standard"


def _default(message: Any) -> Any:
    if not message.HasField("default_value"):
        return None
    kind = message.default_value.WhichOneof("data")
    value = None if kind is None else getattr(message.default_value, kind)
    if isinstance(value, bytes):
        return json.loads(value) if message.data_type == DataType.JSON else value.decode()
    return value


def encode_schema(schema: Schema, name: str, database: str, known: Any) -> Any:
    """Return a schema as a ``CollectionSchema``.

    Args:
        schema: As it is.
        name: Of the collection.
        database: That it is in.
        known: The message that the collection was made with, or later ones of it, with the numbers
            of the fields; what elanus has no place for is taken from there.

    Returns:
        The message; dynamic fields are not among its fields, as with Milvus.
    """
    made = messages.CollectionSchema(
        name=name,
        dbName=database,
        description=schema.description,
        enable_dynamic_field=schema.dynamic,
        enable_namespace=known.enable_namespace,
    )
    stored = {field.name: field for field in known.fields}
    structs = {struct.name: struct for struct in known.struct_array_fields}
    numbers = Numbers(known)
    for field in schema.fields:
        if field.struct is not None:
            made.struct_array_fields.append(_encode_struct(field, structs, numbers))
        else:
            made.fields.append(_encode_field(field, stored.get(field.name), numbers))
    made.functions.extend(_encode_functions(schema, known, numbers))
    return made


class Numbers:
    """Gives fields their numbers, and those that have none yet the next one."""

    def __init__(self, known: Any) -> None:
        parts = [part for struct in known.struct_array_fields for part in struct.fields]
        taken = [f.fieldID for f in (*known.fields, *known.struct_array_fields, *parts)]
        self._next: int = max([FIRST_FIELD_ID - 1, *taken]) + 1

    def of(self, known: Any) -> int:
        """Return the number of a field as it is known, or a new one."""
        if known is not None and known.fieldID:
            number: int = known.fieldID
            return number
        self._next += 1
        return self._next - 1


def _encode_field(field: Field, known: Any, numbers: Numbers) -> Any:
    kept = {} if known is None else read_pairs(known.type_params)
    made = messages.FieldSchema(
        fieldID=numbers.of(known),
        name=field.name,
        data_type=_TEXT if known is not None and known.data_type == _TEXT else int(field.dtype),
        element_type=0 if field.element_type is None else int(field.element_type),
        is_primary_key=field.primary,
        autoID=field.auto_id,
        nullable=field.nullable,
        is_partition_key=field.partition_key,
        is_clustering_key=field.clustering_key,
        is_function_output=field.source is not None or field.embedding is not None,
        description=field.description,
        type_params=write_pairs({**kept, **_type_params(field, kept)}),
    )
    if field.is_vector_list:
        made.data_type = _ARRAY_OF_VECTOR
    if field.default is not None:
        try:
            made.default_value.CopyFrom(_encode_default(field))
        except (TypeError, ValueError):
            # Folders of earlier versions may hold one that is no value of its field. It goes
            # untold: the field can be dropped, and other collections be used.
            made.ClearField("default_value")
    return made


def _type_params(field: Field, kept: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "dim": field.dim,
        "max_length": field.max_length,
        "max_capacity": field.max_capacity,
    }
    if field.dtype is DataType.VARCHAR and field.analyzer is not None:
        found["enable_analyzer"] = "true"
        if "analyzer_params" not in kept and "multi_analyzer_params" not in kept:
            spec = field.analyzer
            is_multi = field.language_field is not None
            name = "multi_analyzer_params" if is_multi else "analyzer_params"
            found[name] = json.dumps({"type": spec} if isinstance(spec, str) else spec)
    return {name: value for name, value in found.items() if value is not None}


def _encode_default(field: Field) -> Any:
    value = field.default
    if isinstance(value, bool):
        return messages.ValueField(bool_data=value)
    if field.dtype is DataType.INT64:
        return messages.ValueField(long_data=value)
    if field.dtype.is_integer:
        return messages.ValueField(int_data=value)
    if field.dtype is DataType.FLOAT:
        return messages.ValueField(float_data=value)
    if field.dtype is DataType.DOUBLE:
        return messages.ValueField(double_data=value)
    if isinstance(value, str):
        return messages.ValueField(string_data=value)
    return messages.ValueField(bytes_data=json.dumps(value).encode())


def _encode_struct(field: Field, structs: Mapping[str, Any], numbers: Numbers) -> Any:
    known = structs.get(field.name)
    made = messages.StructArrayFieldSchema(
        fieldID=numbers.of(known),
        name=field.name,
        description=field.description,
        nullable=field.nullable,
        type_params=[] if known is None else known.type_params,
    )
    parts = {} if known is None else {part.name: part for part in known.fields}
    for part in field.struct or ():
        kept = parts.get(part.name)
        params = {"max_capacity": field.max_capacity or _DEFAULT_CAPACITY}
        stored = {} if kept is None else read_pairs(kept.type_params)
        is_vector = part.dtype.is_dense_vector
        made.fields.add(
            fieldID=numbers.of(kept),
            name=part.name,
            data_type=_ARRAY_OF_VECTOR if is_vector else int(DataType.ARRAY),
            element_type=int(part.dtype),
            description=part.description,
            nullable=field.nullable,
            type_params=write_pairs({**stored, **params, **_type_params(part, stored)}),
        )
    return made


def _encode_functions(schema: Schema, known: Any, numbers: Numbers) -> Iterable[Any]:
    """Return the functions of a schema; those that were not named are called by their output."""
    named = {output: f for f in known.functions for output in f.output_field_names}
    for field in schema.fields:
        made = field.source or field.embedding
        if made is None:
            continue
        if field.name in named:
            yield named[field.name]
            continue
        kind = "TextEmbedding" if field.source is None else type(field.source).__name__
        function = messages.FunctionSchema(
            name=f"{field.name}_{kind.lower()}",
            type=messages.FunctionType.Value(kind),
            input_field_names=[made.field],
            output_field_names=[field.name],
        )
        if field.embedding is not None:
            provider, _, model = str(field.embedding.embedder).partition(":")
            function.params.extend(write_pairs({"provider": provider, "model_name": model}))
        if isinstance(field.source, MinHash):
            given = {n: getattr(field.source, n) for n in (*_MINHASH_NUMBERS, *_MINHASH_WORDS)}
            shown = {name: value for name, value in given.items() if value is not None}
            function.params.extend(write_pairs(shown))
        yield function
