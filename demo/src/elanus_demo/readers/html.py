"""What is the visible text of an HTML file, and what are its headings?

The extracted text has one line per block element; scripts, styles and navigation are left out.
Offsets point into the extracted text.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from elanus_demo.passages import Document
from elanus_demo.readers.headings import HeadingMark, sections_between
from elanus_demo.readers.text import decode

_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([-\w.:]+)""", re.IGNORECASE)
_CHARSET_WITHIN_BYTES = 4096

_HIDDEN = frozenset({"script", "style", "template", "svg", "nav", "noscript", "iframe", "select"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS = _HEADINGS | {
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
}
_PARAGRAPHS = _HEADINGS | {"p", "pre", "ul", "ol", "dl", "table", "blockquote"}


def read_html(content: bytes) -> Document:
    """Return the visible text of an HTML file by headings."""
    declared = _CHARSET.search(content[:_CHARSET_WITHIN_BYTES])
    extractor = _TextExtractor()
    extractor.feed(decode(content, declared.group(1).decode("ascii") if declared else None))
    extractor.close()
    return extractor.document()


class _TextExtractor(HTMLParser):
    """Collects visible text and headings while the parser walks the tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._length = 0
        self._marks: list[HeadingMark] = []
        self._hidden_depth = 0
        self._preformatted_depth = 0
        self._heading_start: int | None = None
        self._heading_part = 0
        self._in_title = False
        self._title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden_depth += 1
        elif tag == "title":
            # A title inside a drawing is not the page's.
            self._in_title = not self._hidden_depth
        elif tag in _BLOCKS:
            self._end_line(empty_line=tag in _PARAGRAPHS)
            self._preformatted_depth += tag == "pre"
            if tag in _HEADINGS:
                self._heading_start = self._length
                self._heading_part = len(self._parts)

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden_depth = max(0, self._hidden_depth - 1)
        elif tag == "title":
            self._in_title = False
        elif tag in _BLOCKS:
            if tag in _HEADINGS:
                self._end_heading(int(tag[1]))
            self._end_line(empty_line=tag in _PARAGRAPHS)
            if tag == "pre":
                self._preformatted_depth = max(0, self._preformatted_depth - 1)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title += data
        elif not self._hidden_depth:
            self._write(data if self._preformatted_depth else self._collapsed(data))

    def document(self) -> Document:
        """Return what was collected; the page's title stands above all other headings."""
        text = "".join(self._parts)
        title = " ".join(self._title.split())
        marks = list(self._marks)
        if title and not any(mark.level == 1 for mark in marks):
            marks.insert(0, HeadingMark(title, 0, 0, 0))
        return Document(text, sections_between(text, marks))

    def _end_heading(self, level: int) -> None:
        if self._heading_start is None:
            return
        title = "".join(self._parts[self._heading_part :])
        # Sphinx puts a link sign after each heading.
        title = " ".join(title.replace("\u00b6", "").split())
        if title:
            mark = HeadingMark(title, level, self._heading_start, self._length)
            self._marks.append(mark)
        self._heading_start = None

    def _end_line(self, *, empty_line: bool) -> None:
        written = "".join(self._parts[-2:])
        if self._length and not written.endswith("\n"):
            self._write("\n")
            written += "\n"
        if self._length and empty_line and not written.endswith("\n\n"):
            self._write("\n")

    def _collapsed(self, data: str) -> str:
        collapsed = re.sub(r"\s+", " ", data)
        at_line_start = not self._parts or self._parts[-1].endswith(("\n", " "))
        return collapsed.lstrip() if at_line_start else collapsed

    def _write(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._length += len(text)
