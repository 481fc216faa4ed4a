"""How does an answer look: its text, its citations, and why each passage was found?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from elanus_demo.printing import count_of, printable, say, wrap_words
from elanus_demo.progress import format_time
from elanus_demo.retrieval import LegRank, Retrieval, RetrievedPassage

_LEG_NAMES = {"dense": "dense", "bm25": "BM25"}


def print_searched(console: Console, question: str, retrieval: Retrieval) -> None:
    """Print what was searched for when it is more than the question."""
    if retrieval.query != question:
        say(console, f"(searched for: {retrieval.query})", "dim")


def print_pieces(console: Console, pieces: Iterable[str]) -> str:
    """Print an answer as it arrives, wrapped to a terminal's width; return it whole."""
    written: list[str] = []
    kept = _without_leading_space(pieces, written)
    shown = wrap_words(kept, console.width) if console.is_terminal else kept
    try:
        for text in shown:
            console.print(Text(printable(text)), end="", soft_wrap=True, highlight=False)
    finally:
        # What comes next, a remark on a failure perhaps, begins on a line of its own.
        if written:
            console.print()
    return "".join(written).strip()


def _without_leading_space(pieces: Iterable[str], written: list[str]) -> Iterator[str]:
    """Yield the pieces from the first word on, and keep them in ``written``."""
    for piece in pieces:
        text = piece if written else piece.lstrip()
        if text:
            written.append(text)
            yield text


def print_sources(console: Console, retrieval: Retrieval) -> None:
    """Print the numbered citations, each with its score and the parts of it, and the time."""
    if not retrieval.passages:
        say(console, "No passage was found.", "dim")
        return
    say(console, "Sources", "bold")
    for passage in retrieval.passages:
        line = Text.assemble((f"[{passage.number}] ", "bold"), printable(passage.label))
        parts = Text(describe_score(passage), style="dim")
        for text, indent in ((line, 0), (parts, 4)):
            if console.is_terminal:
                console.print(Padding(text, (0, 0, 0, indent)), highlight=False)
            else:
                say(console, " " * indent + text.plain)
    say(console, describe_search(retrieval), "dim")


def print_passage(console: Console, passage: RetrievedPassage) -> None:
    """Print one passage whole, with where it lies in its file."""
    say(console, f"[{passage.number}] {passage.label}", "bold")
    say(console, f"characters {passage.start:,} to {passage.end:,} of the file's text", "dim")
    say(console, passage.text)


def describe_score(passage: RetrievedPassage) -> str:
    """Return the fused score and its parts: ``fused 0.0328: dense rank 1 (0.712), BM25 ...``.

    In parentheses stands the leg's own score: cosine, or BM25.
    """
    if not passage.legs:
        return f"score {passage.score:.4f}"
    fused = f"fused {passage.fused_score:.4f}: {', '.join(map(_describe_leg, passage.legs))}"
    if passage.rerank is None:
        return fused
    move = passage.rerank
    return f"{move.name} {move.score:.4f}, from place {move.rank_before}; {fused}"


def describe_search(retrieval: Retrieval) -> str:
    """Return how long the search took and what it searched."""
    searched = count_of(retrieval.num_searched, "passage")
    return (
        f"Searched {searched} in {format_time(retrieval.search_s)}, "
        f"after {format_time(retrieval.embed_s)} to embed the question."
    )


def _describe_leg(leg: LegRank) -> str:
    name = _LEG_NAMES.get(leg.name, leg.name)
    if leg.rank is None or leg.score is None:
        return f"{name} not found"
    return f"{name} rank {leg.rank} ({leg.score:.3f})"
