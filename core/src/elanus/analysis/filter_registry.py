"""Which token filter does a name or a dictionary of parameters mean?"""

from __future__ import annotations

from collections.abc import Callable

from elanus.analysis.chains import AnyFilter
from elanus.analysis.expanding_filters import DecompounderFilter, PinyinFilter, SynonymFilter
from elanus.analysis.params import (
    AnalyzerParams,
    boolean,
    check_keys,
    choice,
    string,
    strings,
    typed,
)
from elanus.analysis.plugin_parts import plugin_filter
from elanus.analysis.selecting_filters import (
    AlphaNumOnlyFilter,
    CnAlphaNumOnlyFilter,
    CnCharOnlyFilter,
    RegexFilter,
    RemovePunctFilter,
)
from elanus.analysis.token_filters import (
    STEMMER_LANGUAGES,
    ArabicNormalizationFilter,
    AsciiFoldingFilter,
    DecimalDigitFilter,
    LengthFilter,
    LowercaseFilter,
    PossessiveFilter,
    StemmerFilter,
    StopFilter,
)
from elanus.errors import SchemaError


def build_filter(spec: object) -> AnyFilter:
    """Return the filter that a name, or a dict with ``type`` and settings, describes.

    Raises:
        AnalyzerNotFoundError: There is no such filter, and no plug-in of that name.
        SchemaError: A parameter is missing, unknown or of the wrong type.
        PluginNotInstalledError: The filter needs a package that is not installed.
        PluginError: A plug-in cannot be made.
    """
    params = typed("analyzer: filter", spec)
    build = FILTERS.get(str(params["type"]))
    return plugin_filter(params, FILTERS) if build is None else build(params)


def stop_word_list(what: str, value: object) -> list[str]:
    """Return stop words, given as a list or as the name of a list, such as ``_english_``."""
    is_name = isinstance(value, str) and len(value) > 2 and value[0] == value[-1] == "_"
    return strings(what, [value] if is_name else value)


def _build_stop(params: AnalyzerParams) -> AnyFilter:
    check_keys("stop", params, {"type", "stop_words"})
    return StopFilter(stop_word_list("stop: stop_words", params.get("stop_words", "_english_")))


def _build_stemmer(params: AnalyzerParams) -> AnyFilter:
    check_keys("stemmer", params, {"type", "language"})
    if "language" not in params:
        raise SchemaError(
            'stemmer: expected a language: {"type": "stemmer", "language": "english"}'
        )
    return StemmerFilter(choice("stemmer: language", params["language"], STEMMER_LANGUAGES))


def _build_length(params: AnalyzerParams) -> AnyFilter:
    check_keys("length", params, {"type", "min", "max"})
    limits = {key: params[key] for key in ("min", "max") if key in params}
    if not limits:
        raise SchemaError('length: expected min or max, as in {"type": "length", "max": 40}')
    for key, value in limits.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise SchemaError(f"length: {key}: expected an integer, got {value!r}")
    minimum, maximum = limits.get("min", 0), limits.get("max")
    return LengthFilter(int(str(minimum)), None if maximum is None else int(str(maximum)))


def _build_regex(params: AnalyzerParams) -> AnyFilter:
    check_keys("regex", params, {"type", "expr"})
    if "expr" not in params:
        raise SchemaError('regex: expected an expr: {"type": "regex", "expr": "^[a-z]+$"}')
    return RegexFilter(string("regex: expr", params["expr"]))


def _build_decompounder(params: AnalyzerParams) -> AnyFilter:
    check_keys("decompounder", params, {"type", "word_list"})
    return DecompounderFilter(strings("decompounder: word_list", params.get("word_list", [])))


def _build_synonym(params: AnalyzerParams) -> AnyFilter:
    check_keys("synonym", params, {"type", "synonyms", "expand"})
    synonyms = strings("synonym: synonyms", params.get("synonyms", []))
    if not synonyms:
        raise SchemaError(
            'synonym: expected synonyms: {"type": "synonym", "synonyms": ["car, automobile"]}'
        )
    return SynonymFilter(synonyms, boolean("synonym: expand", params.get("expand", True)))


def _build_pinyin(params: AnalyzerParams) -> AnyFilter:
    check_keys("pinyin", params, {"type", *PinyinFilter.DEFAULTS})
    given = {k: boolean(f"pinyin: {k}", v) for k, v in params.items() if k != "type"}
    return PinyinFilter(given)


def _without_settings(make: Callable[[], AnyFilter]) -> Callable[[AnalyzerParams], AnyFilter]:
    def build(params: AnalyzerParams) -> AnyFilter:
        check_keys(str(params["type"]), params, {"type"})
        return make()

    return build


FILTERS: dict[str, Callable[[AnalyzerParams], AnyFilter]] = {
    "lowercase": _without_settings(LowercaseFilter),
    "possessive": _without_settings(PossessiveFilter),
    "asciifolding": _without_settings(AsciiFoldingFilter),
    "decimaldigit": _without_settings(DecimalDigitFilter),
    "arabic_normalization": _without_settings(ArabicNormalizationFilter),
    "alphanumonly": _without_settings(AlphaNumOnlyFilter),
    "cnalphanumonly": _without_settings(CnAlphaNumOnlyFilter),
    "cncharonly": _without_settings(CnCharOnlyFilter),
    "removepunct": _without_settings(RemovePunctFilter),
    "stop": _build_stop,
    "stemmer": _build_stemmer,
    "length": _build_length,
    "regex": _build_regex,
    "decompounder": _build_decompounder,
    "synonym": _build_synonym,
    "pinyin": _build_pinyin,
}
"""How to build each token filter from its parameters."""
