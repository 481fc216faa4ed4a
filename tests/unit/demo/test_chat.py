"""A conversation over a real store: commands, follow-ups, and answerers that fail."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from elanus_demo.answer import Answerer, AnswerError, Question
from elanus_demo.answer.extractive import ExtractiveAnswerer
from elanus_demo.chat import Chat, line_history
from elanus_demo.chunking import chunk_document
from elanus_demo.embedding import TimedEmbedder, load_embedder
from elanus_demo.passages import Document, Section
from elanus_demo.store import PassageStore, open_store
from support.demo_passages import store_passages

TEXT = "Rotate the signing key every month. A timeout stops a program that runs too long."


class Failing:
    """Writes half an answer, then fails."""

    title = "broken model"

    def stream(self, question: Question) -> Iterator[str]:
        yield "Half an ans"
        raise AnswerError("connection lost")


class Recording:
    """Keeps what it was asked."""

    title = "recorder"

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def stream(self, question: Question) -> Iterator[str]:
        self.asked.append(question)
        yield f"answer {len(self.asked)} [1]"


@pytest.fixture(scope="module")
def embedder() -> TimedEmbedder:
    return load_embedder("hash")


@pytest.fixture
def store(tmp_path: Path, embedder: TimedEmbedder) -> Iterator[PassageStore]:
    passages = chunk_document("keys.md", Document(TEXT, (Section(("Keys",), 0, len(TEXT)),)))
    with open_store(tmp_path / "db", embedder, reset=False) as opened:
        store_passages(opened, passages)
        yield opened


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def typing(*lines: str | BaseException) -> Callable[[str], str]:
    """Return an ``input`` that gives these lines, raises these exceptions, then ends."""
    pending = iter(lines)

    def read_line(prompt: str) -> str:
        assert prompt == "ask> "
        line = next(pending, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line

    return read_line


def converse(
    store: PassageStore,
    console: Console,
    answerers: Sequence[Answerer],
    *lines: str | BaseException,
) -> list[str]:
    Chat(store, answerers, console, limit=3).loop(typing(*lines))
    return printed(console).splitlines()


def test_answer_with_its_answerer_sources_and_time(
    store: PassageStore, console: Console, embedder: TimedEmbedder
) -> None:
    Chat(store, [ExtractiveAnswerer(embedder)], console, 3).ask("How do I rotate the key?")
    lines = printed(console).splitlines()
    assert lines[:5] == [
        "Keys: Rotate the signing key every month. [1]",
        "answered by quotation, without a language model",
        "",
        "Sources",
        "[1] keys.md, Keys",
    ]
    assert lines[5].startswith("    fused 0.0328: dense rank 1 (")
    assert lines[6].startswith("Searched 1 passage in ")


def test_failing_answerer_is_named_and_the_next_one_answers(
    store: PassageStore, console: Console
) -> None:
    Chat(store, [Failing(), Recording()], console, 3).ask("Rotate?")
    assert printed(console).splitlines()[:4] == [
        "Half an ans",
        "broken model failed: connection lost",
        "answer 1 [1]",
        "answered by recorder",
    ]


def test_follow_up_is_searched_and_asked_with_what_was_said(
    store: PassageStore, console: Console
) -> None:
    recorder = Recording()
    lines = converse(
        store, console, [recorder], "How do I run it?", "And a timeout?", ":new", "Why?"
    )
    assert "(searched for: How do I run it? And a timeout?)" in lines
    assert [question.text for question in recorder.asked] == [
        "How do I run it?",
        "And a timeout?",
        "Why?",
    ]
    turns = [[(t.question, t.answer) for t in question.history] for question in recorder.asked]
    assert turns == [[], [("How do I run it?", "answer 1 [1]")], []]


def test_commands(store: PassageStore, console: Console) -> None:
    lines = converse(
        store, console, [Recording()], ":sources", ":nonsense", "", "key?", ":sources", ":show 1",
        ":show 2", ":show x", ":help", ":quit", "never read",
    )  # fmt: skip
    assert "No question has been asked yet." in lines
    assert ":nonsense: no such command; :help lists them" in lines
    assert lines.count("[1] keys.md, Keys") == 3
    assert f"characters 0 to {len(TEXT)} of the file's text" in lines
    assert lines.count(":show N: expected a number from 1 to 1") == 2
    assert any(":quit" in line and "leave" in line for line in lines)
    assert not any("never read" in line for line in lines)


def test_end_of_input_and_interrupt_leave(store: PassageStore, console: Console) -> None:
    assert converse(store, console, [Recording()]) != []
    lines = converse(store, console, [Recording()], KeyboardInterrupt(), "never read")
    assert not any("never read" in line for line in lines)


def test_interrupt_during_an_answer_returns_to_the_prompt(
    store: PassageStore, console: Console
) -> None:
    class Interrupted(Recording):
        def stream(self, question: Question) -> Iterator[str]:
            yield "so far"
            if not self.asked:
                self.asked.append(question)
                raise KeyboardInterrupt
            yield " and on"

    lines = converse(store, console, [Interrupted()], "first question here", "second question here")
    stopped = lines.index("so far") + 1
    assert lines[stopped : stopped + 2] == ["", "(stopped)"]
    assert "so far and on" in lines


def test_history_file_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    with line_history(tmp_path / "missing" / "history"):
        pass
