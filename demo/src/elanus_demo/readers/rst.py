"""What are the headings and sections of a reStructuredText file?

The text is the file's own, markup included, so that offsets point into the file. A heading is a
line underlined, and perhaps overlined, by one repeated punctuation character; the order in which
the styles appear gives their depth, as the format defines.
"""

from __future__ import annotations

import re

from elanus_demo.passages import Document
from elanus_demo.readers.headings import HeadingMark, line_offsets, sections_between
from elanus_demo.readers.text import decode

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1+[ \t]*")
_SHORTEST_ADORNMENT = 3


def read_rst(content: bytes) -> Document:
    """Return a reStructuredText file by headings."""
    text = decode(content)
    lines = text.split("\n")
    offsets = line_offsets(text)
    styles: list[str] = []
    marks: list[HeadingMark] = []
    number = 0
    while number < len(lines):
        found = _heading_at(lines, number)
        if found is None:
            number += 1
            continue
        title, style, num_lines = found
        if style not in styles:
            styles.append(style)
        level = styles.index(style) + 1
        start, end = offsets[number], offsets[number + num_lines]
        marks.append(HeadingMark(title, level, start, end))
        number += num_lines
    return Document(text, sections_between(text, marks))


def _heading_at(lines: list[str], number: int) -> tuple[str, str, int] | None:
    """Return title, style and number of lines of the heading that begins at a line, if one does.

    A style is the adornment character, twice when there is an overline.
    """
    line = lines[number]
    below = lines[number + 1] if number + 1 < len(lines) else ""
    overline = _ADORNMENT.fullmatch(line)
    if overline and number + 2 < len(lines) and below.strip():
        underline = lines[number + 2]
        if underline.rstrip() == line.rstrip() and len(below.rstrip()) <= len(line.rstrip()):
            return below.strip(), overline.group(1) * 2, 3
    underlined = _ADORNMENT.fullmatch(below)
    previous = lines[number - 1] if number else ""
    if (
        underlined
        and line.strip()
        and not line[0].isspace()
        and not overline
        and not previous.strip()
        and len(below.rstrip()) >= max(len(line.rstrip()), _SHORTEST_ADORNMENT)
    ):
        return line.strip(), underlined.group(1), 2
    return None
