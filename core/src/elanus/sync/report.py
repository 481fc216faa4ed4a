"""What did a sync find and do?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from elanus.errors import ElanusError


class SyncError(ElanusError):
    """A document stopped a sync; nothing was stored. What failed is its ``__cause__``.

    Attributes:
        source: Name of the source.
        document: Id of the document.
    """

    def __init__(self, source: str, document: str, reason: object) -> None:
        super().__init__(f"source {source!r}, document {document!r}: {reason}")
        self.source = source
        self.document = document


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a sync is.

    Attributes:
        documents: Documents that were looked at.
        chunks: Chunks that were written.
        embedded: Texts that were embedded for them.
    """

    documents: int
    chunks: int
    embedded: int


OnProgress: TypeAlias = Callable[[SyncProgress], None]


@dataclass(slots=True)
class SyncReport:
    """What a sync found and did, or with ``dry_run`` would do. Lists hold ids of documents.

    Attributes:
        source: Name of the source.
        dry_run: Nothing was stored.
        added: Documents that were not there.
        changed: Documents whose content, metadata or version differ from what was stored, or of
            which entities are missing.
        unchanged: Documents that needed nothing.
        deleted: Documents that were stored and are no longer in the source, or have no text left.
        empty: Documents without text; nothing is stored of them.
        failed: Documents that cannot be read, with the reason; what is stored of them stays.
        chunks: Entities that were written.
        embedded: Chunks that needed a new vector; all others kept theirs.
        read: Documents whose content was read; the others were known by their fingerprint.
        seconds: How long it took.
    """

    source: str
    dry_run: bool = False
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    chunks: int = 0
    embedded: int = 0
    read: int = 0
    seconds: float = 0.0

    @property
    def has_changes(self) -> bool:
        """Whether the collection differs from the source, or did before."""
        return bool(self.added or self.changed or self.deleted)

    def __str__(self) -> str:
        counts = {
            "added": self.added,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "deleted": self.deleted,
            "empty": self.empty,
            "failed": self.failed,
        }
        parts = [
            f"{len(ids):,} {what}"
            for what, ids in counts.items()
            if ids or what not in ("empty", "failed")
        ]
        if self.dry_run:
            return f"{self.source}: {', '.join(parts)}; {self.embedded:,} chunks to embed (dry run)"
        return f"{self.source}: {', '.join(parts)}; {self.embedded:,} chunks embedded"
