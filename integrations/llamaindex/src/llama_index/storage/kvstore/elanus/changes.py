"""How are values kept as rows, and several of them changed as one?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from elanus import VARCHAR, Field
from elanus.errors import EntityError
from elanus.filter import Compare, CompareOp, FieldRef, Literal

Pair = tuple[str, dict[str, Any]]

KV_FIELDS = (
    Field("id", VARCHAR, primary=True),
    Field("collection", VARCHAR),
    Field("key", VARCHAR),
    Field("value", VARCHAR),
)


def row_id(collection: str, key: str) -> str:
    """Return the primary key of a pair; no two pairs share one, whatever their names hold."""
    return f"{len(collection)}:{collection}{key}"


def in_collection(collection: str) -> Compare:
    """Return the filter that selects all pairs of a collection."""
    return Compare(CompareOp.EQ, FieldRef("collection"), Literal(collection))


def encode(key: str, value: Mapping[str, Any]) -> str:
    """Return a value as JSON.

    Raises:
        EntityError: It has none.
    """
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise EntityError(f"value of key {key!r} cannot be written as JSON: {error}") from error


def decode(text: str) -> dict[str, Any]:
    """Return the value that was written as ``text``."""
    value: dict[str, Any] = json.loads(text)
    return value


def read_pairs(table: Any, keys: Sequence[str], collection: str) -> dict[str, dict[str, Any]]:
    """Return the values of those keys that exist, by key, in the order asked for."""
    if table is None or not keys:
        return {}
    ids = [row_id(collection, key) for key in dict.fromkeys(keys)]
    rows = table.get(ids, ["key", "value"])
    return {row["key"]: decode(row["value"]) for row in rows}


class KVChanges:
    """Changes that are written together when their ``with`` block ends, and not at all if it fails.

    What is put is written in one step, then what is deleted is deleted in one step.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self._rows: dict[str, dict[str, str]] = {}
        self._deleted: dict[str, None] = {}

    def get_many(self, keys: Sequence[str], collection: str) -> dict[str, dict[str, Any]]:
        """Return the values of those keys that existed when the changes began, by key."""
        return read_pairs(self._table, keys, collection)

    def put_all(self, pairs: Iterable[Pair], collection: str) -> None:
        """Write values, replacing those with the same key.

        Raises:
            EntityError: A value has no JSON form.
        """
        for key, value in pairs:
            pk = row_id(collection, key)
            self._deleted.pop(pk, None)
            text = encode(key, value)
            self._rows[pk] = {"id": pk, "collection": collection, "key": key, "value": text}

    def delete(self, keys: Iterable[str], collection: str) -> None:
        """Delete values; missing ones are no error."""
        for key in keys:
            pk = row_id(collection, key)
            self._rows.pop(pk, None)
            self._deleted[pk] = None

    def apply(self) -> int:
        """Write everything and return how many pairs were deleted."""
        if self._rows:
            rows = list(self._rows.values())
            self._table.upsert({name: [row[name] for row in rows] for name in rows[0]})
        return self._table.delete(list(self._deleted)) if self._deleted else 0
