"""A stored database, and ways to damage its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import elanus
from elanus.storage.directory import parent_path
from elanus.storage.memory_directory import MemoryDirectory
from support.builders import paper_schema, papers

Damage = Callable[[Path], None]


def flip(offset: int) -> Damage:
    """Return a damage that flips one bit at ``offset`` bytes; negative ones count from the end."""

    def act(file: Path) -> None:
        raw = bytearray(file.read_bytes())
        raw[offset] ^= 4
        file.write_bytes(raw)

    return act


def flip_middle(file: Path) -> None:
    """Flip one bit in the middle."""
    flip(file.stat().st_size // 2)(file)


def scramble(file: Path) -> None:
    """Overwrite the middle third."""
    raw = bytearray(file.read_bytes())
    third = len(raw) // 3
    raw[third : 2 * third] = bytes(b ^ 0x5A for b in raw[third : 2 * third])
    file.write_bytes(raw)


def cut(file: Path) -> None:
    """Cut the last third off."""
    raw = file.read_bytes()
    file.write_bytes(raw[: len(raw) * 2 // 3])


def empty(file: Path) -> None:
    """Leave a file without bytes."""
    file.write_bytes(b"")


def delete(file: Path) -> None:
    """Delete a file."""
    file.unlink()


DAMAGES: dict[str, Damage] = {
    "head": flip(20),
    "middle": flip_middle,
    "footer": flip(-6),
    "scrambled": scramble,
    "cut": cut,
    "empty": empty,
    "deleted": delete,
}


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


def rewrite(directory: MemoryDirectory, path: str, change: Callable[[bytes], bytes]) -> None:
    """Put other bytes in the place of a file."""
    raw = change(bytes(directory.read(path)))
    directory.delete(path)
    directory.create_append(path).write([raw])


def rows_in(folder: Path, name: str = "papers", **options: Any) -> dict[int, str]:
    """Open a database and return the title of each entity by key."""
    with elanus.connect(folder, **options) as db:
        rows = db.collection(name).query(output=["id", "title"])
    return {row["id"]: row["title"] for row in rows}


def one(folder: Path, pattern: str) -> Path:
    """Return the only file that matches."""
    (found,) = folder.glob(pattern)
    return found
