"""Which analyzer would find more?

An analyzer belongs to the schema: what it made of every text is in the postings. To try another
one, texts are analyzed into postings of their own, in memory, which are gone afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from elanus.analysis.analyzer import Analyzer
from elanus.analysis.multi import shared_analyzer
from elanus.errors import InvalidArgumentError
from elanus.index.sparse.growing_bm25 import GrowingBM25
from elanus.schema.batches import strings_to_column
from elanus.schema.fields import AnalyzerSpec
from elanus.schema.functions import BM25
from elanus.types import PrimaryKey


def analyzer_name(spec: AnalyzerSpec) -> str:
    """Return what an analyzer is called in reports."""
    return spec if isinstance(spec, str) else json.dumps(spec, sort_keys=True)


class AnalyzerTrial:
    """Postings of texts by one analyzer.

    Args:
        spec: Name of the analyzer, or its parameters.

    Raises:
        InvalidArgumentError: It chooses another one for each row.
        SchemaError: No such analyzer.
    """

    def __init__(self, spec: AnalyzerSpec) -> None:
        analyzer = shared_analyzer(spec)
        if not isinstance(analyzer, Analyzer):
            raise InvalidArgumentError(
                f"analyzers: expected one for all rows, got {analyzer_name(spec)}"
            )
        self._analyzer = analyzer
        self._postings = GrowingBM25(analyzer)
        self._keys: list[PrimaryKey] = []

    def add(self, keys: Iterable[PrimaryKey], texts: Sequence[str | None]) -> None:
        """Analyze texts of entities."""
        self._keys += keys
        self._postings.append(strings_to_column(texts))

    def search(self, text: str, limit: int, function: BM25) -> list[PrimaryKey]:
        """Return the entities about a text, the best first."""
        view = self._postings.snapshot(len(self._keys))
        found = view.search_text(text, self._analyzer, limit, k1=function.k1, b=function.b)
        return [self._keys[row] for row in found.row_ids.tolist()]
