"""How do passages live in an elanus collection?

The only file of the demo that knows the database. A passage is a document whose metadata holds
its lineage and the state of its file; the context line stands in front of the stored text.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import elanus
from elanus import Highlighter, Rerank
from elanus.documents import DocumentHit, Documents
from elanus_demo.embedding import TimedEmbedder
from elanus_demo.passages import Passage
from elanus_demo.retrieval import (
    LegRank,
    RerankMove,
    Retrieval,
    RetrievedPassage,
    TermShare,
)

# Passages that a reranking model reads for each question.
_RERANKED = 30

# Drawn anew by each process, so that no document can hold them.
_MARK_START, _MARK_END = (f"<{secrets.token_hex(16)}>" for _ in range(2))
_MARKER = Highlighter(pre_tags=_MARK_START, post_tags=_MARK_END, num_of_fragments=0)

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

    def __init__(
        self, documents: Documents, embedder: TimedEmbedder, reranker: Rerank | None = None
    ) -> None:
        self._documents = documents
        self._embedder = embedder
        self._reranker = reranker

    def count(self) -> int:
        """Return the number of passages."""
        return self._documents.count()

    def passages_by_file(self) -> dict[str, int]:
        """Return how many passages there are of each file, by its key in alphabetical order."""
        rows = self._documents.collection.query(output=["metadata"])
        counts = Counter(str(row["metadata"]["file"]) for row in rows)
        return dict(sorted(counts.items()))

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

    def search(self, query: str, limit: int, files: Sequence[str] | None = None) -> Retrieval:
        """Return the passages that fit a text best, by dense vectors and BM25, fused.

        Args:
            query: What to search for.
            limit: Passages wanted.
            files: Keys of the files to search; None searches all.
        """
        started = time.perf_counter()
        hits = self._documents.search(
            query,
            limit=limit,
            filter=None if files is None else {"file": {"$in": list(files)}},
            ranker=self._reranker,
            explain=True,
            highlight=_MARKER,
        )
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
def open_store(
    folder: Path, embedder: TimedEmbedder, *, reset: bool, reranker: str | None = None
) -> Iterator[PassageStore]:
    """Open the store in a folder, or make it.

    Args:
        folder: Where the database lives.
        embedder: Embeds passages and questions.
        reset: Drop what was stored before.
        reranker: Name of a reranker plug-in that reads the best passages of each search, or None.

    Raises:
        ElanusError: The folder cannot be opened, is in use, or was written with another model.
    """
    ranker = None if reranker is None else Rerank(reranker, top=_RERANKED)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with elanus.connect(str(folder)) as database:
        if reset and database.has_collection(_COLLECTION):
            database.drop_collection(_COLLECTION)
        documents = database.documents(_COLLECTION, embedder=embedder, language=_LANGUAGE)
        yield PassageStore(documents, embedder, ranker)


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
    # The context line comes first; the passage is the rest.
    context = len(hit.text) - (end - start)
    why = hit.explanation
    return RetrievedPassage(
        number=number,
        file=str(metadata["file"]),
        heading=tuple(metadata["heading"]),
        page=metadata["page"],
        start=start,
        end=end,
        text=hit.text[context:],
        score=hit.score,
        legs=tuple(LegRank(leg.name, leg.rank, leg.score, leg.contribution) for leg in why.legs),
        marks=tuple(
            (left - context, right - context)
            for left, right in _marks("".join(hit.highlights))
            if left >= context
        ),
        terms=tuple(TermShare(t.term, t.frequency, t.contribution) for t in why.terms),
        fusion=why.fusion,
        rerank=next(
            (
                RerankMove(
                    step.ranker.removeprefix("Rerank(").removesuffix(")"),
                    step.score_after,
                    step.rank_before,
                )
                for step in why.steps
            ),
            None,
        ),
    )


def _marks(marked: str) -> list[tuple[int, int]]:
    """Return where the marks of a text stand in the text without them."""
    before, *pieces = marked.split(_MARK_START)
    marks: list[tuple[int, int]] = []
    place = len(before)
    for piece in pieces:
        word, _, rest = piece.partition(_MARK_END)
        marks.append((place, place + len(word)))
        place += len(word) + len(rest)
    return marks
