"""What does a database consist of, file by file and record by record?

Reads only, takes no lock, and goes on where something is damaged: what cannot be read is said.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from elanus.errors import CorruptionError, NotFoundError
from elanus.schema.collection import Schema
from elanus.schema.serialization import schema_from_json
from elanus.storage.catalog import NamedSnapshot, collection_path
from elanus.storage.census import Need, StoredFile, take_census
from elanus.storage.directory import Directory, join_path
from elanus.storage.findings import Finding
from elanus.storage.lock import LockHolder, read_holder
from elanus.storage.log_check import FRAME_NAMES, LogScan, frame_rows, scan_logs
from elanus.storage.manifest import Manifest, SegmentInfo, list_versions, load_version
from elanus.storage.publication import read_publication
from elanus.storage.segment_writer import segment_path
from elanus.storage.verification import read_known

_SEQ_COUNTER_BITS = 18
"""Low bits of a sequence number that count writes of one millisecond (engine.context)."""


@dataclass(frozen=True, slots=True)
class InspectedFile:
    """A file of a segment: its name, what it holds, and its length in bytes."""

    name: str
    holds: str
    size: int


@dataclass(frozen=True, slots=True)
class InspectedSegment:
    """A sealed segment.

    Attributes:
        uuid: Its name.
        rows: Rows in it, deleted ones included.
        deleted: Rows that its tombstones hide.
        size: Bytes of all its files.
        first, last: When its oldest and newest row were written, in seconds since 1970.
        files: Its files.
        indexes: Index type of each indexed field.
    """

    uuid: str
    rows: int
    deleted: int
    size: int
    first: float
    last: float
    files: tuple[InspectedFile, ...]
    indexes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InspectedRecord:
    """A record of a log: where, what, when (seconds since 1970), and how much."""

    offset: int
    type: str
    seq: int
    time: float
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class InspectedLog:
    """A write-ahead log.

    Attributes:
        number: Its number.
        size: Length in bytes.
        valid: Bytes that count.
        torn: Bytes at its end that were never acknowledged.
        records: What it holds.
        problem: What is damaged; None when nothing is.
    """

    number: int
    size: int
    valid: int
    torn: int
    records: tuple[InspectedRecord, ...]
    problem: str | None


@dataclass(frozen=True, slots=True)
class InspectedManifest:
    """A version of the manifest.

    Attributes:
        version: Its number.
        time: When its newest row was written, in seconds since 1970.
        segments: How many it names.
        rows: Rows in them.
        wal_start: The first log that it needs.
        changes: What is different from the version before.
        snapshots: Names of the snapshots that hold it.
        problem: Why it cannot be read; None when it can.
    """

    version: int
    time: float
    segments: int
    rows: int
    wal_start: int
    changes: tuple[str, ...]
    snapshots: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class InspectedCollection:
    """A collection.

    Attributes:
        name, uuid, created: From catalog and manifest.
        fields: Number of stored fields.
        manifests: Its manifests, by version.
        segments: Its segments, oldest first.
        logs: Its logs, oldest first.
        files: All of its files.
        problem: Why it cannot be read; None when it can.
    """

    name: str
    uuid: str
    created: str
    fields: int
    manifests: tuple[InspectedManifest, ...] = ()
    segments: tuple[InspectedSegment, ...] = ()
    logs: tuple[InspectedLog, ...] = ()
    files: tuple[StoredFile, ...] = ()
    problem: str | None = None

    def size_of(self, *needs: Need) -> int:
        """Return the bytes of the files that are there for one of the reasons."""
        return sum(f.size for f in self.files if f.need in needs)


@dataclass(frozen=True, slots=True)
class InspectedDatabase:
    """A database.

    Attributes:
        db_uuid: Which one.
        catalog: Version of its catalog.
        holder: Who last took the writer's lock.
        snapshots: Named states.
        collections: Its collections, by name.
        problems: What is wrong with the database's own files.
    """

    db_uuid: str
    catalog: int
    holder: LockHolder | None
    snapshots: Mapping[str, NamedSnapshot]
    collections: tuple[InspectedCollection, ...]
    problems: tuple[str, ...] = field(default_factory=tuple)


def time_of_seq(seq: int) -> float:
    """Return the time of a sequence number, in seconds since 1970."""
    return (seq >> _SEQ_COUNTER_BITS) / 1000


def inspect_database(directory: Directory, *, names: Sequence[str] = ()) -> InspectedDatabase:
    """Read what a database consists of.

    Args:
        directory: Where it is.
        names: The collections to read; none means all.

    Raises:
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: There is no database, or no such collection.
    """
    findings: list[Finding] = []
    catalog = read_known(directory, findings)
    unknown = [name for name in names if name not in catalog.collections]
    if unknown:
        known = ", ".join(sorted(catalog.collections)) or "none"
        raise NotFoundError(f"no collection {unknown[0]!r}; there are: {known}")
    chosen = sorted(names or catalog.collections)
    return InspectedDatabase(
        db_uuid=str(catalog.db_uuid),
        catalog=catalog.version,
        holder=read_holder(directory),
        snapshots=catalog.snapshots,
        collections=tuple(
            _collection(directory, name, catalog.collections[name], catalog.snapshots)
            for name in chosen
        ),
        problems=tuple(f.message for f in findings),
    )


def _collection(
    directory: Directory, name: str, found: uuid.UUID, snapshots: Mapping[str, NamedSnapshot]
) -> InspectedCollection:
    path = collection_path(found)
    held = {n: s.versions[found] for n, s in snapshots.items() if found in s.versions}
    manifests, readable = _manifests(directory, path, held)
    versions = list_versions(directory, path)
    if not versions or versions[-1] not in readable:
        problem = manifests[-1].problem if manifests else f"{path}: there is no manifest"
        return InspectedCollection(name, str(found), "", 0, manifests, problem=problem)
    current = readable[versions[-1]]
    schema = schema_from_json(current.schema)
    logs = scan_logs(
        directory,
        path,
        db_uuid=current.db_uuid,
        wal_start=current.wal_start,
        published=read_publication(directory, path),
    )
    older = [m for v, m in readable.items() if v != current.version]
    return InspectedCollection(
        name=name,
        uuid=str(found),
        created=current.created,
        fields=len(schema.stored_fields),
        manifests=manifests,
        segments=tuple(_segment(directory, path, s) for s in current.segments),
        logs=tuple(_log(log, schema) for log in logs),
        files=tuple(take_census(directory, path, current, older)),
    )


def _manifests(
    directory: Directory, path: str, held: Mapping[str, int]
) -> tuple[tuple[InspectedManifest, ...], dict[int, Manifest]]:
    readable: dict[int, Manifest] = {}
    listed: list[InspectedManifest] = []
    before: Manifest | None = None
    for version in list_versions(directory, path):
        names = tuple(sorted(n for n, v in held.items() if v == version))
        try:
            manifest = load_version(directory, path, version)
        except NotFoundError:
            continue  # deleted by the writer meanwhile
        except CorruptionError as error:
            problem = str(error).partition(". ")[0]
            listed.append(InspectedManifest(version, 0.0, 0, 0, 0, (), names, problem))
            continue
        readable[version] = manifest
        listed.append(
            InspectedManifest(
                version=version,
                time=time_of_seq(manifest.next_seq - 1),
                segments=len(manifest.segments),
                rows=sum(s.num_rows for s in manifest.segments),
                wal_start=manifest.wal_start,
                changes=() if before is None else tuple(_changes(before, manifest)),
                snapshots=names,
            )
        )
        before = manifest
    return tuple(listed), readable


def _changes(before: Manifest, after: Manifest) -> list[str]:
    """Return what one version did, in words."""
    found: list[str] = []
    old = {s.uuid: s for s in before.segments}
    new = {s.uuid: s for s in after.segments}
    added = [s for u, s in new.items() if u not in old]
    gone = [s for u, s in old.items() if u not in new]
    if gone and added:
        found.append(f"{len(gone)} segments merged into {len(added)}")
    elif added:
        found.append(f"{_segments(len(added))} with {sum(s.num_rows for s in added):,} rows added")
    elif gone:
        found.append(f"{_segments(len(gone))} dropped")
    both = [(old[u], new[u]) for u in new if u in old]
    deleted = sum(_deleted(b) - _deleted(a) for a, b in both)
    if deleted:
        found.append(f"{deleted:,} rows deleted in segments")
    indexed = sorted({f for a, b in both for f in b.indexes if b.indexes[f] != a.indexes.get(f)})
    if indexed:
        found.append(f"index built on {', '.join(indexed)}")
    if before.properties != after.properties:
        found.append("settings changed")
    if before.wal_start != after.wal_start:
        found.append(f"logs up to {after.wal_start - 1} flushed")
    return found


def _segments(count: int) -> str:
    return "1 segment" if count == 1 else f"{count} segments"


def _deleted(segment: SegmentInfo) -> int:
    return 0 if segment.deletes is None else segment.deletes.num_deleted


def _segment(directory: Directory, path: str, info: SegmentInfo) -> InspectedSegment:
    fields = {name: f"field {column}" for column, name in info.columns.items()}
    fields |= {"rows.col": "sequence numbers", "pk.idx": "index of primary keys"}
    files = [
        InspectedFile(
            join_path(segment_path("", info.uuid), name), fields.get(name, ""), entry.size
        )
        for name, entry in info.files.items()
    ]
    if info.deletes is not None:
        files.append(InspectedFile(info.deletes.file, "tombstones", info.deletes.size))
    files += [
        InspectedFile(e.file, f"index {e.type} of {name}", e.size)
        for name, e in info.indexes.items()
    ]
    return InspectedSegment(
        uuid=str(info.uuid),
        rows=info.num_rows,
        deleted=_deleted(info),
        size=info.size_bytes,
        first=time_of_seq(info.min_seq),
        last=time_of_seq(info.max_seq),
        files=tuple(files),
        indexes={name: entry.type for name, entry in info.indexes.items()},
    )


def _log(scan: LogScan, schema: Schema) -> InspectedLog:
    contents = scan.contents
    records = tuple(
        InspectedRecord(
            offset=frame.offset,
            type=FRAME_NAMES.get(frame.type, f"type {frame.type}"),
            seq=frame.seq,
            time=time_of_seq(frame.seq),
            rows=frame_rows(scan.path, frame, schema),
            size=len(frame.payload),
        )
        for frame in scan.frames
    )
    return InspectedLog(
        number=scan.number,
        size=scan.size,
        valid=0 if contents is None else contents.valid_end,
        torn=0 if contents is None else contents.torn_bytes,
        records=records,
        problem=scan.problem,
    )
