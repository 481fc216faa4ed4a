"""What goes on after a server was ended before its jobs were?"""

from __future__ import annotations

from elanus_server.service.context import Host
from elanus_server.service.imports import IMPORT, run_import
from elanus_server.service.snapshots import RESTORE, run_restore


def resume_jobs(host: Host) -> None:
    """Go on with the jobs of an earlier server; what cannot go on has failed."""
    host.jobs.resume(
        {
            IMPORT: (lambda job, tell: run_import(host, job, tell), True),
            RESTORE: (lambda job, tell: run_restore(host, job, tell), True),
        }
    )
