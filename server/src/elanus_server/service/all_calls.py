"""Every group of calls; importing it fills the registry."""

from __future__ import annotations

from elanus_server.service import (  # noqa: F401 - they register their calls
    admin,
    aliases,
    collections,
    databases,
    entities,
    functions,
    imports,
    indexes,
    partitions,
    queries,
    roles,
    searches,
    snapshots,
    users,
)
from elanus_server.service.registry import METHODS

__all__ = ["METHODS"]
