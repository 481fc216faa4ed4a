"""Which files must be read again, and what becomes of the rest?

``elanus`` compares the files with what is stored and changes all of it in one commit; here is what
it is told about them. A run that is interrupted leaves what was stored before, and what it
embedded is kept in a file beside the store, so that the next run pays for nothing again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from elanus.sync import (
    DocumentEntry,
    SourceDocument,
    SyncProgress,
    SyncReport,
    UnreadableDocumentError,
    file_fingerprint,
)
from elanus_demo.chunking import CHUNKING_VERSION, chunk_document
from elanus_demo.corpus import Listing, Skipped, SourceFile
from elanus_demo.progress import Advance, Progress
from elanus_demo.readers import READERS_VERSION
from elanus_demo.store import PassageStore, to_chunk

VERSION = f"{READERS_VERSION}.{CHUNKING_VERSION}"
"""Changes when files are read or cut in another way, so that all are read again."""


@dataclass
class ListedFiles:
    """The files of a corpus as a source that ``elanus`` follows.

    Attributes:
        listing: The files as they are now.
        stored: Files of which something is stored.
        name: Of the source; a store holds one corpus.
    """

    listing: Listing
    stored: Iterable[str] = ()
    name: str = "corpus"
    _read: dict[str, SourceDocument] = field(default_factory=dict)

    def documents(self) -> Iterator[DocumentEntry]:
        """Yield every file, also those that cannot be opened: what is stored of them stays."""
        listed = set()
        for file in self.listing.files:
            listed.add(file.key)
            yield self._entry(file)
        reasons = {skipped.key: skipped.reason for skipped in self.listing.skipped}
        for key in sorted(reasons.keys() | set(self.stored) - listed):
            reason = next(
                (reasons[above] for above in _with_folders(key) if above in reasons), None
            )
            if reason is not None:
                yield DocumentEntry(key, partial(_refuse, reason))

    def _entry(self, file: SourceFile) -> DocumentEntry:
        try:
            state = file_fingerprint(file.path)
        except OSError as error:
            return DocumentEntry(file.key, partial(_refuse, error.strerror or str(error)))
        return DocumentEntry(file.key, partial(self._read_once, file), state)

    def _read_once(self, file: SourceFile) -> SourceDocument:
        """Return the passages of a file, which is looked at once to count them and once to store
        them."""
        if file.key not in self._read:
            try:
                content = file.path.read_bytes()
            except OSError as error:
                raise UnreadableDocumentError(error.strerror or str(error)) from error
            passages = chunk_document(file.key, file.read(content))
            self._read[file.key] = SourceDocument(file.key, chunks=[to_chunk(p) for p in passages])
        return self._read[file.key]


def sync(listing: Listing, store: PassageStore, progress: Progress) -> SyncReport:
    """Bring the store up to the files of a corpus, in one commit.

    Args:
        listing: The files as they are now.
        store: What was indexed before.
        progress: Shows reading and embedding.
    """
    files = ListedFiles(listing, store.passages_by_file())
    with progress.track("Reading", len(listing.files), "files") as advance:
        planned = store.sync(files, VERSION, _Steps(advance).documents, dry_run=True)
    with progress.track("Embedding", planned.embedded, "passages") as advance:
        return store.sync(files, VERSION, _Steps(advance).embedded)


def summary(report: SyncReport) -> str:
    """Return the counts as one line, such as ``3 new, 1 changed, 2 removed, 812 unchanged``."""
    parts = [
        f"{len(report.added):,} new",
        f"{len(report.changed):,} changed",
        f"{len(report.deleted):,} removed",
        f"{len(report.unchanged):,} unchanged",
    ]
    if report.empty:
        parts.append(f"{len(report.empty):,} without text")
    if report.failed:
        parts.append(f"{len(report.failed):,} skipped")
    return ", ".join(parts)


def skipped(report: SyncReport) -> tuple[Skipped, ...]:
    """Return the files that could not be read, with the reason."""
    return tuple(Skipped(key, reason) for key, reason in sorted(report.failed.items()))


class _Steps:
    """Turns counts into steps."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._told = 0

    def documents(self, progress: SyncProgress) -> None:
        self._tell(progress.documents)

    def embedded(self, progress: SyncProgress) -> None:
        self._tell(progress.embedded)

    def _tell(self, count: int) -> None:
        if count > self._told:
            self._advance(count - self._told)
            self._told = count


def _refuse(reason: str) -> SourceDocument:
    raise UnreadableDocumentError(reason)


def _with_folders(key: str) -> Iterator[str]:
    """Yield a key and the folders that it lies in."""
    parts = key.split("/")
    for depth in range(len(parts), 0, -1):
        yield "/".join(parts[:depth])
