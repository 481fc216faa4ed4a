"""A real HTTP server on this machine that answers as a chat model's server does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server sends back: a status and the pieces of the body, one write each."""

    pieces: list[str]
    status: int = 200
    # Announced length of the body; more than is sent breaks off the answer.
    length: int | None = None


@dataclass
class ChatServer:
    """Replies by path, and the requests that arrived."""

    url: str
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)


@contextmanager
def chat_server(replies: dict[str, Reply]) -> Iterator[ChatServer]:
    """Serve ``replies`` by path on a free port; unknown paths get 404."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    served = ChatServer(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = _handler(replies, served)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def server_sent_events(*pieces: str) -> list[str]:
    """Return the lines of a streamed chat completion, as OpenAI's servers send them."""
    events = [json.dumps({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
    first = json.dumps({"choices": [{"delta": {"role": "assistant"}}]})
    return [f"data: {event}\n\n" for event in [first, *events, '{"choices": []}', "[DONE]"]]


def json_lines(*pieces: str) -> list[str]:
    """Return the lines of a streamed chat, as Ollama sends them."""
    lines: list[dict[str, Any]] = [{"message": {"content": piece}} for piece in pieces]
    return [json.dumps(line) + "\n" for line in [*lines, {"done": True, "message": {}}]]


def _handler(
    replies: dict[str, Reply], served: ChatServer
) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def _reply(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(size)) if size else None
            served.requests.append((self.command, self.path, dict(self.headers), body))
            reply = replies.get(self.path, Reply(['{"error": "not found"}'], 404))
            length = sum(len(piece.encode()) for piece in reply.pieces)
            self.send_response(reply.status)
            self.send_header("Content-Length", str(reply.length or length))
            self.end_headers()
            for piece in reply.pieces:
                self.wfile.write(piece.encode())
                self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output clean."""

    return Handler
