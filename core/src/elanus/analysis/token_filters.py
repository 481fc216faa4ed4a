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

from elanus.analysis.stop_lists import STOP_WORD_LISTS, stop_words
from elanus.errors import SchemaError
from elanus.kernels.text import NativeFilter

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
        stop_words: Words, and names of lists such as ``_english_`` (``stop_lists.py`` has all of
            them). They match as written, so the filter stands after ``lowercase``.
    """

    def __init__(self, words: Iterable[str] = ("_english_",)) -> None:
        self.stop_words = tuple(words)
        dropped: set[str] = set()
        for word in self.stop_words:
            if len(word) > 2 and word.startswith("_") and word.endswith("_"):
                if word not in STOP_WORD_LISTS:
                    known = ", ".join(STOP_WORD_LISTS)
                    raise SchemaError(f"stop: no list of stop words {word!r}; lists are {known}")
                dropped |= stop_words(word)
            else:
                dropped.add(word)
        self._words = frozenset(dropped)

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
        try:
            return str(self._stemmer().stemWord(token)) or None
        except UnicodeEncodeError:
            # Half of a surrogate pair stands in it: this is no word of any language.
            return token

    def apply_all(self, tokens: list[str]) -> list[str | None]:
        """Return what ``apply`` returns for each token."""
        try:
            stems: list[str] = self._stemmer().stemWords(tokens)
        except UnicodeEncodeError:
            return list(map(self.apply, tokens))
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


class DecimalDigitFilter:
    """Writes the decimal digits of every script as ``0`` to ``9``."""

    def apply(self, token: str) -> str | None:
        if token.isascii():
            return token
        return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in token)

    def to_params(self) -> str | dict[str, object]:
        return "decimaldigit"


class ArabicNormalizationFilter:
    """Writes Arabic words in one way, whichever of several the text uses.

    Alef with madda or hamza becomes bare alef, teh marbuta heh and alef maksura yeh; harakat
    (U+064B to U+065F) and tatweel go.

    Source: Lucene's ``ArabicNormalizer``.
    """

    def apply(self, token: str) -> str | None:
        return token if token.isascii() else token.translate(_ARABIC) or None

    def to_params(self) -> str | dict[str, object]:
        return "arabic_normalization"


_ARABIC = {
    **dict.fromkeys((0x622, 0x623, 0x625), 0x627),
    0x629: 0x647,
    0x649: 0x64A,
    0x640: None,
    **dict.fromkeys(range(0x64B, 0x660), None),
}


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
    # These leave ASCII as it is.
    unchanged = (AsciiFoldingFilter, DecimalDigitFilter, ArabicNormalizationFilter)
    return [] if type(token_filter) in unchanged else None


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
