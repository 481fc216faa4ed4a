"""What can be said about measuring and tuning, besides what is measured?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from elanus.api.context import Filter
from elanus.api.options import SearchOptions
from elanus.schema.fields import AnalyzerSpec


class EvaluateOptions(SearchOptions, total=False):
    """Further options of ``evaluate``; those of ``search`` are passed to each search.

    Attributes:
        ignore_missing: Count judged entities that are not in the collection as not found; else
            they are an error.
        resamples: Samples of the bootstrap; 2,000.
        confidence: Share of such intervals that hold the true mean; 0.95.
        seed: Same seed, same intervals; 0.
    """

    ignore_missing: bool
    resamples: int
    confidence: float
    seed: int


class TuneOptions(TypedDict, total=False):
    """Further options of ``tune``.

    Attributes:
        metric: What to look at; ``"ndcg@10"``.
        filter: Hits must pass it.
        analyzers: Analyzers to try on each BM25 field, in memory and beside its own. They are
            compared and recommended, not applied: an analyzer is part of the schema.
        k1: Values of k1 to try; seven from 0.6 to 3.
        b: Values of b to try; six from 0.3 to 0.9.
        depths: Candidates of each leg to try; 50, 100 and 200.
        share: Of the queries, the part to choose by; 0.5.
        splits: Random parts on which the choice is made and measured again, to say how far it can
            be relied upon; the first one gives the profile; 20.
        seed: Same seed, same parts; 0.
        ignore_missing: As in ``evaluate``.
    """

    metric: str
    filter: Filter | None
    analyzers: Sequence[AnalyzerSpec]
    k1: Sequence[float]
    b: Sequence[float]
    depths: Sequence[int]
    share: float
    splits: int
    seed: int
    ignore_missing: bool


EVALUATE_ONLY = frozenset(EvaluateOptions.__annotations__) - frozenset(
    SearchOptions.__annotations__
)
"""Options of ``evaluate`` that no search takes."""
TUNE_OPTIONS = frozenset(TuneOptions.__annotations__)
