"""What was repaired, what was lost, and what was left alone?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from elanus.storage.findings import Finding


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that was repaired, or would be.

    Attributes:
        collection: Name of the collection; empty for the database's own files.
        path: The file or folder.
        done: What was done.
        lost: What is lost by it; empty when nothing is.
    """

    collection: str
    path: str
    done: str
    lost: str = ""


@dataclass(frozen=True, slots=True)
class LostRow:
    """A row that could not be kept.

    Attributes:
        collection: Name of the collection.
        segment: Its segment.
        row: Its place in the segment.
        pk: Its primary key; None when that is lost as well.
    """

    collection: str
    segment: str
    row: int
    pk: object

    def to_json(self) -> str:
        """Return one line of JSON."""
        content = {
            "collection": self.collection,
            "segment": self.segment,
            "row": self.row,
            "pk": self.pk,
        }
        return json.dumps(content, ensure_ascii=False) + "\n"


@dataclass(slots=True)
class RepairReport:
    """What a repair did.

    Attributes:
        dry_run: Nothing was changed; everything else says what would be.
        actions: What was repaired.
        refused: Damage that was left alone: it needs ``salvage``, or a backup.
        lost_rows: Rows that could not be kept and were not deleted.
        folder: Where the replaced files are now; None when none was replaced.
    """

    dry_run: bool
    actions: list[Action] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)
    lost_rows: list[LostRow] = field(default_factory=list)
    folder: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether no damage is left."""
        return not self.refused

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values; rows are only counted."""
        return {
            "dry_run": self.dry_run,
            "complete": self.is_complete,
            "actions": [
                {"collection": a.collection, "path": a.path, "done": a.done, "lost": a.lost}
                for a in self.actions
            ],
            "refused": [
                {
                    "collection": f.collection,
                    "path": f.path,
                    "message": f.message,
                    "meaning": f.meaning,
                    "cure": f.cure,
                }
                for f in self.refused
            ],
            "lost_rows": len(self.lost_rows),
            "folder": self.folder,
        }

    def lost_row_lines(self) -> Iterator[bytes]:
        """Yield the lost rows as lines of JSON."""
        for row in self.lost_rows:
            yield row.to_json().encode("utf-8")
