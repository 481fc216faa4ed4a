"""How do passages live in an elanus collection?

The only file of the demo that knows the database. A passage is a document whose metadata holds
where it stands in its file; the context line stands in front of the stored text.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import elanus
from elanus import Highlighter, Rerank
from elanus.documents import DocumentHit, Documents
from elanus.sync import Chunk, Source, SyncProgress, SyncReport
from elanus_demo.embedding import TimedEmbedder
from elanus_demo.passages import Passage
from elanus_demo.retrieval import (
    LegRank,
    RerankMove,
    Retrieval,
    RetrievedPassage,
    TermShare,
)
from elanus_embeddings import CachedEmbedder

# Passages that a reranking model reads for each question.
_RERANKED = 30

# Drawn anew by each process, so that no document can hold them.
_MARK_START, _MARK_END = (f"<{secrets.token_hex(16)}>" for _ in range(2))
_MARKER = Highlighter(pre_tags=_MARK_START, post_tags=_MARK_END, num_of_fragments=None)

_COLLECTION = "passages"
_LANGUAGE = "english"


class PassageStore:
    """Passages of one corpus: synchronised and searched.

    Args:
        documents: The collection.
        embedder: Embeds passages and questions.
        vectors: File that keeps what was embedded until it is stored.
        reranker: Reads the best passages of each search, or None.
    """

    def __init__(
        self,
        documents: Documents,
        embedder: TimedEmbedder,
        vectors: Path,
        reranker: Rerank | None = None,
    ) -> None:
        self._documents = documents
        self._embedder = embedder
        self._vectors = vectors
        self._reranker = reranker

    def count(self) -> int:
        """Return the number of passages."""
        return self._documents.count()

    def passages_by_file(self) -> dict[str, int]:
        """Return how many passages there are of each file, by its key in alphabetical order."""
        rows = self._documents.collection.query(output=["metadata"])
        counts = Counter(str(row["metadata"]["file"]) for row in rows)
        return dict(sorted(counts.items()))

    def sync(
        self,
        source: Source,
        version: str,
        progress: Callable[[SyncProgress], None],
        *,
        dry_run: bool = False,
    ) -> SyncReport:
        """Store what is new or changed in a source and remove what vanished, in one commit.

        Passages that are stored with the same text keep their vectors.
        """
        with CachedEmbedder(self._embedder, self._vectors) as cached:
            report = self._documents.sync(
                source,
                version=version,
                on_error="skip",
                progress=progress,
                dry_run=dry_run,
                embedder=None if dry_run else cached,
            )
        if not dry_run:
            self._vectors.unlink(missing_ok=True)
        return report

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where passages are stored.

    Attributes:
        uri: Folder of the database, or URL of a server.
        vectors: File that keeps what was embedded until it is stored.
        collection: Name of the collection.
        token: Credentials for a server, or None; never shown.
    """

    uri: str
    vectors: Path
    collection: str = _COLLECTION
    token: str | None = field(default=None, repr=False)

    @classmethod
    def in_folder(cls, folder: Path) -> Place:
        """Return the place of a database that is a folder."""
        return cls(str(folder), folder.with_name(f"{folder.name}.vectors"))

    @classmethod
    def on_server(cls, url: str, corpus: str, cache: Path, token: str | None) -> Place:
        """Return the place of one corpus on a server that others use too.

        Args:
            url: Of the server.
            corpus: Name of the corpus.
            cache: Folder for what is kept on this machine.
            token: Credentials, or None.
        """
        name = re.sub(r"\W+", "_", corpus, flags=re.ASCII)
        return cls(url, cache / f"{name}.vectors", f"{_COLLECTION}_{name}"[:255], token)


@contextmanager
def open_store(
    place: Place | Path, embedder: TimedEmbedder, *, reset: bool, reranker: str | None = None
) -> Iterator[PassageStore]:
    """Open the store at a place, or make it.

    Args:
        place: Where the passages are, or the folder of the database.
        embedder: Embeds passages and questions.
        reset: Drop what was stored before.
        reranker: Name of a reranker plug-in that reads the best passages of each search, or None.

    Raises:
        ElanusError: The database cannot be opened, is in use, or was written with another model.
    """
    ranker = None if reranker is None else Rerank(reranker, top=_RERANKED)
    if isinstance(place, Path):
        place = Place.in_folder(place)
    place.vectors.parent.mkdir(parents=True, exist_ok=True)
    with elanus.connect(place.uri, token=place.token) as database:
        if reset and database.has_collection(place.collection):
            database.drop_collection(place.collection)
        documents = database.documents(place.collection, embedder=embedder, language=_LANGUAGE)
        yield PassageStore(documents, embedder, place.vectors, ranker)


def to_chunk(passage: Passage) -> Chunk:
    """Return a passage as it is stored."""
    metadata = {
        "file": passage.file,
        "heading": list(passage.heading),
        "page": passage.page,
        "start": passage.start,
        "end": passage.end,
    }
    return Chunk(passage.indexed_text, metadata, passage.id)


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
