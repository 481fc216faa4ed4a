"""``elanus inspect``: what is in this database?"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TextIO

from elanus.api.collection import Collection
from elanus.api.database import Database, connect
from elanus.cli.formats import count_text, size_text, table_lines, time_text
from elanus.errors import CorruptionError
from elanus.schema.fields import Field
from elanus.storage.census import Need
from elanus.storage.inspection import (
    InspectedCollection,
    InspectedDatabase,
    InspectedLog,
    InspectedManifest,
    InspectedSegment,
    inspect_database,
)
from elanus.storage.local_directory import LocalDirectory

NAME = "inspect"
HELP = "Show collections, fields, segments and sizes. Reads only, also beside a writing process."

_SHORT_UUID = 8
_LISTED_RECORDS = 200
"""Records of one log that are listed; the rest is summed up."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="folder of the database")
    parser.add_argument("collection", nargs="?", help="show only this collection")
    parser.add_argument("--files", action="store_true", help="list every file")
    parser.add_argument("--log", action="store_true", help="list the records of the logs")
    parser.add_argument(
        "--manifests", action="store_true", help="list the versions of the manifest and changes"
    )
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Print a description of the database; the status is 1 when some of it cannot be read."""
    directory = LocalDirectory(Path(arguments.path).expanduser().resolve(), read_only=True)
    with contextlib.ExitStack() as held:
        database: Database | None = None
        # A damaged database is described as far as it goes.
        with contextlib.suppress(CorruptionError):
            database = held.enter_context(connect(arguments.path, read_only=True))
        names = [arguments.collection] if arguments.collection else []
        found = inspect_database(directory, names=names)
        if arguments.json:
            out.write(json.dumps(asdict(found), indent=1, default=_plain) + "\n")
        else:
            _write_database(arguments.path, found, out)
            for collection in found.collections:
                _write_collection(database, collection, arguments, out)
    return 1 if found.problems or any(c.problem for c in found.collections) else 0


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else str(value)


def _write_database(path: str, found: InspectedDatabase, out: TextIO) -> None:
    out.write(f"{path}: {count_text(len(found.collections), 'collection')}\n")
    holder = "nobody has written yet"
    if found.holder is not None:
        holder = f"process {found.holder.pid} on {found.holder.host}, since {found.holder.since}"
    rows = [
        ("database", found.db_uuid),
        ("catalog", f"version {found.catalog}"),
        ("last writer", holder),
    ]
    out.write("\n".join(table_lines(rows)) + "\n")
    for name, snapshot in sorted(found.snapshots.items()):
        out.write(f"  snapshot {name!r} of {snapshot.created}\n")
    for problem in found.problems:
        out.write(f"  DAMAGE  {problem}\n")


def _write_collection(
    database: Database | None,
    found: InspectedCollection,
    arguments: argparse.Namespace,
    out: TextIO,
) -> None:
    if found.problem is not None:
        out.write(f"\n{found.name}: cannot be read\n  DAMAGE  {found.problem}\n")
        return
    _write_summary(database, found, out)
    _write_segments(found.segments, out)
    _write_logs(found.logs, out)
    _write_space(found, out)
    if arguments.manifests:
        _write_manifests(found.manifests, out)
    if arguments.log:
        for log in found.logs:
            _write_records(log, out)
    if arguments.files:
        _write_files(found, out)


def _write_summary(database: Database | None, found: InspectedCollection, out: TextIO) -> None:
    size = sum(file.size for file in found.files)
    if database is None:
        out.write(f"\n{found.name}: {size_text(size)} on disk\n")
        return
    try:
        collection: Collection = database.collection(found.name)
        entities = count_text(collection.stats().rows, "entity", "entities")
        fields: Sequence[Field] = collection.schema.fields
    except CorruptionError as error:
        out.write(f"\n{found.name}: cannot be opened\n  DAMAGE  {error}\n")
        return
    out.write(f"\n{found.name}: {entities}, {size_text(size)} on disk\n")
    rows = [(field.name, _type_of(field)) for field in fields]
    out.write("\n".join(table_lines(rows)) + "\n")


def _write_segments(segments: Sequence[InspectedSegment], out: TextIO) -> None:
    if not segments:
        return
    rows = [("segment", "rows", "deleted", "size", "written (UTC)", "", "indexes")]
    for segment in segments:
        indexes = ", ".join(f"{kind} on {name}" for name, kind in segment.indexes.items())
        rows.append(
            (
                segment.uuid[:_SHORT_UUID],
                f"{segment.rows:,}",
                f"{segment.deleted:,}",
                size_text(segment.size),
                time_text(segment.first),
                f"to {time_text(segment.last)}",
                indexes,
            )
        )
    out.write("\n" + "\n".join(table_lines(rows, right=(1, 2, 3))) + "\n")


def _write_logs(logs: Sequence[InspectedLog], out: TextIO) -> None:
    rows = [("log", "records", "rows", "size", "written (UTC)", "")]
    for log in logs:
        first = time_text(log.records[0].time) if log.records else ""
        last = f"to {time_text(log.records[-1].time)}" if log.records else ""
        count = sum(record.rows for record in log.records)
        rows.append(
            (
                str(log.number),
                f"{len(log.records):,}",
                f"{count:,}",
                size_text(log.size),
                first,
                last,
            )
        )
    out.write("\n" + "\n".join(table_lines(rows, right=(1, 2, 3))) + "\n")
    for log in logs:
        if log.problem is not None:
            out.write(f"  DAMAGE  {log.problem}\n")


def _write_space(found: InspectedCollection, out: TextIO) -> None:
    kinds = {
        Need.OLDER: "kept for older states",
        Need.IMPORT: "of an import that is not finished",
        Need.MERGE: "of a merge that is not finished",
        Need.UNFINISHED: "of writing that never finished",
        Need.ORPHAN: "that no manifest names",
    }
    for need, what in kinds.items():
        count = sum(1 for file in found.files if file.need is need)
        if count:
            size = size_text(found.size_of(need))
            out.write(f"  {count_text(count, 'file')} {what}: {size}\n")


def _write_manifests(manifests: Sequence[InspectedManifest], out: TextIO) -> None:
    rows = [("manifest", "last write (UTC)", "segments", "rows", "change")]
    for manifest in manifests:
        if manifest.problem is not None:
            rows.append((str(manifest.version), "", "", "", f"DAMAGE  {manifest.problem}"))
            continue
        changes = list(manifest.changes)
        changes += [f"held by snapshot {name!r}" for name in manifest.snapshots]
        rows.append(
            (
                str(manifest.version),
                time_text(manifest.time),
                str(manifest.segments),
                f"{manifest.rows:,}",
                ", ".join(changes),
            )
        )
    out.write("\n" + "\n".join(table_lines(rows, right=(0, 2, 3))) + "\n")


def _write_records(log: InspectedLog, out: TextIO) -> None:
    rows = [("offset", "record", "seq", "time (UTC)", "rows", "size")]
    for record in log.records[:_LISTED_RECORDS]:
        millis = int(record.time * 1000) % 1000
        rows.append(
            (
                f"{record.offset:,}",
                record.type,
                str(record.seq),
                f"{time_text(record.time)}.{millis:03d}",
                f"{record.rows:,}",
                size_text(record.size),
            )
        )
    out.write(f"\n  log {log.number}: {size_text(log.size)}")
    if log.torn:
        out.write(f", of which {size_text(log.torn)} at the end were never acknowledged")
    out.write("\n" + "\n".join(table_lines(rows, right=(0, 4, 5))) + "\n")
    more = len(log.records) - _LISTED_RECORDS
    if more > 0:
        out.write(f"  and {count_text(more, 'more record', 'more records')}\n")


def _write_files(found: InspectedCollection, out: TextIO) -> None:
    held = {file.name: file.holds for segment in found.segments for file in segment.files}
    prefix = f"c/{found.uuid}/"
    rows = [("file", "size", "needed", "holds")]
    for file in found.files:
        name = file.path.removeprefix(prefix)
        rows.append((name, size_text(file.size), file.need.value, held.get(name, "")))
    out.write(f"\n  in {prefix}\n")
    out.write("\n".join(table_lines(rows, right=(1,))) + "\n")


def _type_of(field: Field) -> str:
    parts = [field.dtype.name]
    if field.dim is not None:
        parts.append(f"dim {field.dim}")
    if field.metric is not None:
        parts.append(str(field.metric))
    if field.source is not None:
        parts.append(f"of {field.source.field}")
    if field.primary:
        parts.append("primary key" + (", automatic" if field.auto_id else ""))
    if field.nullable:
        parts.append("nullable")
    return ", ".join(parts)
