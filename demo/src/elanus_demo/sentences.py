"""Where do words and sentences begin and end in a text?

Everything here returns spans, ``(start, end)`` offsets in characters, so that callers can cut the
original text. Every character that is not white space lies in exactly one word and one sentence.
"""

from __future__ import annotations

import re

Span = tuple[int, int]

# Scripts written without spaces: each character counts as a word.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"

# A run longer than this is no word of a language (base64, minified code); it may be cut.
LONGEST_WORD = 400

_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]{{1,{LONGEST_WORD}}}")

# White space that ends a sentence: after closing punctuation when something like a beginning
# follows, at an empty line, before a list item or an interpreter prompt; nothing at all after
# the full stop of a script without spaces.
_BREAK = re.compile(
    r"""(?<=[.!?])["')\]\u201d\u2019]*(?P<after_stop>\s+)(?=["'(\[`\u201c\u2018*]*[A-Z0-9\u00c0-\u00de])
      | (?P<empty_line>\n[ \t]*\n\s*)
      | (?P<item>\n[ \t]*)(?=(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+\S|>>>[ ])
      | (?<=[\u3002\uff01\uff1f])(?P<unspaced>\s*)(?=\S)
    """,
    re.VERBOSE,
)

_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|E\.g|I\.e|cf|Cf|vs|al|Mr|Mrs|Ms|Dr|Prof|St|Fig|Eq|Sec|No|Nos|Vol|pp|approx)"
    r"|\b[A-Z])\.$"
)
_LONGEST_ABBREVIATION = 10


def word_spans(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Return the words of ``text[start:end]`` as spans in ``text``."""
    stop = len(text) if end is None else end
    return [match.span() for match in _WORD.finditer(text, start, stop)]


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Return the sentences of ``text[start:end]`` as spans in ``text``, trimmed of white space.

    Headings, list items and paragraphs end a sentence too. Common abbreviations and single
    initials do not.
    """
    stop = len(text) if end is None else end
    spans: list[Span] = []
    begin = start
    for match in _BREAK.finditer(text, start, stop):
        kind = match.lastgroup
        if kind == "after_stop" and _ends_in_abbreviation(text, begin, match.start(kind)):
            continue
        _append_trimmed(spans, text, begin, match.start(kind or 0))
        begin = match.end()
    _append_trimmed(spans, text, begin, stop)
    return spans


def _ends_in_abbreviation(text: str, begin: int, end: int) -> bool:
    tail = text[max(begin, end - _LONGEST_ABBREVIATION) : end]
    return _ABBREVIATION.search(tail) is not None


def _append_trimmed(spans: list[Span], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        spans.append((start, end))
