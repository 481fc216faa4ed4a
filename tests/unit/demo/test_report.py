"""What a person sees under an answer."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from elanus_demo.printing import printable, wrap_words
from elanus_demo.report import (
    describe_score,
    print_passage,
    print_pieces,
    print_searched,
    print_sources,
)
from elanus_demo.retrieval import LegRank, RerankMove, Retrieval
from support.passages import found


def console_of(width: int = 80, *, is_terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=is_terminal,
        color_system=None,
        legacy_windows=False,
    )


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


RETRIEVAL = Retrieval(
    query="rotate key",
    passages=(
        found(1, "Rotate it.", "keys.md", ("Keys", "[bold]Rotation")),
        replace(
            found(2, "Copy it.", "manual.pdf"),
            page=7,
            score=1 / 62,
            legs=(
                LegRank("dense", 2, 0.41234, 1 / 62),
                LegRank("bm25", None, None, 0.0),
            ),
        ),
    ),
    embed_s=0.0123,
    search_s=0.00042,
    num_searched=6418,
)


def test_sources_show_number_heading_scores_by_leg_and_time() -> None:
    console = console_of()
    print_sources(console, RETRIEVAL)
    assert printed(console).splitlines() == [
        "Sources",
        "[1] keys.md, Keys > [bold]Rotation",
        "    fused 0.0328: dense rank 1 (0.500), BM25 rank 1 (7.250)",
        "[2] manual.pdf, page 7",
        "    fused 0.0161: dense rank 2 (0.412), BM25 not found",
        "Searched 6,418 passages in 0.4 ms, after 12 ms to embed the question.",
    ]


def test_reranked_passage_says_by_whom_and_from_where() -> None:
    passage = replace(found(1, "x"), score=3.25, rerank=RerankMove("lexical", 3.25, 4))
    assert describe_score(passage) == (
        "lexical 3.2500, from place 4; fused 0.0328: dense rank 1 (0.500), BM25 rank 1 (7.250)"
    )


def test_narrow_terminal_wraps_and_keeps_the_indent() -> None:
    console = console_of(44, is_terminal=True)
    print_sources(console, RETRIEVAL)
    lines = printed(console).splitlines()
    assert all(len(line) <= 44 for line in lines)
    first = lines.index(next(line for line in lines if "fused 0.0328" in line))
    assert lines[first].startswith("    fused")
    assert lines[first + 1].startswith("    ")


def test_nothing_found_is_said() -> None:
    console = console_of()
    print_sources(console, replace(RETRIEVAL, passages=()))
    assert printed(console) == "No passage was found.\n"


def test_follow_up_says_what_was_searched() -> None:
    console = console_of()
    print_searched(console, "And monthly?", replace(RETRIEVAL, query="How? And monthly?"))
    assert printed(console).splitlines() == [
        "(searched for: How? And monthly?)",
    ]


def test_pieces_are_printed_as_they_come_and_returned_whole() -> None:
    console = console_of(10)
    answer = print_pieces(console, iter(["", "\n ", "One ", "two three four [1]", "\n"]))
    assert answer == "One two three four [1]"
    assert printed(console) == "One two three four [1]\n\n"


def test_passage_is_shown_with_its_place_in_the_file() -> None:
    console = console_of()
    print_passage(console, replace(RETRIEVAL.passages[0], start=1200, end=1210))
    assert printed(console).splitlines() == [
        "[1] keys.md, Keys > [bold]Rotation",
        "characters 1,200 to 1,210 of the file's text",
        "Rotate it.",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("a\tb\nc", "a\tb\nc"),
        ("abc\u202egnp.exe\x07", "abcgnp.exe"),
        ("lone \ud800 surrogate", "lone  surrogate"),
    ],
)
def test_control_characters_do_not_reach_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("pieces", "width", "shown"),
    [
        (["one two ", "thr", "ee four"], 9, "one two \nthree \nfour"),
        (["one two three"], 7, "one two\nthree"),
        (["a\n  b", "c d"], 4, "a\n  bc\nd"),
        (["unbreakable word"], 5, "unbreakable\nword"),
        (["漢字 漢字"], 6, "漢字 \n漢字"),
        (["", " "], 5, " "),
        ([], 5, ""),
    ],
)
def test_streamed_text_is_wrapped_between_words(pieces: list[str], width: int, shown: str) -> None:
    assert "".join(wrap_words(pieces, width)) == shown
