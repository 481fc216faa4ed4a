"""Which passages does a question find, and why each of them?"""

from __future__ import annotations

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
        score: Fused score, larger is better.
        legs: What each leg says of it.
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
