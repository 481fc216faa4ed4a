"""How does the page get onto this machine's own address, and how does it leave again?"""

from __future__ import annotations

import errno
import socket
import webbrowser

import uvicorn
from rich.console import Console

from elanus_demo.printing import say
from elanus_demo.web.app import Desk, create_app

HOST = "127.0.0.1"

_SECONDS_TO_FINISH = 2


class PortError(OSError):
    """The server cannot listen on the port; the message says what to do."""


def serve(desk: Desk, port: int, console: Console, *, open_browser: bool) -> None:
    """Serve the page until Ctrl-C.

    Args:
        desk: What is asked.
        port: Port on 127.0.0.1; 0 takes a free one.
        console: Where the address is printed.
        open_browser: Show the page in the browser at once.

    Raises:
        PortError: The port is in use, or may not be used.
    """
    with listen(port) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        say(console, f"Open {url} in a browser. Ctrl-C stops.", "bold")
        if open_browser:
            # The port listens already; the browser waits for the first answer.
            webbrowser.open(url)
        try:
            make_server(desk).run(sockets=[listener])
        except KeyboardInterrupt:
            say(console, "\nStopped.", "dim")


def make_server(desk: Desk) -> uvicorn.Server:
    """Return a server of the page; ``run`` it with a socket that listens."""
    config = uvicorn.Config(
        create_app(desk),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        # There is no proxy in front whose word on the address of a client would count.
        proxy_headers=False,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )
    return uvicorn.Server(config)


def listen(port: int) -> socket.socket:
    """Return a socket that listens on a port of this machine's own address; 0 takes a free one.

    Raises:
        PortError: The port is in use, or may not be used.
    """
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        reasons = {errno.EADDRINUSE: "is in use", errno.EACCES: "may not be used by you"}
        reason = reasons.get(error.errno or 0, f"cannot be used: {error.strerror}")
        raise PortError(
            f"port {port} {reason}; give another one with --port, or --port 0 for a free one"
        ) from None
