"""A real HTTP server on this machine that answers as embedding and rerank services do.

Requests are held to what each service documents: its key, its fields, its limits. Faults are queued
and used up one request each, before the service itself answers.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

KEY = "secret-key-0123456789"
OWN_DIM = 12


class RefusedError(Exception):
    """The service refuses a request, with a status and the body that it documents."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


@dataclass
class Fault:
    """What happens to one request.

    ``change`` is applied to the answer of the service; ``raw`` is sent in its place; ``drop``
    closes the connection without an answer; ``announce`` is the Content-Length that is claimed.
    """

    status: int = 200
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    change: Callable[[Any], Any] | None = None
    drop: bool = False
    announce: int | None = None


@dataclass
class Seen:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class ModelServer:
    """Address of the server, what arrived, and the faults that are still to come."""

    url: str
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    running: int = 0
    most_running: int = 0
    # Requests wait here until so many are running together, if that is asked for.
    gathering: threading.Barrier | None = None

    @contextmanager
    def running_request(self, request: Seen) -> Iterator[Fault]:
        """Note a request while it is answered; yield what goes wrong with it."""
        with self.lock:
            self.seen.append(request)
            fault = self.faults.pop(0) if self.faults else Fault()
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            if self.gathering is not None:
                self.gathering.wait(10)
            yield fault
        finally:
            with self.lock:
                self.running -= 1


def vector(text: str, role: str = "", dim: int = OWN_DIM) -> list[float]:
    """Return the vector that every service of this server makes; its first numbers for less dim."""
    seed = int.from_bytes(hashlib.sha256(f"{role}|{text}".encode()).digest()[:8], "little")
    drawn = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
    return [float(x) for x in drawn[:dim]]


def relevance(query: str, document: str) -> float:
    """Return the share of the query's words that a document has, a little less if it is long."""
    wanted, found = set(re.findall(r"\w+", query.lower())), re.findall(r"\w+", document.lower())
    if not wanted:
        return 0.0
    share = len(wanted & set(found)) / len(wanted)
    return round(share / (1.0 + 0.001 * min(len(found), 100)), 6)


@contextmanager
def model_server(answer: Callable[[Seen], Any]) -> Iterator[ModelServer]:
    """Serve ``answer``, which maps a request to JSON or raises ``RefusedError``, on a free port."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    httpd.daemon_threads = True
    served = ModelServer(f"http://127.0.0.1:{httpd.server_port}")
    httpd.RequestHandlerClass = _handler(served, answer)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield served
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def _handler(
    served: ModelServer, answer: Callable[[Seen], Any]
) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # Connections stay open, as those of the services do.
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Seen(self.path, headers, json.loads(raw))
            with served.running_request(request) as fault:
                self._answer(request, fault)

        def _answer(self, request: Seen, fault: Fault) -> None:
            if fault.drop:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            status, body = fault.status, fault.raw
            if body is None:
                try:
                    given = answer(request)
                    body = json.dumps(fault.change(given) if fault.change else given).encode()
                except RefusedError as refused:
                    status, body = refused.status, json.dumps(refused.body).encode()
            self.send_response(status)
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(fault.announce or len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            if fault.announce:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output clean."""

    return Handler
