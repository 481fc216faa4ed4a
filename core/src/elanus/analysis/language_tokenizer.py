"""How is each text analyzed in its own language, without being told which it is?"""

from __future__ import annotations

from collections.abc import Mapping

from elanus.analysis.analyzer import Analyzer
from elanus.analysis.languages import detect_language, language_of_name
from elanus.analysis.plugin_parts import AnalyzerPlugin
from elanus.analysis.tokenizers import Span

DEFAULT = "default"
"""The analyzer of texts in no language that has one."""


class LanguageTokenizer:
    """Hands each text to the analyzer of the language that it is written in.

    Attributes:
        params: What it was built from, in Milvus' form.

    Args:
        analyzers: Analyzer by name; one of them is ``default``.
        mapping: Name of an analyzer by language. Languages that it lacks are names themselves.
            Languages and names of analyzers may be names or codes (``english``, ``en``, ``eng``).
        confidence: Guesses that are not surer than this are of no language.
        params: What ``to_params`` returns.
    """

    name = "language_identifier"

    def __init__(
        self,
        analyzers: Mapping[str, Analyzer],
        mapping: Mapping[str, str],
        confidence: float,
        params: dict[str, object],
    ) -> None:
        self._default = analyzers[DEFAULT]
        self._confidence = confidence
        self._params = params
        named = {**{name: name for name in analyzers}, **mapping}
        self._by_language = {
            language: analyzers[name]
            for key, name in named.items()
            if (language := language_of_name(key)) is not None
        }

    @property
    def runs_plugins(self) -> bool:
        """Whether code of others takes part in one of the analyzers."""
        return any(one.runs_plugins for one in (self._default, *self._by_language.values()))

    @property
    def plugins(self) -> tuple[AnalyzerPlugin, ...]:
        """What others made of the analyzers."""
        parts = (self._default, *self._by_language.values())
        return tuple(dict.fromkeys(plugin for part in parts for plugin in part.plugins))

    def split(self, text: str) -> list[str]:
        return self._analyzer(text).tokens(text)

    def spans(self, text: str) -> list[Span]:
        return self._analyzer(text).spans(text)

    def pieces(self, text: str) -> list[str]:
        # The language is that of the whole text.
        return [text]

    def to_params(self) -> str | dict[str, object]:
        return dict(self._params)

    def _analyzer(self, text: str) -> Analyzer:
        language, confidence = detect_language(text)
        if language is None or confidence <= self._confidence:
            return self._default
        return self._by_language.get(language, self._default)
