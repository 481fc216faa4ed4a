"""What is left of a server that was ended in the middle of something?"""

from __future__ import annotations

import logging

from elanus.errors import ElanusError
from elanus_server.service.context import Host
from elanus_server.service.imports import IMPORT, run_import
from elanus_server.service.snapshots import RESTORE, run_restore

_log = logging.getLogger(__name__)


def resume_jobs(host: Host) -> None:
    """Go on with the jobs of an earlier server; what cannot go on has failed."""
    host.jobs.resume(
        {
            IMPORT: (lambda job, tell: run_import(host, job, tell), True),
            RESTORE: (lambda job, tell: run_restore(host, job, tell), True),
        }
    )


def decide_writes(host: Host) -> None:
    """Open every collection, before other processes read.

    A write that a crash kept from being acknowledged may be in a log. It is decided here whether
    there is one: processes that read must not show a state that then changes by itself.
    """
    for database in host.list_databases():
        handle = host.database(database)
        for name in handle.list_collections():
            try:
                handle.collection(name)
            except ElanusError as error:
                # Whoever reads it is told as well.
                _log.warning("%s/%s cannot be opened: %s", database, name, error)
