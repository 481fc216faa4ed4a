"""elanus as a server: Milvus' protocol over the same folder.

``elanus serve ./kb`` from a shell; ``with serve_local("./kb") as uri:`` from a program.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elanus_server.app import serve, serve_local
    from elanus_server.settings import Settings

__all__ = ["Settings", "serve", "serve_local"]


def __getattr__(name: str) -> Any:
    # A command that only prints its help need not wait for gRPC.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module("elanus_server.settings" if name == "Settings" else "elanus_server.app")
    return getattr(module, name)
