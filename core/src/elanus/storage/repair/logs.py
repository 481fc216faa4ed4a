"""What of a damaged log can be kept?

A log that does not verify is written again with the records that do. The order is: second name for
the original, original away, new log in its place. A repair that is interrupted in between finds
the original under its second name.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from elanus.schema.collection import Schema
from elanus.storage.directory import Bytes, join_path
from elanus.storage.log_check import LogScan, frame_rows, log_findings, missing_seqs, scan_logs
from elanus.storage.manifest import Manifest
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.publication import PUBLICATION_FILE, read_publication
from elanus.storage.repair.report import Action
from elanus.storage.repair.workshop import Workshop
from elanus.storage.wal import WalWriter
from elanus.storage.wal_format import WAL_FOLDER, Frame, StoredFrame, wal_path


def repair_logs(
    workshop: Workshop, name: str, path: str, manifest: Manifest, schema: Schema
) -> None:
    """Write damaged logs of a collection again, when salvaging; explain the damage otherwise."""
    scans = scan_logs(
        workshop.directory,
        path,
        db_uuid=manifest.db_uuid,
        wal_start=manifest.wal_start,
        published=read_publication(workshop.directory, path),
    )
    findings = list(log_findings(name, schema, scans))
    damaged = [scan for scan in scans if scan.problem is not None]
    not_understood = [f for f in findings if f.message not in {s.problem for s in damaged}]
    workshop.refuse(not_understood)
    if not workshop.salvage:
        explained = [f for f in findings if f not in not_understood]
        workshop.refuse(explained)
        return
    rewritten: set[int] = set()
    for scan in scans:
        if scan.problem is not None and not_understood:
            workshop.refuse(f for f in findings if f.path == scan.path)
            continue
        cuts_previous = scan.header is not None and scan.header.previous_end
        if scan.problem is None and not (scan.number - 1 in rewritten and cuts_previous):
            continue
        _rewrite(workshop, name, path, manifest.db_uuid, scan, schema, scan.number - 1 in rewritten)
        rewritten.add(scan.number)
    if rewritten and not workshop.dry_run:
        # It speaks of the bytes of logs that are gone.
        workshop.directory.delete(join_path(path, PUBLICATION_FILE))


def _rewrite(
    workshop: Workshop,
    name: str,
    path: str,
    db_uuid: uuid.UUID,
    scan: LogScan,
    schema: Schema,
    is_previous_new: bool,
) -> None:
    kept = workshop.kept_before(scan.path) if scan.size == 0 else None
    if kept is not None:
        scan = _scan_kept(workshop, kept, path, db_uuid, scan)
    previous_end = 0
    if scan.header is not None and not is_previous_new:
        previous_end = scan.header.previous_end
    content = _encode(scan.frames, path, db_uuid, scan.number, previous_end)
    workshop.replace(scan.path, content)
    rows = sum(frame_rows(scan.path, frame, schema) for frame in scan.frames)
    done = f"written again with the {len(scan.frames):,} records that verify ({rows:,} rows)"
    workshop.did(Action(name, scan.path, done, _lost(scan)))


def _lost(scan: LogScan) -> str:
    if scan.problem is None:
        return ""
    if scan.contents is None:
        return "every write that was only in this log"
    parts = [f"bytes {part.start:,} to {part.end:,}" for part in scan.contents.damage]
    if not parts:
        return ""
    return f"the writes in {', '.join(parts)}{missing_seqs(scan)}"


def _scan_kept(
    workshop: Workshop, kept: str, path: str, db_uuid: uuid.UUID, missing: LogScan
) -> LogScan:
    """Read a log under the second name that an interrupted repair gave it."""
    held = MemoryDirectory()
    held.make_dir(join_path(path, WAL_FOLDER))
    file = held.create_append(missing.path)
    file.write([workshop.directory.read(kept)])
    (scan,) = scan_logs(held, path, db_uuid=db_uuid, wal_start=missing.number)
    return scan


def _encode(
    frames: Sequence[StoredFrame], path: str, db_uuid: uuid.UUID, number: int, previous_end: int
) -> list[Bytes]:
    """Return the bytes of a log that holds the given records."""
    held = MemoryDirectory()
    held.make_dir(join_path(path, WAL_FOLDER))
    file = wal_path(path, number)
    writer = WalWriter.create(held, file, db_uuid=db_uuid, number=number, previous_end=previous_end)
    for frame in frames:
        writer.append([Frame(frame.type, frame.seq, [frame.payload])])
        writer.sync()
    writer.close()
    return [held.read(file)]
