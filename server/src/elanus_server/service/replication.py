"""Replication between clusters: a server of one folder is a cluster of its own.

The streams of the protocol, ``CreateReplicateStream`` and ``DumpMessages``, read and write Milvus'
log of messages, which there is none of here: they are UNIMPLEMENTED.
"""

from __future__ import annotations

from typing import Any

from elanus_server.failures import MilvusError, invalid
from elanus_server.service.context import Call
from elanus_server.service.registry import rpc
from elanus_server.wire import common, milvus

UNIMPLEMENTED = 10
DENIED = 1900
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


@rpc("ReplicateMessage")
def replicate_message(call: Call, request: Any) -> Any:
    raise MilvusError(DENIED, "deny to use the replicate message in the normal instance")
