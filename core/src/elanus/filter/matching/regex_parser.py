"""How is a regular expression read?

The syntax is that of RE2: Perl's without what cannot be matched in linear time, that is, without
back-references and looking around. Milvus hands patterns to RE2 and lets a dot be a line's end as
well, unless ``(?-s)`` says otherwise, so they mean the same here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from elanus.filter.matching.regex_tree import (
    MAX_CODE_POINT,
    Chars,
    Choice,
    Place,
    Range,
    Regex,
    Repeat,
    Sequence,
)

MAX_PATTERN_LENGTH = 10_000
"""Longest pattern, in characters."""
MAX_REPEAT = 1_000
"""Most times in ``{n,m}``, as in RE2."""
MAX_NESTING = 50
"""Deepest nesting of groups: a level costs four of Python's 1000 frames."""

_DIGITS: Final = ((48, 57),)
_WORDS: Final = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACES: Final = ((9, 10), (12, 13), (32, 32))
_PERL: Final = {"d": _DIGITS, "w": _WORDS, "s": _SPACES}
_POSIX: Final[dict[str, tuple[Range, ...]]] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGITS,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORDS,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_CONTROLS: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_EDGES: Final = {
    "A": Place.TEXT_BEGIN,
    "z": Place.TEXT_END,
    "b": Place.WORD_EDGE,
    "B": Place.NO_WORD_EDGE,
}
_CATEGORIES: Final = frozenset(
    [
        *(
            "C",
            "Cc",
            "Cf",
            "Cn",
            "Co",
            "Cs",
            "L",
            "Ll",
            "Lm",
            "Lo",
            "Lt",
            "Lu",
            "M",
            "Mc",
            "Me",
            "Mn",
        ),
        *(
            "N",
            "Nd",
            "Nl",
            "No",
            "P",
            "Pc",
            "Pd",
            "Pe",
            "Pf",
            "Pi",
            "Po",
            "Ps",
            "S",
            "Sc",
            "Sk",
            "Sm",
        ),
        *("So", "Z", "Zl", "Zp", "Zs"),
    ]
)
_ANY: Final = ((0, MAX_CODE_POINT),)
_LINE_END: Final = ((10, 10),)
_COUNT = re.compile(r"\{([0-9]{1,9})(?:(,)([0-9]{1,9})?)?\}")
_GROUP = re.compile(r"\?(?:P?<\w+>|([imsU]*)(?:-([imsU]+))?([:)]))")
_CODE = re.compile(r"x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,8})\})|([1-7][0-7]{1,2}|0[0-7]{0,2})")
_CATEGORY = re.compile(r"[pP](?:\{(\^?)(\w+)\}|(\w))")


class RegexError(ValueError):
    """A pattern cannot be read.

    Attributes:
        offset: Where in the pattern, in characters from 0.
    """

    def __init__(self, message: str, offset: int) -> None:
        self.offset = offset
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class _Flags:
    """``i``: without case; ``m``: ^ and $ also at lines; ``s``: . is also a line's end."""

    i: bool = False
    m: bool = False
    s: bool = True
    U: bool = False


