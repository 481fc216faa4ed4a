"""Every group of calls; importing it fills the registry."""

from __future__ import annotations

from elanus_server.service import (  # noqa: F401 - they register their calls
    account_backups,
    admin,
    aliases,
    collections,
    databases,
    distances,
    entities,
    external,
    file_resources,
    functions,
    grants,
    hybrid_searches,
    imports,
    indexes,
    limits,
    namespaces,
    partitions,
    privilege_groups,
    properties,
    queries,
    replication,
    resource_groups,
    roles,
    row_policies,
    searches,
    segments,
    snapshots,
    tags,
    texts,
    tokens,
    users,
)
from elanus_server.service.registry import METHODS

__all__ = ["METHODS"]
