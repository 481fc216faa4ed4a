"""What do the logs of a collection hold, record by record, and what of them does not verify?"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from elanus.errors import CorruptionError, FormatVersionError, NotFoundError
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.storage.batch_codec import decode_batch
from elanus.storage.directory import Directory
from elanus.storage.findings import SALVAGE, Finding, Severity
from elanus.storage.held_source import HeldSource
from elanus.storage.publication import Publication
from elanus.storage.wal_format import (
    HEADER_BYTES,
    ByteRange,
    StoredFrame,
    WalContents,
    WalHeader,
    encode_wal_header,
    list_wals,
    wal_path,
)
from elanus.storage.wal_reader import read_wal, read_wal_header

UPSERT_FRAME = 1
"""Payload: the entities; each replaces what has its key."""
DELETE_FRAME = 2
"""Payload: the keys, as a batch of the primary key's column alone."""
FRAME_NAMES = {UPSERT_FRAME: "upsert", DELETE_FRAME: "delete"}

_SALT = struct.Struct("<I")
_SALT_OF_FIRST_FRAME = HEADER_BYTES + 8


@dataclass(frozen=True, slots=True)
class LogScan:
    """A log and what of it verifies.

    Attributes:
        number: Its number.
        path: The file.
        size: Length in bytes; 0 when it is missing.
        contents: What verifies; None when nothing can be told, as when it is missing.
        problem: What is wrong first; None when all that was acknowledged verifies.
        offset: Where that is.
        header: Its header, as far as known.
    """

    number: int
    path: str
    size: int
    contents: WalContents | None
    problem: str | None = None
    offset: int | None = None
    header: WalHeader | None = None

    @property
    def frames(self) -> tuple[StoredFrame, ...]:
        """The records that verify."""
        return () if self.contents is None else self.contents.frames


def scan_logs(
    directory: Directory,
    path: str,
    *,
    db_uuid: uuid.UUID,
    wal_start: int,
    published: Publication | None = None,
) -> list[LogScan]:
    """Read the logs of a collection. Damage is returned, not raised.

    Args:
        directory: Where the database is.
        path: Folder of the collection.
        db_uuid: The database.
        wal_start: Number of the first log that counts.
        published: What the writer last said.
    """
    found = [n for n in list_wals(directory, path) if n >= wal_start]
    last = max(found, default=wal_start)
    return [
        _scan(
            directory,
            path,
            number,
            db_uuid,
            published,
            is_first=number == wal_start,
            has_next=number != last,
        )
        for number in range(wal_start, last + 1)
    ]


def _scan(
    directory: Directory,
    path: str,
    number: int,
    db_uuid: uuid.UUID,
    published: Publication | None,
    *,
    is_first: bool,
    has_next: bool,
) -> LogScan:
    file = wal_path(path, number)
    try:
        raw = directory.read_copy(file)
    except NotFoundError:
        return LogScan(number, file, 0, None, f"{file}: the log is missing", None)
    end, may_be_torn = _end_of(directory, wal_path(path, number + 1), db_uuid, has_next)
    if may_be_torn and is_first and not any(raw[:HEADER_BYTES]):
        # The manifest names a log that was synced with its header.
        return LogScan(number, file, len(raw), None, f"{file}: damaged: its header is gone", 0)
    synced = 0
    if published is not None and published.wal_number == number:
        synced = published.synced_end
        if may_be_torn and published.is_of_this_boot and published.acked_end <= len(raw):
            end, may_be_torn = published.acked_end, False
    return _scan_bytes(
        LogScan(number, file, len(raw), None), raw, db_uuid, end, may_be_torn, synced
    )


def _end_of(
    directory: Directory, following: str, db_uuid: uuid.UUID, has_next: bool
) -> tuple[int | None, bool]:
    """Return how much of a log counts, and whether it may have a torn tail."""
    if not has_next:
        return None, True
    try:
        header = read_wal_header(directory, following, db_uuid=db_uuid)
    except (CorruptionError, NotFoundError, FormatVersionError):
        return None, False
    return (None, True) if header is None else (header.previous_end or None, False)


def _scan_bytes(
    scan: LogScan,
    raw: memoryview,
    db_uuid: uuid.UUID,
    end: int | None,
    may_be_torn: bool,
    synced: int,
) -> LogScan:
    problem: str | None = None
    offset: int | None = None
    source = HeldSource({scan.path: raw})
    try:
        header = read_wal_header(source, scan.path, db_uuid=db_uuid)
        if header is None and not may_be_torn:
            raise CorruptionError(
                f"{scan.path}: damaged: the header is missing", path=scan.path, offset=0
            )
    except FormatVersionError as error:
        return replace(scan, problem=str(error), offset=0)
    except CorruptionError as error:
        problem, offset = str(error), 0
        header = _guessed_header(raw)
        if header is None:
            return replace(scan, problem=problem, offset=0)
        mended = encode_wal_header(header, db_uuid, scan.number) + bytes(raw[HEADER_BYTES:])
        source = HeldSource({scan.path: memoryview(mended)})
    contents = read_wal(
        source,
        scan.path,
        db_uuid=db_uuid,
        is_last=may_be_torn,
        salvage=True,
        end=end,
        synced_end=synced,
    )
    if contents.damage and problem is None:
        first = contents.damage[0]
        offset = first.start
        problem = f"{scan.path}: damaged at byte {first.start}: {_lost_bytes(contents)}"
    return replace(scan, contents=contents, problem=problem, offset=offset, header=header)


