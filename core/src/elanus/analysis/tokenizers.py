"""Where does a word begin and end?

A tokenizer splits text into raw tokens, in order. It can also cut text into pieces at places where
a token ends for certain: the tokens of the pieces, end to end, are the tokens of the text. A piece
is about a word with the punctuation at it, and running text repeats few of them often, so
``BatchCounter`` tokenizes each distinct piece once.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

MAX_TOKEN_LENGTH = 255
"""Longer words are cut to this many characters, as in Lucene: nobody types them, and a file that
holds one encoded image must not put a megabyte into the term dictionary."""


class Tokenizer(Protocol):
    """Splits text into raw tokens."""

    @property
    def name(self) -> str:
        """Name in ``registry.py``."""

    def split(self, text: str) -> list[str]:
        """Return the tokens of ``text`` in order. Safe from many threads at once."""

    def pieces(self, text: str) -> list[str]:
        """Cut ``text`` where tokens end for certain, cheaply; what separates tokens may go."""


class WhitespaceTokenizer:
    """Tokens are what stands between white space, unchanged."""

    name = "whitespace"

    def split(self, text: str) -> list[str]:
        return [token[:MAX_TOKEN_LENGTH] for token in text.split()]

    def pieces(self, text: str) -> list[str]:
        return text.split()


class StandardTokenizer:
    """Words by the rules of Unicode text segmentation, as in Lucene's StandardTokenizer.

    - Letters, digits and underscores join. ``.`` and ``'`` join letters; ``.`` ``,`` ``;`` and
      ``'`` join digits: ``example.com``, ``can't``, ``1.2.3`` and ``3,000`` are one token each,
      ``user@example.com`` is two. A colon separates, which is CLDR's tailoring.
    - Runs of Chinese, Japanese and Korean characters become overlapping pairs; a run of one
      character stays one token.
    - An emoji with its modifiers is a token. Thai, Lao, Khmer and Burmese runs stay whole.
    - Combining marks belong to their letter. Tokens are NFKC-normalised, typographic apostrophes
      become ``'`` and invisible format characters (soft hyphen, joiners) go, so that the same
      word matches however it was typed.
    - A word of more than 255 characters is cut to 255.

    Source: Unicode Standard Annex 29, section 4.1, word boundary rules WB3c to WB16.
    """

    name = "standard"

    def split(self, text: str) -> list[str]:
        words = _ASCII_WORD.findall(text) if text.isascii() else _split_unicode(text)
        if len(text) <= MAX_TOKEN_LENGTH:
            return words
        return [word[:MAX_TOKEN_LENGTH] for word in words]

    def pieces(self, text: str) -> list[str]:
        # Other than for ASCII, str.translate costs more than the fewer pieces save.
        return (text.translate(_ASCII_SEPARATORS) if text.isascii() else text).split()


# ASCII punctuation that is in no token and joins no two.
_ASCII_SEPARATORS = str.maketrans(dict.fromkeys('!"#$%&()*+-/:<=>?@[\\]^`{|}~', " "))

# A run of underscores alone is no word, so one letter or digit must follow it; the look-behind
# keeps a long run from being tried at each of its characters. A joiner looks at one character on
# either side (rules WB6, WB7, WB11, WB12).
_ASCII_WORD = re.compile(
    r"(?:[A-Za-z0-9]|(?<!_)_+[A-Za-z0-9])\w*"
    r"(?:[.',;](?:(?<=[A-Za-z][.'])(?=[A-Za-z])|(?<=[0-9][.',;])(?=[0-9]))\w+)*",
    re.ASCII,
)

# Hangul jamo, CJK radicals to the end of the kana, Bopomofo and compatibility jamo without the
# punctuation block, ideographs, Hangul syllables, compatibility and half-width forms, and the
# supplementary ideographic planes.
_CJK = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb"
    "\uf900-\ufaff\uff66-\uffdc\U0001b000-\U0001b16f\U00020000-\U0003fffd"
)
# Pictographs that people read as emoji, from the blocks that hold them.
_EMOJI = (
    "\u231a\u231b\u2328\u23e9-\u23f3\u23f8-\u23fa\u25fd\u25fe\u2600-\u27bf\u2b05-\u2b07"
    "\u2b1b\u2b1c\u2b50\u2b55\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff"
)
_FLAG = "\U0001f1e6-\U0001f1ff"
_MODIFIER = "\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
_LETTER_JOINERS = ".'\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe52\uff07\uff0e"
_DIGIT_JOINERS = (
    ".',;\u037e\u0589\u060c\u060d\u066c\u07f8\u2018\u2019\u2024\u2044\ufe10\ufe14\ufe50\ufe52"
    "\ufe54\uff07\uff0c\uff0e\uff1b"
)
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\uff07", "'"))
_ZERO_WIDTH_SPACE = "\u200b"
# Marks and format characters above this code point are variation selectors and tags only, which
# are added as a range: scanning them would cost a tenth of a second.
_LAST_SCANNED = 0x1FFFF


class _UnicodePatterns:
    """Regular expressions that need character categories which ``re`` has no escape for."""

    def __init__(self) -> None:
        marks, formats = _mark_and_format_classes()
        extend = f"[{marks}{formats}]"
        # One character of a word with what attaches to it, and one of a CJK run.
        word = rf"(?:(?![{_CJK}])\w{extend}*)"
        letter, digit = r"[^\W\d_]", r"\d"
        # A mark before a joiner is taken to stand on a letter; on a digit it is no number.
        letter_before = rf"(?:(?<={letter})|(?<=[{marks}]))"
        joined = (
            rf"{letter_before}[{re.escape(_LETTER_JOINERS)}]{extend}*(?=(?![{_CJK}]){letter})"
            rf"|(?<={digit})[{re.escape(_DIGIT_JOINERS)}]{extend}*(?={digit})"
            '|(?<=[\u05d0-\u05ea])"(?=[\u05d0-\u05ea])'
        )
        emoji = rf"[{_EMOJI}][{_MODIFIER}]*"
        self.token = re.compile(
            rf"(?P<cjk>(?:[{_CJK}]{extend}*)+)"
            rf"|(?P<word>{word}+(?:(?:{joined}){word}+)*)"
            rf"|(?P<emoji>[{_FLAG}]{{2}}|{emoji}(?:\u200d{emoji})*)"
        )
        self.format = re.compile(f"[{formats}]")
        self.cjk_cluster = re.compile(f"[{_CJK}][{marks}]*")


@lru_cache(maxsize=1)
def _unicode_patterns() -> _UnicodePatterns:
    # Built at the first text that is not ASCII: reading the character database takes tens of
    # milliseconds, which `import elanus` must not cost.
    return _UnicodePatterns()


def _mark_and_format_classes() -> tuple[str, str]:
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


def _split_unicode(text: str) -> list[str]:
    patterns = _unicode_patterns()
    tokens: list[str] = []
    for match in patterns.token.finditer(text):
        raw = match.group()
        kind = match.lastgroup
        if kind == "word":
            word = raw if raw.isascii() else _normalize(patterns, raw)
            if word.strip("_"):
                tokens.append(word)
        elif kind == "cjk":
            tokens += _bigrams(patterns, _normalize(patterns, raw))
        else:
            # The selector between text and picture form makes no other word of it.
            tokens.append(raw.replace("\ufe0f", ""))
    return tokens


def _normalize(patterns: _UnicodePatterns, raw: str) -> str:
    word = patterns.format.sub("", raw) if not raw.isalnum() else raw
    return unicodedata.normalize("NFKC", word).translate(_APOSTROPHES)


def _bigrams(patterns: _UnicodePatterns, run: str) -> list[str]:
    clusters: list[str] = patterns.cjk_cluster.findall(run)
    return [a + b for a, b in pairwise(clusters)] or clusters


TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "standard": StandardTokenizer,
    "whitespace": WhitespaceTokenizer,
}
"""Tokenizer by name."""
