"""What are collections called?

A folder holds databases, which are no more than name spaces: a collection of the default database
has its name alone, one of another database is ``database/name``. Aliases are spelled the same way.
Each function takes a catalog and returns what changes in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from elanus.engine.definition.properties import read_properties
from elanus.errors import (
    AlreadyExistsError,
    CollectionExistsError,
    CollectionNotFoundError,
    InvalidArgumentError,
    NotFoundError,
    StateError,
)
from elanus.schema.collection import did_you_mean
from elanus.schema.fields import check_name
from elanus.storage.catalog import Catalog

DEFAULT_DATABASE = "default"
MAX_DATABASES = 64
"""As in Milvus."""

Changes = dict[str, Any]
"""New values of attributes of a catalog."""


def full_name(database: str, name: str) -> str:
    """Return what the catalog calls a collection or an alias of a database."""
    return name if database == DEFAULT_DATABASE else f"{database}/{name}"


def split_name(full: str) -> tuple[str, str]:
    """Return the database of a collection or an alias, and its name there."""
    database, _, name = full.rpartition("/")
    return database or DEFAULT_DATABASE, name


def resolve(catalog: Catalog, full: str) -> str:
    """Return the name of the collection that a name or an alias means.

    Raises:
        CollectionNotFoundError: None; names the nearest one.
    """
    found = catalog.aliases.get(full, full)
    if found in catalog.collections:
        return found
    database, name = split_name(full)
    known = [
        n for d, n in map(split_name, [*catalog.collections, *catalog.aliases]) if d == database
    ]
    where = "" if database == DEFAULT_DATABASE else f" in database {database!r}"
    raise CollectionNotFoundError(
        f"no collection {name!r}{where}{did_you_mean(name, sorted(known))}", name=name
    )


def check_free(catalog: Catalog, full: str) -> None:
    """Refuse a name that a collection or an alias has, or whose database is missing.

    Raises:
        CollectionExistsError: It is taken.
        NotFoundError: No such database.
        SchemaError: The name is not valid.
    """
    database, name = split_name(full)
    check_name(name, "collection")
    check_database(catalog, database)
    if full in catalog.collections:
        raise CollectionExistsError(
            f"collection {name!r} exists already; open it with collection({name!r}) or drop it "
            f"first"
        )
    if full in catalog.aliases:
        raise CollectionExistsError(
            f"{name!r} is an alias of {split_name(catalog.aliases[full])[1]!r}; drop the alias "
            f"first, or choose another name"
        )


def check_database(catalog: Catalog, name: str) -> None:
    """Raise ``NotFoundError`` unless there is such a database."""
    if name != DEFAULT_DATABASE and name not in catalog.databases:
        known = [DEFAULT_DATABASE, *sorted(catalog.databases)]
        raise NotFoundError(f"no database {name!r}{did_you_mean(name, known)}")


# --- collections ------------------------------------------------------------------------------


def renamed(catalog: Catalog, old: str, new: str) -> Changes:
    """Give a collection another name, in the same or in another database.

    Raises:
        CollectionNotFoundError: No such collection.
        CollectionExistsError: The new name is taken.
        StateError: It has aliases, and the new name is in another database.
    """
    found = resolve(catalog, old)
    if found != old:
        raise InvalidArgumentError(
            f"{split_name(old)[1]!r} is an alias of {split_name(found)[1]!r}; rename that"
        )
    check_free(catalog, new)
    aliases = aliases_of(catalog, old)
    if aliases and split_name(old)[0] != split_name(new)[0]:
        raise StateError(
            f"collection {split_name(old)[1]!r} has the alias {split_name(aliases[0])[1]!r}, which "
            f"stays in its database; drop it first"
        )
    collections = {new if n == old else n: found for n, found in catalog.collections.items()}
    return {
        "collections": collections,
        "aliases": {**catalog.aliases, **dict.fromkeys(aliases, new)},
    }


def check_droppable(catalog: Catalog, full: str) -> None:
    """Refuse to drop a collection that something else names.

    Raises:
        CollectionNotFoundError: No such collection.
        StateError: It has an alias, or a named snapshot holds it.
    """
    found = resolve(catalog, full)
    name = split_name(full)[1]
    if found != full:
        raise StateError(
            f"{name!r} is an alias of {split_name(found)[1]!r}; drop that, or drop_alias({name!r})"
        )
    aliases = aliases_of(catalog, full)
    if aliases:
        raise StateError(
            f"collection {name!r} has the alias {split_name(aliases[0])[1]!r}; drop the alias first"
        )
    identity = catalog.collections[full]
    # Snapshots of the collection alone, whose names have its identifier, go with it.
    holders = [n for n, s in catalog.snapshots.items() if identity in s.versions and "/" not in n]
    if holders:
        raise StateError(
            f"collection {name!r} is part of snapshot {holders[0]!r}; drop the snapshot first"
        )


# --- aliases ----------------------------------------------------------------------------------


def aliases_of(catalog: Catalog, full: str) -> list[str]:
    """Return the aliases of a collection, sorted."""
    return sorted(alias for alias, name in catalog.aliases.items() if name == full)


def with_alias(catalog: Catalog, alias: str, full: str, *, move: bool) -> Changes:
    """Let an alias name a collection.

    Args:
        catalog: The names as they are.
        alias: The alias.
        full: The collection, in the same database.
        move: The alias is there and names another one; otherwise it is new.

    Raises:
        AlreadyExistsError: The alias is taken.
        CollectionNotFoundError: No such collection.
        NotFoundError: No such alias to move.
    """
    if move:
        without_alias(catalog, alias)
    elif alias in catalog.aliases:
        name = split_name(alias)[1]
        raise AlreadyExistsError(
            f"alias {name!r} exists already; alter_alias({name!r}, ...) lets it name another "
            f"collection"
        )
    else:
        check_free(catalog, alias)
    return {"aliases": {**catalog.aliases, alias: resolve(catalog, full)}}


def without_alias(catalog: Catalog, alias: str) -> Changes:
    """Forget an alias.

    Raises:
        NotFoundError: No such alias.
    """
    if alias not in catalog.aliases:
        known = [split_name(a)[1] for a in sorted(catalog.aliases)]
        name = split_name(alias)[1]
        raise NotFoundError(f"no alias {name!r}{did_you_mean(name, known)}")
    return {"aliases": {a: n for a, n in catalog.aliases.items() if a != alias}}


# --- databases --------------------------------------------------------------------------------


def with_database(catalog: Catalog, name: str, properties: Mapping[str, Any]) -> Changes:
    """Add a database.

    Raises:
        AlreadyExistsError: The name is taken.
        SchemaError: The name is not valid.
        StateError: There are 64 already.
    """
    check_name(name, "database")
    if name == DEFAULT_DATABASE or name in catalog.databases:
        raise AlreadyExistsError(
            f"database {name!r} exists already; use_database({name!r}) opens it"
        )
    if len({DEFAULT_DATABASE, *catalog.databases}) >= MAX_DATABASES:
        raise StateError(f"database {name!r}: a folder holds at most {MAX_DATABASES} databases")
    values = read_properties(properties, of_database=True)
    return {"databases": {**catalog.databases, name: _json_values(values)}}


def with_database_properties(catalog: Catalog, name: str, properties: Mapping[str, Any]) -> Changes:
    """Add or replace properties of a database; a value of None removes one.

    Raises:
        NotFoundError: No such database.
    """
    check_database(catalog, name)
    values = read_properties(properties, of_database=True)
    merged = {**catalog.databases.get(name, {}), **values}
    kept = {key: value for key, value in merged.items() if value is not None}
    return {"databases": {**catalog.databases, name: _json_values(kept)}}


def without_database(catalog: Catalog, name: str) -> Changes:
    """Remove an empty database.

    Raises:
        NotFoundError: No such database.
        StateError: It has collections, or is the default one.
    """
    check_database(catalog, name)
    if name == DEFAULT_DATABASE:
        raise StateError("the default database cannot be dropped")
    left = [n for d, n in map(split_name, sorted(catalog.collections)) if d == name]
    if left:
        raise StateError(f"database {name!r} has the collection {left[0]!r}; drop its collections")
    return {"databases": {n: found for n, found in catalog.databases.items() if n != name}}


def _json_values(properties: Mapping[str, Any]) -> dict[str, Any]:
    try:
        made: dict[str, Any] = json.loads(json.dumps(dict(properties)))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"properties must be JSON values: {error}") from None
    return made
