"""How do passages live in an elanus collection?

The only file of the demo that knows the database. A passage is a document whose metadata holds
its lineage and the state of its file; the context line stands in front of the stored text.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import elanus
from elanus.documents import DocumentHit, Documents
from elanus_demo.embedding import TimedEmbedder
from elanus_demo.passages import Passage
from elanus_demo.retrieval import LegRank, Retrieval, RetrievedPassage

_COLLECTION = "passages"
_LANGUAGE = "english"


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with the state of its file.

    Attributes:
        passage: The passage.
        fingerprint: Identity of the file's content.
        num_parts: Passages of the file in all.
    """

    passage: Passage
    fingerprint: str
    num_parts: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What the store holds of one file.

    Attributes:
        rows: Fingerprint and number of parts that each passage carries, by id.
    """

    rows: dict[str, tuple[str, int]]

    @property
    def ids(self) -> frozenset[str]:
        """Ids of all passages."""
        return frozenset(self.rows)

    @property
    def fingerprints(self) -> set[str]:
        """Fingerprints that passages carry; more than one after an interrupted run."""
        return {fingerprint for fingerprint, _ in self.rows.values()}

    def ids_with(self, fingerprint: str) -> frozenset[str]:
        """Return the ids of the passages that were made from this content."""
        return frozenset(id_ for id_, (stored, _) in self.rows.items() if stored == fingerprint)

    def is_complete(self, fingerprint: str) -> bool:
        """Tell whether every passage of this content is there, and nothing else."""
        return set(self.rows.values()) == {(fingerprint, len(self.rows))}


class PassageStore:
    """Passages of one corpus: written, removed and searched."""

    def __init__(self, documents: Documents, embedder: TimedEmbedder) -> None:
        self._documents = documents
        self._embedder = embedder

    def count(self) -> int:
        """Return the number of passages."""
        return self._documents.count()

    def files(self) -> dict[str, StoredFile]:
        """Return what is stored of each file, by its key."""
        rows: dict[str, dict[str, tuple[str, int]]] = {}
        for document in self._documents.query():
            metadata = document.metadata
            state = (str(metadata["fingerprint"]), int(metadata["num_parts"]))
            rows.setdefault(str(metadata["file"]), {})[document.id] = state
        return {file: StoredFile(states) for file, states in rows.items()}

    def put(self, rows: Sequence[StoredPassage]) -> int:
        """Store passages, replacing those with the same id; durable on return.

        A passage that is stored already with the same text keeps its vector.

        Returns:
            The number of passages that were embedded.
        """
        texts = [row.passage.indexed_text for row in rows]
        known = self._known_vectors([row.passage.id for row in rows], texts)
        fresh = [index for index, vector in enumerate(known) if vector is None]
        vectors = np.empty((len(rows), self._embedder.info.dim), dtype=np.float32)
        for index, vector in enumerate(known):
            if vector is not None:
                vectors[index] = vector
        if fresh:
            vectors[fresh] = self._embedder.embed_documents([texts[index] for index in fresh])
        self._documents.add(
            texts,
            ids=[row.passage.id for row in rows],
            metadata=[_metadata(row) for row in rows],
            embeddings=vectors,
        )
        return len(fresh)

    def remove(self, ids: Collection[str]) -> None:
        """Remove passages by id; durable on return."""
        if ids:
            self._documents.delete(sorted(ids))

    def search(self, query: str, limit: int) -> Retrieval:
        """Return the passages that fit a text best, by dense vectors and BM25, fused."""
        started = time.perf_counter()
        hits = self._documents.search(query, limit=limit)
        elapsed_s = time.perf_counter() - started
        embed_s = min(self._embedder.last_query_s, elapsed_s)
        return Retrieval(
            query=query,
            passages=tuple(_retrieved(number, hit) for number, hit in enumerate(hits, start=1)),
            embed_s=embed_s,
            search_s=elapsed_s - embed_s,
            num_searched=self.count(),
        )

    def _known_vectors(self, ids: Sequence[str], texts: Sequence[str]) -> list[Any]:
        """Return for each passage its stored vector, or None when it is new or differs."""
        entities = self._documents.collection.get(ids, output=["id", "text", "dense"])
        stored = {entity["id"]: entity for entity in entities}
        return [
            stored[id_]["dense"] if id_ in stored and stored[id_]["text"] == text else None
            for id_, text in zip(ids, texts, strict=True)
        ]


@contextmanager
def open_store(folder: Path, embedder: TimedEmbedder, *, reset: bool) -> Iterator[PassageStore]:
    """Open the store in a folder, or make it.

    Args:
        folder: Where the database lives.
        embedder: Embeds passages and questions.
        reset: Drop what was stored before.

    Raises:
        ElanusError: The folder cannot be opened, is in use, or was written with another model.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with elanus.connect(str(folder)) as database:
        if reset and database.has_collection(_COLLECTION):
            database.drop_collection(_COLLECTION)
        documents = database.documents(_COLLECTION, embedder=embedder, language=_LANGUAGE)
        yield PassageStore(documents, embedder)


def _metadata(row: StoredPassage) -> dict[str, Any]:
    passage = row.passage
    return {
        "file": passage.file,
        "heading": list(passage.heading),
        "page": passage.page,
        "start": passage.start,
        "end": passage.end,
        "fingerprint": row.fingerprint,
        "num_parts": row.num_parts,
    }


def _retrieved(number: int, hit: DocumentHit) -> RetrievedPassage:
    metadata = hit.metadata
    start, end = int(metadata["start"]), int(metadata["end"])
    legs = hit.explanation.legs if hit.explanation is not None else ()
    return RetrievedPassage(
        number=number,
        file=str(metadata["file"]),
        heading=tuple(metadata["heading"]),
        page=metadata["page"],
        start=start,
        end=end,
        # The context line comes first; the passage is the rest.
        text=hit.text[len(hit.text) - (end - start) :],
        score=hit.score,
        legs=tuple(LegRank(leg.name, leg.rank, leg.score, leg.contribution) for leg in legs),
    )
