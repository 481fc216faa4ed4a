"""How do headings divide a text into sections?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elanus_demo.passages import Section


@dataclass(frozen=True, slots=True)
class HeadingMark:
    """A heading found in a text.

    Attributes:
        title: The heading without markup.
        level: Depth, 1 is the outermost; gaps are allowed.
        start: Offset of the heading's first character, underline or overline included.
        end: Offset past its last character.
    """

    title: str
    level: int
    start: int
    end: int


def sections_between(
    text: str, marks: Sequence[HeadingMark], start: int = 0
) -> tuple[Section, ...]:
    """Return the stretches of ``text[start:]`` between headings, each with its heading path.

    Stretches without a word are left out. A heading with nothing under it, not even a deeper
    heading, becomes a section of its own, so that its words can be found.
    """
    sections: list[Section] = []
    path: list[HeadingMark] = []
    _append(sections, text, (), start, marks[0].start if marks else len(text))
    for position, mark in enumerate(marks):
        path = [*(above for above in path if above.level < mark.level), mark]
        following = marks[position + 1] if position + 1 < len(marks) else None
        end = following.start if following else len(text)
        heading = tuple(above.title for above in path if above.title)
        has_text = _append(sections, text, heading, mark.end, end)
        has_children = following is not None and following.level > mark.level
        if not has_text and not has_children:
            _append(sections, text, heading, mark.start, mark.end)
    return tuple(sections)


def _append(
    sections: list[Section], text: str, heading: tuple[str, ...], start: int, end: int
) -> bool:
    if not text[start:end].strip():
        return False
    sections.append(Section(heading, start, end))
    return True


def line_offsets(text: str) -> list[int]:
    """Return the offset of each line's first character, and last the length of the text."""
    offsets = [0]
    for line in text.split("\n"):
        offsets.append(offsets[-1] + len(line) + 1)
    offsets[-1] = len(text)
    return offsets
