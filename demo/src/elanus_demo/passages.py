"""What does a file become on its way into the index?

A reader turns a file into a :class:`Document`: its text and the sections of it. The chunker cuts
a document into :class:`Passage` objects. Offsets are characters in ``Document.text``, so that
``document.text[passage.start : passage.end] == passage.text`` holds for every passage.
"""

from __future__ import annotations

from dataclasses import dataclass

from elanus.sync import UnreadableDocumentError

_HEADING_SEPARATOR = " > "


class UnreadableFileError(UnreadableDocumentError):
    """A file cannot be turned into text; the message is the reason, fit to be shown."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document under one heading.

    Attributes:
        heading: Headings from the outermost to the one above the text; empty when there is none.
        start: Offset of the first character in the document's text.
        end: Offset past the last character.
        page: Page number from 1 for formats that have pages, else None.
        context: Line put in front of each passage of the section, so that a passage says by
            itself where it belongs. Empty takes the headings.
    """

    heading: tuple[str, ...]
    start: int
    end: int
    page: int | None = None
    context: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one file and its sections, in order and without overlap."""

    text: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, small enough for the embedding model to read whole.

    Attributes:
        id: Made from the file and the content; the same content in the same file keeps its id.
        file: Key of the file in its corpus: a relative path, or a module name.
        heading: Headings above the passage, outermost first.
        start: Offset of the first character in the document's text.
        end: Offset past the last character.
        page: Page number from 1, or None.
        context: Line that says where the passage belongs; searched with it, not shown in answers.
        text: The characters ``start`` to ``end`` of the document.
    """

    id: str
    file: str
    heading: tuple[str, ...]
    start: int
    end: int
    page: int | None
    context: str
    text: str

    @property
    def indexed_text(self) -> str:
        """The text that is embedded and searched: the context line, then the passage."""
        return f"{self.context}\n{self.text}" if self.context else self.text


def join_heading(heading: tuple[str, ...]) -> str:
    """Return headings as one line, outermost first."""
    return _HEADING_SEPARATOR.join(heading)
