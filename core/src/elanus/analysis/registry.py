"""Which analyzer does a name or a dictionary of parameters mean?

The parameters are Milvus' ``analyzer_params``: ``{"tokenizer": ..., "filter": [...]}`` for a chain,
``{"type": "english"}`` for a built-in one. ``build_analyzer`` and ``Analyzer.to_params`` are each
other's inverse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from elanus.analysis.analyzer import Analyzer
from elanus.analysis.chains import AnyFilter
from elanus.analysis.filter_registry import build_filter, stop_word_list
from elanus.analysis.language_tokenizer import DEFAULT, LanguageTokenizer
from elanus.analysis.languages import LANGUAGES, language_of_name
from elanus.analysis.params import (
    AnalyzerParams,
    boolean,
    check_keys,
    choice,
    mapping,
    sequence,
    strings,
    typed,
)
from elanus.analysis.plugin_parts import plugin_analyzer, plugin_tokenizer
from elanus.analysis.segmenters import (
    JIEBA_MODES,
    LINDERA_DICTIONARIES,
    IcuTokenizer,
    JiebaTokenizer,
    LinderaTokenizer,
    ThaiTokenizer,
)
from elanus.analysis.tokenizers import StandardTokenizer, Tokenizer, WhitespaceTokenizer
from elanus.errors import SchemaError


def build_analyzer(spec: str | AnalyzerParams) -> Analyzer:
    """Return the analyzer that a name or parameters describe.

    Args:
        spec: Name of a built-in analyzer (``standard``, ``english``, ``chinese``, ``arabic``,
            ``thai``); or ``{"type": name}`` with optional ``stop_words``, and for ``chinese`` and
            ``thai`` a ``tokenizer``; or ``{"tokenizer": ..., "filter": [...]}`` whose tokenizer and
            filters are names or dicts with a ``type``. Each of the names may be that of a plug-in
            (group ``elanus.analyzers``), whose settings stand beside ``type``.

    Raises:
        AnalyzerNotFoundError: Nothing has this name, and no plug-in.
        SchemaError: A parameter is missing, unknown or of the wrong type.
        PluginNotInstalledError: A tokenizer or filter needs a package that is not installed.
        PluginError: A plug-in cannot be made.
    """
    if isinstance(spec, str):
        spec = {"type": spec}
    if not isinstance(spec, Mapping):
        raise SchemaError(f"analyzer: expected a name or a dict, got {type(spec).__name__}")
    if "type" in spec:
        return _built_in(spec)
    check_keys("analyzer", spec, {"tokenizer", "filter"})
    if "tokenizer" not in spec:
        raise SchemaError(
            "analyzer: expected 'type' or 'tokenizer', for example "
            '{"tokenizer": "standard", "filter": ["lowercase"]} or {"type": "english"}'
        )
    return Analyzer(*_chain(spec))


@dataclass(frozen=True, slots=True)
class _BuiltIn:
    """A built-in analyzer.

    Attributes:
        filters: Its filters, where ``stop`` stands for that of its stop words.
        stop_words: Those it has when none are given; None: it drops none.
        tokenizers: Names of tokenizers it can have, its own first.
        of_words: Whether the stop words are for the other tokenizers only, whose tokens are words.
    """

    filters: tuple[str | AnalyzerParams, ...]
    stop_words: str | None = None
    tokenizers: tuple[str, ...] = ("standard",)
    of_words: bool = False


BUILT_IN_ANALYZERS: dict[str, _BuiltIn] = {
    "standard": _BuiltIn(("lowercase", "stop")),
    "english": _BuiltIn(
        ("possessive", "lowercase", "stop", {"type": "stemmer", "language": "english"}),
        "_english_",
    ),
    "chinese": _BuiltIn(
        ("lowercase", "cnalphanumonly", "stop"), tokenizers=("standard", "jieba", "icu")
    ),
    "arabic": _BuiltIn(
        (
            "lowercase",
            "decimaldigit",
            "stop",
            "arabic_normalization",
            {"type": "stemmer", "language": "arabic"},
        ),
        "_arabic_",
    ),
    "thai": _BuiltIn(
        ("lowercase", "decimaldigit", "removepunct", "stop"),
        "_thai_",
        tokenizers=("thai", "icu"),
        of_words=True,
    ),
}
"""Built-in analyzers by name."""


def _built_in(spec: AnalyzerParams) -> Analyzer:
    name = str(spec["type"])
    plan = BUILT_IN_ANALYZERS.get(name)
    if plan is None:
        return _of_plugin(spec)
    others = {"tokenizer"} if len(plan.tokenizers) > 1 else set()
    check_keys(f"analyzer {name!r}", spec, {"type", "stop_words"} | others)
    tokenizer = spec.get("tokenizer", plan.tokenizers[0])
    kind = choice(
        f"analyzer {name!r}: tokenizer",
        typed(f"analyzer {name!r}: tokenizer", tokenizer)["type"],
        plan.tokenizers,
    )
    stop_words = [plan.stop_words] if plan.stop_words else None
    if plan.of_words and kind == plan.tokenizers[0]:
        stop_words = None
    if "stop_words" in spec:
        stop_words = stop_word_list(f"analyzer {name!r}: stop_words", spec["stop_words"])
    filters: list[AnyFilter] = []
    for part in plan.filters:
        if part != "stop":
            filters.append(build_filter(part))
        elif stop_words is not None:
            filters.append(build_filter({"type": "stop", "stop_words": stop_words}))
    return Analyzer(build_tokenizer(tokenizer), filters, params={**spec, "type": name})


def _of_plugin(spec: AnalyzerParams) -> Analyzer:
    made = plugin_analyzer(spec, BUILT_IN_ANALYZERS)
    if not isinstance(made, tuple):
        return Analyzer(made, (), params=dict(spec))
    stands_for, plugin = made
    tokenizer, filters = _chain(stands_for)
    return Analyzer(tokenizer, filters, params=dict(spec), plugins=(plugin,))


def _chain(spec: AnalyzerParams) -> tuple[Tokenizer, list[AnyFilter]]:
    check_keys("analyzer", spec, {"tokenizer", "filter"})
    filters = sequence("analyzer: filter", spec.get("filter", []))
    return build_tokenizer(spec["tokenizer"]), [build_filter(f) for f in filters]


def build_tokenizer(spec: object) -> Tokenizer:
    """Return the tokenizer that a name, or a dict with ``type`` and settings, describes.

    Raises:
        AnalyzerNotFoundError: There is no such tokenizer, and no plug-in of that name.
        SchemaError: A parameter is missing, unknown or of the wrong type.
        PluginNotInstalledError: The tokenizer needs a package that is not installed.
        PluginError: A plug-in cannot be made.
    """
    params = typed("analyzer: tokenizer", spec)
    build = TOKENIZERS.get(str(params["type"]))
    return plugin_tokenizer(params, TOKENIZERS) if build is None else build(params)


def _without_settings(make: Callable[[], Tokenizer]) -> Callable[[AnalyzerParams], Tokenizer]:
    def build(params: AnalyzerParams) -> Tokenizer:
        check_keys(f"tokenizer {params['type']!r}", params, {"type"})
        return make()

    return build


def _build_jieba(params: AnalyzerParams) -> Tokenizer:
    check_keys("jieba", params, {"type", "dict", "mode", "hmm"})
    words = strings("jieba: dict", params["dict"]) if "dict" in params else None
    mode = choice("jieba: mode", params.get("mode", "search"), JIEBA_MODES)
    return JiebaTokenizer(words, mode, boolean("jieba: hmm", params.get("hmm", True)))


def _build_lindera(params: AnalyzerParams) -> Tokenizer:
    check_keys("lindera", params, {"type", "dict_kind"})
    kind = choice("lindera: dict_kind", params.get("dict_kind"), LINDERA_DICTIONARIES)
    return LinderaTokenizer(kind)


def _build_language_identifier(params: AnalyzerParams) -> Tokenizer:
    what = "language_identifier"
    check_keys(what, params, {"type", "analyzers", "mapping", "identifier"})
    specs = mapping(f"{what}: analyzers", params.get("analyzers", {}))
    if DEFAULT not in specs:
        raise SchemaError(
            f"{what}: analyzers: expected one named 'default', for texts in other languages"
        )
    analyzers = {}
    for name, spec in specs.items():
        if isinstance(spec, Mapping) and _is_language_identifier(spec.get("tokenizer")):
            raise SchemaError(f"{what}: analyzers: {name!r} identifies languages itself")
        analyzers[name] = build_analyzer(spec)  # type: ignore[arg-type]
    names = mapping(f"{what}: mapping", params.get("mapping", {}))
    chosen = {lang: choice(f"{what}: mapping", name, analyzers) for lang, name in names.items()}
    for language in chosen:
        if language_of_name(language) is None:
            raise SchemaError(
                f"{what}: mapping: unknown language {language!r}; known are "
                f"{', '.join(LANGUAGES)}, and their codes"
            )
    confidence = _confidence(params.get("identifier", "whatlang"))
    return LanguageTokenizer(analyzers, chosen, confidence, dict(params))


def _is_language_identifier(tokenizer: object) -> bool:
    kind = tokenizer.get("type") if isinstance(tokenizer, Mapping) else tokenizer
    return kind == LanguageTokenizer.name


def _confidence(identifier: object) -> float:
    what = "language_identifier: identifier"
    params = typed(what, identifier)
    if params["type"] == "lingua":
        raise SchemaError(
            f"{what}: 'lingua' is not part of elanus: its models take 1.3 GB of memory; use "
            f"'whatlang', which tells {len(LANGUAGES)} languages apart"
        )
    choice(what, params["type"], ("whatlang",))
    check_keys(what, params, {"type", "confidence"})
    confidence = params.get("confidence", 0.0)
    if not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise SchemaError(f"{what}: confidence: expected a number from 0 to 1, got {confidence!r}")
    return float(confidence)


TOKENIZERS: dict[str, Callable[[AnalyzerParams], Tokenizer]] = {
    "standard": _without_settings(StandardTokenizer),
    "whitespace": _without_settings(WhitespaceTokenizer),
    "jieba": _build_jieba,
    "icu": _without_settings(IcuTokenizer),
    "lindera": _build_lindera,
    "thai": _without_settings(ThaiTokenizer),
    "language_identifier": _build_language_identifier,
}
"""How to build each tokenizer from its parameters."""
