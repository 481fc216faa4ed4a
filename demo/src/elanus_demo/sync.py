"""Which files must be read again, and what becomes of the rest?

What was indexed is derived from the stored rows themselves: each carries its file's fingerprint
and the number of passages the file has. A file is up to date when all its rows are there and
carry the fingerprint of today's content. A run that was killed in the middle of a file leaves
rows missing or mixed, so the next run finds and completes it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from elanus_demo.chunking import CHUNKING_VERSION, chunk_document
from elanus_demo.corpus import Listing, Skipped, SourceFile
from elanus_demo.passages import Passage, UnreadableFileError
from elanus_demo.progress import Progress
from elanus_demo.readers import READERS_VERSION
from elanus_demo.store import PassageStore, StoredFile, StoredPassage

# Large enough for the model to sort by length, small enough for the progress bar to move.
_BATCH_PASSAGES = 128

_FINGERPRINT_BYTES = 16


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a run found and did; counts are files unless they say otherwise.

    Attributes:
        new: Files that were not in the store.
        changed: Files whose content differs from what was stored.
        repaired: Files that an interrupted run had left incomplete.
        removed: Files that are no longer there, or no longer readable.
        unchanged: Files that needed no work.
        empty: Files without any text.
        skipped: Files that could not be read, with the reason.
        num_embedded: Passages that were embedded; others kept their vector.
        elapsed_s: Wall time in seconds.
    """

    new: int
    changed: int
    repaired: int
    removed: int
    unchanged: int
    empty: int
    skipped: tuple[Skipped, ...]
    num_embedded: int
    elapsed_s: float

    @property
    def summary(self) -> str:
        """The counts as one line, such as ``3 new, 1 changed, 2 removed, 812 unchanged``."""
        parts = [f"{self.new:,} new", f"{self.changed:,} changed"]
        if self.repaired:
            parts.append(f"{self.repaired:,} completed after an interrupted run")
        parts += [f"{self.removed:,} removed", f"{self.unchanged:,} unchanged"]
        if self.empty:
            parts.append(f"{self.empty:,} without text")
        if self.skipped:
            parts.append(f"{len(self.skipped):,} skipped")
        return ", ".join(parts)


@dataclass(slots=True)
class _Plan:
    """What must be done, decided before the first write."""

    to_store: list[tuple[str, list[StoredPassage]]] = field(default_factory=list)
    stale_ids: dict[str, frozenset[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    new: int = 0
    changed: int = 0
    repaired: int = 0
    unchanged: int = 0
    empty: int = 0


def sync(listing: Listing, store: PassageStore, progress: Progress) -> SyncReport:
    """Bring the store up to the files of a corpus.

    Every batch is durable when it is counted; a run that is interrupted loses at most the batch
    it was in, and the next run goes on from there.

    Args:
        listing: The files as they are now.
        store: What was indexed before.
        progress: Shows reading and embedding.
    """
    started = time.perf_counter()
    stored = store.files()
    plan = _make_plan(listing, stored, progress)
    for key in plan.removed:
        store.remove(stored[key].ids)
    num_embedded = _store_passages(plan, store, progress)
    return SyncReport(
        new=plan.new,
        changed=plan.changed,
        repaired=plan.repaired,
        removed=len(plan.removed),
        unchanged=plan.unchanged,
        empty=plan.empty,
        skipped=tuple(plan.skipped),
        num_embedded=num_embedded,
        elapsed_s=time.perf_counter() - started,
    )


def fingerprint(content: bytes) -> str:
    """Return the identity of a file's content under today's rules of reading and chunking."""
    recipe = f"{READERS_VERSION}.{CHUNKING_VERSION}\0".encode()
    return hashlib.blake2b(recipe + content, digest_size=_FINGERPRINT_BYTES).hexdigest()


def _make_plan(listing: Listing, stored: dict[str, StoredFile], progress: Progress) -> _Plan:
    plan = _Plan(skipped=list(listing.skipped))
    present: set[str] = set()
    with progress.track("Reading", len(listing.files), "files") as advance:
        for source in listing.files:
            if _plan_file(source, stored.get(source.key), plan):
                present.add(source.key)
            advance(1)
    unopened = {skipped.key for skipped in listing.skipped}
    plan.removed = [key for key in stored if key not in present and not _is_below(key, unopened)]
    return plan


def _plan_file(source: SourceFile, stored: StoredFile | None, plan: _Plan) -> bool:
    """Decide about one file; return whether what is stored of it may stay."""
    try:
        content = source.path.read_bytes()
    except OSError as error:
        plan.skipped.append(Skipped(source.key, error.strerror or str(error)))
        # It is there, only closed to us now; what is known of it is better than nothing.
        return True
    current = fingerprint(content)
    if stored is not None and stored.is_complete(current):
        plan.unchanged += 1
        return True
    try:
        passages = chunk_document(source.key, source.read(content))
    except UnreadableFileError as error:
        plan.skipped.append(Skipped(source.key, str(error)))
        return False
    if not passages:
        plan.empty += 1
        return False
    if stored is None:
        plan.new += 1
    elif stored.fingerprints == {current}:
        plan.repaired += 1
    else:
        plan.changed += 1
    _plan_passages(source.key, passages, current, stored, plan)
    return True


def _plan_passages(
    key: str, passages: list[Passage], current: str, stored: StoredFile | None, plan: _Plan
) -> None:
    done = stored.ids_with(current) if stored else frozenset()
    plan.to_store.append(
        (
            key,
            [
                StoredPassage(passage, current, len(passages))
                for passage in passages
                if passage.id not in done
            ],
        )
    )
    if stored:
        plan.stale_ids[key] = stored.ids - {passage.id for passage in passages}


def _store_passages(plan: _Plan, store: PassageStore, progress: Progress) -> int:
    """Store what the plan says; return the number of passages that were embedded."""
    total = sum(len(passages) for _, passages in plan.to_store)
    pending = {key: len(passages) for key, passages in plan.to_store}
    # Old passages of a file go when the last new one is in: a crash leaves both, never none.
    _remove_stale(plan, store, [key for key, count in pending.items() if not count])
    if not total:
        return 0
    num_embedded = 0
    with progress.track("Embedding", total, "passages") as advance:
        rows = (row for _, passages in plan.to_store for row in passages)
        for batch in _batches(rows, _BATCH_PASSAGES):
            num_embedded += store.put(batch)
            for row in batch:
                pending[row.passage.file] -= 1
            finished = {row.passage.file for row in batch if not pending[row.passage.file]}
            _remove_stale(plan, store, sorted(finished))
            advance(len(batch))
    return num_embedded


def _remove_stale(plan: _Plan, store: PassageStore, keys: Sequence[str]) -> None:
    for key in keys:
        ids = plan.stale_ids.get(key)
        if ids:
            store.remove(ids)


def _batches(rows: Iterable[StoredPassage], size: int) -> Iterator[list[StoredPassage]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch


def _is_below(key: str, folders: set[str]) -> bool:
    """Tell whether a key, or a folder that it lies in, is among ``folders``."""
    parts = key.split("/")
    return any("/".join(parts[:depth]) in folders for depth in range(1, len(parts) + 1))
