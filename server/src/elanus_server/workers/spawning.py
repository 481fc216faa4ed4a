"""How is a process started that only reads?

Before anything else: while this one reads its own modules, so do they. What to serve, each is told
later.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import NamedTuple


class Spawned(NamedTuple):
    """A process that was started.

    Attributes:
        process: It.
        control: Socket that it is told through; when it closes, the process ends, and the other
            way round.
    """

    process: subprocess.Popen[bytes]
    control: socket.socket


def spawn() -> Spawned:
    """Start a process that waits to be told what to serve."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "elanus_server.workers.process", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
    return Spawned(process, ours)
