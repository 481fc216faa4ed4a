"""``elanus inspect``: what is in this database?"""

from __future__ import annotations

import argparse
from typing import TextIO

from elanus.api.collection import Collection
from elanus.api.database import connect
from elanus.schema.fields import Field

NAME = "inspect"
HELP = "Show collections, fields, segments and sizes. Reads only, also beside a writing process."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="folder of the database")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Print a description of the database."""
    with connect(arguments.path, read_only=True) as database:
        names = database.list_collections()
        out.write(f"{arguments.path}: {len(names)} collections\n")
        for name in names:
            _describe(database.collection(name), out)
    return 0


def _describe(collection: Collection, out: TextIO) -> None:
    stats = collection.stats()
    out.write(
        f"\n{collection.name}: {stats.rows:,} entities, {_size(stats.disk_bytes)} on disk, "
        f"{_size(stats.memory_bytes)} in memory\n"
    )
    for field in collection.schema.fields:
        out.write(f"  {field.name:<20} {_type_of(field)}\n")
    for segment in stats.segments:
        deleted = f", {segment.deleted:,} deleted" if segment.deleted else ""
        indexes = "".join(f", {kind} on {name}" for name, kind in segment.indexes.items())
        out.write(
            f"  {segment.name:<20} {segment.rows:,} rows{deleted}, "
            f"{_size(segment.size_bytes)}{indexes}\n"
        )


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


def _size(size_bytes: int) -> str:
    if size_bytes < 1_000:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in ("kB", "MB", "GB"):
        value /= 1_000
        if value < 1_000:
            return f"{value:.1f} {unit}"
    return f"{value / 1_000:.1f} TB"
