"""What lies at a path of a JSON field, or at a place of an array?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from elanus.errors import FilterError
from elanus.filter import FieldRef, IsNull, JsonPath, Node, parse
from elanus.filter.names import Scope, resolve
from elanus.query.sources import SearchSource
from elanus.schema.batches import StringColumn
from elanus.schema.collection import Schema
from elanus.types import DataType, Int64Array


def read_path(schema: Schema, text: str, root: str | None = None) -> FieldRef | JsonPath:
    """Return the field, or the place in one, that a text such as ``meta["a"][0]`` names.

    Raises:
        FilterError: It is neither, or names nothing of the schema.
    """
    node = resolve(_parsed(text), Scope(schema, root, text=text))
    named = node.operand if isinstance(node, IsNull) else None
    if not isinstance(named, FieldRef | JsonPath):
        raise FilterError(f"expected a field or a path such as meta['key'], got {text!r}")
    if isinstance(named, JsonPath):
        dtype = schema.field(named.field).dtype
        if dtype not in (DataType.JSON, DataType.ARRAY):
            raise FilterError(f"field {named.field!r} is {dtype.name}, nothing lies at {text!r}")
    return named


def path_values(source: SearchSource, path: JsonPath, rows: Int64Array) -> list[Any]:
    """Return what lies at a path of some rows (int64), None where nothing does."""
    column = source.column(path.field)
    whole = column.json_at(rows) if isinstance(column, StringColumn) else column.values_at(rows)
    return [value_at(value, path.keys) for value in whole]


def value_at(value: Any, keys: Sequence[str | int]) -> Any:
    """Return what lies at a path of a value, None where nothing does."""
    for key in keys:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


@lru_cache(maxsize=256)
def _parsed(text: str) -> Node:
    return parse(f"{text} is null")
