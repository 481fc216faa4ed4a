from pathlib import Path

import pytest

from tools.checks.snippets import Snippet, run_page, snippets_of

PAGE = Path("page.md")


def fenced(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```", ""])


def test_python_blocks_are_taken_with_the_text_block_that_follows() -> None:
    text = (
        fenced("python", "x = 1", "print(x)")
        + "prints\n"
        + fenced("text", "1")
        + fenced("bash", "rm -rf x")
        + fenced("python", "y = 2")
    )
    assert snippets_of(text) == [
        Snippet(2, "x = 1\nprint(x)\n", "1\n"),
        Snippet(13, "y = 2\n", None),
    ]


def test_a_comment_with_a_reason_keeps_the_next_block_only_from_running() -> None:
    text = (
        "<!-- not run: needs a server -->\n\n"
        + fenced("python", "a")
        + fenced("python", "b")
        + "<!-- not run: -->\n"
        + fenced("python", "c")
    )
    assert [one.code for one in snippets_of(text)] == ["b\n", "c\n"]


def test_blocks_share_a_namespace_and_an_empty_folder() -> None:
    text = fenced("python", "import os; x = os.listdir()") + fenced("python", "print(x)")
    assert run_page(PAGE, text + fenced("text", "[]")) is None


@pytest.mark.parametrize("expected", ["took ... s", "took    0.25\ns"])
def test_expected_output_may_leave_out_parts_and_wrap_lines(expected: str) -> None:
    text = fenced("python", "print('took 0.25 s')")
    assert run_page(PAGE, text + fenced("text", expected)) is None


def test_other_output_is_told_with_the_line_of_the_page() -> None:
    text = "# Title\n" + fenced("python", "print('a')") + fenced("text", "b")
    assert run_page(PAGE, text) == "line 3 prints\na\nwhere the page shows\nb"


def test_an_exception_is_told_with_the_line_of_the_page() -> None:
    failure = run_page(PAGE, "# Title\n\n" + fenced("python", "x = 1", "raise ValueError('no')"))
    assert failure is not None
    assert 'File "page.md", line 5, in <module>' in failure
    assert failure.endswith("ValueError: no")


def test_a_page_without_python_runs_nothing() -> None:
    assert run_page(PAGE, "# Title\n" + fenced("bash", "exit 1")) is None
