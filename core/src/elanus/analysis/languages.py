"""In which language is a text written?

The writing decides first: kana, Hangul, Thai, Greek and so on are of one language each. Among the
languages in Latin letters the frequent groups of three letters decide, with the stop words and the
letters that a language does not have.

Source: Cavnar and Trenkle, "N-Gram-Based Text Categorization", 1994.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from functools import cache
from typing import NamedTuple

from elanus.analysis.characters import HAN
from elanus.analysis.language_profiles import TRIGRAMS
from elanus.analysis.stop_lists import STOP_WORD_LISTS, stop_words

MAX_LOOKED_AT = 1_000
"""Characters that decide; more of the same text say nothing new."""


class Guess(NamedTuple):
    """A language and how sure it is.

    Attributes:
        language: One of ``LANGUAGES``, or None where nothing tells.
        confidence: From 0 to 1: how far the second language is behind.
    """

    language: str | None
    confidence: float


LANGUAGES: dict[str, tuple[str, ...]] = {
    "arabic": ("ar", "arb", "ara"),
    "armenian": ("hy", "hye"),
    "bengali": ("bn", "ben"),
    "chinese": ("zh", "cmn", "zho", "mandarin"),
    "danish": ("da", "dan"),
    "dutch": ("nl", "nld"),
    "english": ("en", "eng"),
    "finnish": ("fi", "fin"),
    "french": ("fr", "fra"),
    "georgian": ("ka", "kat"),
    "german": ("de", "deu"),
    "greek": ("el", "ell"),
    "hebrew": ("he", "heb"),
    "hindi": ("hi", "hin"),
    "hungarian": ("hu", "hun"),
    "italian": ("it", "ita"),
    "japanese": ("ja", "jpn"),
    "khmer": ("km", "khm"),
    "korean": ("ko", "kor"),
    "norwegian": ("no", "nb", "nob", "bokmal"),
    "persian": ("fa", "pes", "fas"),
    "portuguese": ("pt", "por"),
    "romanian": ("ro", "ron"),
    "russian": ("ru", "rus"),
    "spanish": ("es", "spa"),
    "swedish": ("sv", "swe"),
    "tamil": ("ta", "tam"),
    "thai": ("th", "tha"),
    "turkish": ("tr", "tur"),
    "ukrainian": ("uk", "ukr"),
}
"""Languages that ``detect_language`` tells apart, each with its codes and other names."""

_BY_NAME = {n: name for name, others in LANGUAGES.items() for n in (name, *others)}


def language_of_name(name: str) -> str | None:
    """Return the language that a name or a code of ISO 639 means, in any case; None: none."""
    return _BY_NAME.get(name.lower())


# Characters of each writing, named after the language where there is but one.
_WRITINGS = {
    "latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "cyrillic": "\u0400-\u052f",
    "armenian": "\u0531-\u058f",
    "hebrew": "\u05d0-\u05ea",
    "arabic": "\u0620-\u064a\u066e-\u06d3",
    "hindi": "\u0900-\u0963\u0966-\u097f",
    "bengali": "\u0980-\u09ff",
    "tamil": "\u0b80-\u0bff",
    "thai": "\u0e00-\u0e7f",
    "georgian": "\u10a0-\u10ff",
    "khmer": "\u1780-\u17ff",
    "korean": "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3",
    "japanese": "\u3041-\u30ff\uff66-\uff9f",
    "chinese": HAN,
}
_RUN = re.compile("|".join(f"(?P<{name}>[{chars}]+)" for name, chars in _WRITINGS.items()))
_LETTERS = re.compile(r"[^\W\d_]+")
# Letters beyond ASCII in which the words of a language are written.
_OWN_LETTERS = {
    "danish": "æøåé", "dutch": "ëïéèö", "english": "", "finnish": "äö", "french": "éèêàçùûôîœëï",
    "german": "äöüß", "hungarian": "őűáéíóöúü", "italian": "àèéìòù", "norwegian": "æøå",
    "portuguese": "ãõçáéíóúâêàô", "romanian": "ăâîșțşţ", "spanish": "ñáéíóúü",
    "swedish": "åäöé", "turkish": "ğışçöü",
}  # fmt: skip
_FOREIGN_LETTER = -2.0
_STOP_WORD = 1.5


def detect_language(text: str) -> Guess:
    """Return the language of ``text``, by its first ``MAX_LOOKED_AT`` characters.

    A text in Latin letters of a language that is not in ``LANGUAGES`` is taken for the nearest one.
    """
    text = text[:MAX_LOOKED_AT]
    if text.isascii():
        return _detect_latin(text)
    lengths: Counter[str] = Counter()
    for match in _RUN.finditer(unicodedata.normalize("NFC", text)):
        # An ideograph says as much as some three letters, and so does a syllable of Hangul.
        weight = 3 if match.lastgroup in ("chinese", "korean") else 1
        lengths[str(match.lastgroup)] += weight * (match.end() - match.start())
    if not lengths:
        return Guess(None, 0.0)
    total = lengths.total()
    # Kana stand among the ideographs of Japanese and in no other language.
    if 20 * lengths["japanese"] >= lengths["chinese"]:
        lengths["japanese"] += lengths.pop("chinese", 0)
    writing, length = lengths.most_common(1)[0]
    if writing == "latin":
        guess = _detect_latin(text)
        return Guess(guess.language, guess.confidence * length / total)
    return Guess(_language_of_writing(writing, text), length / total)


def _language_of_writing(writing: str, text: str) -> str:
    if writing == "cyrillic":
        return "ukrainian" if re.search("[іїєґІЇЄҐ]", text) else "russian"
    if writing == "arabic":
        return "persian" if re.search("[\u067e\u0686\u0698\u06af\u06a9\u06cc]", text) else "arabic"
    return writing


def _detect_latin(text: str) -> Guess:
    words = _LETTERS.findall(unicodedata.normalize("NFC", text).lower())
    joined = f"_{'_'.join(words)}_"
    trigrams, by_word = _weights()
    scores = dict.fromkeys(TRIGRAMS, 0.0)
    for place in range(len(joined) - 2):
        for language, weight in trigrams.get(joined[place : place + 3], ()):
            scores[language] += weight
    for word in words:
        for language, weight in by_word.get(word, ()):
            scores[language] += weight
    if not joined.isascii():
        counts = Counter(c for c in joined if c > "\x7f")
        for language, letters in _OWN_LETTERS.items():
            own = sum(counts[c] for c in letters)
            scores[language] += _FOREIGN_LETTER * (counts.total() - own)
    (best, first), (_, second) = sorted(scores.items(), key=lambda kv: kv[1], reverse=True)[:2]
    if first <= 0:
        return Guess(None, 0.0)
    return Guess(best, min(1.0, (first - second) / first))


_Weights = dict[str, tuple[tuple[str, float], ...]]


@cache
def _weights() -> tuple[_Weights, _Weights]:
    """Return what each trigram and each stop word says for which languages.

    The more frequent it is in a language and the fewer languages have it, the more it says.
    """
    ranks: dict[str, dict[str, float]] = {}
    for language, trigrams in TRIGRAMS.items():
        listed = trigrams.split()
        for rank, trigram in enumerate(listed):
            weight = math.log((len(listed) + 50) / (rank + 10))
            ranks.setdefault(trigram, {})[language] = weight
    holders: dict[str, dict[str, float]] = {}
    for name in STOP_WORD_LISTS:
        if name.strip("_") in TRIGRAMS:
            for word in stop_words(name):
                holders.setdefault(word, {})[name.strip("_")] = _STOP_WORD
    return _by_rarity(ranks), _by_rarity(holders)


def _by_rarity(weights: dict[str, dict[str, float]]) -> _Weights:
    made: _Weights = {}
    for key, by_language in weights.items():
        rarity = math.log(len(TRIGRAMS) / len(by_language) + 0.3)
        made[key] = tuple((language, w * rarity) for language, w in by_language.items())
    return made
