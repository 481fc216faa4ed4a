"""Something between client and server that lets connections break at a chosen moment."""

from __future__ import annotations

import contextlib
import socket
import threading


class CuttingProxy:
    """Passes bytes on to a server.

    Attributes:
        cuts: Answers that are read to their end and not passed on: the next ones.
        is_each_cut: Cut each answer once: every request comes twice.
        refusals: Connections that are closed at once: the next ones.
        requests: Requests that were passed on.
        url: Where it listens.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.cuts = self.refusals = self.requests = 0
        self.is_each_cut = self._was_cut = False
        self.before_cut = lambda: None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusals:
                self.refusals -= 1
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port)) as server,
        ):
            while request := _message(client):
                server.sendall(request)
                self.requests += 1
                answer = _message(server)
                if self._is_cut():
                    self.before_cut()
                    return
                client.sendall(answer)

    def _is_cut(self) -> bool:
        if self.is_each_cut:
            self._was_cut = not self._was_cut
            return self._was_cut
        if self.cuts:
            self.cuts -= 1
            return True
        return False

    def __enter__(self) -> CuttingProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def _message(side: socket.socket) -> bytes:
    """Return one message of HTTP/1.1 with its body; nothing where the other side has closed."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        part = side.recv(65_536)
        if not part:
            return b""
        raw += part
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = [line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:]]
    length = next(int(value) for name, value in lines if name == b"content-length")
    while len(body) < length:
        body += side.recv(65_536)
    return head + b"\r\n\r\n" + body
