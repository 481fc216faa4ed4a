"""A request and its response, between the connection and whoever answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from elanus_server.http2 import frames


class Receiver(Protocol):
    """What answers a request."""

    def data(self, part: memoryview) -> None:
        """Take a part of the body, which is valid during this call only."""

    def ended(self) -> None:
        """Answer: that was all."""

    def late(self) -> None:
        """Refuse: the client did not go on."""

    def lost(self) -> None:
        """Give up: nobody waits for the answer any more."""


class Stream:
    """One request and its response.

    Attributes:
        number: Of the stream.
        address: Of the client; empty where it has none.
        receiver: Answers it.
        has_ended: Whether the client has sent all of the request.
        missing: Bytes of the body that are still to come; None: the client does not say.
        heard_s: When a part of it came last, by the clock of the event loop.
        window: Bytes of the response that the client still takes.
        taken: Bytes of the request that the client was not yet told it may send anew.
        body: Of the response.
        tail: Headers that follow it.
        sent: Bytes of the body that were sent.
    """

    __slots__ = (
        *("_responder", "address", "body", "has_ended", "heard_s", "missing"),
        *("number", "receiver", "sent", "tail", "taken", "window"),
    )

    def __init__(self, responder: Responder, number: int, address: str, window: int) -> None:
        self._responder = responder
        self.number = number
        self.address = address
        self.window = window
        self.receiver: Receiver | None = None
        self.has_ended = False
        self.missing: int | None = None
        self.heard_s = 0.0
        self.taken = 0
        self.body: memoryview = memoryview(b"")
        self.tail = b""
        self.sent = 0

    def respond(self, head: bytes, body: bytes = b"", tail: bytes = b"") -> None:
        """Send the response.

        Args:
            head: Block of headers.
            body: What follows.
            tail: Block of headers at the end; empty: ``head`` is all that is sent.
        """
        self._responder(self, head, body, tail)

    def widen(self, size: int) -> None:
        """Let more of the response be sent, or less.

        Raises:
            BrokenError: The window becomes larger than any may be.
        """
        self.window += size
        if self.window > frames.MAX_WINDOW:
            raise frames.BrokenError(frames.FLOW_CONTROL_ERROR, "a window that is too large")

    def give_up(self) -> None:
        """Tell whoever answers that nobody waits any more."""
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.lost()


Responder = Callable[[Stream, bytes, bytes, bytes], None]
