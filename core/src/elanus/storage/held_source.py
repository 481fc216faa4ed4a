"""How are files read that are in memory or mapped already?"""

from __future__ import annotations

from collections.abc import Mapping

from elanus.errors import NotFoundError


class HeldSource:
    """A ``FileSource`` over bytes at hand: what was mapped once is read, whatever is there now."""

    def __init__(self, files: Mapping[str, memoryview]) -> None:
        self._files = files

    def read(self, path: str) -> memoryview:
        """Return the bytes of a file.

        Raises:
            NotFoundError: It is not held.
        """
        found = self._files.get(path)
        if found is None:
            raise NotFoundError(f"{path}: there is no such file")
        return found
