"""A source of passages that are there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from elanus.sync import DocumentEntry, SourceDocument, SyncReport
from elanus_demo.passages import Passage
from elanus_demo.store import PassageStore, to_chunk


@dataclass(frozen=True)
class OneFile:
    """A file whose passages are known."""

    passages: Sequence[Passage]
    name: str = "corpus"

    def documents(self) -> Iterator[DocumentEntry]:
        file = self.passages[0].file
        document = SourceDocument(file, chunks=[to_chunk(passage) for passage in self.passages])
        yield DocumentEntry(file, lambda: document)


def store_passages(
    store: PassageStore, passages: Sequence[Passage], version: str = "1", **options: Any
) -> SyncReport:
    """Let a store hold the passages of one file and nothing else."""
    return store.sync(OneFile(passages), version, lambda _: None, **options)
