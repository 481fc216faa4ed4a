"""PDF by pages; broken and locked files are refused with a reason."""

import io

import pytest
from pypdf import PdfReader, PdfWriter

from elanus_demo.passages import UnreadableFileError
from elanus_demo.readers.pdf import read_pdf
from support.pdf import make_pdf


def test_pages_are_sections_with_their_numbers() -> None:
    document = read_pdf(make_pdf("Rotate the key monthly.", "Keep a copy."))
    assert document.text == "Rotate the key monthly.\n\nKeep a copy."
    assert [(s.page, document.text[s.start : s.end]) for s in document.sections] == [
        (1, "Rotate the key monthly."),
        (2, "Keep a copy."),
    ]


def test_outline_titles_become_headings_until_the_next_one() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf("a", "b", "c", "d"))))
    part = writer.add_outline_item(title="Part", page_number=1)
    writer.add_outline_item(title="Chapter", page_number=3, parent=part)
    stream = io.BytesIO()
    writer.write(stream)
    document = read_pdf(stream.getvalue())
    assert [s.heading for s in document.sections] == [
        (),
        ("Part",),
        ("Part",),
        ("Part", "Chapter"),
    ]


@pytest.mark.parametrize("cut", [0, 20, 200])
def test_broken_file_is_refused_with_a_reason(cut: int) -> None:
    content = make_pdf("some words")[:cut]
    with pytest.raises(UnreadableFileError, match=r"^broken PDF: .+"):
        read_pdf(content)


def test_locked_file_is_refused() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf("secret"))))
    writer.encrypt("word", algorithm="RC4-128")
    stream = io.BytesIO()
    writer.write(stream)
    with pytest.raises(UnreadableFileError, match=r"^encrypted: it asks for a password$"):
        read_pdf(stream.getvalue())


def test_file_without_text_is_refused() -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    stream = io.BytesIO()
    writer.write(stream)
    with pytest.raises(UnreadableFileError, match=r"^PDF without text"):
        read_pdf(stream.getvalue())
