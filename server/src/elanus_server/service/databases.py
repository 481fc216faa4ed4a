"""Databases: name spaces of collections."""

from __future__ import annotations

import zlib
from typing import Any

from elanus.errors import AlreadyExistsError, StateError
from elanus_server.codec.pairs import as_text, loose_value, read_pairs, write_pairs
from elanus_server.failures import MilvusError, database_not_found, invalid
from elanus_server.kept import RESERVED_DATABASE
from elanus_server.service.context import DEFAULT_DATABASE, Call
from elanus_server.service.names import checked_database, database_name
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus


def _number(name: str) -> int:
    return 1 if name == DEFAULT_DATABASE else zlib.crc32(name.encode()) + 2


def _read(pairs: Any) -> dict[str, Any]:
    """Return properties of a message; what would not be shown as it was given stays a text."""
    given = read_pairs(pairs)
    values = {name: loose_value(text) for name, text in given.items()}
    return {
        name: text if values[name] is None or as_text(values[name]) != text else values[name]
        for name, text in given.items()
    }


@rpc("CreateDatabase")
def create_database(call: Call, request: Any) -> None:
    if checked_database(request.db_name) == RESERVED_DATABASE:
        raise database_name(request.db_name, "the database belongs to the server")
    properties = _read(request.properties)
    try:
        call.host.root.create_database(request.db_name, properties=properties)
    except AlreadyExistsError:
        raise MilvusError(65535, f"database already exist: {request.db_name}") from None


@rpc("DropDatabase")
def drop_database(call: Call, request: Any) -> None:
    """Drop an empty database; one that is not there is no error, as with Milvus."""
    name = checked_database(request.db_name)
    if name == DEFAULT_DATABASE:
        raise invalid("can not drop default database")
    if name == RESERVED_DATABASE:
        raise database_not_found(name)
    if name not in call.host.list_databases():
        return
    try:
        call.host.root.drop_database(name)
    except StateError as error:
        raise MilvusError(
            65535, f"database:{name} not empty, must drop all collections before drop database"
        ) from error
    call.host.forget_database(name)


@rpc("ListDatabases")
def list_databases(call: Call, request: Any) -> Any:
    guard = call.host.guard
    names = [n for n in call.host.list_databases() if guard.sees_database(call.user, n)]
    return milvus.ListDatabasesResponse(
        db_names=names, created_timestamp=[0] * len(names), db_ids=[_number(n) for n in names]
    )


@rpc("DescribeDatabase")
def describe_database(call: Call, request: Any) -> Any:
    name = request.db_name or call.database
    properties = call.host.database(name).database_properties()
    return milvus.DescribeDatabaseResponse(
        db_name=name, dbID=_number(name), properties=write_pairs(properties)
    )


@rpc("AlterDatabase")
def alter_database(call: Call, request: Any) -> None:
    name = request.db_name or call.database
    given = _read(request.properties)
    if given and request.delete_keys:
        raise invalid("alter database cannot modify properties and delete keys at the same time")
    call.host.database(name)
    if not given and not request.delete_keys:
        raise invalid(
            "alter database with empty properties and delete keys, expected to set either "
            "properties or delete keys"
        )
    call.host.root.alter_database_properties(name, {**given, **dict.fromkeys(request.delete_keys)})
