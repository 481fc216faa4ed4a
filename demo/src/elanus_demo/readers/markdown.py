"""What are the headings and sections of a Markdown file?

The text is the file's own, markup included, so that offsets point into the file. A CommonMark
parser finds the headings, so that a ``#`` in a code block is not one.
"""

from __future__ import annotations

import re
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from elanus_demo.passages import Document
from elanus_demo.readers.headings import HeadingMark, line_offsets, sections_between
from elanus_demo.readers.text import decode

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)


def read_markdown(content: bytes) -> Document:
    """Return a Markdown file by headings; YAML front matter is left out."""
    text = decode(content)
    front_matter = _FRONT_MATTER.match(text)
    start = front_matter.end() if front_matter else 0
    offsets = [start + offset for offset in line_offsets(text[start:])]
    marks: list[HeadingMark] = []
    tokens = MarkdownIt("commonmark").parse(text[start:])
    for opening, inline in pairwise(tokens):
        # Headings inside lists and quotes do not structure the document.
        if opening.type != "heading_open" or opening.level != 0 or opening.map is None:
            continue
        first, past_last = opening.map
        marks.append(
            HeadingMark(_title(inline), int(opening.tag[1]), offsets[first], offsets[past_last])
        )
    return Document(text, sections_between(text, marks, start))


def _title(inline: Token) -> str:
    if not inline.children:
        return inline.content.strip()
    visible = {"text", "code_inline", "softbreak"}
    parts = [child.content or " " for child in inline.children if child.type in visible]
    return " ".join("".join(parts).split())
