"""Routes of databases, partitions, indexes and aliases."""

from __future__ import annotations

from typing import Any

from elanus_server.codec.pairs import read_pairs
from elanus_server.failures import INDEX_NOT_FOUND, MilvusError, status_in
from elanus_server.rest.collections import KEYS, PROPERTIES, row_count
from elanus_server.rest.creation import create_index
from elanus_server.rest.exchange import COLLECTION, Exchange, forward, route
from elanus_server.rest.parameters import Parameter, read_all
from elanus_server.rest.schemas import INDEX, shown_pairs, texts
from elanus_server.wire import common

_DATABASE = Parameter("dbName", field="db_name", required=True)
_PARTITION = Parameter("partitionName", field="partition_name", required=True)
_PARTITIONS = Parameter("partitionNames", "strings", field="partition_names", required=True)
_INDEX = Parameter("indexName", field="index_name", required=True)
_ALIAS = Parameter("aliasName", field="alias", required=True)

forward(
    "databases/list",
    "List the databases",
    "ListDatabases",
    shape=lambda response: list(response.db_names),
)
forward("databases/drop", "Drop an empty database", "DropDatabase", _DATABASE)
forward(
    "databases/drop_properties", "Drop properties of a database", "AlterDatabase", _DATABASE, KEYS
)


@route("databases/create", "Make a database", "CreateDatabase", _DATABASE, PROPERTIES)
def create_database(exchange: Exchange) -> Any:
    properties = texts(exchange.values["properties"])
    exchange.ask("CreateDatabase", **exchange.filled(), properties=properties)
    return {}


@route("databases/describe", "Describe a database", "DescribeDatabase", _DATABASE)
def describe_database(exchange: Exchange) -> Any:
    found = exchange.ask("DescribeDatabase", **exchange.filled())
    return {
        "dbName": found.db_name,
        "dbID": exchange.number(found.dbID),
        "properties": shown_pairs(found.properties),
    }


@route("databases/alter", "Set properties of a database", "AlterDatabase", _DATABASE, PROPERTIES)
@route(
    "databases/alter_properties",
    "Set properties of a database",
    "AlterDatabase",
    _DATABASE,
    PROPERTIES,
)
def alter_database(exchange: Exchange) -> Any:
    properties = texts(exchange.values["properties"])
    exchange.ask("AlterDatabase", **exchange.filled(), properties=properties)
    return {}


forward(
    "partitions/list",
    "List the partitions of a collection",
    "ShowPartitions",
    COLLECTION,
    shape=lambda response: list(response.partition_names),
)
forward(
    "partitions/has",
    "Say whether a partition exists",
    "HasPartition",
    COLLECTION,
    _PARTITION,
    shape=lambda response: {"has": response.value},
)
forward(
    "partitions/get_stats",
    "Count the entities of a partition",
    "GetPartitionStatistics",
    COLLECTION,
    _PARTITION,
    shape=row_count,
)
forward("partitions/create", "Make a partition", "CreatePartition", COLLECTION, _PARTITION)
forward("partitions/drop", "Drop a partition", "DropPartition", COLLECTION, _PARTITION)
forward("partitions/load", "Load partitions", "LoadPartitions", COLLECTION, _PARTITIONS)
forward("partitions/release", "Release partitions", "ReleasePartitions", COLLECTION, _PARTITIONS)


@route("indexes/list", "List the indexes of a collection", "DescribeIndex", COLLECTION)
def list_indexes(exchange: Exchange) -> Any:
    """Return names; none at all is no error here."""
    response = exchange.try_ask("DescribeIndex", **exchange.filled())
    status = status_in(response)
    if status.code == INDEX_NOT_FOUND:
        return []
    if status.code:
        raise MilvusError(status.code, status.reason)
    return [index.index_name for index in response.index_descriptions]


@route("indexes/describe", "Describe an index", "DescribeIndex", COLLECTION, _INDEX)
def describe_index(exchange: Exchange) -> Any:
    response = exchange.ask("DescribeIndex", **exchange.filled())
    return [_shown(exchange, index) for index in response.index_descriptions]


def _shown(exchange: Exchange, index: Any) -> dict[str, Any]:
    params = read_pairs(index.params)
    return {
        "indexName": index.index_name,
        "fieldName": index.field_name,
        "indexType": params.get("index_type", ""),
        "metricType": params.get("metric_type", ""),
        "totalRows": exchange.number(index.total_rows),
        "pendingRows": exchange.number(index.pending_index_rows),
        "indexedRows": exchange.number(index.indexed_rows),
        "indexState": common.IndexState.Name(index.state),
        "failReason": index.index_state_fail_reason,
        "params": shown_pairs(index.params),
    }


@route(
    "indexes/create",
    "Give fields indexes",
    "CreateIndex",
    COLLECTION,
    Parameter("indexParams", "objects", required=True),
)
def create_indexes(exchange: Exchange) -> Any:
    for one in exchange.values["indexParams"]:
        index = read_all(INDEX, one, "indexParams.")
        create_index(exchange, exchange.values["collectionName"], index)
    return {}


forward("indexes/drop", "Drop an index", "DropIndex", COLLECTION, _INDEX)
forward(
    "indexes/drop_properties", "Drop properties of an index", "AlterIndex", COLLECTION, _INDEX, KEYS
)


@route(
    "indexes/alter_properties",
    "Set properties of an index",
    "AlterIndex",
    COLLECTION,
    _INDEX,
    PROPERTIES,
)
def alter_index(exchange: Exchange) -> Any:
    properties = texts(exchange.values["properties"])
    exchange.ask("AlterIndex", **exchange.filled(), extra_params=properties)
    return {}


forward(
    "aliases/list",
    "List the aliases of a database or a collection",
    "ListAliases",
    Parameter("collectionName", field="collection_name"),
    shape=lambda response: list(response.aliases),
)
forward(
    "aliases/describe",
    "Say which collection an alias stands for",
    "DescribeAlias",
    _ALIAS,
    shape=lambda response: {
        "dbName": response.db_name,
        "collectionName": response.collection,
        "aliasName": response.alias,
    },
)
forward("aliases/create", "Give a collection a second name", "CreateAlias", COLLECTION, _ALIAS)
forward("aliases/drop", "Drop an alias", "DropAlias", _ALIAS)
forward(
    "aliases/alter", "Let an alias stand for another collection", "AlterAlias", COLLECTION, _ALIAS
)