def parse_regex(pattern: str) -> Regex:
    """Return the tree of a pattern.

    Raises:
        RegexError: It is no pattern, longer than ``MAX_PATTERN_LENGTH`` or nested deeper than
            ``MAX_NESTING``.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise RegexError(
            f"it has {len(pattern)} characters, more than {MAX_PATTERN_LENGTH}", MAX_PATTERN_LENGTH
        )
    return _Parser(pattern).parse()


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self._flags = _Flags()

    def parse(self) -> Regex:
        tree = self._choice()
        if self._at < len(self._pattern):
            raise RegexError("a ')' has no '(' before it", self._at)
        return tree

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _accept(self, text: str) -> bool:
        if not self._pattern.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _accept_match(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        match = expression.match(self._pattern, self._at)
        if match is not None:
            self._at = match.end()
        return match

    # --- structure ---

    def _choice(self) -> Regex:
        parts = [self._sequence()]
        while self._accept("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self) -> Regex:
        parts: list[Regex] = []
        while self._at < len(self._pattern) and self._peek() not in "|)":
            if self._accept(r"\Q"):
                parts.extend(self._quoted())
                continue
            part = self._atom()
            if part is not None:
                parts.append(self._repeated(part))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _quoted(self) -> list[Regex]:
        """Read literal text up to ``\\E`` or the end; repetition takes its last character."""
        end = self._pattern.find(r"\E", self._at)
        text = self._pattern[self._at : end if end >= 0 else None]
        self._at = len(self._pattern) if end < 0 else end + 2
        parts: list[Regex] = [self._character(ord(c)) for c in text]
        if parts:
            parts[-1] = self._repeated(parts[-1])
        return parts

    def _repeated(self, part: Regex) -> Regex:
        """Read the repetition behind a part, if there is one."""
        counts = self._count()
        if counts is None:
            return part
        # A lazy repetition finds the same texts.
        self._accept("?")
        behind = self._at
        if self._count() is not None:
            raise RegexError("a repetition cannot be repeated; put it in a group", behind)
        return Repeat(part, *counts)

    def _count(self) -> tuple[int, int | None] | None:
        start = self._at
        if (plain := {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(self._peek())) is not None:
            self._at += 1
            return plain
        match = self._accept_match(_COUNT)
        if match is None:
            return None
        low = int(match[1])
        high = low if match[2] is None else (int(match[3]) if match[3] else None)
        if max(low, high or 0) > MAX_REPEAT or (high is not None and high < low):
            raise RegexError(
                f"expected {{low,high}} in ascending order up to {MAX_REPEAT}, got {match[0]}",
                start,
            )
        return low, high

    def _atom(self) -> Regex | None:
        """Read one part; None where the text only sets flags."""
        start, character = self._at, self._peek()
        self._at += 1
        match character:
            case "(":
                return self._group(start)
            case "[":
                return self._class(start)
            case "\\":
                return self._escape(start)
            case ".":
                return Chars(_ANY) if self._flags.s else Chars(_LINE_END, negated=True)
            case "^":
                return Place.LINE_BEGIN if self._flags.m else Place.TEXT_BEGIN
            case "$":
                return Place.LINE_END if self._flags.m else Place.TEXT_END
            case "*" | "+" | "?":
                raise RegexError(f"nothing stands before {character!r} to repeat", start)
        self._at = start
        if _COUNT.match(self._pattern, start):
            raise RegexError("nothing stands before '{' to repeat", start)
        self._at += 1
        return self._character(ord(character))

    def _group(self, start: int) -> Regex | None:
        outside = self._flags
        if self._peek() == "?":
            match = self._accept_match(_GROUP)
            if match is None:
                raise RegexError(
                    "'(?' begins a group that RE2 does not have, such as one that looks around",
                    start,
                )
            self._set_flags(match[1] or "", True)
            self._set_flags(match[2] or "", False)
            if match[3] == ")":
                return None
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise RegexError(f"groups are nested deeper than {MAX_NESTING} levels", start)
        tree = self._choice()
        self._depth -= 1
        if not self._accept(")"):
            raise RegexError("a '(' is not closed", start)
        self._flags = outside
        return tree

    def _set_flags(self, names: str, value: bool) -> None:
        self._flags = replace(self._flags, **dict.fromkeys(names, value))

    # --- characters ---

    def _character(self, code: int) -> Chars:
        return Chars(((code, code),), ignore_case=self._flags.i)

    def _escape(self, start: int) -> Regex:
        edge = _EDGES.get(self._peek())
        if edge is not None:
            self._at += 1
            return edge
        named = self._named_set()
        return self._character(self._code(start)) if named is None else named

    def _named_set(self) -> Chars | None:
        """Read what is behind the backslash of ``\\d``, ``\\W`` or ``\\p{Lu}``; None: no set."""
        letter = self._peek()
        if letter and letter in "dwsDWS":
            self._at += 1
            return self._set(_PERL[letter.lower()], negated=letter.isupper())
        start = self._at
        match = self._accept_match(_CATEGORY)
        if match is None:
            return None
        name, negated = match[2] or match[3], (letter == "P") is not bool(match[1])
        if name == "Any":
            return self._set(_ANY, negated=negated)
        if name not in _CATEGORIES:
            raise RegexError(
                f"unknown category {name!r}; expected a general category of Unicode, such as L, "
                f"Lu or Nd",
                start,
            )
        return Chars(categories=(name,), negated=negated, ignore_case=self._flags.i)

    def _set(self, ranges: tuple[Range, ...], *, negated: bool) -> Chars:
        return Chars(ranges, negated=negated, ignore_case=self._flags.i)

    def _code(self, start: int) -> int:
        """Read the one character behind a backslash."""
        match = self._accept_match(_CODE)
        if match is not None:
            code = int(match[3], 8) if match[3] else int(match[1] or match[2], 16)
            if code > MAX_CODE_POINT:
                raise RegexError("an escape names no character", start)
            return code
        character = self._peek()
        self._at += 1
        if character in _CONTROLS:
            return _CONTROLS[character]
        if not character:
            raise RegexError("a backslash stands at the end", start)
        if character.isascii() and not character.isalnum():
            return ord(character)
        raise RegexError(f"unknown escape \\{character}", start)

    def _class(self, start: int) -> Chars:
        negated = self._accept("^")
        ranges: list[Range] = []
        parts: list[Chars] = []
        is_first = True
        while is_first or not self._accept("]"):
            if self._at >= len(self._pattern):
                raise RegexError("a '[' is not closed", start)
            # A ']' at the beginning is one of the characters.
            is_first = False
            named = self._set_in_class()
            if named is not None:
                parts.append(named)
            else:
                ranges.append(self._range())
        # [^a] matches the end of a line also without the flag s, as in RE2.
        return Chars(tuple(ranges), (), tuple(parts), negated, self._flags.i)

    def _set_in_class(self) -> Chars | None:
        start = self._at
        if self._accept("[:"):
            end = self._pattern.find(":]", self._at)
            name = self._pattern[self._at : max(end, self._at)]
            ranges = _POSIX.get(name.removeprefix("^"))
            if ranges is None:
                raise RegexError(f"unknown class [:{name}:]; known are {', '.join(_POSIX)}", start)
            self._at = end + 2
            return self._set(ranges, negated=name[0] == "^")
        if not self._accept("\\"):
            return None
        named = self._named_set()
        if named is None:
            self._at = start
        return named

    def _range(self) -> Range:
        start = self._at
        first = self._class_character()
        is_range = self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in (
            "]",
            "",
        )
        if not is_range:
            return first, first
        self._at += 1
        last = self._class_character()
        if last < first:
            raise RegexError(f"the range {self._pattern[start : self._at]} is empty", start)
        return first, last

    def _class_character(self) -> int:
        start = self._at
        if self._accept("\\"):
            return self._code(start)
        self._at += 1
        return ord(self._pattern[start])
