"""Markdown by headings, with offsets into the file's own text."""

from elanus_demo.passages import Document
from elanus_demo.readers.markdown import read_markdown


def by_heading(document: Document) -> list[tuple[tuple[str, ...], str]]:
    return [(s.heading, document.text[s.start : s.end].strip()) for s in document.sections]


def test_headings_nest_and_a_sibling_leaves_the_path() -> None:
    document = read_markdown(
        b"Intro.\n\n# Guide\n\nWelcome.\n\n## Install\n\nRun it.\n\n## Use\n\nCall it.\n\n"
        b"# Licence\n\nApache.\n"
    )
    assert by_heading(document) == [
        ((), "Intro."),
        (("Guide",), "Welcome."),
        (("Guide", "Install"), "Run it."),
        (("Guide", "Use"), "Call it."),
        (("Licence",), "Apache."),
    ]


def test_number_signs_in_code_are_not_headings() -> None:
    document = read_markdown(b"# Shell\n\n```sh\n# a comment\nls\n```\n\n    # indented code\n")
    assert by_heading(document) == [
        (("Shell",), "```sh\n# a comment\nls\n```\n\n    # indented code")
    ]


def test_underlined_headings_and_markup_in_titles() -> None:
    document = read_markdown(b"The *big* `one`\n=====\n\nA.\n\nSub [link](x)\n---\nB.\n")
    assert by_heading(document) == [
        (("The big one",), "A."),
        (("The big one", "Sub link"), "B."),
    ]


def test_heading_without_text_or_children_is_kept_as_text() -> None:
    document = read_markdown(b"# Top\n\n## Lonely\n\n## Full\n\nText.\n")
    assert by_heading(document) == [
        (("Top", "Lonely"), "## Lonely"),
        (("Top", "Full"), "Text."),
    ]


def test_front_matter_is_left_out_and_offsets_still_point_into_the_file() -> None:
    content = b"---\ntitle: x\n---\n# Head\n\nBody\n"
    document = read_markdown(content)
    assert document.text == content.decode()
    assert by_heading(document) == [(("Head",), "Body")]


def test_windows_line_ends_and_byte_order_mark() -> None:
    document = read_markdown(b"\xef\xbb\xbf# Kopf\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n")
    assert by_heading(document) == [(("Kopf",), "Grüße")]


def test_empty_file_has_no_section() -> None:
    assert read_markdown(b" \n\n").sections == ()
