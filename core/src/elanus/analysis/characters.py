"""Which characters are letters, marks, emoji?

The sets that the Unicode tokenizer's patterns are made of, as the insides of character classes of
``re``, and the same as a table for the native tokenizer. What is a letter, a digit or a mark is
asked of the running Python, so both agree with each other on every version of Unicode.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from elanus.kernels import text as kernel
from elanus.kernels.text import CharClasses
from elanus.types import BoolArray, UInt16Array

# Hangul jamo, CJK radicals to the end of the kana, Bopomofo and compatibility jamo without the
# punctuation block, ideographs, Hangul syllables, compatibility and half-width forms, and the
# supplementary ideographic planes.
CJK = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb"
    "\uf900-\ufaff\uff66-\uffdc\U0001b000-\U0001b16f\U00020000-\U0003fffd"
)
# Those of them that are ideographs, the mark that repeats one included.
HAN = "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
# Pictographs that people read as emoji, from the blocks that hold them.
EMOJI = (
    "\u231a\u231b\u2328\u23e9-\u23f3\u23f8-\u23fa\u25fd\u25fe\u2600-\u27bf\u2b05-\u2b07"
    "\u2b1b\u2b1c\u2b50\u2b55\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff"
)
FLAG = "\U0001f1e6-\U0001f1ff"
EMOJI_MODIFIER = "\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
LETTER_JOINERS = ".'\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe52\uff07\uff0e"
DIGIT_JOINERS = (
    ".',;\u037e\u0589\u060c\u060d\u066c\u07f8\u2018\u2019\u2024\u2044\ufe10\ufe14\ufe50\ufe52"
    "\ufe54\uff07\uff0c\uff0e\uff1b"
)
HEBREW = "\u05d0-\u05ea"
_ZERO_WIDTH_SPACE = "\u200b"
# Marks and format characters above this code point are variation selectors and tags only, which
# are added as a range: scanning them would cost a tenth of a second.
_LAST_SCANNED = 0x1FFFF
# Blocks in which no character has another form: unified ideographs and Hangul syllables.
_PLAIN_BLOCKS = "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0002f7ff\U00030000-\U0003fffd"
# Jamo compose with the character before them, so what they stand beside matters.
_JAMO = "\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff"


@lru_cache(maxsize=1)
def mark_and_format_classes() -> tuple[str, str]:
    """Return the insides of two character classes: combining marks, and format characters."""
    marks: list[int] = []
    formats: list[int] = []
    for code in range(0x80, min(_LAST_SCANNED, sys.maxunicode) + 1):
        category = unicodedata.category(chr(code))
        if category[0] == "M":
            marks.append(code)
        elif category == "Cf" and chr(code) != _ZERO_WIDTH_SPACE:
            formats.append(code)
    tail = "\U000e0001-\U000e01ef"
    return _ranges(marks), _ranges(formats) + tail


def _ranges(codes: list[int]) -> str:
    parts: list[str] = []
    start = previous = codes[0]
    for code in [*codes[1:], -1]:
        if code != previous + 1:
            parts.append(f"{chr(start)}-{chr(previous)}")
            start = code
        previous = code
    return "".join(parts)


@lru_cache(maxsize=1)
def char_classes() -> CharClasses:
    """Return the table of the native tokenizer; making it takes some 0.1 s, the first time."""
    marks, formats = mark_and_format_classes()
    classes = np.zeros(sys.maxunicode + 1, dtype=np.uint16)
    for members, bit in (
        (marks, kernel.MARK),
        (formats, kernel.FORMAT),
        (CJK, kernel.CJK),
        (LETTER_JOINERS, kernel.LETTER_JOINER),
        (DIGIT_JOINERS, kernel.DECIMAL_JOINER),
        (EMOJI, kernel.EMOJI),
        (FLAG, kernel.FLAG),
        (EMOJI_MODIFIER, kernel.EMOJI_MODIFIER),
        (HEBREW, kernel.HEBREW),
    ):
        for first, last in _members(members):
            classes[first : last + 1] |= bit
    # One string of one character each: NumPy asks the same tables as str.isalnum.
    characters = np.arange(len(classes), dtype=np.uint32).view("U1")
    decimal = np.strings.isdecimal(characters)
    # CJK characters are words of their own.
    word = np.strings.isalnum(characters) & (classes & kernel.CJK == 0)
    classes[word] |= kernel.WORD
    classes[word & ~decimal] |= kernel.LETTER
    classes[decimal] |= kernel.DECIMAL
    classes[np.strings.isspace(characters)] |= kernel.SPACE
    classes[_plain_cjk(classes)] |= kernel.PLAIN_CJK
    return CharClasses(classes)


def _members(members: str) -> Iterator[tuple[int, int]]:
    """Yield first and last code point of each range inside a character class of ``re``."""
    for part in re.findall(".-.|.", members, re.DOTALL):
        yield ord(part[0]), ord(part[-1])


def _plain_cjk(classes: UInt16Array) -> BoolArray:
    """Return which CJK characters NFKC leaves as they are, whatever stands beside them."""
    plain = np.zeros(len(classes), dtype=np.bool_)
    for first, last in _members(_PLAIN_BLOCKS):
        plain[first : last + 1] = True
    others = (classes & kernel.CJK != 0) & ~plain
    for first, last in _members(_JAMO):
        others[first : last + 1] = False
    for code in np.flatnonzero(others).tolist():
        plain[code] = unicodedata.normalize("NFKC", chr(code)) == chr(code)
    return plain
