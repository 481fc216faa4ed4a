"""How does a raw token become a term?

A token filter takes one token and returns another, or None to drop it. Filters look at nothing but
the token, so ``Analyzer`` runs a chain once for each distinct token and keeps the answer.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Protocol

import Stemmer

from elanus.errors import SchemaError
from elanus.kernels.text import NativeFilter

ENGLISH_STOP_WORDS = frozenset(
    """
    a an and are as at be but by for if in into is it no not of on or such that the their then
    there these they this to was will with
    """.split()  # noqa: SIM905 - one line per word would say no more
)
"""The 33 words of Lucene's ``EnglishAnalyzer.ENGLISH_STOP_WORDS_SET``."""

STOP_WORD_LISTS: dict[str, frozenset[str]] = {"_english_": ENGLISH_STOP_WORDS}
"""Named lists that ``stop_words`` may hold."""

STEMMER_LANGUAGES: tuple[str, ...] = tuple(sorted(Stemmer.algorithms()))
"""Languages that Snowball has a stemmer for."""

Params = Mapping[str, object]


class TokenFilter(Protocol):
    """Changes or drops one token."""

    def apply(self, token: str) -> str | None:
        """Return the token to go on with, or None to drop it. Safe from many threads at once."""

    def to_params(self) -> str | dict[str, object]:
        """Return the filter in Milvus' form: its name, or a dict with ``type`` and settings."""


class LowercaseFilter:
    """Lower-cases by Unicode's rules."""

    def apply(self, token: str) -> str | None:
        lowered = token.lower()
        # Python writes the lower case of the dotted capital I as i and a combining dot.
        return lowered if lowered.isascii() else lowered.replace("i\u0307", "i")

    def to_params(self) -> str | dict[str, object]:
        return "lowercase"


class PossessiveFilter:
    """Takes ``'s`` off the end of English words."""

    def apply(self, token: str) -> str | None:
        if token[-2:-1] in ("'", "\u2019", "\uff07") and token[-1] in "sS":
            # A bare 's, as in a quotation, leaves nothing.
            return token[:-2] or None
        return token

    def to_params(self) -> str | dict[str, object]:
        return "possessive"


class StopFilter:
    """Drops the words of a list.

    Attributes:
        stop_words: Words, and names of lists such as ``_english_``. They match as written, so the
            filter stands after ``lowercase``.
    """

    def __init__(self, stop_words: Iterable[str] = ("_english_",)) -> None:
        self.stop_words = tuple(stop_words)
        words: set[str] = set()
        for word in self.stop_words:
            if len(word) > 2 and word.startswith("_") and word.endswith("_"):
                if word not in STOP_WORD_LISTS:
                    known = ", ".join(sorted(STOP_WORD_LISTS))
                    raise SchemaError(f"stop: no list of stop words {word!r}; lists are {known}")
                words |= STOP_WORD_LISTS[word]
            else:
                words.add(word)
        self._words = frozenset(words)

    @property
    def ascii_words(self) -> tuple[str, ...]:
        """The words that are dropped, as far as they are ASCII."""
        return tuple(sorted(filter(str.isascii, self._words)))

    def apply(self, token: str) -> str | None:
        return None if token in self._words else token

    def to_params(self) -> str | dict[str, object]:
        return {"type": "stop", "stop_words": list(self.stop_words)}


