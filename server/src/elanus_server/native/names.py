"""Which arguments of a call on a database name what somebody needs a privilege for?"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from elanus import Database

_COLLECTION = {
    "collection": "name",
    "has_collection": "name",
    "create_collection": "name",
    "drop_collection": "name",
    "rename_collection": "name",
    "create_alias": "collection",
    "alter_alias": "collection",
    "list_aliases": "collection",
    "describe_snapshot": "collection",
    "drop_snapshot": "collection",
    "list_snapshots": "collection",
    "restore_snapshot": "collection",
    "snapshot": "collection",
}
"""Argument that names a collection, or an alias of one."""
OF_ALL = frozenset({"drop_snapshot", "list_snapshots", "snapshot"})
"""Calls that are about all collections where they name none."""
_OF_DATABASE = frozenset(
    {
        "alter_database_properties",
        "create_database",
        "database_properties",
        "drop_database",
        "drop_database_properties",
        "use_database",
    }
)
"""Calls whose ``name`` is that of a database."""


def arguments_of(call: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name.

    Raises:
        TypeError: They do not fit, in Python's words.
    """
    bound = inspect.signature(getattr(Database, call)).bind(None, *args, **kwargs)
    return {name: value for name, value in bound.arguments.items() if name != "self"}


def database_of(call: str, arguments: Mapping[str, Any], database: str) -> str:
    """Return the database that a call means."""
    named = arguments.get("name") if call in _OF_DATABASE else None
    return named if isinstance(named, str) and named else database


def named(call: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of Milvus' message that name something."""
    found = {}
    name = arguments.get(_COLLECTION.get(call, ""))
    if isinstance(name, str):
        found["oldName" if call == "rename_collection" else "collection_name"] = name
    other = arguments.get("database")
    if isinstance(other, str):
        found["newDBName" if call == "rename_collection" else "target_db_name"] = other
    alias = arguments.get("alias")
    if isinstance(alias, str):
        found["alias"] = alias
    return found
