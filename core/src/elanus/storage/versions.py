"""Which state is current?

State is a folder of numbered files that never change. The largest number is current; committing
creates the next number, which fails when somebody else took it. That is the one consensus step,
and local disks and object stores both have it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from elanus.errors import (
    AlreadyExistsError,
    CorruptionError,
    NotFoundError,
    StorageError,
    StorageFailedError,
)
from elanus.storage.directory import Directory, join_path
from elanus.storage.json_file import decode_json_file, encode_json_file

KEPT_VERSIONS = 3
"""The current version and two before it, so that ``repair`` has something to go back to."""

_NAME = re.compile(r"([0-9]{20})\.man\Z")


class VersionFolder:
    """Numbered versions of one kind of state.

    Args:
        directory: Where the folder is.
        path: The folder.
        kind: What the files are, for their first line.
        format_version: The format that is written, and the newest that is read.
    """

    def __init__(self, directory: Directory, path: str, *, kind: str, format_version: int) -> None:
        self._directory = directory
        self._path = path
        self._kind = kind
        self._format_version = format_version

    def numbers(self) -> list[int]:
        """Return the versions that are there, ascending. Other files are ignored."""
        found = map(_NAME.match, self._directory.list_names(self._path))
        return [int(match[1]) for match in found if match]

    def load(self, number: int) -> dict[str, Any]:
        """Return the content of one version.

        Raises:
            CorruptionError: It is damaged; the message says what can be done.
            FormatVersionError: Written by a newer version of elanus.
            NotFoundError: It does not exist.
        """
        path = self._file(number)
        try:
            content = decode_json_file(
                self._directory.read(path),
                kind=self._kind,
                version=self._format_version,
                path=path,
            )
        except CorruptionError as error:
            raise self._unusable(number, str(error)) from error
        if content.get("version") != number:
            raise self._unusable(
                number, f"{path}: damaged: holds version {content.get('version')!r}"
            )
        return content

    def load_newest(self) -> dict[str, Any]:
        """Return the content of the current version.

        Raises:
            CorruptionError: It is damaged. It was synced before it got its name, so a crash is
                not the reason, and an older version is never taken silently in its place.
            FormatVersionError: Written by a newer version of elanus.
            NotFoundError: There is no version.
        """
        while True:
            numbers = self.numbers()
            if not numbers:
                raise NotFoundError(f"{self._path}: no {self._kind} there")
            try:
                return self.load(numbers[-1])
            except NotFoundError:
                # A writer committed and deleted old versions since the folder was listed.
                if self.numbers() == numbers:
                    raise

    def commit(self, number: int, content: Mapping[str, Any]) -> None:
        """Make ``content`` the current version, durably.

        Args:
            number: One more than the current version.
            content: JSON values; ``"version"`` has to be ``number``.

        Raises:
            StorageFailedError: Another writer took the number, or the medium failed so that the
                new version may or may not be there: open the database again.
            StorageError: The medium failed, and nothing was committed.
        """
        raw = encode_json_file(self._kind, self._format_version, content)
        path = self._file(number)
        try:
            self._directory.write_new(path, [raw])
        except AlreadyExistsError as error:
            raise StorageFailedError(
                f"{path}: another writer committed this version; close the database and open it "
                f"again"
            ) from error
        except StorageError as error:
            if self._is_absent(path):
                raise
            raise StorageFailedError(
                f"could not commit {path}: {error}; close the database and open it again"
            ) from error

    def _is_absent(self, path: str) -> bool:
        try:
            return not self._directory.exists(path)
        except StorageError:
            return False

    def delete_older(self, number: int, *, keep: int = KEPT_VERSIONS) -> None:
        """Delete versions more than ``keep - 1`` behind ``number``."""
        self.delete(lambda old: old <= number - keep)

    def delete(self, is_unneeded: Callable[[int], bool]) -> None:
        """Delete versions by number.

        A version that cannot be deleted is left: it does no harm, and the next commit tries again.
        """
        for number in self.numbers():
            if is_unneeded(number):
                with contextlib.suppress(StorageError):
                    self._directory.delete(self._file(number))

    def _file(self, number: int) -> str:
        return join_path(self._path, f"{number:020d}.man")

    def _unusable(self, number: int, what: str) -> CorruptionError:
        older = [n for n in self.numbers() if n < number]
        advice = (
            f"Restore a backup, or see what can be kept, starting from version {older[-1]}, with "
            f"'elanus repair --salvage --dry-run'"
            if older
            else "No older version is there: restore a backup"
        )
        return CorruptionError(f"{what}. {advice}", path=self._file(number))
