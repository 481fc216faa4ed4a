"""Every group of routes; importing it fills the table."""

from __future__ import annotations

from elanus_server.rest import (  # noqa: F401 - they register their routes
    access,
    collections,
    creation,
    entities,
    policies,
    status,
    structure,
    tokens,
    upkeep,
)
from elanus_server.rest.exchange import ROUTES

__all__ = ["ROUTES"]
