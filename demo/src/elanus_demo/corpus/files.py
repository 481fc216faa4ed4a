"""What is a corpus, before any file of it is read?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from elanus_demo.passages import Document


class CorpusError(Exception):
    """There is nothing to ask; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that can be read.

    Attributes:
        key: Name of the file in citations, distinct within the corpus.
        path: Where it lies.
        read: Turns its bytes into a document.
    """

    key: str
    path: Path
    read: Callable[[bytes], Document]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not read, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a corpus.

    Attributes:
        name: Short name, fit for a folder name; the same corpus has the same name each time.
        title: What the corpus is, in words.
        files: Files to read, by key.
        skipped: Files that look readable but are not, by key.
        num_other: Files of types that no reader reads.
        example_questions: Questions that show what can be asked; may be empty.
    """

    name: str
    title: str
    files: tuple[SourceFile, ...]
    skipped: tuple[Skipped, ...] = ()
    num_other: int = 0
    example_questions: tuple[str, ...] = ()
