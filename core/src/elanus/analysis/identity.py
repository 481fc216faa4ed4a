"""Does an analyzer still make the terms that are stored?

Terms are kept with a collection; the plug-ins that made them are not. A fingerprint says which they
were (name, distribution, version, and what they say of themselves) and what the whole analyzer made
of fixed texts. Analyzers without plug-ins make the same terms in every version, and have none.

Form: a JSON object; ``terms`` has a hash for each probe, of each analyzer where rows have several.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from elanus.analysis.multi import FieldAnalyzer, MultiAnalyzer
from elanus.analysis.plugin_parts import AnalyzerPlugin
from elanus.errors import AnalyzerMismatchError, ElanusError, FormatVersionError

PROBES: Final = (
    "The quick brown foxes weren't jumping over the lazy dogs' 1,234.5 houses.",
    "Part AB-12 (rev. 7b) of XY-9, user@example.com, https://example.com/a_b?c=d",
    "Übergrößenträger, façade, naïve, ﬁne, İstanbul: Wie drehe ich einen Schlüssel?",
    "如何轮换密钥。東京都の天気 한국어 ภาษาไทย العربية Привет",
    "camelCase snake_case kebab-case C++ 2024-02-29 #tag 😀",
)
"""Analyzed one by one. They never change: their terms are stored as hashes."""

_VERSION: Final = 1
_HASH_CHARACTERS: Final = 16

_log = logging.getLogger(__name__)


def analyzer_fingerprint(analyzer: FieldAnalyzer) -> str:
    """Return the fingerprint of an analyzer, "" when no plug-in takes part in it."""
    plugins = _plugins(analyzer)
    if not plugins:
        return ""
    made = {
        "version": _VERSION,
        "terms": [_hash(terms) for terms in _probed(analyzer)],
        "plugins": [plugin._asdict() for plugin in plugins],
    }
    return json.dumps(made, sort_keys=True)


def require_same_terms(stored: str, analyzer: FieldAnalyzer, *, where: str, field: str) -> None:
    """Raise unless an analyzer makes the terms that are stored, as far as can be seen.

    Another version that makes the same terms of the probes is logged, unless the plug-in has a
    fingerprint of its own, which is the same.

    Args:
        stored: Fingerprint kept with the terms; "" when none is known.
        analyzer: The one at hand.
        where: What holds the terms, for the message.
        field: Field whose terms they are, for the next step.

    Raises:
        AnalyzerMismatchError: It makes other terms, or a plug-in says so.
        FormatVersionError: A newer version of elanus took the fingerprint.
    """
    if not stored:
        return
    known = _parse(stored)
    before = {one["name"]: AnalyzerPlugin(**one) for one in known["plugins"]}
    now = {one.name: one for one in _plugins(analyzer)}
    difference = _other_terms(known["terms"], analyzer) or _other_claims(before, now)
    if difference:
        raise AnalyzerMismatchError(
            f"{where}: its terms were made by {_named(before.values())}; installed is "
            f"{_named(now.values())}, {difference}. Searches by words would miss what is stored. "
            f"Install what made them and open the collection again, or call "
            f"rebuild_terms({field!r}) of the collection, which analyzes all texts anew",
            stored=stored,
            given=analyzer_fingerprint(analyzer),
        )
    others = [p for name, p in now.items() if p != before.get(name) and not p.fingerprint]
    if others:
        _log.warning(
            "%s: its terms were made by %s; installed is %s, which makes the same terms of some "
            "texts; if it makes others of yours, call rebuild_terms(%r) of the collection",
            where,
            _named(before.values()),
            _named(others),
            field,
        )


def _other_terms(stored: Sequence[str], analyzer: FieldAnalyzer) -> str:
    """Return what an analyzer makes of the first probe that it makes something else of."""
    probed = _probed(analyzer)
    if len(stored) != len(probed):
        return f"with {len(probed)} answers to the probes in place of {len(stored)}"
    for place, (expected, terms) in enumerate(zip(stored, probed, strict=True)):
        if _hash(terms) != expected:
            text = PROBES[place % len(PROBES)]
            return f"which makes other terms: now {terms} of {text!r}"
    return ""


def _other_claims(before: Mapping[str, AnalyzerPlugin], now: Mapping[str, AnalyzerPlugin]) -> str:
    """Return which plug-in says itself that it makes other terms."""
    for name, plugin in now.items():
        stored = before.get(name)
        if stored is not None and stored.fingerprint != plugin.fingerprint:
            return f"whose fingerprint is {plugin.fingerprint!r}, not {stored.fingerprint!r}"
    return ""


def _plugins(analyzer: FieldAnalyzer) -> list[AnalyzerPlugin]:
    parts = analyzer.analyzers if isinstance(analyzer, MultiAnalyzer) else (analyzer,)
    found = {plugin.name: plugin for part in parts for plugin in part.plugins}
    return [found[name] for name in sorted(found)]


def _probed(analyzer: FieldAnalyzer) -> list[list[str] | None]:
    """Return the terms of each probe, of each analyzer; None where a plug-in fails on it."""
    parts = analyzer.analyzers if isinstance(analyzer, MultiAnalyzer) else (analyzer,)
    made: list[list[str] | None] = []
    for part in parts:
        for text in PROBES:
            try:
                made.append(part.tokens(text))
            except ElanusError:
                made.append(None)
    return made


def _hash(terms: Sequence[str] | None) -> str:
    raw = json.dumps(terms).encode("ascii")
    return hashlib.sha256(raw).hexdigest()[:_HASH_CHARACTERS]


def _named(plugins: Iterable[AnalyzerPlugin]) -> str:
    return ", ".join(str(plugin) for plugin in plugins) or "no plug-in"


def _parse(stored: str) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(stored)
    if known["version"] != _VERSION:
        raise FormatVersionError(
            f"analyzer fingerprint has version {known['version']}, this elanus reads {_VERSION}: "
            f"install a newer one"
        )
    return known
