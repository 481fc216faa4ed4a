"""What did the database consist of, when the file that says so is damaged?

``FORMAT`` and the catalog follow from the catalog before and from the manifests. A damaged
manifest follows from the one before and from the segments that are there: files only change by
new names, so what came after the older manifest can be seen.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pyroaring import BitMap

from elanus.errors import CorruptionError, NotFoundError
from elanus.schema.batches import FixedColumn
from elanus.schema.collection import Schema
from elanus.schema.serialization import schema_from_json
from elanus.storage.block_file import BlockFile
from elanus.storage.block_format import read_layout
from elanus.storage.deletes import DELETES_FOLDER, DELETES_KIND
from elanus.storage.directory import Directory, join_path
from elanus.storage.load_record import list_loads
from elanus.storage.manifest import (
    DeletesEntry,
    FileEntry,
    Manifest,
    SegmentInfo,
    list_versions,
    load_version,
)
from elanus.storage.merge_record import list_merges
from elanus.storage.publication import read_publication
from elanus.storage.segment_reader import SegmentReader
from elanus.storage.segment_writer import (
    COLUMN_KIND,
    SEGMENTS_FOLDER,
    SEQS_FILE,
    SEQS_KIND,
    segment_path,
)
from elanus.storage.wal_format import list_wals
from elanus.types import Int64Array

_SEGMENT_NAME = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_DELETES_NAME = re.compile(r"(.{36})-([0-9]{20})\.roar\Z")


@dataclass(frozen=True, slots=True)
class RebuiltManifest:
    """A manifest in the place of one that is damaged.

    Attributes:
        manifest: With the version of the older one.
        added: Segments that came after the older manifest.
        merged: Segments of the older manifest whose rows are in those.
        missing: Segments of the older manifest that are gone.
        lost_logs: Logs of the older manifest that are gone.
    """

    manifest: Manifest
    added: tuple[SegmentInfo, ...]
    merged: tuple[SegmentInfo, ...]
    missing: tuple[SegmentInfo, ...]
    lost_logs: tuple[int, ...]

    def describe(self) -> str:
        """Say what the manifest consists of, for a person."""
        parts = [f"version {self.manifest.version} taken as the base"]
        if self.added:
            rows = sum(s.num_rows for s in self.added)
            parts.append(f"{len(self.added)} newer segments with {rows:,} rows taken in")
        if self.merged or self.missing:
            count = len(self.merged) + len(self.missing)
            parts.append(f"{count} segments left out whose rows were merged into others")
        return ", ".join(parts)

    def describe_loss(self) -> str:
        """Say what is or may be lost."""
        parts = ["changes of settings and indexes since"]
        if self.lost_logs and not self.added:
            logs = ", ".join(str(n) for n in self.lost_logs)
            parts.append(f"the writes of log {logs}, which is gone")
        if self.missing and not self.added:
            rows = sum(s.num_rows for s in self.missing)
            parts.append(f"{rows:,} rows of segments that are gone")
        return "; ".join(parts)


def newest_readable(directory: Directory, path: str) -> Manifest | None:
    """Return the newest manifest of a collection that can be read; None when none can."""
    for version in reversed(list_versions(directory, path)):
        try:
            return load_version(directory, path, version)
        except (CorruptionError, NotFoundError):
            continue
    return None


def missing_version(directory: Directory, path: str, newest: Manifest) -> int:
    """Return the version of a manifest that was newer than the newest and is gone; 0 for none.

    The writer had published it, or the log that the newest one starts from is gone while segments
    are there that it does not name.
    """
    published = read_publication(directory, path)
    if published is not None and published.manifest_version > newest.version:
        return published.manifest_version
    numbers = list_wals(directory, path)
    named = {str(s.uuid) for s in newest.segments}
    names = directory.list_names(join_path(path, SEGMENTS_FOLDER))
    has_others = any(_SEGMENT_NAME.match(n) and n not in named for n in names)
    return newest.version + 1 if has_others and newest.wal_start not in numbers else 0


def rebuild_manifest(directory: Directory, path: str, base: Manifest) -> RebuiltManifest:
    """Return the manifest that follows from an older one and the files that are there.

    Args:
        directory: Where the database is.
        path: Folder of the collection.
        base: The newest manifest that can be read.
    """
    schema = schema_from_json(base.schema)
    folder = join_path(path, SEGMENTS_FOLDER)
    there = {n for n in directory.list_names(folder) if _SEGMENT_NAME.match(n)}
    there -= _half_imported(directory, path, base) | _half_merged(directory, path, base, there)
    known = {str(s.uuid) for s in _named_before(directory, path, base)}
    described = [
        _describe_segment(directory, path, uuid.UUID(n), schema) for n in sorted(there - known)
    ]
    added = [s for s in described if s is not None]
    present = [s for s in base.segments if str(s.uuid) in there]
    missing = tuple(s for s in base.segments if str(s.uuid) not in there)
    merged = tuple(s for s in present if _was_merged(directory, path, schema, s, added))
    left = [s for s in present if s not in merged]
    segments = sorted([*left, *added], key=lambda s: (s.min_seq, s.max_seq))
    with_deletes = tuple(_with_newest_deletes(directory, path, s) for s in segments)
    wal_start, lost_logs = _first_log(directory, path, base)
    manifest = replace(
        base,
        segments=with_deletes,
        wal_start=wal_start,
        next_seq=max([base.next_seq, *(s.max_seq + 1 for s in with_deletes)]),
        next_auto_id=_next_auto_id(directory, path, schema, base, added),
    )
    return RebuiltManifest(
        manifest=manifest,
        added=tuple(added),
        merged=merged,
        missing=missing,
        lost_logs=lost_logs,
    )


def _named_before(directory: Directory, path: str, base: Manifest) -> list[SegmentInfo]:
    """Return the segments of a manifest and of all before it: these did not come after it."""
    found = list(base.segments)
    for version in list_versions(directory, path):
        if version < base.version:
            with contextlib.suppress(CorruptionError, NotFoundError):
                found += load_version(directory, path, version).segments
    return found


def _half_imported(directory: Directory, path: str, base: Manifest) -> set[str]:
    """Return the segments that imports have written and that were never made visible."""
    loads = [load for load in list_loads(directory, path) if not load.is_committed]
    written = {str(s.uuid) for load in loads for s in load.segments}
    return written - {str(s.uuid) for s in base.segments}


def _half_merged(
    directory: Directory, path: str, base: Manifest, there: Collection[str]
) -> set[str]:
    """Return the segments that merges have written, while what they were made from is there."""
    written = {
        str(merge.made.uuid)
        for merge in list_merges(directory, path)
        if merge.made is not None and all(str(s.uuid) in there for s in merge.merged)
    }
    return written - {str(s.uuid) for s in base.segments}


def _describe_segment(
    directory: Directory, path: str, segment: uuid.UUID, schema: Schema
) -> SegmentInfo | None:
    """Return what a manifest would say about a segment; None when files of it are unreadable."""
    folder = segment_path(path, segment)
    files: dict[str, FileEntry] = {}
    columns: dict[str, str] = {}
    for name in directory.list_names(folder):
        file = join_path(folder, name)
        try:
            layout = read_layout(directory.read(file), file)
        except (CorruptionError, NotFoundError):
            continue
        files[name] = FileEntry(directory.size(file), layout.crc)
        if layout.kind == COLUMN_KIND:
            columns[str(layout.header.get("field"))] = name
    wanted = {f.name for f in schema.stored_fields}
    needed = {f.name for f in schema.stored_fields if not f.may_be_absent}
    if SEQS_FILE not in files or not needed <= set(columns):
        return None
    columns = {name: file for name, file in columns.items() if name in wanted}
    info = SegmentInfo(segment, 0, 0, 0, files, columns)
    seqs = _seqs_of(directory, path, segment)
    if seqs is None or not len(seqs):
        return None
    return replace(info, num_rows=len(seqs), min_seq=int(seqs.min()), max_seq=int(seqs.max()))


def _seqs_of(directory: Directory, path: str, segment: uuid.UUID) -> Int64Array | None:
    file = join_path(segment_path(path, segment), SEQS_FILE)
    try:
        seqs: Int64Array = BlockFile.open(directory, file, kind=SEQS_KIND).section("seqs")
        return seqs
    except CorruptionError:
        return None


def _was_merged(
    directory: Directory,
    path: str,
    schema: Schema,
    segment: SegmentInfo,
    added: Sequence[SegmentInfo],
) -> bool:
    """Return whether rows of a segment are in one that came later: merges take whole segments."""
    if not added:
        return False
    try:
        old = SegmentReader.open(directory, path, schema=schema, info=segment)
        keys = old.column(schema.primary.name)
        for info in added:
            new = SegmentReader.open(directory, path, schema=schema, info=info)
            places = new.find_pks(keys)  # type: ignore[arg-type]
            if bool(np.any((places >= 0) & (new.seqs[places] == old.seqs))):
                return True
    except CorruptionError:
        return False
    return False


def _with_newest_deletes(directory: Directory, path: str, segment: SegmentInfo) -> SegmentInfo:
    """Return a segment with its newest tombstones: every version is complete."""
    newest = segment.deletes
    for name in directory.list_names(join_path(path, DELETES_FOLDER)):
        match = _DELETES_NAME.match(name)
        file = join_path(DELETES_FOLDER, name)
        if match is None or match[1] != str(segment.uuid):
            continue
        if newest is None or file >= newest.file:
            newest = _describe_deletes(directory, path, file, segment) or newest
    return replace(segment, deletes=newest)


def _describe_deletes(
    directory: Directory, path: str, file: str, segment: SegmentInfo
) -> DeletesEntry | None:
    try:
        opened = BlockFile.open(directory, join_path(path, file), kind=DELETES_KIND, verify="full")
    except CorruptionError:
        return None
    if opened.header.get("segment") != str(segment.uuid):
        return None
    num_deleted = len(BitMap.deserialize(opened.section("roaring").tobytes()))
    return DeletesEntry(file, opened.size, opened.crc, num_deleted)


def _first_log(directory: Directory, path: str, base: Manifest) -> tuple[int, tuple[int, ...]]:
    """Return the first log to replay, and those of the older manifest that are gone.

    Logs are deleted from the oldest on once a manifest holds their rows; replaying one whose rows
    are in a segment already changes nothing.
    """
    numbers = [n for n in list_wals(directory, path) if n >= base.wal_start]
    if not numbers:
        return base.wal_start, (base.wal_start,)
    return numbers[0], tuple(range(base.wal_start, numbers[0]))


def _next_auto_id(
    directory: Directory,
    path: str,
    schema: Schema,
    base: Manifest,
    added: Sequence[SegmentInfo],
) -> int:
    following = base.next_auto_id
    if not schema.primary.auto_id:
        return following
    for info in added:
        reader = SegmentReader.open(directory, path, schema=schema, info=info)
        keys = reader.column(schema.primary.name)
        if isinstance(keys, FixedColumn) and len(keys):
            following = max(following, int(keys.values.max()) + 1)
    return following


def collections_there(
    directory: Directory, folder: str, known: Mapping[str, uuid.UUID]
) -> dict[str, uuid.UUID]:
    """Return the collections whose folders are there.

    Args:
        directory: Where the database is.
        folder: The folder of all collections.
        known: What the newest readable catalog says; names of other folders come from their
            manifest.
    """
    there = set(directory.list_names(folder))
    found = {name: u for name, u in known.items() if str(u) in there}
    named = {str(u) for u in found.values()}
    for name in sorted(there - named):
        manifest = newest_readable(directory, join_path(folder, name))
        if manifest is None:
            continue
        title = manifest.name
        while title in found:
            title = f"{title}_recovered"
        found[title] = manifest.collection_uuid
    return found
