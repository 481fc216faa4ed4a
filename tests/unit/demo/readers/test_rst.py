"""reStructuredText by headings."""

from elanus_demo.passages import Document
from elanus_demo.readers.rst import read_rst


def by_heading(document: Document) -> list[tuple[tuple[str, ...], str]]:
    return [(s.heading, document.text[s.start : s.end].strip()) for s in document.sections]


def test_levels_follow_the_order_of_styles() -> None:
    content = b"""\
=====
Title
=====

Intro.

First
=====

One.

Deeper
------

Two.

Second
======

Three.
"""
    assert by_heading(read_rst(content)) == [
        (("Title",), "Intro."),
        (("Title", "First"), "One."),
        (("Title", "First", "Deeper"), "Two."),
        (("Title", "Second"), "Three."),
    ]


def test_tables_transitions_and_short_underlines_are_text() -> None:
    content = b"""\
Head
====

Before.

----

After.

====  ====
a     b
====  ====
1     2
====  ====

Not a heading
--
"""
    document = read_rst(content)
    assert [heading for heading, _ in by_heading(document)] == [("Head",)]
    assert document.text[slice(document.sections[0].start, document.sections[0].end)].endswith(
        "Not a heading\n--\n"
    )
