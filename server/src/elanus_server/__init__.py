"""elanus as a server: Milvus' protocol over the same folder.

``elanus serve ./kb`` from a shell; ``with serve_local("./kb") as uri:`` from a program.
"""

from elanus_server.app import serve, serve_local
from elanus_server.settings import Settings

__all__ = ["Settings", "serve", "serve_local"]
