"""How far is a job that may end early, and goes on at the next opening?

A job keeps a folder ``<kind>/<uuid>/`` in its collection with numbered records, like manifests; the
newest counts. What the record names is kept from being swept.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from elanus.errors import CorruptionError, NotFoundError
from elanus.storage.directory import Directory, join_path
from elanus.storage.versions import VersionFolder

_log = logging.getLogger(__name__)

RecordT = TypeVar("RecordT")


@dataclass(frozen=True, slots=True)
class JobRecords:
    """The records of all jobs of one kind in one collection.

    Attributes:
        directory: Where the database is.
        path: Folder of the collection.
        kind: Name of the folder, and kind of the files.
        format_version: The format that is written, and the newest that is read.
    """

    directory: Directory
    path: str
    kind: str
    format_version: int

    def save(self, job: uuid.UUID, version: int, content: Mapping[str, Any]) -> None:
        """Write a record, durably, and delete the one before it.

        Args:
            job: Name of the job.
            version: Number of the record; 1 begins the job.
            content: JSON values.
        """
        folder = self._folder(job)
        if version == 1:
            self.directory.make_dir(self.folder(job))
        folder.commit(version, dict(content))
        folder.delete_older(version, keep=1)

    def newest(self, parse: Callable[[uuid.UUID, dict[str, Any]], RecordT]) -> list[RecordT]:
        """Return what ``parse`` makes of each job and its newest record.

        One that is damaged is left out with a warning: the job then starts anew.

        Raises:
            FormatVersionError: Written by a newer version of elanus.
        """
        found: list[RecordT] = []
        for name in self.directory.list_names(join_path(self.path, self.kind)):
            try:
                job = uuid.UUID(name)
                found.append(parse(job, self._folder(job).load_newest()))
            except NotFoundError:
                continue
            except (CorruptionError, KeyError, TypeError, ValueError) as error:
                where = join_path(self.path, self.kind, name)
                _log.warning("%s: not understood, the %s starts anew: %s", where, self.kind, error)
        return found

    def delete(self, job: uuid.UUID) -> None:
        """Forget a job, durably."""
        if self.directory.is_dir(self.folder(job)):
            self.directory.delete_dir(self.folder(job))
            self.directory.sync_dir(join_path(self.path, self.kind))

    def delete_others(self, kept: uuid.UUID | None) -> None:
        """Forget all jobs but one, those included that left no readable record."""
        for name in self.directory.list_names(join_path(self.path, self.kind)):
            if name != str(kept):
                self.directory.delete_dir(join_path(self.path, self.kind, name))

    def settle(self, job: uuid.UUID) -> None:
        """Return when no older record of a job can come back after a power loss."""
        self.directory.sync_dir(self.folder(job))

    def folder(self, job: uuid.UUID) -> str:
        """Return the folder of a job."""
        return join_path(self.path, self.kind, str(job))

    def _folder(self, job: uuid.UUID) -> VersionFolder:
        return VersionFolder(
            self.directory, self.folder(job), kind=self.kind, format_version=self.format_version
        )
