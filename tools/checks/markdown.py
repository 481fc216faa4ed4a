"""What does a Markdown page contain: headings, links, code spans, code blocks?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*([\w+-]*)")
_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s+\"[^\"]*\")?\s*$")
_CODE_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_ANCHOR_TAG = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block; ``line`` is that of its first line of code."""

    line: int
    language: str
    code: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page in two parts: its prose with line numbers, and its code blocks."""

    prose: tuple[tuple[int, str], ...]
    blocks: tuple[Block, ...]


def parse(text: str) -> Page:
    """Separate code blocks from prose."""
    prose: list[tuple[int, str]] = []
    blocks: list[Block] = []
    fence, language, code = "", "", list[str]()
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        match = _FENCE.match(line)
        if not fence and match:
            fence, language, code, start = match[1], match[2], [], number + 1
        elif fence and match and match[1].startswith(fence) and not match[2]:
            blocks.append(Block(start, language, "".join(one + "\n" for one in code)))
            fence = ""
        elif fence:
            code.append(line)
        else:
            prose.append((number, line))
    return Page(tuple(prose), tuple(blocks))


def links(page: Page) -> Iterator[tuple[int, str]]:
    """Yield line and target of every link, image and reference definition."""
    for number, line in page.prose:
        plain = _CODE_SPAN.sub("", line)
        for match in _LINK.finditer(plain):
            yield number, match[1]
        reference = _REFERENCE.match(plain)
        if reference:
            yield number, reference[1]


def code_spans(page: Page) -> Iterator[tuple[int, str]]:
    """Yield line and content of every `code span`."""
    for number, line in page.prose:
        for match in _CODE_SPAN.finditer(line):
            yield number, match[2].strip()


def headings(page: Page) -> Iterator[tuple[int, str]]:
    """Yield line and text of every heading."""
    for number, line in page.prose:
        match = _HEADING.match(line)
        if match:
            yield number, match[2]


def anchors(page: Page) -> set[str]:
    """Return the fragments that a link to this page may name, as GitHub makes them."""
    found: set[str] = set()
    for _, text in headings(page):
        slug = slugify(text)
        unique, count = slug, 0
        while unique in found:
            count += 1
            unique = f"{slug}-{count}"
        found.add(unique)
    for _, line in page.prose:
        found.update(_ANCHOR_TAG.findall(line))
    return found


def slugify(heading: str) -> str:
    """Return the fragment of a heading: lower case, no punctuation, dashes for spaces."""
    linked = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    kept = re.sub(r"[^\w\- ]", "", linked.replace("`", "").lower())
    return kept.replace(" ", "-")
