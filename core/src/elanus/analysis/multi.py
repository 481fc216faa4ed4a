"""How is each row analyzed the way another field of it says?

The parameters are Milvus' ``multi_analyzer_params``: ``{"by_field": "language", "analyzers":
{"english": ..., "default": ...}, "alias": {"en": "english"}}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from elanus.analysis.analyzer import Analyzer
from elanus.analysis.counting import BatchCounter, TokenBatch
from elanus.analysis.params import AnalyzerParams, check_keys, choice, mapping, string
from elanus.analysis.registry import build_analyzer
from elanus.errors import SchemaError
from elanus.kernels.text import Vocabulary
from elanus.types import ByteArray, Int64Array

DEFAULT = "default"
"""The analyzer of rows that name none, or one that there is not."""


class MultiAnalyzer:
    """Analyzers of the rows of a field. Immutable; safe from many threads at once.

    Attributes:
        by_field: VARCHAR field whose value names the analyzer of a row.

    Args:
        by_field: See above.
        analyzers: Analyzer by name; one of them is ``default``.
        alias: Name of an analyzer by what rows may say instead.
    """

    def __init__(
        self, by_field: str, analyzers: Mapping[str, Analyzer], alias: Mapping[str, str]
    ) -> None:
        self.by_field = by_field
        self._names = tuple(analyzers)
        self._analyzers = tuple(analyzers.values())
        numbers = {name: number for number, name in enumerate(self._names)}
        self._default = numbers[DEFAULT]
        self._numbers = numbers | {other: numbers[name] for other, name in alias.items()}

    @property
    def analyzers(self) -> tuple[Analyzer, ...]:
        """The analyzers, by number."""
        return self._analyzers

    def numbers(self, values: Sequence[object]) -> Int64Array:
        """Return the number of the analyzer that each value of ``by_field`` names, int64."""
        get, default = self._numbers.get, self._default
        return np.fromiter((get(v, default) for v in values), np.int64, len(values))  # type: ignore[call-overload]

    def named(self, name: str | None) -> Analyzer:
        """Return the analyzer with a name or alias; None: the default one.

        Raises:
            KeyError: There is none.
        """
        return self._analyzers[self._default if name is None else self._numbers[name]]

    @property
    def runs_plugins(self) -> bool:
        """Whether code of others takes part, which may fail at any text."""
        return any(analyzer.runs_plugins for analyzer in self._analyzers)

    def check(self, texts: Sequence[object], names: Sequence[object] | None = None) -> None:
        """Raise ``PluginError`` when a plug-in fails on one of the texts.

        Args:
            texts: Texts of rows; others than strings do not count.
            names: What ``by_field`` says in each of them; None: nothing.
        """
        chosen = self.numbers([None] * len(texts) if names is None else names)
        for text, number in zip(texts, chosen.tolist(), strict=True):
            if isinstance(text, str):
                self._analyzers[number].tokens(text)

    def names(self) -> list[str]:
        """Return all names and aliases."""
        return list(self._numbers)

    def counter(self, vocabulary: Vocabulary) -> MultiCounter:
        """Return a counter that turns batches of texts into counts over ``vocabulary``."""
        return MultiCounter(self, vocabulary)


class MultiCounter:
    """Counts terms of texts, each by its own analyzer, over one growing vocabulary.

    One thread at a time.
    """

    def __init__(self, analyzer: MultiAnalyzer, vocabulary: Vocabulary) -> None:
        self._analyzer = analyzer
        self._counters: list[BatchCounter] = [a.counter(vocabulary) for a in analyzer.analyzers]

    @property
    def size_bytes(self) -> int:
        """Memory in use, roughly."""
        return sum(counter.size_bytes for counter in self._counters)

    def count_utf8(
        self, offsets: Int64Array, data: ByteArray, values: Sequence[object]
    ) -> TokenBatch:
        """Return the term counts of each text, given as ``BatchCounter.count_utf8`` takes them.

        Args:
            offsets: int64, shape ``(n + 1,)``.
            data: uint8.
            values: What ``by_field`` says in each of the ``n`` rows.
        """
        numbers = self._analyzer.numbers(values)
        chosen: list[int] = np.unique(numbers).tolist()
        if len(chosen) == 1:
            return self._counters[chosen[0]].count_utf8(offsets, data)
        parts = []
        for number in chosen:
            rows = np.flatnonzero(numbers == number)
            parts.append((rows, self._counters[number].count_utf8(*_taken(offsets, data, rows))))
        return _in_row_order(parts, len(numbers))


def _taken(offsets: Int64Array, data: ByteArray, rows: Int64Array) -> tuple[Int64Array, ByteArray]:
    """Return the texts of some rows, end to end."""
    sizes = (offsets[1:] - offsets[:-1])[rows]
    taken = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(sizes, out=taken[1:])
    places = np.repeat(offsets[:-1][rows] - taken[:-1], sizes) + np.arange(taken[-1])
    return taken, data[places]


def _in_row_order(parts: Sequence[tuple[Int64Array, TokenBatch]], num_rows: int) -> TokenBatch:
    """Return batches of different rows as one, given the row of each of their texts."""
    sizes = np.zeros(num_rows, dtype=np.int64)
    lengths = np.zeros(num_rows, dtype=np.uint32)
    for rows, batch in parts:
        sizes[rows] = np.diff(batch.offsets)
        lengths[rows] = batch.lengths
    offsets = np.zeros(num_rows + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    term_ids = np.empty(offsets[-1], dtype=np.uint32)
    counts = np.empty(offsets[-1], dtype=np.float32)
    for rows, batch in parts:
        shifts = np.repeat(offsets[:-1][rows] - batch.offsets[:-1], np.diff(batch.offsets))
        places = shifts + np.arange(len(batch.term_ids))
        term_ids[places] = batch.term_ids
        counts[places] = batch.counts
    return TokenBatch(offsets, term_ids, counts, lengths)


FieldAnalyzer = Analyzer | MultiAnalyzer
"""How a field is analyzed."""


def build_field_analyzer(spec: str | AnalyzerParams) -> FieldAnalyzer:
    """Return the analyzer of a field: what ``build_analyzer`` takes, or one for each row.

    Raises:
        SchemaError: A name is unknown, or a parameter is missing, unknown or of the wrong type.
        PluginNotInstalledError: A tokenizer or filter needs a package that is not installed.
    """
    if not isinstance(spec, Mapping) or "by_field" not in spec:
        return build_analyzer(spec)
    check_keys("analyzer", spec, {"by_field", "analyzers", "alias"})
    by_field = string("analyzer: by_field", spec["by_field"])
    specs = mapping("analyzer: analyzers", spec.get("analyzers", {}))
    if DEFAULT not in specs:
        raise SchemaError(
            "analyzer: analyzers: expected one named 'default', for rows whose "
            f"{by_field!r} names no analyzer"
        )
    analyzers = {name: build_analyzer(each) for name, each in specs.items()}  # type: ignore[arg-type]
    alias = mapping("analyzer: alias", spec.get("alias", {}))
    checked = {other: choice("analyzer: alias", name, analyzers) for other, name in alias.items()}
    return MultiAnalyzer(by_field, analyzers, checked)


def shared_analyzer(spec: str | AnalyzerParams) -> FieldAnalyzer:
    """Return what ``build_field_analyzer`` returns, the same object for the same parameters.

    What it remembers of texts then serves every filter and query.

    Raises:
        SchemaError: As ``build_field_analyzer``.
        PluginNotInstalledError: As ``build_field_analyzer``.
    """
    try:
        key = json.dumps(spec, sort_keys=True)
    except TypeError:
        return build_field_analyzer(spec)
    return _built(key)


@lru_cache(maxsize=32)
def _built(key: str) -> FieldAnalyzer:
    return build_field_analyzer(json.loads(key))
