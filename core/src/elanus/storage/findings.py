"""What can be wrong with a stored database, and what does that mean for the person who owns it?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much a finding matters.

    ``HARMLESS``: nobody misses the file. ``DERIVABLE``: it can be built again from others.
    ``DAMAGE``: what was acknowledged is lost or in danger.
    """

    HARMLESS = "harmless"
    DERIVABLE = "derivable"
    DAMAGE = "damage"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written.

    Attributes:
        collection: Name of the collection; empty for the database's own files.
        path: The file or folder.
        message: What is damaged, where; begins with the path.
        meaning: What that means.
        cure: What to do about it; empty when nothing needs to be done.
        severity: How much it matters.
        offset: Where the damage begins, in bytes, as far as known.
        size_bytes: Bytes of a file that nobody needs.
    """

    collection: str
    path: str
    message: str
    meaning: str
    cure: str
    severity: Severity
    offset: int | None = None
    size_bytes: int = 0

    @property
    def is_derivable(self) -> bool:
        """Whether it can be built again from other files."""
        return self.severity is Severity.DERIVABLE


REPAIR = "elanus repair"
SALVAGE = "elanus repair --salvage, or restore a backup"
RESTORE = "restore a backup"
