"""Passages as a search returns them."""

from __future__ import annotations

from elanus_demo.retrieval import LegRank, RetrievedPassage


def found(
    number: int, text: str, file: str = "a.md", heading: tuple[str, ...] = ()
) -> RetrievedPassage:
    """Return a found passage with plausible scores."""
    return RetrievedPassage(
        number=number,
        file=file,
        heading=heading,
        page=None,
        start=0,
        end=len(text),
        text=text,
        score=2 / (60 + number),
        legs=(
            LegRank("dense", number, 0.5, 1 / (60 + number)),
            LegRank("bm25", number, 7.25, 1 / (60 + number)),
        ),
    )
