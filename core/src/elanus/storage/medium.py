"""Is a folder on a medium that keeps the promises that storage relies on?"""

from __future__ import annotations

import os
import re
from pathlib import Path

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs"}
)
"""File systems whose locks or syncs may reach no further than this machine. FUSE mounts of remote
storage are told by their subtype."""
_REMOTE_FUSE = frozenset(
    {"fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.glusterfs"}
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_file_system(
    folder: str, mounts: str | os.PathLike[str] = "/proc/self/mountinfo"
) -> str | None:
    """Return the name of the network file system that holds a folder.

    Args:
        folder: Absolute path; it need not exist yet.
        mounts: Table of mounts in the format of Linux.

    Returns:
        None on a local file system, and where the system does not tell.
    """
    try:
        table = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    best, found = "", None
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        # Of mounts on the same place the last one is on top.
        if inside and len(point) >= len(best):
            best, found = point, after.split(" ")[0]
    if found in NETWORK_FILE_SYSTEMS or found in _REMOTE_FUSE:
        return found
    return None