def _lost_bytes(contents: WalContents) -> str:
    lost = sum(part.end - part.start for part in contents.damage)
    places = "1 range" if len(contents.damage) == 1 else f"{len(contents.damage)} ranges"
    return f"{lost:,} bytes in {places} do not verify although they had been synced"


def _guessed_header(raw: memoryview) -> WalHeader | None:
    """Return a header for a log whose own is damaged: each record repeats the salt."""
    if len(raw) < _SALT_OF_FIRST_FRAME + _SALT.size:
        return None
    (salt,) = _SALT.unpack_from(raw, _SALT_OF_FIRST_FRAME)
    return WalHeader(salt, 0) if salt else None


def log_findings(collection: str, schema: Schema, scans: Sequence[LogScan]) -> Iterator[Finding]:
    """Yield what is damaged in the logs of a collection."""
    for scan in scans:
        if scan.problem is not None:
            yield Finding(
                collection,
                scan.path,
                scan.problem,
                _meaning(scan, schema, scans),
                SALVAGE,
                Severity.DAMAGE,
                scan.offset,
            )
        for frame in scan.frames:
            problem = frame_problem(scan.path, frame, schema)
            if problem is not None:
                yield Finding(
                    collection,
                    scan.path,
                    problem,
                    "the database cannot be opened with this record",
                    "open it with the version of elanus that wrote it, or restore a backup",
                    Severity.DAMAGE,
                    frame.offset,
                )


def _meaning(scan: LogScan, schema: Schema, scans: Sequence[LogScan]) -> str:
    if scan.contents is None and scan.size == 0:
        return "every write that was only in this log is lost"
    behind = _frames_behind(scan)
    rows = sum(frame_rows(scan.path, frame, schema) for frame in behind)
    kept = f"{len(behind):,} records with {rows:,} rows behind the damage verify"
    if scan.contents is not None and not scan.contents.damage:
        return f"only the header is damaged; {kept}"
    return f"the writes in the damaged bytes are lost{missing_seqs(scan)}; {kept}"


def _frames_behind(scan: LogScan) -> list[StoredFrame]:
    start = scan.offset or 0
    return [frame for frame in scan.frames if frame.offset >= start]


def missing_seqs(scan: LogScan) -> str:
    """Say between which sequence numbers writes are missing, as far as neighbours tell."""
    parts = [gap for part in _damage_of(scan) if (gap := _gap(scan, part))]
    return f" ({'; '.join(parts)})" if parts else ""


def _damage_of(scan: LogScan) -> tuple[ByteRange, ...]:
    return () if scan.contents is None else scan.contents.damage


def _gap(scan: LogScan, part: ByteRange) -> str:
    before = [frame.seq for frame in scan.frames if frame.offset < part.start]
    after = [frame.seq for frame in scan.frames if frame.offset >= part.end]
    if before and after:
        return f"sequence numbers between {before[-1]} and {after[0]}"
    if before:
        return f"sequence numbers after {before[-1]}"
    return f"sequence numbers before {after[0]}" if after else ""


def frame_problem(path: str, frame: StoredFrame, schema: Schema) -> str | None:
    """Return why a record that verifies cannot be understood; None when it can."""
    fields = _fields_of(frame, schema)
    if fields is None:
        return f"{path}: record of unknown type {frame.type} at byte {frame.offset}"
    try:
        decode_batch(frame.payload, fields, path=path)
    except (CorruptionError, FormatVersionError) as error:
        return f"{error} (record at byte {frame.offset})"
    return None


def frame_rows(path: str, frame: StoredFrame, schema: Schema) -> int:
    """Return the rows, or deleted keys, of a record; 0 when it is not understood."""
    fields = _fields_of(frame, schema)
    if fields is None:
        return 0
    try:
        return len(decode_batch(frame.payload, fields, path=path))
    except (CorruptionError, FormatVersionError):
        return 0


def _fields_of(frame: StoredFrame, schema: Schema) -> Sequence[Field] | None:
    if frame.type == UPSERT_FRAME:
        return schema.stored_fields
    return [schema.primary] if frame.type == DELETE_FRAME else None
