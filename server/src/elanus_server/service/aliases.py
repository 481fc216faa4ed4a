"""Second names of collections."""

from __future__ import annotations

from typing import Any

from elanus import Database
from elanus_server.failures import (
    ALIAS_CONFLICT,
    ALIAS_NOT_FOUND,
    MilvusError,
    collection_not_found,
)
from elanus_server.service.context import Call
from elanus_server.service.names import checked_name
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus


def _not_found(database: str, alias: str) -> MilvusError:
    return MilvusError(ALIAS_NOT_FOUND, f"alias not found[database={database}][alias={alias}]")


def _check_collection(handle: Database, database: str, name: str) -> None:
    """Refuse to name what is no collection; aliases have no aliases."""
    if name not in handle.list_collections():
        checked_name(name, "collection")
        raise collection_not_found(database, name)


def _check_conflict(handle: Database, database: str, alias: str) -> None:
    if alias in handle.list_collections():
        raise MilvusError(
            ALIAS_CONFLICT,
            f"alias and collection name conflict[database={database}][alias={alias}]",
        )


@rpc("CreateAlias")
def create_alias(call: Call, request: Any) -> None:
    handle, database = call.handle_of(request), call.database_of(request)
    alias = checked_name(request.alias, "alias")
    _check_collection(handle, database, request.collection_name)
    _check_conflict(handle, database, alias)
    known = handle.list_aliases().get(alias)
    if known == request.collection_name:
        return
    if known is not None:
        raise MilvusError(
            1602,
            f"{alias} is alias to another collection: {known}: alias already exist"
            f"[database={database}][alias={alias}]",
        )
    handle.create_alias(alias, request.collection_name)


@rpc("AlterAlias")
def alter_alias(call: Call, request: Any) -> None:
    handle, database = call.handle_of(request), call.database_of(request)
    _check_collection(handle, database, request.collection_name)
    _check_conflict(handle, database, request.alias)
    if request.alias not in handle.list_aliases():
        checked_name(request.alias, "alias")
        raise _not_found(database, request.alias)
    handle.alter_alias(request.alias, request.collection_name)


@rpc("DropAlias")
def drop_alias(call: Call, request: Any) -> None:
    """Drop an alias; one that is not there is no error, as with Milvus."""
    handle = call.handle_of(request)
    if request.alias in handle.list_aliases():
        handle.drop_alias(request.alias)
    else:
        checked_name(request.alias, "alias")


@rpc("DescribeAlias")
def describe_alias(call: Call, request: Any) -> Any:
    database = call.database_of(request)
    found = call.handle_of(request).list_aliases().get(request.alias)
    if found is None:
        checked_name(request.alias, "alias")
        raise _not_found(database, request.alias)
    return milvus.DescribeAliasResponse(db_name=database, alias=request.alias, collection=found)


@rpc("ListAliases")
def list_aliases(call: Call, request: Any) -> Any:
    handle, name = call.handle_of(request), request.collection_name
    if name and not handle.has_collection(name):
        checked_name(name, "collection")
        raise collection_not_found(call.database_of(request), name)
    aliases = sorted(handle.list_aliases(name or None))
    return milvus.ListAliasesResponse(
        db_name=call.database_of(request), collection_name=name, aliases=aliases
    )
