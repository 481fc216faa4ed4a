"""Does a text hold a match of a regular expression?

A pattern becomes a program of Thompson's (a nondeterministic automaton), and its deterministic
form is worked out while texts are read, one transition at the time it is first needed. A text takes
one look-up per character, and never more than its length times the length of the program: no
pattern makes it slower, which cannot be said of Python's ``re``. Many texts are read by a kernel,
which asks for the transitions that it has not met yet.

Source: Thompson, "Regular expression search algorithm", CACM 11(6), 1968; the lazy form as in
Cox, "Regular expression matching in the wild", 2010 (RE2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import groupby

from elanus.filter.matching.regex_parser import RegexError, parse_regex
from elanus.filter.matching.regex_tree import Chars, Choice, Place, Regex, Repeat, Sequence
from elanus.kernels.automata import match_texts
from elanus.schema.batches import StringColumn
from elanus.types import BoolArray

MAX_PROGRAM = 3_000
"""Most instructions of a program: what a character may cost at worst."""
MAX_REMEMBERED = 1 << 17
"""Transitions, and instructions in states, that a matcher remembers before it begins anew: each
takes up to a hundred bytes."""

MAX_TOLD_STATES = 1 << 12
"""States of which the kernel remembers transitions: each takes half a kilobyte there."""

_END = 0
"""The instruction that ends a match."""


class RegexMatcher:
    """Whether a text holds a match of a pattern, anywhere. Safe from many threads.

    Raises:
        RegexError: The pattern cannot be read, or it is too long.
    """

    def __init__(self, pattern: str) -> None:
        tree = parse_regex(pattern)
        self._literal = _longest_literal(tree)
        is_literal = isinstance(tree, Sequence) and len(self._literal) == len(tree.parts)
        self._matcher = None if is_literal else _Matcher(_Compiler().compile(tree))

    def __call__(self, text: str) -> bool:
        # Most texts lack what every match holds, and `in` is many times as fast as an automaton.
        return self._literal in text and (self._matcher is None or self._matcher(text))

    def matching(self, column: StringColumn) -> BoolArray | None:
        """Return which texts of a column match, by the bytes of all of them; what stands for null
        is empty. None where the pattern is a text: whoever asks looks for that."""
        if self._matcher is None:
            return None
        return match_texts(column.offsets, column.data, _Lessons(self._matcher))


def _longest_literal(tree: Regex) -> str:
    """Return a text that stands in every match; "" when none is seen at once."""
    parts = tree.parts if isinstance(tree, Sequence) else (tree,)
    characters = [part.literal if isinstance(part, Chars) else None for part in parts]
    runs = ("".join(map(str, run)) for known, run in groupby(characters, bool) if known)
    return max(runs, key=len, default="")


# --- programs ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Program:
    """Instructions by number, the end of a match first; each other goes on somewhere.

    Attributes:
        chars: The characters that an instruction takes, or None.
        places: What must hold between two characters, or None.
        targets: Where it goes on.
        start: The first instruction.
        is_anchored: Matches begin at the beginning of the text only.
    """

    chars: list[Chars | None] = field(default_factory=list)
    places: list[Place | None] = field(default_factory=list)
    targets: list[tuple[int, ...]] = field(default_factory=list)
    start: int = 0
    is_anchored: bool = False


class _Compiler:
    """Writes a program from its end to its beginning."""

    def __init__(self) -> None:
        self._program = _Program()

    def compile(self, tree: Regex) -> _Program:
        program = self._program
        program.start = self._write(tree, self._add(()))
        first = tree.parts[0] if isinstance(tree, Sequence) and tree.parts else tree
        program.is_anchored = first is Place.TEXT_BEGIN
        return program

    def _add(
        self, targets: tuple[int, ...], chars: Chars | None = None, place: Place | None = None
    ) -> int:
        program = self._program
        if len(program.targets) == MAX_PROGRAM:
            raise RegexError(
                f"it takes more than {MAX_PROGRAM} instructions; repeat less with {{n}}", 0
            )
        program.targets.append(targets)
        program.chars.append(chars)
        program.places.append(place)
        return len(program.targets) - 1

    def _write(self, tree: Regex, then: int) -> int:
        """Write ``tree`` with ``then`` behind it, and return where it begins."""
        match tree:
            case Chars():
                return self._add((then,), chars=tree)
            case Place():
                return self._add((then,), place=tree)
            case Sequence(parts):
                for part in reversed(parts):
                    then = self._write(part, then)
                return then
            case Choice(parts):
                return self._add(tuple(self._write(part, then) for part in parts))
            case Repeat():
                return self._write_repeat(tree, then)

    def _write_repeat(self, tree: Repeat, then: int) -> int:
        if tree.high is None:
            loop = self._add((then,))
            self._program.targets[loop] = (self._write(tree.part, loop), then)
            begin = loop
        else:
            begin = then
            for _ in range(tree.high - tree.low):
                begin = self._add((self._write(tree.part, begin), then))
        for _ in range(tree.low):
            behind, begin = begin, self._write(tree.part, begin)
            # Nothing, a thousand times a thousand times, is nothing.
            if begin == behind:
                break
        return begin


# --- matching ---------------------------------------------------------------------------------


class _Beside(IntEnum):
    """What stands on one side of a place."""

    NOTHING = 0
    LINE_END = 1
    WORD = 2
    OTHER = 3


def _kind(character: str) -> _Beside:
    if character == "\n":
        return _Beside.LINE_END
    is_word = character.isascii() and (character.isalnum() or character == "_")
    return _Beside.WORD if is_word else _Beside.OTHER


def _holds(place: Place, before: _Beside, behind: _Beside) -> bool:
    match place:
        case Place.TEXT_BEGIN:
            return before is _Beside.NOTHING
        case Place.TEXT_END:
            return behind is _Beside.NOTHING
        case Place.LINE_BEGIN:
            return before in (_Beside.NOTHING, _Beside.LINE_END)
        case Place.LINE_END:
            return behind in (_Beside.NOTHING, _Beside.LINE_END)
    is_edge = (before is _Beside.WORD) is not (behind is _Beside.WORD)
    return is_edge is (place is Place.WORD_EDGE)


class _State(dict[str, "_State"]):
    """Where the program may be between two characters; by character where it is next.

    Attributes:
        active: Instructions that wait for a character or a place, and the end of a match.
        before: What the last character was, if places ask for it.
        answer: What is known whatever follows, or None.
        at_end: Whether the text may end here; None: not worked out yet.
    """

    __slots__ = ("active", "answer", "at_end", "before")

    def __init__(self, active: frozenset[int], before: _Beside, answer: bool | None) -> None:
        super().__init__()
        self.active = active
        self.before = before
        self.answer = answer
        self.at_end: bool | None = None


class _Matcher:
    """Runs a program. States only grow, and two threads at worst work one out twice."""

    def __init__(self, program: _Program) -> None:
        self._program = program
        self._has_places = any(place is not None for place in program.places)
        self._forget()

    def __call__(self, text: str) -> bool:
        state = self._start
        # One character after the other is what an automaton is; there is no array form of it.
        for character in text:
            if state.answer is not None:
                return state.answer
            state = self.following(state, character)
        return self.may_end(state)

    @property
    def start(self) -> _State:
        """The state in front of a text."""
        return self._start

    def following(self, state: _State, character: str) -> _State:
        """Return the state behind a character."""
        known = state.get(character)
        return self._step(state, character) if known is None else known

    def may_end(self, state: _State) -> bool:
        """Return whether a text that ends in a state matches."""
        if state.at_end is None:
            state.at_end = bool(state.answer) or self._may_end(state)
        return state.at_end

    def _forget(self) -> None:
        self._states: dict[tuple[frozenset[int], _Beside], _State] = {}
        self._size = 0
        self._start = self._state([self._program.start], _Beside.NOTHING)

    def _step(self, state: _State, character: str) -> _State:
        if self._size >= MAX_REMEMBERED:
            self._forget()
        kind = _kind(character) if self._has_places else _Beside.OTHER
        program = self._program
        active = self._past_places(state, kind)
        if _END in active:
            following = self._state(active, kind)
        else:
            taken: list[int] = []
            for i in active:
                chars = program.chars[i]
                if chars is not None and character in chars:
                    taken.extend(program.targets[i])
            if not program.is_anchored:
                taken.append(program.start)
            following = self._state(taken, kind)
        state[character] = following
        self._size += 1
        return following

    def _state(self, begin: Iterable[int], before: _Beside) -> _State:
        active = self._reached(begin, lambda place: False)
        key = active, before
        state = self._states.get(key)
        if state is None:
            answer = True if _END in active else (None if active else False)
            state = self._states[key] = _State(active, before, answer)
            self._size += len(active)
        return state

    def _past_places(self, state: _State, behind: _Beside) -> frozenset[int]:
        """Return what is active once it is known what follows."""
        if not self._has_places:
            return state.active
        return self._reached(state.active, lambda place: _holds(place, state.before, behind))

    def _may_end(self, state: _State) -> bool:
        return _END in self._past_places(state, _Beside.NOTHING)

    def _reached(self, begin: Iterable[int], holds: Callable[[Place], bool]) -> frozenset[int]:
        """Return the instructions that wait for something, from ``begin`` on."""
        program = self._program
        reached: set[int] = set()
        seen: set[int] = set()
        stack = list(begin)
        while stack:
            i = stack.pop()
            if i in seen:
                continue
            seen.add(i)
            place = program.places[i]
            waits = program.chars[i] is not None or i == _END
            if waits or (place is not None and not holds(place)):
                reached.add(i)
            else:
                stack.extend(program.targets[i])
        return frozenset(reached)


class _Lessons:
    """Numbers the states of a matcher for one reading of many texts (``kernels.automata``)."""

    def __init__(self, matcher: _Matcher) -> None:
        self._matcher = matcher
        self._forget()

    def start(self) -> tuple[int, bool | None, bool]:
        return self._told(self._matcher.start, begins_anew=False)

    def step(self, state: int, code_point: int) -> tuple[int, bool | None, bool]:
        following = self._matcher.following(self._states[state], chr(code_point))
        self._size += 1
        begins_anew = self._size > MAX_REMEMBERED or len(self._states) > MAX_TOLD_STATES
        if begins_anew:
            self._forget()
        return self._told(following, begins_anew=begins_anew)

    def may_end(self, state: int) -> bool:
        return self._matcher.may_end(self._states[state])

    def _told(self, state: _State, *, begins_anew: bool) -> tuple[int, bool | None, bool]:
        # Not by identity: a matcher that has forgotten makes equal states again.
        number = self._numbers.setdefault((state.active, state.before), len(self._states))
        if number == len(self._states):
            self._states.append(state)
            self._size += len(state.active)
        return number, state.answer, begins_anew

    def _forget(self) -> None:
        self._states: list[_State] = []
        self._numbers: dict[tuple[frozenset[int], _Beside], int] = {}
        self._size = 0
