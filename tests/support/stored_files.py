"""A stored database, and ways to damage its files."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import elanus
from elanus.engine.database import DatabaseEngine
from elanus.query.entities import EntityRequest, query_entities
from elanus.storage.census import walk_files
from elanus.storage.directory import Directory, parent_path
from elanus.storage.memory_directory import MemoryDirectory
from support.builders import paper_schema, papers

Change = Callable[[bytes], bytes]


def flipped(offset: int | None) -> Change:
    """Return a change of one bit at ``offset`` bytes; negative ones count from the end.

    None is the middle.
    """

    def change(raw: bytes) -> bytes:
        place = (len(raw) // 2 if offset is None else offset) % len(raw)
        return raw[:place] + bytes([raw[place] ^ 4]) + raw[place + 1 :]

    return change


def _scrambled(raw: bytes) -> bytes:
    third = len(raw) // 3
    return raw[:third] + bytes(b ^ 0x5A for b in raw[third : 2 * third]) + raw[2 * third :]


CHANGES: dict[str, Change | None] = {
    "head": flipped(20),
    "middle": flipped(None),
    "footer": flipped(-6),
    "scrambled": _scrambled,
    "cut": lambda raw: raw[: len(raw) * 2 // 3],
    "empty": lambda raw: b"",
    "deleted": None,
}
"""What can happen to the bytes of a file; None: it is gone."""


def damage(file: Path, kind: str = "middle") -> None:
    """Damage a file on disk in one of the ways of ``CHANGES``."""
    change = CHANGES[kind]
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))


def damage_in(directory: MemoryDirectory, path: str, kind: str) -> None:
    """Damage a file in memory in one of the ways of ``CHANGES``."""
    change = CHANGES[kind]
    raw = bytes(directory.read(path))
    directory.delete(path)
    if change is not None:
        directory.create_append(path).write([change(raw)])


def make_papers(folder: Path) -> None:
    """Make a database with two segments, tombstones and a log.

    Rows 0..39 are in the first segment, of which 10..14 were replaced and 20, 21 deleted; rows
    40..69 and the new 10..14 in the second; 100..105 and 200..205 in the log, which deletes 41.
    """
    with elanus.connect(folder) as db:
        collection = db.create_collection("papers", paper_schema())
        collection.insert(papers(40))
        collection.flush()
        collection.insert(papers(30, first=40))
        collection.upsert(papers(5, first=10, seed=9))
        collection.delete([20, 21])
        collection.flush()
        collection.insert(papers(6, first=100))
        collection.delete([41])
        collection.insert(papers(6, first=200))


def copy_of(folder: Path, target: Path) -> Path:
    """Return a copy of a database folder."""
    shutil.copytree(folder, target)
    return target


def in_memory(folder: Path) -> MemoryDirectory:
    """Return the files of a folder in memory, to damage and use them without a disk."""
    made = MemoryDirectory()
    for file in sorted(folder.rglob("*")):
        path = str(file.relative_to(folder))
        if file.is_file():
            made.make_dir(parent_path(path))
            made.create_append(path).write([file.read_bytes()])
    return made


def rows_in(folder: Path, name: str = "papers", **options: Any) -> dict[int, str]:
    """Open a database and return the title of each entity by key."""
    with elanus.connect(folder, **options) as db:
        rows = db.collection(name).query(output=["id", "title"])
    found = {row["id"]: row["title"] for row in rows}
    assert len(found) == len(rows), "an entity is there twice"
    return found


def contents(directory: Directory, name: str = "papers") -> dict[int, str]:
    """Open a database in any directory; return the titles by key, each entity once."""
    engine = DatabaseEngine(directory)
    try:
        collection = engine.open(name)
        request = EntityRequest(("id", "title"))
        rows = query_entities(collection.schema, collection.snapshot().sources, request)
        found = {row["id"]: row["title"] for row in rows}
        assert len(found) == len(rows), "an entity is there twice"
        return found
    finally:
        engine.close()


def one(folder: Path, pattern: str) -> Path:
    """Return the only file that matches."""
    (found,) = folder.glob(pattern)
    return found


def first_path(directory: MemoryDirectory, pattern: str) -> str:
    """Return the first file in memory that matches."""
    return sorted(p for p in walk_files(directory, "") if fnmatch.fnmatch(p, pattern))[0]
