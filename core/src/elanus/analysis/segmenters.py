"""Where do words end in writings that put no spaces between them?

``thai`` needs nothing but this package and knows no words: runs of Thai, Lao, Khmer and Burmese
become overlapping pairs of character clusters, as runs of Chinese do in the ``standard`` tokenizer.
``jieba``, ``icu`` and ``lindera`` look words up in the dictionaries of libraries, which are extras.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from elanus.analysis.tokenizers import MAX_TOKEN_LENGTH, Span, StandardTokenizer
from elanus.errors import PluginNotInstalledError, SchemaError

LINDERA_DICTIONARIES = ("ipadic", "ko-dic", "cc-cedict", "unidic")
JIEBA_MODES = ("search", "exact")
# A consonant with the vowel written before it and what is written around it. The vowels of Thai
# and Lao that stand before their consonant are characters of their own; everything else that
# depends on a consonant follows it.
_CLUSTER = re.compile(
    "[\u0e40-\u0e44\u0ec0-\u0ec4]?"
    "[\u0e01-\u0e2f\u0e46\u0e81-\u0eaf\u0ec6\u1780-\u17b3\u1000-\u102a\u103f]"
    "(?:[\u0e30-\u0e3a\u0e45\u0e47-\u0e4e\u0eb0-\u0ebd\u0ec8-\u0ecd]"
    "|[\u17b4-\u17d1\u17d3\u102b-\u1038\u103a-\u103e]"
    "|[\u17d2\u1039][\u1000-\u102a\u1780-\u17b3])*"
    "|[\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f]"
)
_RUN = re.compile(
    "[\u0e00-\u0e2f\u0e30-\u0e3a\u0e40-\u0e4e\u0e80-\u0ecd\u1000-\u103f\u1780-\u17d3]+"
)


class ThaiTokenizer:
    """Words as the ``standard`` tokenizer finds them; runs without spaces become pairs.

    A run of Thai, Lao, Khmer or Burmese letters becomes overlapping pairs of character clusters (a
    consonant with its vowels and marks); a run of one cluster stays one token.
    """

    name = "thai"

    def __init__(self) -> None:
        # Not cut: a paragraph of Thai may be one word to the standard tokenizer.
        self._standard = StandardTokenizer(max_length=sys.maxsize)

    def split(self, text: str) -> list[str]:
        words = self._standard.split(text)
        if text.isascii() or _RUN.search(text) is None:
            return [word[:MAX_TOKEN_LENGTH] for word in words]
        cuts = ((word, *cut) for word in words for cut in _cuts(word))
        return [word[start : min(end, start + MAX_TOKEN_LENGTH)] for word, start, end in cuts]

    def spans(self, text: str) -> list[Span]:
        spans: list[Span] = []
        for word in self._standard.spans(text):
            cuts = _cuts(word.token)
            # Normalised, a vowel may be two characters: the places are those of the text.
            places = _cuts(text[word.start : word.end])
            if len(places) != len(cuts):
                places = [(0, word.end - word.start)] * len(cuts)
            for (start, end), (left, right) in zip(cuts, places, strict=True):
                token = word.token[start : min(end, start + MAX_TOKEN_LENGTH)]
                spans.append(Span(token, word.start + left, word.start + right, len(spans)))
        return spans

    def pieces(self, text: str) -> list[str]:
        return self._standard.pieces(text)

    def to_params(self) -> str | dict[str, object]:
        return self.name


def _cuts(word: str) -> list[tuple[int, int]]:
    """Return from where to where each token of a word stands in it."""
    cuts: list[tuple[int, int]] = []
    end = 0
    for run in _RUN.finditer(word):
        if run.start() > end:
            cuts.append((end, run.start()))
        end = run.end()
        clusters = [m.span() for m in _CLUSTER.finditer(word, run.start(), end)]
        cuts += [(a[0], b[1]) for a, b in pairwise(clusters)] or clusters
    if end < len(word):
        cuts.append((end, len(word)))
    return cuts


class JiebaTokenizer:
    """Words of Chinese by the dictionary of jieba, read with the library ``rjieba``.

    Punctuation is a token of its own, white space is none. A word of the mode ``search`` that is
    made of shorter ones stands beside them, at their places.

    Attributes:
        words: What ``dict`` held: words to know besides, and ``_default_`` for jieba's own; None
            for jieba's own alone.
        mode: ``search`` or ``exact``.
        hmm: Whether words that are not in the dictionary are guessed.

    Raises:
        PluginNotInstalledError: ``rjieba`` is not installed.
    """

    name = "jieba"

    def __init__(
        self, words: Sequence[str] | None = None, mode: str = "search", hmm: bool = True
    ) -> None:
        self.words = None if words is None else tuple(words)
        self.mode = mode
        self.hmm = hmm
        self._jieba = _jieba(self.words)
        self._mode = "search" if mode == "search" else "default"

    def split(self, text: str) -> list[str]:
        return [span.token for span in self.spans(text)]

    def spans(self, text: str) -> list[Span]:
        found = self._jieba.tokenize(text, self._mode, self.hmm)
        return _spans_of_words(found)

    def pieces(self, text: str) -> list[str]:
        return [text]

    def to_params(self) -> str | dict[str, object]:
        params: dict[str, object] = {"type": "jieba"}
        if self.words is not None:
            params["dict"] = list(self.words)
        if self.mode != "search":
            params["mode"] = self.mode
        if not self.hmm:
            params["hmm"] = False
        return self.name if len(params) == 1 else params


@lru_cache(maxsize=8)
def _jieba(words: tuple[str, ...] | None) -> Any:
    """Return what holds the dictionary; it is large, so analyzers share it and change nothing."""
    try:
        from rjieba import Jieba
    except ImportError:
        raise _missing("jieba", "rjieba", "'standard'") from None
    if words is None:
        return Jieba()
    made = Jieba() if "_default_" in words else Jieba.empty()  # type: ignore[no-untyped-call]
    for word in words:
        if word != "_default_":
            made.add_word(word, None, None)
    return made


class IcuTokenizer:
    """Words of any language by the rules and dictionaries of ICU, read with ``icu4py``.

    Chinese, Japanese, Thai, Lao, Khmer and Burmese are looked up in dictionaries. Punctuation is a
    token of its own, white space is none.

    Raises:
        PluginNotInstalledError: ``icu4py`` is not installed.
    """

    name = "icu"

    def __init__(self) -> None:
        try:
            from icu4py.breakers import WordBreaker
        except ImportError:
            raise _missing("icu", "icu4py", "'standard' or 'thai'") from None
        self._breaker: Callable[[str, str], Any] = WordBreaker

    def split(self, text: str) -> list[str]:
        return [span.token for span in self.spans(text)]

    def spans(self, text: str) -> list[Span]:
        segments = self._breaker(text, "en").segments()
        if text.isascii() or max(text) <= "\uffff":
            return _spans_of_words((text[a:b], a, b) for a, b in segments)
        # ICU counts in UTF-16, where characters of the higher planes take two places.
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        ends = np.cumsum(1 + (codes > 0xFFFF))
        places = np.searchsorted(ends, np.array(list(segments), dtype=np.int64).ravel(), "right")
        pairs = places.reshape(-1, 2).tolist()
        return _spans_of_words((text[a:b], a, b) for a, b in pairs)

    def pieces(self, text: str) -> list[str]:
        return [text]

    def to_params(self) -> str | dict[str, object]:
        return self.name


class LinderaTokenizer:
    """Words of Japanese, Korean or Chinese by a dictionary, read with ``lindera``.

    Punctuation is a token of its own, white space is none.

    Attributes:
        dict_kind: Its dictionary: ``ipadic`` (Japanese), ``ko-dic`` or ``cc-cedict``; ``unidic``
            where a package of lindera has it.

    Raises:
        PluginNotInstalledError: ``lindera`` is not installed.
        SchemaError: What is installed does not have the dictionary.
    """

    name = "lindera"

    def __init__(self, dict_kind: str) -> None:
        self.dict_kind = dict_kind
        self._tokenize: Callable[[str], Any] = _lindera(dict_kind).tokenize

    def split(self, text: str) -> list[str]:
        return [token.surface[:MAX_TOKEN_LENGTH] for token in self._tokenize(text)]

    def spans(self, text: str) -> list[Span]:
        tokens = self._tokenize(text)
        ends = np.array([(t.byte_start, t.byte_end) for t in tokens], dtype=np.int64)
        if not text.isascii():
            # Lindera counts bytes of UTF-8: characters begin where none is continued.
            raw = np.frombuffer(text.encode(), dtype=np.uint8)
            ends = np.searchsorted(np.flatnonzero((raw & 0xC0) != 0x80), ends)
        return [
            Span(token.surface[:MAX_TOKEN_LENGTH], start, end, token.position, 1)
            for token, (start, end) in zip(tokens, ends.reshape(-1, 2).tolist(), strict=True)
        ]

    def pieces(self, text: str) -> list[str]:
        return [text]

    def to_params(self) -> str | dict[str, object]:
        return {"type": self.name, "dict_kind": self.dict_kind}


@lru_cache(maxsize=8)
def _lindera(dict_kind: str) -> Any:
    """Return what holds the dictionary; it is large, so analyzers share it."""
    try:
        from lindera import Tokenizer, load_dictionary
    except ImportError:
        package = "lindera-python-cjk"
        raise _missing("lindera", package, "'icu' or 'standard'") from None
    try:
        return Tokenizer(load_dictionary(f"embedded://{dict_kind}"), "normal")
    except ValueError as error:
        raise SchemaError(
            f"lindera: dict_kind: the package of lindera that is installed does not have "
            f"{dict_kind!r} ({error}); elanus[lindera] has ipadic, ko-dic and cc-cedict"
        ) from None


def _spans_of_words(found: Iterable[tuple[str, int, int]]) -> list[Span]:
    """Return words as spans; the place of a word is where it begins, as in Milvus."""
    spans: list[Span] = []
    for raw, start, end in found:
        # ICU leaves white space on the end of an emoji.
        word = raw.strip()
        if word:
            start += len(raw) - len(raw.lstrip())
            end = start + len(word)
            spans.append(Span(word[:MAX_TOKEN_LENGTH], start, end, start, end - start))
    return spans


def _missing(tokenizer: str, package: str, instead: str) -> PluginNotInstalledError:
    extra = f"elanus[{tokenizer}]"
    return PluginNotInstalledError(
        f"analyzer: tokenizer {tokenizer!r} needs {package}, which is not installed; "
        f"pip install '{extra}', or use the tokenizer {instead}, which needs no package",
        name=tokenizer,
        extra=extra,
    )
