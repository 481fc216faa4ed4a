"""Reading the body of a request of HTTP/1.1, when there is room for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from elanus_server.admission import Admission, Room, TooBusyError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class TooLongError(Exception):
    """The body is longer than any may be."""


async def read_body(
    receive: Receive, announced: str, admission: Admission, *, limit: int, read_out: int
) -> tuple[bytes, Room]:
    """Return a body, and its room in memory, which has to be given up.

    A body for which there is no room is read all the same, and not kept: a client that still writes
    does not hear that it was refused.

    Args:
        receive: Of the application.
        announced: The header ``content-length``; empty: none.
        admission: Has the room.
        limit: Bytes of the longest body.
        read_out: Bytes that are read of one that is too long.

    Raises:
        TooLongError: It is longer than the limit.
        TooBusyError: There is no room for it.
    """
    size = int(announced[:19]) if announced.isdecimal() else 0
    reading = _Reading(admission, 0 if size > limit else size)
    try:
        got, is_too_long, more = 0, size > limit, True
        while more and not (is_too_long and got >= read_out):
            message = await receive()
            if message["type"] != "http.request":
                # The client is gone, and half of a body is none.
                reading.forget()
                break
            part = message.get("body", b"")
            got += len(part)
            is_too_long = is_too_long or got > limit
            reading.take(b"" if is_too_long else part, got)
            more = bool(message.get("more_body"))
        if is_too_long:
            raise TooLongError
        return reading.finished()
    except BaseException:
        reading.give_up()
        raise


class _Reading:
    """What was read of a body, unless there is no room for it."""

    def __init__(self, admission: Admission, size: int) -> None:
        self._parts: list[bytes] = []
        self._room: Room | None = None
        self._refusal: TooBusyError | None = None
        try:
            self._room = admission.room(size)
        except TooBusyError as error:
            self._refusal = error

    def take(self, part: bytes, got: int) -> None:
        """Keep a part, of ``got`` bytes so far."""
        if self._room is None:
            return
        try:
            # Of a body whose length was not announced.
            self._room.grow(got if part else 0)
        except TooBusyError as error:
            self._refusal = error
            self._parts.clear()
            self.give_up()
            return
        self._parts.append(part)

    def forget(self) -> None:
        self._parts.clear()

    def finished(self) -> tuple[bytes, Room]:
        if self._refusal is not None or self._room is None:
            raise self._refusal or TooBusyError("no room")
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts), self._room

    def give_up(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.give_up()