class StemmerFilter:
    """Cuts words to their stem with Snowball; ``english`` is Porter2.

    Attributes:
        language: One of ``STEMMER_LANGUAGES``.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        # A Snowball stemmer holds the word that it works on, so every thread has its own.
        self._local = threading.local()

    def apply(self, token: str) -> str | None:
        return str(self._stemmer().stemWord(token)) or None

    def apply_all(self, tokens: list[str]) -> list[str | None]:
        """Return what ``apply`` returns for each token."""
        stems: list[str] = self._stemmer().stemWords(tokens)
        return [stem or None for stem in stems]

    def _stemmer(self) -> Stemmer.Stemmer:
        stemmer = getattr(self._local, "stemmer", None)
        if stemmer is None:
            # The analyzer keeps answers itself; a second cache would only cost memory.
            stemmer = self._local.stemmer = Stemmer.Stemmer(self.language, 0)
        return stemmer

    def to_params(self) -> str | dict[str, object]:
        return {"type": "stemmer", "language": self.language}


class AsciiFoldingFilter:
    """Replaces Latin letters with diacritics, and ligatures, by ASCII: ``Ærø`` to ``AEro``.

    Marks go from Latin letters only: taken off other scripts they would make other letters.
    """

    def apply(self, token: str) -> str | None:
        if token.isascii():
            return token
        folded: list[str] = []
        base_is_latin = False
        for char in unicodedata.normalize("NFKD", token).translate(_FOLDED):
            if unicodedata.combining(char) and base_is_latin:
                continue
            base_is_latin = char.isascii()
            folded.append(char)
        return unicodedata.normalize("NFC", "".join(folded)) or None

    def to_params(self) -> str | dict[str, object]:
        return "asciifolding"


class LengthFilter:
    """Drops tokens that are too short or too long.

    Attributes:
        min: Fewest characters a token may have.
        max: Most characters a token may have, or None for no limit.
    """

    def __init__(self, min_length: int = 0, max_length: int | None = None) -> None:
        if min_length < 0 or (max_length is not None and max_length < max(min_length, 1)):
            raise SchemaError(
                "length: expected 0 <= min <= max and max at least 1, "
                f"got min {min_length} and max {max_length}"
            )
        self.min = min_length
        self.max = max_length

    def apply(self, token: str) -> str | None:
        if len(token) < self.min or (self.max is not None and len(token) > self.max):
            return None
        return token

    def to_params(self) -> str | dict[str, object]:
        params: dict[str, object] = {"type": "length"}
        if self.min:
            params["min"] = self.min
        if self.max is not None:
            params["max"] = self.max
        return params


def apply_to_all(token_filter: TokenFilter, tokens: list[str | None]) -> list[str | None]:
    """Return what the filter makes of each token; what was dropped before stays dropped."""
    if type(token_filter) is StemmerFilter and None not in tokens:
        return token_filter.apply_all(tokens)  # type: ignore[arg-type]
    return [token_filter.apply(token) if token else None for token in tokens]


def native_filter(token_filter: TokenFilter) -> list[NativeFilter] | None:
    """Return the native filters that do the same to words of ASCII; None if there are none."""
    if type(token_filter) is LowercaseFilter:
        return [NativeFilter("lowercase")]
    if type(token_filter) is PossessiveFilter:
        return [NativeFilter("possessive")]
    if type(token_filter) is StopFilter:
        return [NativeFilter("stop", words=token_filter.ascii_words)]
    if type(token_filter) is LengthFilter:
        return [NativeFilter("length", min=token_filter.min, max=token_filter.max)]
    # Folding leaves ASCII as it is.
    return [] if type(token_filter) is AsciiFoldingFilter else None


# Latin letters that Unicode does not decompose into a base and a mark, or into two letters.
_FOLDED = str.maketrans(
    {
        "\u00c6": "AE", "\u00e6": "ae", "\u0152": "OE", "\u0153": "oe",
        "\u00d8": "O", "\u00f8": "o", "\u00d0": "D", "\u00f0": "d", "\u0110": "D", "\u0111": "d",
        "\u00de": "TH", "\u00fe": "th", "\u00df": "ss", "\u1e9e": "SS", "\u0141": "L",
        "\u0142": "l", "\u0126": "H", "\u0127": "h", "\u0131": "i", "\u0138": "q", "\u014a": "N",
        "\u014b": "n", "\u0166": "T", "\u0167": "t", "\u0180": "b", "\u0188": "c", "\u018f": "E",
        "\u0192": "f", "\u0197": "I", "\u0268": "i", "\u0199": "k", "\u019a": "l", "\u01b6": "z",
        "\u0259": "e", "\u0289": "u", "\u2018": "'", "\u2019": "'",
    }
)  # fmt: skip
