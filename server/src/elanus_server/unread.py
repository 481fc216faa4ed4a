"""How many bytes of answers may wait for clients that do not read them?

An answer that its client does not take stays in memory. All of them together have a bound; beyond
it the connection goes that most is kept for, so that those who read are not the ones to suffer.
Used in one event loop.
"""

from __future__ import annotations

from typing import Protocol


class Reader(Protocol):
    """A connection that answers are kept for."""

    def leave(self) -> None:
        """End it at once, whatever was not read; it then keeps nothing any more."""


class Unread:
    """Counts the answers that clients have not taken.

    Args:
        max_bytes: Of all of them; a single answer may have more.

    Attributes:
        bytes: That are kept now.
        left: Connections that were ended since they did not read.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: dict[Reader, int] = {}
        self.bytes = 0
        self.left = 0

    def keep(self, reader: Reader, size: int, *, answers: int = 1) -> None:
        """Say what is kept for a connection from now on.

        Args:
            reader: The connection.
            size: Bytes; 0: nothing.
            answers: In which they are.
        """
        self.bytes += size - self._kept.pop(reader, 0)
        if not size:
            return
        self._kept[reader] = size
        while self.bytes > self._max_bytes and (len(self._kept) > 1 or answers > 1):
            slowest = max(self._kept, key=self._kept.__getitem__)
            self.leave(slowest)
            if slowest is reader:
                return

    def leave(self, reader: Reader) -> None:
        """End a connection whose client does not read."""
        self.left += 1
        reader.leave()
        self.bytes -= self._kept.pop(reader, 0)
