"""The servers that a client is run against: one open, one with users and TLS."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from elanus_server import Settings
from support.certificates import certificate
from support.running_server import Running

ROOT_PASSWORD = "Kestrel-9"


class _Restartable:
    """A server over a folder, which starts again on the port that it had."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running = Running(settings)

    def start(self) -> int:
        self._running.__enter__()
        return self._running.ports.grpc

    def restart(self) -> None:
        port = self._running.ports.grpc
        self.stop()
        self._running = Running(replace(self._settings, port=port))
        self._running.__enter__()

    def stop(self) -> None:
        self._running.__exit__()


@contextlib.contextmanager
def client_servers(folder: Path, *, workers: int) -> Iterator[dict[str, str]]:
    """Run the servers; yield the environment variables by which scenarios find them.

    Args:
        folder: For their databases.
        workers: Processes that read, of each.

    ``ELANUS_RESTART`` is a port: whoever connects to it and waits for the end of the answer finds
    the open server started again.
    """
    cert, key, _ = certificate(folder, "server")
    open_server = _Restartable(
        Settings(str(folder / "kb"), port=0, metrics_port=None, grace_s=0.2, workers=workers)
    )
    secured = Settings(
        str(folder / "secured"),
        port=0,
        metrics_port=None,
        auth=True,
        root_password=ROOT_PASSWORD,
        tls_cert=cert,
        tls_key=key,
        grace_s=0.2,
        workers=workers,
    )
    port = open_server.start()
    try:
        with Running(secured) as other, _listening(open_server) as control:
            yield {
                "ELANUS_URI": f"http://127.0.0.1:{port}",
                "ELANUS_SECURED_URI": f"https://localhost:{other.ports.grpc}",
                "ELANUS_CERTIFICATE": cert,
                "ELANUS_ROOT_PASSWORD": ROOT_PASSWORD,
                "ELANUS_RESTART": str(control),
            }
    finally:
        open_server.stop()


@contextlib.contextmanager
def _listening(server: _Restartable) -> Iterator[int]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            server.restart()
            self.request.sendall(b"done")

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield listener.server_address[1]
        finally:
            listener.shutdown()
            thread.join()
