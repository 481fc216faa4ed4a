"""Which files of a folder can be read?

Hidden files and folders, and folders that hold other people's code, are left out. Links to
folders are followed once: a folder that has been visited is not entered again, so a loop ends.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from elanus_demo.corpus.files import CorpusError, Listing, Skipped, SourceFile
from elanus_demo.readers import reader_for, supported_suffixes

_LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})

_LARGEST_FILE_BYTES = 64 * 1024 * 1024
_NAME_DIGEST_BYTES = 4

EXAMPLE_QUESTIONS = (
    "What are these documents about?",
    "How do I get started?",
    "Which problems and limits are described?",
)


def list_folder(path: Path) -> Listing:
    """Return the files of a folder, or a single file.

    Raises:
        CorpusError: The path does not exist, cannot be opened, or has nothing to read.
    """
    try:
        root = path.expanduser().resolve()
        root.stat()
    except FileNotFoundError:
        raise CorpusError(
            f"{path}: no such folder; give an existing one with --docs PATH"
        ) from None
    except (OSError, RuntimeError) as error:
        raise CorpusError(f"{path}: cannot be opened: {_reason(error)}") from None
    walk = _Walk(root if root.is_dir() else root.parent)
    if root.is_dir():
        walk.enter(root)
    else:
        walk.add(root)
    if not walk.files:
        raise CorpusError(_nothing_to_read(path, walk))
    return Listing(
        name=_folder_name(root),
        title=str(path),
        files=tuple(sorted(walk.files, key=lambda file: file.key)),
        skipped=tuple(sorted(walk.skipped, key=lambda skipped: skipped.key)),
        num_other=walk.num_other,
        example_questions=EXAMPLE_QUESTIONS,
    )


@dataclass
class _Walk:
    """Collects what lies below a folder."""

    root: Path
    files: list[SourceFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    num_other: int = 0
    _visited: set[tuple[int, int]] = field(default_factory=set)

    def enter(self, folder: Path) -> None:
        """Add the readable files of a folder and of the folders in it."""
        pending = [folder]
        while pending:
            current = pending.pop()
            for entry in self._entries(current):
                if entry.name.startswith(".") or entry.name in _LEFT_OUT:
                    continue
                path = current / entry.name
                try:
                    is_folder = entry.is_dir()
                except OSError as error:
                    self._skip(path, _reason(error))
                    continue
                if is_folder:
                    pending.append(path)
                else:
                    self.add(path)

    def add(self, path: Path) -> None:
        """Add one file, or the reason why it cannot be read."""
        reader = reader_for(path)
        if reader is None:
            self.num_other += 1
            return
        try:
            status = path.stat()
        except OSError as error:
            broken_link = isinstance(error, FileNotFoundError) and path.is_symlink()
            self._skip(path, "broken link" if broken_link else _reason(error))
            return
        if not os.path.isfile(path):
            self._skip(path, "not a regular file")
        elif status.st_size > _LARGEST_FILE_BYTES:
            self._skip(path, f"larger than {_LARGEST_FILE_BYTES // 2**20} MiB")
        else:
            self.files.append(SourceFile(self._key(path), path, reader))

    def _entries(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        try:
            status = folder.stat()
            identity = (status.st_dev, status.st_ino)
            if identity in self._visited:
                return
            self._visited.add(identity)
            with os.scandir(folder) as entries:
                yield from sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._skip(folder, _reason(error))

    def _skip(self, path: Path, reason: str) -> None:
        self.skipped.append(Skipped(self._key(path), reason))

    def _key(self, path: Path) -> str:
        relative = path.relative_to(self.root).as_posix()
        # A name that is no text on this system is shown with replacement characters.
        return relative.encode("utf-8", "replace").decode("utf-8")


def _reason(error: OSError | RuntimeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _folder_name(root: Path) -> str:
    """Return the folder's name and a digest of its whole path, so that two ``docs`` differ."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", root.name).strip("-.") or "root"
    digest = hashlib.blake2b(os.fsencode(root), digest_size=_NAME_DIGEST_BYTES).hexdigest()
    return f"{readable}-{digest}"


def _nothing_to_read(path: Path, walk: _Walk) -> str:
    lines = [f"{path}: nothing to read; expected files named {', '.join(supported_suffixes())}"]
    lines += [f"  {skipped.key}: {skipped.reason}" for skipped in walk.skipped]
    if walk.num_other:
        lines.append(f"  files of other types: {walk.num_other:,}")
    return "\n".join(lines)
