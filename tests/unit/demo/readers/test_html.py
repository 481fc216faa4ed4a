"""The visible text of HTML and its headings."""

from elanus_demo.passages import Document
from elanus_demo.readers.html import read_html


def by_heading(document: Document) -> list[tuple[tuple[str, ...], str]]:
    return [(s.heading, document.text[s.start : s.end].strip()) for s in document.sections]


def test_blocks_become_lines_and_scripts_vanish() -> None:
    document = read_html(
        b"<html><head><title>Site</title><style>p{}</style></head><body><nav>Home | About</nav>"
        b"<h1>Guide<a>&para;</a></h1><p>Fast &amp;\n   <b>small</b>.<p>Next"
        b"<script>var x = '<p>no</p>';</script><h2>List</h2><ul><li>one<li>two</ul></body></html>"
    )
    assert by_heading(document) == [
        (("Guide",), "Fast & small.\n\nNext"),
        (("Guide", "List"), "one\ntwo"),
    ]


def test_page_title_stands_above_when_there_is_no_first_heading() -> None:
    document = read_html(b"<title>Notes\n2024</title><p>Text.<h2>Sub</h2>More.")
    assert by_heading(document) == [(("Notes 2024",), "Text."), (("Notes 2024", "Sub"), "More.")]


def test_preformatted_text_keeps_its_lines() -> None:
    document = read_html(b"<p>Run:</p><pre>a = 1\nif a:\n    b()</pre>")
    assert document.text.strip() == "Run:\n\na = 1\nif a:\n    b()"


def test_declared_charset_is_used() -> None:
    document = read_html(b'<meta charset="iso-8859-1"><p>caf\xe9</p>')
    assert document.text.strip() == "café"
