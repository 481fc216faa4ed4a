"""Which passages does a question find, and why each of them?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from elanus_demo.passages import join_heading


@dataclass(frozen=True, slots=True)
class LegRank:
    """What one leg of the search says of a passage.

    Attributes:
        name: ``"dense"`` or ``"bm25"``.
        rank: Place in the leg's own list from 1, or None when the leg did not find the passage.
        score: The leg's own score, larger is better, or None.
        contribution: Part of the fused score that comes from this leg.
    """

    name: str
    rank: int | None
    score: float | None
    contribution: float


@dataclass(frozen=True, slots=True)
class TermShare:
    """What one word of the question adds to a passage's BM25 score.

    Attributes:
        term: The word as it is indexed: lower case, stemmed.
        frequency: How often the passage has it.
        contribution: Part of the BM25 score.
    """

    term: str
    frequency: float
    contribution: float


@dataclass(frozen=True, slots=True)
class RerankMove:
    """Where a reranking model put a passage.

    Attributes:
        name: Who did it.
        score: Its score, larger is better.
        rank_before: Place in the fused list, from 1.
    """

    name: str
    score: float
    rank_before: int


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    """A passage that a search found, as it is cited.

    Attributes:
        number: Number of the citation, from 1.
        file: Key of the file in its corpus.
        heading: Headings above the passage, outermost first; may be empty.
        page: Page number from 1, or None.
        start: Offset of the first character in the file's extracted text.
        end: Offset past the last character.
        text: The passage, without its context line.
        score: Fused score, or that of the reranker; larger is better.
        legs: What each leg says of it.
        marks: Where words of the question stand in ``text``: first and past the last character.
        terms: Words of the question that BM25 found, the heaviest first.
        fusion: How the legs were joined.
        rerank: What a reranking model did, or None without one.
    """

    number: int
    file: str
    heading: tuple[str, ...]
    page: int | None
    start: int
    end: int
    text: str
    score: float
    legs: tuple[LegRank, ...]
    marks: tuple[tuple[int, int], ...] = ()
    terms: tuple[TermShare, ...] = ()
    fusion: str = ""
    rerank: RerankMove | None = None

    @property
    def fused_score(self) -> float:
        """The score that the legs add up to."""
        return math.fsum(leg.contribution for leg in self.legs)

    @property
    def title(self) -> str:
        """The heading right above the passage, or ""."""
        return self.heading[-1] if self.heading else ""

    @property
    def label(self) -> str:
        """Source, heading and page as one line."""
        parts = [self.file]
        # The docstring of a module stands under the module's own name.
        if self.heading and self.heading != (self.file,):
            parts.append(join_heading(self.heading))
        if self.page is not None:
            parts.append(f"page {self.page}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a question found.

    Attributes:
        query: The text that was searched for; differs from the question for a follow-up.
        passages: Best first.
        embed_s: Seconds spent on the question's vector.
        search_s: Seconds spent in the database.
        num_searched: Passages in the store.
    """

    query: str
    passages: tuple[RetrievedPassage, ...]
    embed_s: float
    search_s: float
    num_searched: int
