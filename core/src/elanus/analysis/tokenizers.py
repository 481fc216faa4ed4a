"""Where does a word begin and end?

A tokenizer splits text into raw tokens, in order. It can also cut text into pieces at places where
a token ends for certain: the tokens of the pieces, end to end, are the tokens of the text. A piece
is about a word with the punctuation at it, and running text repeats few of them often, so
a counter tokenizes each distinct piece once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

from elanus.analysis.characters import (
    CJK,
    DIGIT_JOINERS,
    EMOJI,
    EMOJI_MODIFIER,
    FLAG,
    LETTER_JOINERS,
    mark_and_format_classes,
)

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
        is_ascii = text.isascii()
        words = _ASCII_WORD.findall(text) if is_ascii else _split_unicode(text)
        # A word of few characters may have many once it is normalised.
        if is_ascii and len(text) <= MAX_TOKEN_LENGTH:
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

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\uff07", "'"))


class _UnicodePatterns:
    """Regular expressions that need character categories which ``re`` has no escape for."""

    def __init__(self) -> None:
        marks, formats = mark_and_format_classes()
        extend = f"[{marks}{formats}]"
        # One character of a word with what attaches to it, and one of a CJK run.
        word = rf"(?:(?![{CJK}])\w{extend}*)"
        letter, digit = r"[^\W\d_]", r"\d"
        # A mark before a joiner is taken to stand on a letter; on a digit it is no number.
        letter_before = rf"(?:(?<={letter})|(?<=[{marks}]))"
        joined = (
            rf"{letter_before}[{re.escape(LETTER_JOINERS)}]{extend}*(?=(?![{CJK}]){letter})"
            rf"|(?<={digit})[{re.escape(DIGIT_JOINERS)}]{extend}*(?={digit})"
            '|(?<=[\u05d0-\u05ea])"(?=[\u05d0-\u05ea])'
        )
        emoji = rf"[{EMOJI}][{EMOJI_MODIFIER}]*"
        self.token = re.compile(
            rf"(?P<cjk>(?:[{CJK}]{extend}*)+)"
            rf"|(?P<word>{word}+(?:(?:{joined}){word}+)*)"
            rf"|(?P<emoji>[{FLAG}]{{2}}|{emoji}(?:\u200d{emoji})*)"
        )
        self.format = re.compile(f"[{formats}]")
        self.cjk_cluster = re.compile(f"[{CJK}][{marks}]*")


@lru_cache(maxsize=1)
def _unicode_patterns() -> _UnicodePatterns:
    # Built at the first text that is not ASCII: reading the character database takes tens of
    # milliseconds, which `import elanus` must not cost.
    return _UnicodePatterns()


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


def is_native(tokenizer: Tokenizer) -> bool:
    """Return whether the kernel has this tokenizer, by its name."""
    return type(tokenizer) in (StandardTokenizer, WhitespaceTokenizer)
