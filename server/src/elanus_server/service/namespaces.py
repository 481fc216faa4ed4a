"""Namespaces: one part of a collection for each tenant.

A collection has them when it was made with ``enable_namespace``. Each one is a partition, so a
search of one reads nothing of the others.
"""

from __future__ import annotations

from typing import Any

from elanus.errors import AlreadyExistsError
from elanus_server.failures import MilvusError, invalid
from elanus_server.service.context import Call, Hosted
from elanus_server.service.names import checked_name
from elanus_server.service.partitions import DEFAULT_PARTITION
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus

NAMESPACE_NOT_FOUND = 200
_MAX_PAGE = 1000


def namespace_of(
    hosted: Hosted, request: Any, *, makes: bool = False, is_needed: bool = True
) -> str | None:
    """Return the namespace that a request reads or writes; None: the collection has none.

    Args:
        hosted: The collection.
        request: A message with a field ``namespace``.
        makes: A namespace that is not there yet is made.
        is_needed: The request has to name one; else it means all of them.

    Raises:
        MilvusError: The collection has namespaces and none is named, or the other way round; or
            there is none of this name.
    """
    is_enabled = hosted.known.message.enable_namespace
    if not request.HasField("namespace"):
        if is_enabled and is_needed:
            raise invalid("namespace data is not set but the collection has namespaces enabled")
        return None
    if not is_enabled:
        raise invalid("namespace data is set but the collection has no namespaces enabled")
    name: str = request.namespace
    if name not in _names(hosted):
        if not makes:
            raise _not_found(name)
        _make(hosted, name)
    return name


def _names(hosted: Hosted) -> list[str]:
    return sorted(n for n in hosted.collection.list_partitions() if n != DEFAULT_PARTITION)


def _make(hosted: Hosted, name: str) -> None:
    try:
        hosted.collection.create_partition(checked_name(name, "namespace"))
    except AlreadyExistsError:
        return  # somebody else was faster


def _not_found(name: str) -> MilvusError:
    return MilvusError(NAMESPACE_NOT_FOUND, f"namespace not found[namespace={name}]")


def _hosted(call: Call, request: Any) -> Hosted:
    hosted = call.hosted(request)
    if not hosted.known.message.enable_namespace:
        raise invalid(f"namespace is not enabled for collection {hosted.collection.name}")
    return hosted


def _existing(call: Call, request: Any) -> tuple[Hosted, str]:
    hosted, name = _hosted(call, request), request.namespace_name
    if name not in _names(hosted):
        raise _not_found(name)
    return hosted, name


@rpc("CreateNamespace")
def create_namespace(call: Call, request: Any) -> Any:
    hosted, name = _hosted(call, request), request.namespace_name
    checked_name(name, "namespace")
    if name in _names(hosted):
        raise invalid(f"namespace already exists[namespace={name}]")
    _make(hosted, name)
    return milvus.CreateNamespaceResponse(namespace=_shown(hosted, name))


@rpc("DescribeNamespace")
def describe_namespace(call: Call, request: Any) -> Any:
    return milvus.DescribeNamespaceResponse(namespace=_shown(*_existing(call, request)))


@rpc("HasNamespace")
def has_namespace(call: Call, request: Any) -> Any:
    found = request.namespace_name in _names(_hosted(call, request))
    return milvus.HasNamespaceResponse(value=found)


@rpc("ListNamespaces")
def list_namespaces(call: Call, request: Any) -> Any:
    """List namespaces by name; a token is the name that the next page begins behind."""
    hosted, size = _hosted(call, request), request.page_size
    if not 0 <= size <= _MAX_PAGE:
        raise invalid(f"page_size: expected 0 to {_MAX_PAGE}, got {size}")
    names = [
        name
        for name in _names(hosted)
        if name.startswith(request.prefix) and name > request.page_token
    ]
    page = names[: size or _MAX_PAGE]
    return milvus.ListNamespacesResponse(
        namespaces=[_shown(hosted, name) for name in page],
        next_page_token=page[-1] if len(page) < len(names) else "",
    )


@rpc("DropNamespace")
def drop_namespace(call: Call, request: Any) -> Any:
    hosted, name = _existing(call, request)
    shown = _shown(hosted, name)
    shown.state = "dropped"
    hosted.collection.drop_partition(name)
    return milvus.DropNamespaceResponse(namespace=shown)


@rpc("GetNamespaceStats")
def get_namespace_stats(call: Call, request: Any) -> Any:
    hosted, name = _existing(call, request)
    return milvus.GetNamespaceStatsResponse(namespace_name=name, stats=_stats(hosted, name))


def _shown(hosted: Hosted, name: str) -> Any:
    return milvus.NamespaceInfo(
        collection_name=hosted.collection.name,
        namespace_name=name,
        state="active",
        stats=_stats(hosted, name),
    )


def _stats(hosted: Hosted, name: str) -> Any:
    count = hosted.collection.count(partitions=[name])
    return milvus.NamespaceStats(
        approx_entity_count=count, entity_count=count, entity_count_type="exact"
    )
