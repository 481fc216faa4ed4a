"""What must a text hold to match a pattern?

An index of texts finds the few that can match by what every match holds: how it begins, and which
parts stand in it. The pattern itself is asked only about those.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from elanus.filter.matching.regex_parser import parse_regex
from elanus.filter.matching.regex_tree import Chars, Place, Regex, Repeat, Sequence


@dataclass(frozen=True, slots=True)
class TextHint:
    """What every matching text holds.

    Attributes:
        prefix: How it begins.
        parts: Texts that stand in it, anywhere.
        is_exact: Whatever begins with ``prefix`` matches.
        is_part: Whatever holds the one part matches.
    """

    prefix: str = ""
    parts: tuple[str, ...] = ()
    is_exact: bool = False
    is_part: bool = False


NO_HINT = TextHint()
"""Nothing is known but the pattern."""


def like_hint(pattern: str) -> TextHint:
    """Return the hint of a LIKE pattern that heeds case."""
    pieces: list[str] = [""]
    characters = iter(pattern)
    has_only_end = False
    is_free = True
    for character in characters:
        if character in "%_":
            is_free = is_free and character == "%"
            has_only_end = character == "%" and len(pieces) == 1
            pieces.append("")
            continue
        has_only_end = False
        pieces[-1] += next(characters, "\\") if character == "\\" else character
    prefix = pieces[0]
    parts = tuple(filter(None, pieces))
    is_part = is_free and not prefix and not pieces[-1] and len(parts) == 1
    return TextHint(prefix, parts, has_only_end and bool(prefix), is_part)


def part_hint(part: str) -> TextHint:
    """Return the hint of a question for texts that hold ``part``."""
    return TextHint(parts=(part,), is_part=True)


def regex_hint(pattern: str) -> TextHint:
    """Return the hint of a valid regular expression: texts that stand in every match."""
    tree = parse_regex(pattern)
    nodes = tree.parts if isinstance(tree, Sequence) else (tree,)
    prefix = _literals(nodes[1:]) if nodes and nodes[0] is Place.TEXT_BEGIN else ""
    is_part = bool(nodes) and len(_literals(nodes)) == len(nodes)
    return TextHint(prefix, tuple(filter(None, _parts(tree))), is_part=is_part)


def _literals(nodes: Iterable[Regex]) -> str:
    """Return the characters with which a sequence begins."""
    literals = (node.literal if isinstance(node, Chars) else None for node in nodes)
    return "".join(map(str, takewhile(lambda literal: literal is not None, literals)))


def _parts(node: Regex) -> list[str]:
    """Return texts that every match of a node holds; neighbours are one text."""
    if isinstance(node, Chars):
        return [node.literal or ""]
    if isinstance(node, Sequence):
        found = [""]
        for part in node.parts:
            if isinstance(part, Chars) and part.literal is not None:
                found[-1] += part.literal
            else:
                found += [*_parts(part), ""]
        return found
    if isinstance(node, Repeat) and node.low > 0:
        return _parts(node.part)
    return []
