"""Who opens and closes the database of a store?"""

from __future__ import annotations

import os
from types import TracebackType
from typing import TypeVar

from langchain_core.runnables import run_in_executor

import elanus

_Self = TypeVar("_Self", bound="Closing")


class Closing:
    """Something that is closed at the end of a ``with`` or ``async with`` statement."""

    def close(self) -> None:
        """Give back what is held; a second call does nothing."""
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await run_in_executor(None, self.close)


class DatabaseUser(Closing):
    """Something over a database, its own or a shared one; closes only its own.

    Args:
        uri: A folder, ``":memory:"``, or the URL of a server.
        token: Credentials for a server.
        shared: An open database to use instead.
    """

    def __init__(
        self, uri: str | os.PathLike[str], token: str | None, shared: elanus.Database | None
    ) -> None:
        self._owns_database = shared is None
        self._database = elanus.connect(uri, token=token) if shared is None else shared

    def close(self) -> None:
        """Close the database, unless it was given or others in this process use it."""
        if self._owns_database:
            self._database.close()
