"""What do the processes of a server say to each other?

Each has a pair of sockets with the one that writes. That sends a line of JSON first, and from then
on a byte with each connection that it hands over, which says what is spoken there (``front``). The
other sends a byte when it is ready, and one for each connection that has ended.
"""

from __future__ import annotations

from typing import NamedTuple

READY = b"r"
CLOSED = b"c"
ADDRESS_HEADER = "elanus-client-address"
"""With which a process that reads says whose call it hands on."""
OPERATIONS = b"o"
"""Comes with one that asks for health and metrics."""
HAND_OFF = b"a"
"""Comes with none: one of the clients is to connect anew."""


class Paths(NamedTuple):
    """Sockets where the process that writes answers the others.

    Attributes:
        grpc: For gRPC.
        http: For HTTP/1.1.
        instance: By which clients of the native protocol know the server.
    """

    grpc: str
    http: str
    instance: str
