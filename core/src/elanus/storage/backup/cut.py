"""Which bytes are the database at one moment, while somebody writes it?

Files are immutable and logs only grow, so a state is a manifest, the files it names, and the logs
from its start up to the last acknowledged write. Every file is mapped before anything is copied:
what is mapped stays readable when the writer deletes it. A file that vanished before it could be
mapped belongs to a manifest that has a successor, and the cut starts again.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from elanus.errors import CorruptionError, NotFoundError, StorageError
from elanus.storage.catalog import Catalog, collection_path, load_catalog, read_format
from elanus.storage.directory import Directory, join_path
from elanus.storage.held_source import HeldSource
from elanus.storage.manifest import Manifest, SegmentInfo, load_newest
from elanus.storage.publication import Publication, read_publication
from elanus.storage.segment_writer import DERIVABLE_FILES, segment_path
from elanus.storage.wal_format import list_wals, wal_path
from elanus.storage.wal_reader import read_wal, read_wal_header

CUT_ATTEMPTS = 100
"""How often a cut starts again because the writer replaced what it was about to map."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A block file that is mapped.

    Attributes:
        path: Its place within the database.
        raw: Its bytes.
        crc: CRC32C of its footer, as the manifest says.
        is_derivable: It can be built again from other files.
    """

    path: str
    raw: memoryview
    crc: int
    is_derivable: bool = False


@dataclass(frozen=True, slots=True)
class HeldLog:
    """A log up to its last acknowledged record; every record was verified.

    Attributes:
        path: Its place within the database.
        raw: Its bytes up to there.
    """

    path: str
    raw: memoryview


@dataclass(frozen=True, slots=True)
class CollectionCut:
    """One collection at one moment.

    Attributes:
        name: Its name in the catalog.
        path: Its folder.
        manifest: Its manifest.
        files: The files that the manifest names.
        logs: What the manifest does not hold yet, oldest first.
        last_seq: Sequence number of the last write in it.
        left_out: Derivable files that are missing.
    """

    name: str
    path: str
    manifest: Manifest
    files: tuple[HeldFile, ...]
    logs: tuple[HeldLog, ...]
    last_seq: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseCut:
    """All collections of one version of the catalog."""

    db_uuid: uuid.UUID
    catalog: Catalog
    collections: tuple[CollectionCut, ...]


def take_cut(directory: Directory) -> DatabaseCut:
    """Map everything that makes up a database now. Takes no lock and changes nothing.

    Every write that was acknowledged before the call is part of it.

    Raises:
        CorruptionError: A file is missing, or a log is damaged.
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: There is no database.
        StorageError: The catalog changes faster than it can be read.
    """
    db_uuid = read_format(directory)
    for _ in range(CUT_ATTEMPTS):
        catalog = load_catalog(directory, db_uuid)
        try:
            cuts = tuple(
                _cut_collection(directory, db_uuid, name, collection_path(found))
                for name, found in sorted(catalog.collections.items())
            )
        except (CorruptionError, NotFoundError):
            if not _is_superseded(directory, catalog):
                raise
            continue
        if not _is_superseded(directory, catalog):
            return DatabaseCut(db_uuid, catalog, cuts)
    raise StorageError(
        f"{directory.location}: collections are created and dropped faster than they can be "
        f"copied; try again later"
    )


def _is_superseded(directory: Directory, catalog: Catalog) -> bool:
    """Return whether collections came or went since; other changes do not matter here."""
    now = load_catalog(directory, catalog.db_uuid)
    return dict(now.collections) != dict(catalog.collections)


def _cut_collection(
    directory: Directory, db_uuid: uuid.UUID, name: str, path: str
) -> CollectionCut:
    for _ in range(CUT_ATTEMPTS):
        manifest = load_newest(directory, path)
        # After the manifest: then its log is one that the manifest wants.
        published = read_publication(directory, path)
        try:
            files, left_out = _hold_files(directory, path, manifest)
            logs, last_seq = _hold_logs(directory, path, db_uuid, manifest, published)
        except (CorruptionError, NotFoundError) as error:
            if load_newest(directory, path).version != manifest.version:
                continue
            if isinstance(error, NotFoundError):
                raise CorruptionError(f"{error}; restore a backup", path=path) from error
            raise
        if left_out and load_newest(directory, path).version != manifest.version:
            continue
        return CollectionCut(name, path, manifest, files, logs, last_seq, left_out)
    raise StorageError(f"{path}: files are replaced faster than they can be opened")


def _hold_files(
    directory: Directory, path: str, manifest: Manifest
) -> tuple[tuple[HeldFile, ...], tuple[str, ...]]:
    """Map the files that a manifest names; also return those that can be done without."""
    held: list[HeldFile] = []
    left_out: list[str] = []
    for segment in manifest.segments:
        for file, crc in needed_files(path, segment).items():
            held.append(HeldFile(file, directory.read(file), crc))
        for file, crc in derivable_files(path, segment).items():
            try:
                held.append(HeldFile(file, directory.read(file), crc, is_derivable=True))
            except NotFoundError:
                left_out.append(file)
    return tuple(held), tuple(left_out)


def needed_files(path: str, segment: SegmentInfo) -> dict[str, int]:
    """Return the files of a segment that hold what nothing else does, with their checksums."""
    folder = segment_path(path, segment.uuid)
    found = {
        join_path(folder, name): entry.crc
        for name, entry in segment.files.items()
        if name not in DERIVABLE_FILES
    }
    if segment.deletes is not None:
        found[join_path(path, segment.deletes.file)] = segment.deletes.crc
    return found


def derivable_files(path: str, segment: SegmentInfo) -> dict[str, int]:
    """Return the files of a segment that can be built again, with their checksums."""
    folder = segment_path(path, segment.uuid)
    found = {
        join_path(folder, name): entry.crc
        for name, entry in segment.files.items()
        if name in DERIVABLE_FILES
    }
    found |= {join_path(path, entry.file): entry.crc for entry in segment.indexes.values()}
    return found


def without_files(path: str, manifest: Manifest, files: Sequence[str]) -> Manifest:
    """Return a manifest that does not name some derivable files."""
    if not files:
        return manifest
    gone = frozenset(files)
    return replace(manifest, segments=tuple(_without(path, s, gone) for s in manifest.segments))


def _without(path: str, segment: SegmentInfo, gone: frozenset[str]) -> SegmentInfo:
    folder = segment_path(path, segment.uuid)
    return replace(
        segment,
        files={n: e for n, e in segment.files.items() if join_path(folder, n) not in gone},
        indexes={n: e for n, e in segment.indexes.items() if join_path(path, e.file) not in gone},
    )


def _hold_logs(
    directory: Directory,
    path: str,
    db_uuid: uuid.UUID,
    manifest: Manifest,
    published: Publication | None,
) -> tuple[tuple[HeldLog, ...], int]:
    """Map and verify the logs of a manifest up to the last acknowledged write."""
    numbers = [n for n in list_wals(directory, path) if n >= manifest.wal_start]
    files = {n: wal_path(path, n) for n in numbers}
    raw = {files[n]: directory.read_copy(files[n]) for n in numbers}
    source = HeldSource(raw)
    said = _trusted(published, numbers, source, files, db_uuid)
    if said is not None:
        numbers = [n for n in numbers if n <= said.wal_number]
    if numbers != list(range(manifest.wal_start, manifest.wal_start + max(len(numbers), 1))):
        lost = next(n for n in range(manifest.wal_start, 2**63) if n not in numbers)
        raise NotFoundError(f"{wal_path(path, lost)}: the log is missing")
    held: list[HeldLog] = []
    last_seq = manifest.next_seq - 1
    for number in numbers:
        is_last = number == numbers[-1]
        end, is_final = _end_of(number, is_last, said, source, files, db_uuid)
        contents = read_wal(
            source,
            files[number],
            db_uuid=db_uuid,
            is_last=is_final,
            end=end,
            synced_end=_synced_end(published, number) if is_final else 0,
        )
        if contents.salt is None and held:
            continue  # torn while it was created; nothing was acknowledged in it
        held.append(HeldLog(files[number], raw[files[number]][: contents.valid_end]))
        last_seq = max(last_seq, *(f.seq for f in contents.frames), 0)
    return tuple(held), last_seq


def _synced_end(published: Publication | None, number: int) -> int:
    if published is None or published.wal_number != number:
        return 0
    return published.synced_end


def _trusted(
    published: Publication | None,
    numbers: Sequence[int],
    source: HeldSource,
    files: Mapping[int, str],
    db_uuid: uuid.UUID,
) -> Publication | None:
    """Return what the writer said, unless a power loss or a copy of the files made it stale."""
    if published is None or not published.is_of_this_boot or published.wal_number not in numbers:
        return None
    file = files[published.wal_number]
    header = read_wal_header(source, file, db_uuid=db_uuid)
    if header is None or header.salt != published.wal_salt:
        return None
    return published if published.acked_end <= len(source.read(file)) else None


def _end_of(
    number: int,
    is_last: bool,
    said: Publication | None,
    source: HeldSource,
    files: Mapping[int, str],
    db_uuid: uuid.UUID,
) -> tuple[int | None, bool]:
    """Return how much of a log counts, and whether it may have a torn tail."""
    if is_last:
        return (None, True) if said is None else (said.acked_end, False)
    header = read_wal_header(source, files[number + 1], db_uuid=db_uuid)
    if header is None:
        # The next log was torn while it was created, so this one is the last that was written.
        return None, True
    return header.previous_end or None, False
