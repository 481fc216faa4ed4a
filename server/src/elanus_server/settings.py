"""How is a server set up?"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_PORT = 19530
"""Milvus' port."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is started with.

    Attributes:
        path: Folder of the database, or ``":memory:"``.
        host: Address to listen on.
        port: Port of gRPC; 0 takes a free one.
        threads: Calls that are answered at once.
        max_message_bytes: Largest message in either direction; Milvus' limit is 64 MB.
        grace_s: Seconds that calls under way have when the server stops.
    """

    path: str
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    threads: int = 16
    max_message_bytes: int = 64 * 1024 * 1024
    grace_s: float = 10.0
