"""Where does a word begin and end?

A tokenizer splits text into raw tokens, in order. It can also cut text into pieces at places where
a token ends for certain: the tokens of the pieces, end to end, are the tokens of the text. A piece
is about a word with the punctuation at it, and running text repeats few of them often, so
a counter tokenizes each distinct piece once.

``spans`` says of the same tokens where they stand, for whoever shows the text or matches phrases.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, Protocol

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


class Span(NamedTuple):
    """A token and where it stands.

    Attributes:
        token: The token, as ``split`` returns it.
        start: Where it begins in the text, in characters.
        end: The character after its last one.
        place: Its place among the words of the text, for phrases.
        width: How many places it takes.
    """

    token: str
    start: int
    end: int
    place: int
    width: int = 1


class Tokenizer(Protocol):
    """Splits text into raw tokens."""

    @property
    def name(self) -> str:
        """Name in ``registry.py``."""

    def to_params(self) -> str | dict[str, object]:
        """Return the tokenizer in Milvus' form: its name, or a dict with ``type`` and settings."""

    def split(self, text: str) -> list[str]:
        """Return the tokens of ``text`` in order. Safe from many threads at once."""

    def spans(self, text: str) -> list[Span]:
        """Return the tokens that ``split`` returns, with their places."""

    def pieces(self, text: str) -> list[str]:
        """Cut ``text`` where tokens end for certain, cheaply; what separates tokens may go."""


class WhitespaceTokenizer:
    """Tokens are what stands between white space, unchanged."""

    name = "whitespace"

    def split(self, text: str) -> list[str]:
        return [token[:MAX_TOKEN_LENGTH] for token in text.split()]

    def spans(self, text: str) -> list[Span]:
        found = enumerate(_NO_SPACE.finditer(text))
        return [Span(m.group()[:MAX_TOKEN_LENGTH], m.start(), m.end(), i) for i, m in found]

    def pieces(self, text: str) -> list[str]:
        return text.split()

    def to_params(self) -> str | dict[str, object]:
        return self.name


# White space is the same to re as to str.split.
_NO_SPACE = re.compile(r"\S+")


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

    Args:
        max_length: Characters that a word is cut to, when it is not 255.

    Source: Unicode Standard Annex 29, section 4.1, word boundary rules WB3c to WB16.
    """

    name = "standard"

    def __init__(self, max_length: int = MAX_TOKEN_LENGTH) -> None:
        self._max_length = max_length

    def split(self, text: str) -> list[str]:
        is_ascii = text.isascii()
        words = _ASCII_WORD.findall(text) if is_ascii else _split_unicode(text)
        # A word of few characters may have many once it is normalised.
        limit = self._max_length
        if is_ascii and len(text) <= limit:
            return words
        return [word[:limit] for word in words]

    def spans(self, text: str) -> list[Span]:
        found = _ascii_spans(text) if text.isascii() else _unicode_spans(text)
        limit = self._max_length
        return [Span(w[:limit], start, end, i) for i, (w, start, end) in enumerate(found)]

    def pieces(self, text: str) -> list[str]:
        # Other than for ASCII, str.translate costs more than the fewer pieces save.
        return (text.translate(_ASCII_SEPARATORS) if text.isascii() else text).split()

    def to_params(self) -> str | dict[str, object]:
        return self.name


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

# Half-width voice marks, and vowels and final consonants of Hangul in every form, which become one
# character with what stands before them.
_COMPOSING = "\uff9e\uff9f\u1160-\u11ff\ud7b0-\ud7fb\u314f-\u3163\uffc2-\uffdc"
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
        self._cluster = re.compile(f"[{CJK}][{marks}]*")
        # As it stands in the text: with format characters, and with what composes with it.
        self._raw_cluster = re.compile(f"[{CJK}](?:{extend}|[{_COMPOSING}])*")

    def clusters(self, run: str) -> list[str]:
        """Return the characters of a CJK run, normalised, each with its marks."""
        found: list[str] = self._cluster.findall(_normalize(self, run))
        return found

    def placed_clusters(self, run: str, start: int) -> tuple[list[str], list[tuple[int, int]]]:
        """Return ``clusters``, and from where to where each stands if the run is at ``start``."""
        clusters: list[str] = []
        places: list[tuple[int, int]] = []
        for match in self._raw_cluster.finditer(run):
            # One character may be several when normalised; all of them stand in its place.
            made = self.clusters(match.group())
            clusters += made
            places += [(start + match.start(), start + match.end())] * len(made)
        whole = self.clusters(run)
        if clusters != whole:
            places = [(start, start + len(run))] * len(whole)
        return whole, places


@lru_cache(maxsize=1)
def _unicode_patterns() -> _UnicodePatterns:
    # Built at the first text that is not ASCII: reading the character database takes tens of
    # milliseconds, which `import elanus` must not cost.
    return _UnicodePatterns()


def _split_unicode(text: str) -> list[str]:
    patterns = _unicode_patterns()
    tokens: list[str] = []
    for match in patterns.token.finditer(text):
        if match.lastgroup == "cjk":
            tokens += _bigrams(patterns.clusters(match.group()))
        elif (word := _one_token(patterns, match)) is not None:
            tokens.append(word)
    return tokens


def _ascii_spans(text: str) -> Iterator[tuple[str, int, int]]:
    return ((m.group(), m.start(), m.end()) for m in _ASCII_WORD.finditer(text))


def _unicode_spans(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield token, start and end of what ``_split_unicode`` returns."""
    patterns = _unicode_patterns()
    for match in patterns.token.finditer(text):
        if match.lastgroup == "cjk":
            clusters, places = patterns.placed_clusters(match.group(), match.start())
            last = len(clusters) > 1
            for i, token in enumerate(_bigrams(clusters)):
                yield token, places[i][0], places[i + last][1]
        elif (word := _one_token(patterns, match)) is not None:
            yield word, match.start(), match.end()


def _one_token(patterns: _UnicodePatterns, match: re.Match[str]) -> str | None:
    raw = match.group()
    if match.lastgroup == "word":
        word = raw if raw.isascii() else _normalize(patterns, raw)
        return word if word.strip("_") else None
    # The selector between text and picture form makes no other word of it.
    return raw.replace("\ufe0f", "")


def _normalize(patterns: _UnicodePatterns, raw: str) -> str:
    word = patterns.format.sub("", raw) if not raw.isalnum() else raw
    return unicodedata.normalize("NFKC", word).translate(_APOSTROPHES)


def _bigrams(clusters: list[str]) -> list[str]:
    return [a + b for a, b in pairwise(clusters)] or clusters


def is_native(tokenizer: Tokenizer) -> bool:
    """Return whether the kernel has this tokenizer, by its name."""
    return type(tokenizer) in (StandardTokenizer, WhitespaceTokenizer)
