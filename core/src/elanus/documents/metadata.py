"""How does user metadata become JSON, and which values cannot?

What JSON has is stored unchanged. A few types that everybody puts into metadata are converted;
everything else is refused before a byte is written. Input objects are never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np

from elanus.errors import EntityError

JsonObject: TypeAlias = dict[str, Any]

MAX_DEPTH = 64
"""Deepest nesting of lists and dicts; metadata that contains itself is caught by it."""


def metadata_to_json(metadata: Mapping[str, Any] | None, row: int) -> JsonObject:
    """Return a copy of ``metadata`` that JSON can hold.

    ``datetime``, ``date`` and ``time`` become ISO 8601 text, ``UUID``, ``Path`` and ``Decimal``
    their text, ``Enum`` its value, NumPy scalars Python numbers, tuples lists.

    Args:
        metadata: What the user gave; None means empty.
        row: Position of the document in its batch, for the error.

    Raises:
        EntityError: A key is not a string, or a value has no JSON form; names key and row.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise EntityError(
            f"metadata: expected a dict, got {type(metadata).__name__} (row {row})",
            field="metadata",
            row=row,
        )
    return _convert_mapping(metadata, row, "metadata", 0)


def _convert_mapping(values: Mapping[Any, Any], row: int, path: str, depth: int) -> JsonObject:
    converted: JsonObject = {}
    for key, value in values.items():
        if not isinstance(key, str):
            raise _error(f"{path}: keys must be str, got {key!r} of {type(key).__name__}", row)
        # An Enum that is also a str is a legal key; its plain text is what JSON keeps.
        plain = str(key.value) if isinstance(key, Enum) else key
        converted[plain] = _convert(value, row, f"{path}[{key!r}]", depth + 1)
    return converted


def _convert(value: Any, row: int, path: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise _error(f"{path}: nested deeper than {MAX_DEPTH} levels", row)
    if isinstance(value, Enum):
        return _convert(value.value, row, path, depth + 1)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, np.generic):
        return _convert_numpy(value, row, path, depth)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise _error(f"{path}: {value} has no JSON form; store None instead", row)
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID | PurePath | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return _convert_mapping(value, row, path, depth)
    if isinstance(value, list | tuple):
        return [_convert(v, row, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)]
    raise _error(
        f"{path}: {type(value).__name__} has no JSON form; expected str, number, bool, None, "
        f"list, dict, datetime, UUID, Path, Enum or Decimal",
        row,
    )


def _convert_numpy(value: np.generic, row: int, path: str, depth: int) -> Any:
    plain = value.item()
    if isinstance(plain, np.generic):
        raise _error(f"{path}: NumPy {value.dtype} has no JSON form", row)
    return _convert(plain, row, path, depth + 1)


def _error(message: str, row: int) -> EntityError:
    return EntityError(f"{message} (row {row})", field="metadata", row=row)


def check_lengths(num_texts: int, **columns: Sized | None) -> None:
    """Check that every column that is given has one value per text.

    Raises:
        EntityError: Naming the column and both lengths.
    """
    for name, values in columns.items():
        if values is not None and len(values) != num_texts:
            raise EntityError(
                f"{name}: expected {num_texts}, one per text, got {len(values)}", field=name
            )
