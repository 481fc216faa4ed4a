"""Which analyzer does a name or a dictionary of parameters mean?

The parameters are Milvus' ``analyzer_params``: ``{"tokenizer": ..., "filter": [...]}`` for a chain,
``{"type": "english"}`` for a built-in one. ``build_analyzer`` and ``Analyzer.to_params`` are each
other's inverse.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping

from elanus.analysis.analyzer import Analyzer
from elanus.analysis.token_filters import (
    STEMMER_LANGUAGES,
    AsciiFoldingFilter,
    LengthFilter,
    LowercaseFilter,
    PossessiveFilter,
    StemmerFilter,
    StopFilter,
    TokenFilter,
)
from elanus.analysis.tokenizers import TOKENIZERS
from elanus.errors import SchemaError

AnalyzerParams = Mapping[str, object]


def build_analyzer(spec: str | AnalyzerParams) -> Analyzer:
    """Return the analyzer that a name or parameters describe.

    Args:
        spec: ``"standard"`` or ``"english"``; or ``{"type": name}`` with an optional
            ``stop_words`` list; or ``{"tokenizer": name, "filter": [...]}`` whose filters are
            names or dicts with a ``type``.

    Raises:
        SchemaError: A name is unknown, or a parameter is missing, unknown or of the wrong type.
    """
    if isinstance(spec, str):
        spec = {"type": spec}
    if not isinstance(spec, Mapping):
        raise SchemaError(f"analyzer: expected a name or a dict, got {type(spec).__name__}")
    if "type" in spec:
        return _built_in(spec)
    _check_keys("analyzer", spec, {"tokenizer", "filter"})
    if "tokenizer" not in spec:
        raise SchemaError(
            "analyzer: expected 'type' or 'tokenizer', for example "
            '{"tokenizer": "standard", "filter": ["lowercase"]} or {"type": "english"}'
        )
    tokenizer = _choice("analyzer: tokenizer", spec["tokenizer"], TOKENIZERS)
    filters = _sequence("analyzer: filter", spec.get("filter", []))
    return Analyzer(TOKENIZERS[tokenizer](), [_build_filter(f) for f in filters])


def _built_in(spec: AnalyzerParams) -> Analyzer:
    name = _choice("analyzer", spec["type"], BUILT_IN_ANALYZERS)
    _check_keys(f"analyzer {name!r}", spec, {"type", "stop_words"})
    stop_words = None
    if "stop_words" in spec:
        stop_words = _strings(f"analyzer {name!r}: stop_words", spec["stop_words"])
    filters = BUILT_IN_ANALYZERS[name](stop_words)
    return Analyzer(TOKENIZERS["standard"](), filters, params={**spec, "type": name})


def _standard_filters(stop_words: list[str] | None) -> list[TokenFilter]:
    filters: list[TokenFilter] = [LowercaseFilter()]
    if stop_words is not None:
        filters.append(StopFilter(stop_words))
    return filters


def _english_filters(stop_words: list[str] | None) -> list[TokenFilter]:
    words = ["_english_"] if stop_words is None else stop_words
    return [PossessiveFilter(), LowercaseFilter(), StopFilter(words), StemmerFilter("english")]


BUILT_IN_ANALYZERS: dict[str, Callable[[list[str] | None], list[TokenFilter]]] = {
    "standard": _standard_filters,
    "english": _english_filters,
}
"""Filters of each built-in analyzer, given its stop words or None for the default."""


def _build_filter(spec: object) -> TokenFilter:
    params: AnalyzerParams = {"type": spec} if isinstance(spec, str) else _filter_params(spec)
    name = _choice("analyzer: filter", params["type"], FILTERS)
    return FILTERS[name](params)


def _filter_params(spec: object) -> AnalyzerParams:
    if not isinstance(spec, Mapping) or "type" not in spec:
        raise SchemaError(f"analyzer: filter: expected a name or a dict with 'type', got {spec!r}")
    return spec


def _build_stop(params: AnalyzerParams) -> TokenFilter:
    _check_keys("stop", params, {"type", "stop_words"})
    return StopFilter(_strings("stop: stop_words", params.get("stop_words", ["_english_"])))


def _build_stemmer(params: AnalyzerParams) -> TokenFilter:
    _check_keys("stemmer", params, {"type", "language"})
    if "language" not in params:
        raise SchemaError(
            'stemmer: expected a language: {"type": "stemmer", "language": "english"}'
        )
    return StemmerFilter(_choice("stemmer: language", params["language"], STEMMER_LANGUAGES))


def _build_length(params: AnalyzerParams) -> TokenFilter:
    _check_keys("length", params, {"type", "min", "max"})
    limits = {key: params[key] for key in ("min", "max") if key in params}
    if not limits:
        raise SchemaError('length: expected min or max, as in {"type": "length", "max": 40}')
    for key, value in limits.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise SchemaError(f"length: {key}: expected an integer, got {value!r}")
    minimum, maximum = limits.get("min", 0), limits.get("max")
    return LengthFilter(int(str(minimum)), None if maximum is None else int(str(maximum)))


def _without_settings(make: Callable[[], TokenFilter]) -> Callable[[AnalyzerParams], TokenFilter]:
    def build(params: AnalyzerParams) -> TokenFilter:
        _check_keys(str(params["type"]), params, {"type"})
        return make()

    return build


FILTERS: dict[str, Callable[[AnalyzerParams], TokenFilter]] = {
    "lowercase": _without_settings(LowercaseFilter),
    "possessive": _without_settings(PossessiveFilter),
    "asciifolding": _without_settings(AsciiFoldingFilter),
    "stop": _build_stop,
    "stemmer": _build_stemmer,
    "length": _build_length,
}
"""How to build each token filter from its parameters."""


def _choice(what: str, value: object, names: Collection[str]) -> str:
    if isinstance(value, str) and value in names:
        return value
    if not isinstance(value, str):
        raise SchemaError(f"{what}: expected a name, got {value!r}")
    near = difflib.get_close_matches(value.lower(), names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known names are {', '.join(sorted(names))}"
    raise SchemaError(f"{what}: unknown name {value!r}; {hint}")


def _check_keys(what: str, params: AnalyzerParams, allowed: Collection[str]) -> None:
    for key in params:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected {sorted(allowed)}"
            raise SchemaError(f"{what}: unknown parameter {key!r}; {hint}")


def _sequence(what: str, value: object) -> list[object]:
    if not isinstance(value, list | tuple):
        raise SchemaError(f"{what}: expected a list, got {value!r}")
    return list(value)


def _strings(what: str, value: object) -> list[str]:
    items = _sequence(what, value)
    for item in items:
        if not isinstance(item, str):
            raise SchemaError(f"{what}: expected strings, got {item!r}")
    return [str(item) for item in items]
