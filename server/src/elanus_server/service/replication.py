"""Replication between clusters: a server of one folder is a cluster of its own.

The streams of the protocol, ``CreateReplicateStream`` and ``DumpMessages``, write and read Milvus'
log of messages. A Milvus that is the standby of no other takes no message of the first and ends it;
here there is no log either, so that the second finds no channel.
"""

from __future__ import annotations

from typing import Any

from elanus_server.failures import MISSING_PARAMETER, UNEXPECTED, MilvusError, invalid
from elanus_server.service.context import Call
from elanus_server.service.registry import rpc
from elanus_server.wire import common, milvus

UNIMPLEMENTED = 10
DENIED = 1900
CHANNEL_NOT_FOUND = 500
_SOURCE = "cluster-id"
"""Header that names the cluster whose messages are to be written."""
CLUSTER = "elanus"
"""Name of the only cluster."""


def unimplemented(reason: str) -> MilvusError:
    """Return the error of what a server of one folder cannot do."""
    return MilvusError(UNIMPLEMENTED, f"{reason}: service unimplemented")


@rpc("UpdateReplicateConfiguration")
def update_replicate_configuration(call: Call, request: Any) -> None:
    """Take a configuration in which this cluster is alone, which is what it is anyway."""
    wanted = request.replicate_configuration
    names = [cluster.cluster_id for cluster in wanted.clusters]
    if not names or "" in names or len(set(names)) < len(names):
        raise invalid("replicate configuration: expected clusters with different cluster_id")
    if names != [CLUSTER] or wanted.cross_cluster_topology:
        raise unimplemented(
            f"replicate configuration: {CLUSTER!r} is a cluster of its own and replicates to no "
            f"other; copy its folder with backups"
        )


@rpc("GetReplicateConfiguration")
def get_replicate_configuration(call: Call, request: Any) -> Any:
    made = milvus.GetReplicateConfigurationResponse()
    made.configuration.clusters.append(common.MilvusCluster(cluster_id=CLUSTER))
    return made


@rpc("GetReplicateInfo")
def get_replicate_info(call: Call, request: Any) -> Any:
    """Answer without a checkpoint: nothing was replicated."""
    return milvus.GetReplicateInfoResponse()


@rpc("CreateReplicateStream")
def create_replicate_stream(call: Call, request: Any) -> None:
    """Say whether a stream of messages begins; none of them is taken."""
    source = call.headers.get(_SOURCE)
    if not source:
        shown = "cluster id not found in context" if source is None else "cluster id is empty"
        told = f"code: STREAMING_CODE_INVAILD_ARGUMENT, cause: {shown}"
        raise MilvusError(UNEXPECTED, told)


@rpc("DumpMessages")
def dump_messages(call: Call, request: Any) -> None:
    for name, is_given in (
        ("pchannel", request.pchannel),
        ("start_message_id", request.start_message_id.id),
    ):
        if not is_given:
            raise MilvusError(MISSING_PARAMETER, f"missing parameter[missing_param={name}]")
    raise MilvusError(CHANNEL_NOT_FOUND, f"channel not found[channel={request.pchannel}]")


@rpc("ReplicateMessage")
def replicate_message(call: Call, request: Any) -> Any:
    raise MilvusError(DENIED, "deny to use the replicate message in the normal instance")
