"""What is the text of a PDF file, page by page?

The extracted text is the pages' text in order; each page is a section, under the titles of the
document's outline when it has one.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

from pypdf import PdfReader
from pypdf.errors import DependencyError, PyPdfError

from elanus_demo.passages import Document, Section, UnreadableFileError

_PAGE_BREAK = "\n\n"

# What is wrong with a file is told in one line by the caller; pypdf's own remarks add noise.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def read_pdf(content: bytes) -> Document:
    """Return the text of a PDF file by pages.

    Raises:
        UnreadableFileError: The file is broken, asks for a password, or has no text.
    """
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableFileError("encrypted: it asks for a password")
        pages = [page.extract_text() for page in reader.pages]
        titles = _titles_by_page(reader)
    except UnreadableFileError:
        raise
    except DependencyError as error:
        raise UnreadableFileError(f"encrypted: {error}") from None
    except (PyPdfError, RecursionError) as error:
        raise UnreadableFileError(f"broken PDF: {error or type(error).__name__}") from None
    except Exception as error:
        # A hostile file makes pypdf raise any exception.
        raise UnreadableFileError(f"broken PDF: {type(error).__name__}: {error}") from error
    if not any(page.strip() for page in pages):
        raise UnreadableFileError("PDF without text: scanned pages need text recognition first")
    return _join(pages, titles)


def _join(pages: list[str], titles: dict[int, tuple[str, ...]]) -> Document:
    sections: list[Section] = []
    length = 0
    heading: tuple[str, ...] = ()
    # Form feeds and NUL characters stand for nothing a reader would see.
    cleaned = [page.replace("\0", " ").replace("\f", "\n") for page in pages]
    for number, page in enumerate(cleaned):
        heading = titles.get(number, heading)
        if page.strip():
            sections.append(Section(heading, length, length + len(page), page=number + 1))
        length += len(page) + len(_PAGE_BREAK)
    return Document(_PAGE_BREAK.join(cleaned), tuple(sections))


def _titles_by_page(reader: PdfReader) -> dict[int, tuple[str, ...]]:
    """Return for each page, from 0, where an outline entry begins, the first such entry's path."""
    titles: dict[int, tuple[str, ...]] = {}
    for path, page in _outline_entries(reader, reader.outline, ()):
        titles.setdefault(page, path)
    return titles


def _outline_entries(
    reader: PdfReader, outline: list[Any], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], int]]:
    path = above
    for entry in outline:
        if isinstance(entry, list):
            # A nested list holds the children of the entry before it.
            yield from _outline_entries(reader, entry, path)
            continue
        path = (*above, " ".join(str(entry.title).split()))
        page = reader.get_destination_page_number(entry)
        if page is not None and page >= 0:
            yield path, page
