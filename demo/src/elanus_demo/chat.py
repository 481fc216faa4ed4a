"""How does a question become an answer on the screen, once or in a conversation?"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from elanus_demo.answer import Answerer, AnswerError, Conversation, Question
from elanus_demo.printing import say
from elanus_demo.report import print_passage, print_pieces, print_searched, print_sources
from elanus_demo.retrieval import Retrieval
from elanus_demo.store import PassageStore

PROMPT = "ask> "

_HELP = """\
Type a question. A follow-up such as "and with a timeout?" is searched for together
with the question before it.
  :sources    show the citations of the last answer again
  :show N     show passage N of the last answer whole, with its place in the file
  :new        forget the conversation
  :help       show this
  :quit       leave (so does Ctrl-D)"""

_LONGEST_HISTORY = 1000


@dataclass(slots=True)
class Chat:
    """A conversation over a store.

    Attributes:
        store: Passages to search.
        answerers: Who may answer, in the order in which they are tried; the last cannot fail.
        console: Where everything is printed.
        limit: Passages found for a question.
    """

    store: PassageStore
    answerers: Sequence[Answerer]
    console: Console
    limit: int
    _conversation: Conversation = field(default_factory=Conversation, init=False)
    _last: Retrieval | None = field(default=None, init=False)

    def ask(self, question: str) -> None:
        """Answer one question and print answer, citations and times."""
        retrieval = self.store.search(self._conversation.search_text(question), self.limit)
        self._last = retrieval
        print_searched(self.console, question, retrieval)
        answer = self._answer(question, retrieval)
        self._conversation.add(question, answer)
        self.console.print()
        print_sources(self.console, retrieval)

    def loop(self, read_line: Callable[[str], str] = input) -> None:
        """Answer questions until the input ends; Ctrl-C drops a line or an answer."""
        say(self.console, "Ask a question, or :help. Ctrl-D leaves.", "dim")
        while True:
            try:
                line = read_line(PROMPT).strip()
            except (EOFError, KeyboardInterrupt):
                self.console.print()
                return
            try:
                if line and not self._obey(line):
                    return
            except KeyboardInterrupt:
                self.console.print()
                say(self.console, "(stopped)", "dim")

    def _obey(self, line: str) -> bool:
        """Run a command or ask a question; return whether to go on."""
        command, _, argument = line.partition(" ")
        if not command.startswith(":"):
            self.console.print()
            self.ask(line)
            self.console.print()
        elif command in {":quit", ":q", ":exit"}:
            return False
        elif command in {":help", ":h"}:
            say(self.console, _HELP)
        elif command == ":new":
            self._conversation = Conversation()
            say(self.console, "The conversation starts anew.", "dim")
        elif command in {":sources", ":show"} and self._last is None:
            say(self.console, "No question has been asked yet.", "dim")
        elif command == ":sources" and self._last is not None:
            print_sources(self.console, self._last)
        elif command == ":show" and self._last is not None:
            self._show(argument.strip(), self._last)
        else:
            say(self.console, f"{command}: no such command; :help lists them", "yellow")
        return True

    def _show(self, argument: str, retrieval: Retrieval) -> None:
        count = len(retrieval.passages)
        number = int(argument) if argument.isdecimal() else 0
        if not 1 <= number <= count:
            say(self.console, f":show N: expected a number from 1 to {count}", "yellow")
            return
        print_passage(self.console, retrieval.passages[number - 1])

    def _answer(self, question: str, retrieval: Retrieval) -> str:
        """Print the first answer that an answerer gives; return it."""
        asked = Question(question, retrieval.passages, self._conversation.recent())
        for answerer in self.answerers:
            try:
                answer = print_pieces(self.console, answerer.stream(asked))
            except AnswerError as error:
                say(self.console, f"{answerer.title} failed: {error}", "yellow")
                continue
            say(self.console, f"answered by {answerer.title}", "dim")
            return answer
        return ""


@contextlib.contextmanager
def line_history(path: Path) -> Iterator[None]:
    """Keep what is typed at the prompt in a file, where the system can edit lines."""
    try:
        readline = importlib.import_module("readline")
    except ImportError:
        yield
        return
    # A history that cannot be read or written is no reason not to chat.
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        readline.set_history_length(_LONGEST_HISTORY)
        with contextlib.suppress(OSError):
            readline.write_history_file(path)
