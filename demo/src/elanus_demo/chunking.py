"""How is a document cut into passages?

Sections are never joined. Within a section, whole sentences are packed until the passage is
full; the next passage begins with the last sentences of the one before, so that a fact on the
border is whole in one of them. A sentence longer than a passage is cut between words.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from elanus_demo.passages import Document, Passage, Section, join_heading
from elanus_demo.sentences import Span, sentence_spans, word_spans

# Part of every file's fingerprint: a store made by other rules is brought up to date.
CHUNKING_VERSION = 1

# The model reads 256 word pieces; English prose has about 1.3 of them a word, code about 2.
_MAX_WORDS = 120
_OVERLAP_WORDS = 20

# The model cuts long words into pieces of a few characters, so that they fill it like several.
_CHARACTERS_PER_WORD = 12

_ID_BYTES = 12


@dataclass(frozen=True, slots=True)
class ChunkSize:
    """How large passages get, in words; a word of more than 12 characters counts as several.

    Attributes:
        max_words: Upper bound of a passage.
        overlap_words: Upper bound of what a passage repeats from the one before it.
    """

    max_words: int = _MAX_WORDS
    overlap_words: int = _OVERLAP_WORDS

    def __post_init__(self) -> None:
        if not 0 <= self.overlap_words < self.max_words:
            raise ValueError(
                f"expected 0 <= overlap_words < max_words, got overlap_words={self.overlap_words} "
                f"and max_words={self.max_words}"
            )


DEFAULT_SIZE = ChunkSize()


def chunk_document(file: str, document: Document, size: ChunkSize = DEFAULT_SIZE) -> list[Passage]:
    """Cut a document into passages, in the order of the text.

    Args:
        file: Key of the file in its corpus; part of the ids.
        document: Text and sections.
        size: Bounds of a passage.

    Returns:
        Passages with distinct ids. Every word of every section is in at least one of them.
    """
    passages: list[Passage] = []
    seen: Counter[str] = Counter()
    for section in document.sections:
        context = section.context or join_heading(section.heading)
        for start, end in section_spans(document.text, section, size):
            text = document.text[start:end]
            content = f"{file}\0{join_heading(section.heading)}\0{text}"
            # The same words twice in one file are told apart by their order.
            passage_id = _digest(f"{content}\0{seen[content]}")
            seen[content] += 1
            passages.append(
                Passage(passage_id, file, section.heading, start, end, section.page, context, text)
            )
    return passages


def section_spans(text: str, section: Section, size: ChunkSize = DEFAULT_SIZE) -> list[Span]:
    """Return the spans of one section's passages, in order."""
    units = [
        piece
        for start, end in sentence_spans(text, section.start, section.end)
        for piece in _split_long(text, start, end, size)
    ]
    costs = [_cost_of_span(text, start, end) for start, end in units]
    spans: list[Span] = []
    first = 0
    while first < len(units):
        last, total = first, costs[first]
        while last + 1 < len(units) and total + costs[last + 1] <= size.max_words:
            last += 1
            total += costs[last]
        spans.append((units[first][0], units[last][1]))
        if last + 1 == len(units):
            break
        first = _overlap_start(costs, first, last, size)
    return spans


def _overlap_start(costs: list[int], first: int, last: int, size: ChunkSize) -> int:
    """Return the unit that the next passage begins with: a few units back, never none forward."""
    start, repeated = last + 1, 0
    room = min(size.overlap_words, size.max_words - costs[last + 1])
    while start - 1 > first and repeated + costs[start - 1] <= room:
        start -= 1
        repeated += costs[start]
    return start


def _split_long(text: str, start: int, end: int, size: ChunkSize) -> list[Span]:
    """Cut a sentence that is larger than a passage into parts small enough to overlap."""
    if _cost_of_span(text, start, end) <= size.max_words:
        return [(start, end)]
    # Parts as large as the overlap let the next passage repeat exactly one of them.
    part = max(size.overlap_words, size.max_words // 8, 1)
    pieces: list[Span] = []
    total = 0
    for word_start, word_end in word_spans(text, start, end):
        cost = _cost(word_end - word_start)
        if pieces and total + cost <= part:
            pieces[-1] = (pieces[-1][0], word_end)
            total += cost
        else:
            pieces.append((word_start, word_end))
            total = cost
    return pieces


def _cost_of_span(text: str, start: int, end: int) -> int:
    return sum(_cost(stop - begin) for begin, stop in word_spans(text, start, end))


def _cost(length: int) -> int:
    return -(-length // _CHARACTERS_PER_WORD)


def _digest(content: str) -> str:
    return hashlib.blake2b(
        content.encode("utf-8", "surrogatepass"), digest_size=_ID_BYTES
    ).hexdigest()
