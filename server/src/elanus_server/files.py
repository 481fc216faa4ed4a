"""Which files of the server's machine may a client name?

Those below one folder that the operator chose, and no others: neither by ``..``, nor by a link. One
that is elsewhere is told like one that is not there.
"""

from __future__ import annotations

import os
from pathlib import Path

from elanus_server.failures import MilvusError

IO_FAILED = 1001


class SharedFolder:
    """The folder that clients may read files of.

    Args:
        folder: None: there is none, and every file is refused.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self._root = None if folder is None else Path(folder).expanduser().resolve()

    def path_of(self, name: str, what: str) -> Path:
        """Return the file or folder of a name.

        Args:
            name: Below the folder, or absolute and in it.
            what: Asks for it, for the message.

        Raises:
            MilvusError: It is not there, or the operator named no folder.
        """
        if self._root is None:
            raise MilvusError(
                IO_FAILED,
                f"{what}: the server was started without --import-folder, so it reads no files; "
                f"start it with the folder that holds them",
            )
        found = self._inside(self._root / name) if name and "\0" not in name else None
        if found is None:
            raise MilvusError(
                IO_FAILED, f"{what}: file resource path not exist: {name!r} below the import folder"
            )
        if found.is_dir():
            for folder, folders, files in os.walk(found):
                if any(self._inside(Path(folder, one)) is None for one in (*folders, *files)):
                    raise MilvusError(
                        IO_FAILED, f"{what}: {name!r} holds links out of the import folder"
                    )
        return found

    def _inside(self, path: Path) -> Path | None:
        """Return where a path leads if that is in the folder."""
        try:
            found = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        return found if self._root is not None and found.is_relative_to(self._root) else None
