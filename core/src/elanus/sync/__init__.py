"""How does a collection follow a source of documents?

``Collection.sync`` compares the documents of a source with what was stored of them: unchanged ones
are skipped, changed ones replaced and vanished ones deleted, in one commit. What was stored is
told by the entities themselves: each carries its ``Lineage``.
"""

from elanus.sync.documents import (
    Chunk,
    Chunker,
    DocumentEntry,
    Source,
    SourceDocument,
    UnreadableDocumentError,
)
from elanus.sync.folder import FolderSource, file_fingerprint
from elanus.sync.hashing import content_hash
from elanus.sync.lineage import LINEAGE_FIELD, Lineage, SourceSummary, StoredSource
from elanus.sync.report import SyncError, SyncProgress, SyncReport
from elanus.sync.sources import as_source

__all__ = [
    "LINEAGE_FIELD",
    "Chunk",
    "Chunker",
    "DocumentEntry",
    "FolderSource",
    "Lineage",
    "Source",
    "SourceDocument",
    "SourceSummary",
    "StoredSource",
    "SyncError",
    "SyncProgress",
    "SyncReport",
    "UnreadableDocumentError",
    "as_source",
    "content_hash",
    "file_fingerprint",
]
