"""Resource groups of a server that is one node.

Groups are kept and listed. The node, with everything that is loaded, is in the first group that
asks for nodes, in the order in which they were made; else in the default one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from elanus_server.failures import MilvusError, invalid
from elanus_server.service.context import Call, Host
from elanus_server.service.names import checked_name
from elanus_server.service.registry import rpc
from elanus_server.wire import common, milvus

DEFAULT_GROUP = "__default_resource_group"
NODE = 1
GROUP_NOT_FOUND, GROUP_EXISTS, GROUP_LIMIT, GROUP_CONFIG, NODE_NOT_ENOUGH = range(300, 305)
NODE_NOT_FOUND = 901
MAX_GROUPS = 1024
_PROPERTY = "resource_groups"
_UNLIMITED = 1_000_000
Groups = dict[str, dict[str, int]]


def _groups(host: Host) -> Groups:
    """Return requests and limits of each group; of the default one as Milvus makes it."""
    kept: Groups = host.kept.read(_PROPERTY, {})
    return {DEFAULT_GROUP: {"requests": 0, "limits": _UNLIMITED}, **kept}


def _change(host: Host, change: Callable[[Groups], None]) -> None:
    def changed(_: Any) -> Groups:
        groups = _groups(host)
        change(groups)
        return groups

    host.kept.change(_PROPERTY, {}, changed)


def node_group(host: Host) -> str:
    """Return the name of the group that the node is in."""
    # The default group is the first, and keeps the node that it asks for.
    asking = [name for name, group in _groups(host).items() if group["requests"]]
    return asking[0] if asking else DEFAULT_GROUP


def _not_found(name: str) -> MilvusError:
    return MilvusError(GROUP_NOT_FOUND, f"resource group not found[rg={name}]")


def _check_groups(groups: Groups, *names: str) -> None:
    for name in names:
        if name not in groups:
            raise _not_found(name)


def _config(name: str, message: Any) -> dict[str, int]:
    requests, limits = message.requests.node_num, message.limits.node_num
    if requests < 0 or limits < 0 or limits < requests:
        raise MilvusError(
            GROUP_CONFIG,
            f"resource group illegal config[rg={name}]: limits node num should be at least "
            f"requests node num, and neither below 0, got {limits} and {requests}",
        )
    for transfer in (*message.transfer_from, *message.transfer_to):
        if transfer.resource_group == name:
            raise MilvusError(
                GROUP_CONFIG, f"resource group illegal config[rg={name}]: it transfers to itself"
            )
    return {"requests": requests, "limits": limits}


@rpc("CreateResourceGroup")
def create_resource_group(call: Call, request: Any) -> None:
    name = checked_name(request.resource_group, "resource group")
    config = _config(name, request.config)

    def add(groups: Groups) -> None:
        if groups.get(name, config) != config:
            raise MilvusError(
                GROUP_EXISTS,
                f"resource group already exist, but create with different config[rg={name}]",
            )
        if name not in groups and len(groups) >= MAX_GROUPS:
            raise MilvusError(
                GROUP_LIMIT, f"resource group num reach limit[rg={name}]: {MAX_GROUPS}"
            )
        groups[name] = config

    _change(call.host, add)


@rpc("DropResourceGroup")
def drop_resource_group(call: Call, request: Any) -> None:
    """Drop a group; one that is not there is no error, as with Milvus."""
    name = request.resource_group
    if name == DEFAULT_GROUP:
        raise invalid("default resource group is not deletable")

    def drop(groups: Groups) -> None:
        config = groups.get(name)
        if config is not None and config["limits"]:
            raise invalid(
                f"not empty resource group {name}: resource group's limits node num is not 0"
            )
        groups.pop(name, None)

    _change(call.host, drop)


@rpc("UpdateResourceGroups")
def update_resource_groups(call: Call, request: Any) -> None:
    wanted = {name: _config(name, config) for name, config in request.resource_groups.items()}
    if not wanted:
        raise invalid("resource_groups: expected at least one, got none")

    def update(groups: Groups) -> None:
        _check_groups(groups, *wanted)
        groups.update(wanted)

    _change(call.host, update)


@rpc("ListResourceGroups")
def list_resource_groups(call: Call, request: Any) -> Any:
    return milvus.ListResourceGroupsResponse(resource_groups=sorted(_groups(call.host)))


@rpc("DescribeResourceGroup")
def describe_resource_group(call: Call, request: Any) -> Any:
    name, groups = request.resource_group, _groups(call.host)
    _check_groups(groups, name)
    config, holds_node = groups[name], node_group(call.host) == name
    shown = milvus.ResourceGroup(
        name=name,
        capacity=config["requests"] or int(holds_node),
        num_available_node=int(holds_node),
    )
    shown.config.requests.node_num = config["requests"]
    shown.config.limits.node_num = config["limits"]
    if holds_node:
        shown.nodes.append(common.NodeInfo(node_id=NODE, address="localhost", hostname="localhost"))
        for loaded in _loaded(call):
            shown.num_loaded_replica[loaded] = 1
    return milvus.DescribeResourceGroupResponse(resource_group=shown)


def _loaded(call: Call) -> list[str]:
    handle = call.host.database(call.database)
    known: Mapping[str, Any] = {
        name: call.host.known(call.database, handle.collection(name)).record
        for name in handle.list_collections()
    }
    return [name for name, record in known.items() if record.is_loaded]


@rpc("TransferNode")
def transfer_node(call: Call, request: Any) -> None:
    """Move the node, by what the groups ask for."""
    source, target = request.source_resource_group, request.target_resource_group
    number = request.num_node
    if source == target:
        raise invalid("source resource group and target resource group should not be the same")
    if number < 1:
        raise invalid("transfer node num can't be <= 0")

    def move(groups: Groups) -> None:
        _check_groups(groups, source, target)
        here = int(node_group(call.host) == source)
        if here < number:
            raise MilvusError(
                NODE_NOT_ENOUGH,
                f"resource group node not enough[rg={source}]"
                f"[currentNodeNum={here}][expectedNodeNum={number}]",
            )
        kept = groups[source]
        requests = max(0, kept["requests"] - number)
        # What is left over goes to the default group, whose limit stays.
        limits = kept["limits"] if source == DEFAULT_GROUP else max(0, kept["limits"] - number)
        groups[source] = {"requests": requests, "limits": limits}
        if target != DEFAULT_GROUP:
            groups[target] = {key: n + number for key, n in groups[target].items()}

    _change(call.host, move)


@rpc("TransferReplica")
def transfer_replica(call: Call, request: Any) -> None:
    """Refuse to move replicas away from the only node; they go where it goes."""
    source, target = request.source_resource_group, request.target_resource_group
    if source == target:
        raise invalid("source resource group and target resource group should not be the same")
    if request.num_replica < 1:
        raise invalid("transfer replica num can't be <= 0")
    _check_groups(_groups(call.host), source, target)
    hosted, holder = call.hosted(request), node_group(call.host)
    count = int(hosted.record.is_loaded and holder == source)
    if count < request.num_replica:
        raise invalid(
            f"NumReplica {request.num_replica}: only found [{count}] replicas of collection "
            f"{hosted.collection.name} in source resource group {source}"
        )
    raise MilvusError(
        NODE_NOT_ENOUGH,
        f"resource group node not enough[rg={target}][currentNodeNum=0][expectedNodeNum=1]: the "
        f"server is one node, and its replicas go with it: ask for it with requests of {target}",
    )


@rpc("LoadBalance")
def load_balance(call: Call, request: Any) -> None:
    """Move segments between nodes: of one node there is nothing to move."""
    call.hosted(request, request.collectionName).check_loaded()
    for node in (request.src_nodeID, *request.dst_nodeIDs):
        if node != NODE:
            raise MilvusError(NODE_NOT_FOUND, f"node not found[node={node}]")
