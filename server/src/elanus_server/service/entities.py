"""Writing entities."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from elanus import DataType, Schema
from elanus_server.clock import now
from elanus_server.codec.columns import DYNAMIC_FIELD, decode_columns
from elanus_server.codec.entities import encode_ids
from elanus_server.codec.pairs import read_name
from elanus_server.codec.requests import decode_templates
from elanus_server.failures import SCHEMA_MISMATCH, MilvusError, invalid
from elanus_server.service.context import Call, Hosted
from elanus_server.service.entity_faults import worded_as_milvus
from elanus_server.service.namespaces import namespace_of
from elanus_server.service.partitions import DEFAULT_PARTITION, check_partitions
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus
from elanus_server.wire import schema as messages

_TEXT = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_KEYS = re.compile(
    rf"\s*\(?\s*(?P<field>\w+)\s*(?:(?:in|IN)\s*(?:\[(?:[^\]\"']|{_TEXT})*\]|{{\w+}})"
    rf"|==\s*(?:[+-]?\d+|{_TEXT}|{{\w+}}))\s*\)?\s*",
    re.DOTALL,
)
"""``key in [...]`` or ``key == ...``."""
_REPLACE = messages.FieldPartialUpdateOp.OpType.Value("REPLACE")
_OPERATIONS = {"ARRAY_APPEND": "append", "ARRAY_REMOVE": "remove"}


def _columns(hosted: Hosted, request: Any) -> dict[str, Any]:
    # Clients remember schemas. One that knows of an older one asks for it, and tries again.
    if request.schema_timestamp not in (0, hosted.record.updated):
        told = f"collection schema mismatch[collection={hosted.collection.name}]"
        raise MilvusError(SCHEMA_MISMATCH, told)
    if not request.num_rows:
        raise invalid("num_rows: expected at least one row, got 0")
    return decode_columns(request.fields_data, hosted.collection.schema, request.num_rows)


def _partition(hosted: Hosted, request: Any, *, deletes: bool = False) -> str | None:
    """Return the partition that a request writes to; None: the default one."""
    # Clients name no namespace where they delete: keys are of the whole collection.
    name = namespace_of(hosted, request, makes=not deletes, is_needed=not deletes)
    name = name or request.partition_name
    if not name or name == DEFAULT_PARTITION:
        return None
    check_partitions(hosted, [name])
    return name


def _result(hosted: Hosted, keys: Sequence[Any], **counts: int) -> Any:
    return milvus.MutationResult(
        IDs=encode_ids(hosted.collection.schema.primary, keys),
        succ_index=range(len(keys)),
        acknowledged=True,
        timestamp=now(),
        **counts,
    )


@rpc("Insert")
def insert(call: Call, request: Any) -> Any:
    """Store entities. As with Milvus a key that is taken is no error: the entity is replaced."""
    hosted = call.hosted(request)
    columns = _columns(hosted, request)
    partition = _partition(hosted, request)
    collection = hosted.collection
    primary = collection.schema.primary
    is_keyless = primary.auto_id and primary.name not in columns
    if not is_keyless and primary.auto_id and not collection.properties.get("allow_insert_auto_id"):
        raise invalid(f"the primary key {primary.name} is made by the server and cannot be given")
    write = collection.insert if is_keyless else collection.upsert
    with worded_as_milvus(collection.schema, columns):
        keys = write(columns, partition=partition)
    return _result(hosted, keys, insert_cnt=len(keys))


@rpc("Upsert")
def upsert(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    columns = _columns(hosted, request)
    partition = _partition(hosted, request)
    primary = hosted.collection.schema.primary
    if primary.name not in columns:
        raise invalid(f"upsert: must assign pk of field {primary.name} when upsert")
    keys = columns[primary.name]
    if len(set(keys.tolist() if isinstance(keys, np.ndarray) else keys)) != len(keys):
        raise invalid("duplicate primary keys are not allowed in the same batch")
    if request.partial_update or request.field_ops:
        # What an entity keeps is read.
        hosted.check_loaded([partition or DEFAULT_PARTITION])
    ops = _operations(hosted.collection.schema, request.field_ops, columns)
    upsert = hosted.collection.upsert
    with worded_as_milvus(hosted.collection.schema, columns):
        if request.partial_update or ops:
            kept = upsert(_rows(columns), partial=True, array_ops=ops or None, partition=partition)
        else:
            kept = upsert(columns, partition=partition)
    return _result(hosted, kept, upsert_cnt=len(kept))


def _operations(schema: Schema, given: Sequence[Any], columns: dict[str, Any]) -> dict[str, str]:
    """Return what happens to arrays that are there, by field.

    Raises:
        MilvusError: It cannot happen to such a field, in Milvus' words.
    """
    ops: dict[str, str] = {}
    seen: set[str] = set()
    for op in given:
        name = op.field_name
        if not name:
            raise invalid("FieldPartialUpdateOp.field_name is required")
        if name in seen:
            raise invalid(f'duplicate partial-update op for field "{name}"')
        seen.add(name)
        # To replace is what happens to fields of which nothing is said.
        if op.op != _REPLACE:
            ops[name] = _operation(schema, op)
            if name not in columns:
                told = f'partial-update op targets field "{name}" not present in fields_data'
                raise invalid(told)
    return ops


def _operation(schema: Schema, op: Any) -> str:
    name, kind = op.field_name, read_name(messages.FieldPartialUpdateOp.OpType, op.op)
    if name == schema.primary.name:
        raise invalid(f'field "{name}" is the primary key and cannot carry a partial-update op')
    if name not in schema:
        raise invalid(f'field "{name}" not found in collection schema')
    if kind not in _OPERATIONS:
        raise invalid(f"unsupported partial update op: {kind}")
    dtype = schema.field(name).dtype
    if dtype is not DataType.ARRAY:
        held = messages.DataType.Name(int(dtype))
        raise invalid(f'op {kind} requires Array field, but field "{name}" is {held}')
    return _OPERATIONS[kind]


def _rows(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Return columns as rows, which partial upserts take; undeclared fields beside the others."""
    dynamic = columns.pop(DYNAMIC_FIELD, None)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if dynamic is not None:
        rows = [{**extra, **row} for row, extra in zip(rows, dynamic, strict=True)]
    return rows


def _is_by_key(primary: str, expression: str) -> bool:
    """Whether an expression names entities by their keys alone."""
    found = _KEYS.fullmatch(expression)
    return found is not None and found["field"] == primary


@rpc("Delete")
def delete(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    if not request.expr.strip():
        raise invalid("delete plan can't be empty or always true : ")
    partition = _partition(hosted, request, deletes=True)
    try:
        hosted.check_loaded([partition] if partition else [])
    except MilvusError:
        # Keys are all that is deleted without a search.
        if not _is_by_key(hosted.collection.schema.primary.name, request.expr):
            raise
    count = hosted.collection.delete(
        filter=request.expr,
        params=decode_templates(request.expr_template_values),
        partitions=partition or (DEFAULT_PARTITION if request.partition_name else None),
    )
    return milvus.MutationResult(delete_cnt=count, acknowledged=True, timestamp=now())
