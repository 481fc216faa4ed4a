"""How do plug-ins of others take part in an analyzer?

What they return is checked before a term of it is stored, and what they raise becomes a
``PluginError`` that names the plug-in: their code is not ours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from elanus.analysis.params import AnalyzerParams, unknown_name
from elanus.analysis.tokenizers import MAX_TOKEN_LENGTH, Span
from elanus.errors import (
    AnalyzerNotFoundError,
    ElanusError,
    InvalidArgumentError,
    PluginError,
    PluginNotInstalledError,
    SchemaError,
)
from elanus.plugins.registry import analyzer_origin, installed_analyzers, make_analysis

_TOKEN_LENGTHS: Final = (3, 4)


class AnalyzerPlugin(NamedTuple):
    """A plug-in that takes part in an analyzer.

    Attributes:
        name: Its name in the group ``elanus.analyzers``.
        distribution: What declares it.
        version: Version of that.
        fingerprint: What it says of the terms that it makes; "" when it says nothing.
    """

    name: str
    distribution: str
    version: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.name!r} ({self.distribution} {self.version})"


class PluginTokenizer:
    """A tokenizer, or a whole analyzer, of a plug-in.

    Args:
        params: Its name as ``type``, and its settings.
        run: Returns the tokens of a text (``plugins.texts.TextToken``).
        plugin: Which one it is.
    """

    runs_plugins = True

    def __init__(
        self,
        params: AnalyzerParams,
        run: Callable[[str], Iterable[object]],
        plugin: AnalyzerPlugin,
    ) -> None:
        self.name = plugin.name
        self.plugins = (plugin,)
        self._params = dict(params)
        self._run = run

    def split(self, text: str) -> list[str]:
        return [span.token for span in self.spans(text)]

    def spans(self, text: str) -> list[Span]:
        try:
            return self._checked(text, self._run(text))
        except ElanusError:
            raise
        except Exception as error:
            raise _failed(self.name, text, error) from error

    def pieces(self, text: str) -> list[str]:
        # Where its tokens end for certain is its own knowledge.
        return [text]

    def to_params(self) -> str | dict[str, object]:
        return dict(self._params)

    def _checked(self, text: str, made: Iterable[object]) -> list[Span]:
        spans: list[Span] = []
        place = -1
        for token in made:
            if not isinstance(token, tuple) or len(token) not in _TOKEN_LENGTHS:
                raise self._wrong(f"expected (text, start, end, place), got {token!r}")
            word, start, end, given = token if len(token) == max(_TOKEN_LENGTHS) else (*token, None)
            if not isinstance(word, str):
                raise self._wrong(f"the text of a token is no string: {token!r}")
            if not _is_range(start, end, len(text)):
                raise self._wrong(f"{token!r} does not stand in a text of {len(text)} characters")
            following = place + 1 if given is None else given
            if not isinstance(following, int) or following < max(place, 0):
                raise self._wrong(f"the place of {token!r} lies before that of the last token")
            place = following
            if word:
                spans.append(Span(word[:MAX_TOKEN_LENGTH], start, end, place))
        return spans

    def _wrong(self, text: str) -> PluginError:
        return PluginError(f"analyzer plug-in {self.name!r}: {text}")


class _PluginPart:
    runs_plugins = True

    def __init__(
        self, params: AnalyzerParams, run: Callable[[str], object], plugin: AnalyzerPlugin
    ) -> None:
        self.plugins = (plugin,)
        self._params = dict(params)
        self._run = run

    def to_params(self) -> str | dict[str, object]:
        return dict(self._params)

    def _made(self, token: str) -> object:
        try:
            return self._run(token)
        except ElanusError:
            raise
        except Exception as error:
            raise _failed(self._params["type"], token, error) from error


class PluginFilter(_PluginPart):
    """A filter of a plug-in that changes or drops tokens."""

    def apply(self, token: str) -> str | None:
        made = self._made(token)
        if made is not None and not isinstance(made, str):
            raise PluginError(
                f"analyzer plug-in {self._params['type']!r}: expected a string or None for "
                f"{token!r}, got {made!r}"
            )
        return made[:MAX_TOKEN_LENGTH] if made else None


class PluginExpander(_PluginPart):
    """A filter of a plug-in that makes any number of terms of a token."""

    def expand(self, token: str) -> Sequence[str]:
        made = self._made(token)
        if not isinstance(made, list | tuple) or not all(isinstance(t, str) for t in made):
            raise PluginError(
                f"analyzer plug-in {self._params['type']!r}: expected a list of strings for "
                f"{token!r}, got {made!r}"
            )
        return [term[:MAX_TOKEN_LENGTH] for term in made]


def plugin_filter(
    params: AnalyzerParams, built_in: Collection[str]
) -> PluginFilter | PluginExpander:
    """Return the filter of a plug-in.

    Args:
        params: Its name as ``type``, and its settings.
        built_in: Names of filters that are no plug-ins, for a hint.

    Raises:
        AnalyzerNotFoundError: No plug-in has this name.
        SchemaError: It does not take these settings, or is no filter.
        PluginError: It cannot be made.
    """
    made = _make("filter", params, built_in)
    for method, kind in (("apply", PluginFilter), ("expand", PluginExpander)):
        run = getattr(made, method, None)
        if callable(run):
            return kind(params, run, _plugin(params, made))
    raise _of_another_kind("filter", params, made, "'apply' or 'expand'")


def plugin_tokenizer(params: AnalyzerParams, built_in: Collection[str]) -> PluginTokenizer:
    """Return the tokenizer of a plug-in; arguments and errors as for ``plugin_filter``."""
    made = _make("tokenizer", params, built_in)
    run = getattr(made, "tokenize", None)
    if not callable(run):
        raise _of_another_kind("tokenizer", params, made, "'tokenize'")
    return PluginTokenizer(params, run, _plugin(params, made))


def plugin_analyzer(
    params: AnalyzerParams, built_in: Collection[str]
) -> PluginTokenizer | tuple[Mapping[str, object], AnalyzerPlugin]:
    """Return the analyzer of a plug-in, or the parameters of a chain that it stands for.

    Arguments and errors as for ``plugin_filter``.
    """
    made = _make("analyzer", params, built_in)
    if isinstance(made, Mapping) and "tokenizer" in made:
        return made, _plugin(params, made)
    run = getattr(made, "analyze", None)
    if not callable(run):
        raise _of_another_kind("analyzer", params, made, "'analyze', or a dict with a 'tokenizer'")
    return PluginTokenizer(params, run, _plugin(params, made))


def _plugin(params: AnalyzerParams, made: object) -> AnalyzerPlugin:
    """Return which plug-in made something.

    Raises:
        SchemaError: Its fingerprint is no string.
    """
    name = str(params["type"])
    said = getattr(made, "fingerprint", "")
    if not isinstance(said, str):
        raise SchemaError(
            f"analyzer: the plug-in {name!r} has a fingerprint that is no string: {said!r}"
        )
    return AnalyzerPlugin(name, *analyzer_origin(name), said)


def _make(what: str, params: AnalyzerParams, built_in: Collection[str]) -> object:
    name = params["type"]
    if not isinstance(name, str):
        raise SchemaError(f"analyzer: {what}: expected a name, got {name!r}")
    settings = {str(key): value for key, value in params.items() if key != "type"}
    try:
        return make_analysis(name, settings)
    except PluginNotInstalledError as error:
        installed = installed_analyzers()
        said = f"analyzer: {what}: {error}"
        if name not in installed:
            said = unknown_name(f"analyzer: {what}", name, {*built_in, *installed})
            said += "; no plug-in of that name (group elanus.analyzers) is installed"
        raise AnalyzerNotFoundError(said, name=name) from error
    except SchemaError:
        raise
    except InvalidArgumentError as error:
        raise SchemaError(f"analyzer: {what}: {error}") from error


def _of_another_kind(what: str, params: AnalyzerParams, made: object, expected: str) -> SchemaError:
    return SchemaError(
        f"analyzer: {what}: the plug-in {params['type']!r} makes no {what}: "
        f"{type(made).__name__} lacks {expected}"
    )


def _failed(name: object, text: str, error: Exception) -> PluginError:
    return PluginError(
        f"analyzer plug-in {name!r} failed on {text[:80]!r}: {type(error).__name__}: {error}"
    )


def _is_range(start: object, end: object, length: int) -> bool:
    return isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= length
