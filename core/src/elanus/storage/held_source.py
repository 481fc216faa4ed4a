"""How are files read that are in memory or mapped already?"""

from __future__ import annotations

from collections.abc import Mapping

from elanus.errors import NotFoundError
from elanus.storage.directory import Directory


class CopyingSource:
    """A ``FileSource`` that copies files, whose ends somebody may cut off meanwhile."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def read(self, path: str) -> memoryview:
        return self._directory.read_copy(path)


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
