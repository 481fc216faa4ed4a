"""A real HTTP server on this machine that answers as a chat model's server does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server sends back: a status and the pieces of the body, one write each.

    Pieces that are made while they are sent have no length to announce; the end of the connection
    is the end of the answer.
    """

    pieces: Iterable[str]
    status: int = 200
    # Announced length of the body; more than is sent breaks off the answer.
    length: int | None = None


class InTurn:
    """Bodies for requests to one path: each request gets the next one."""

    def __init__(self, *bodies: Iterable[str]) -> None:
        self._bodies = iter(bodies)

    def __iter__(self) -> Iterator[str]:
        return iter(next(self._bodies))


@dataclass
class ChatServer:
    """Replies by path, and the requests that arrived."""

    url: str
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    # Set once a client goes before its answer is complete.
    hung_up: threading.Event = field(default_factory=threading.Event)


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


def tool_call_events(name: str, arguments: str) -> list[str]:
    """Return the lines of a streamed completion that calls a tool, as OpenAI's servers do."""
    function = {"name": name, "arguments": arguments}
    call = {"index": 0, "id": "call_1", "type": "function", "function": function}
    events = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "tool_calls": [call]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    return [*(f"data: {json.dumps(event)}\n\n" for event in events), "data: [DONE]\n\n"]


def json_lines(*pieces: str) -> list[str]:
    """Return the lines of a streamed chat, as Ollama sends them."""
    said = [{"role": "assistant", "content": piece} for piece in [*pieces, ""]]
    lines = [{"message": message, "done": not message["content"]} for message in said]
    return [json.dumps(line) + "\n" for line in lines]


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
            self.send_response(reply.status)
            length = reply.length
            if length is None and isinstance(reply.pieces, list):
                length = sum(len(piece.encode()) for piece in reply.pieces)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            try:
                for piece in reply.pieces:
                    self.wfile.write(piece.encode())
                    self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                served.hung_up.set()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output clean."""

    return Handler
