"""What are the right answers?

Dense answers come from brute force over all rows that pass the filter, BM25 answers from scoring
every row that holds a term in double precision, hybrid answers from fusing the two. None of it
uses an index of elanus; the terms come from its ``english`` analyzer.

Rows with equal scores are equally right: an ``Answer`` holds every row whose score reaches that of
the last place.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elanus.analysis.analyzer import Analyzer
from elanus.analysis.registry import build_analyzer
from elanus.kernels.text import Vocabulary
from elanus.types import Float32Array, Int64Array

TIE = 1e-6
"""Relative difference below which two scores count as equal: single precision."""
RRF_K = 60
K1, B = 1.2, 0.75

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answer:
    """Ids that belong among the first ``wanted`` hits.

    ``acceptable`` has more than ``wanted`` ids where scores tie at the last place.
    """

    wanted: int
    acceptable: frozenset[int]

    def recall(self, found: Sequence[int]) -> float:
        """Return the share of the right ids that were found; 1.0 when there are none."""
        if self.wanted == 0:
            return 1.0
        return min(len(self.acceptable.intersection(found)), self.wanted) / self.wanted


def best(scores: Float64Array, limit: int) -> Answer:
    """Return the right answer to "the ``limit`` best of these"; -inf never counts."""
    possible = int(np.count_nonzero(scores > -np.inf))
    wanted = min(limit, possible)
    if wanted == 0:
        return Answer(0, frozenset())
    last = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
    return Answer(wanted, frozenset(np.flatnonzero(scores >= last - TIE * abs(last)).tolist()))


def mean_recall(answers: Iterable[Answer], found: Iterable[Sequence[int]]) -> float:
    """Return the mean recall over queries."""
    values = [answer.recall(ids) for answer, ids in zip(answers, found, strict=True)]
    return math.fsum(values) / len(values)


def dense_scores(vectors: Float32Array, queries: Float32Array) -> Float32Array:
    """Return the cosine of every query (rows) and vector (columns), both of unit length."""
    scores: Float32Array = queries @ vectors.T
    return scores


def only_allowed(scores: Float32Array, allowed: npt.NDArray[np.bool_]) -> Float64Array:
    """Return the scores with -inf for rows that do not pass."""
    return np.where(allowed, scores.astype(np.float64), -np.inf)


class ExhaustiveBM25:
    """Scores every row of a corpus; Lucene's formula, k1 = 1.2, b = 0.75."""

    def __init__(self, texts: Sequence[str], analyzer: Analyzer | None = None) -> None:
        self._analyzer = analyzer or build_analyzer("english")
        self._vocabulary = Vocabulary()
        batch = self._analyzer.analyze_batch(texts, self._vocabulary)
        rows = np.repeat(np.arange(len(texts)), np.diff(batch.offsets))
        order = np.argsort(batch.term_ids, kind="stable")
        self._rows: Int64Array = rows[order]
        self._counts: Float64Array = batch.counts[order].astype(np.float64)
        ends = np.cumsum(np.bincount(batch.term_ids, minlength=len(self._vocabulary)))
        self._ends: Int64Array = np.concatenate([[0], ends])
        lengths = batch.lengths.astype(np.float64)
        self._norms: Float64Array = K1 * (1 - B + B * lengths / lengths.mean())

    def scores(self, text: str) -> Float64Array:
        """Return the score of every row; -inf for rows that hold none of the terms."""
        num_rows = len(self._norms)
        totals = np.zeros(num_rows)
        for term, repeats in Counter(self._analyzer.tokens(text)).items():
            term_id = self._vocabulary.id_of(term)
            if term_id is None:
                continue
            postings = slice(self._ends[term_id], self._ends[term_id + 1])
            rows, counts = self._rows[postings], self._counts[postings]
            df = len(rows)
            idf = math.log(1 + (num_rows - df + 0.5) / (df + 0.5))
            totals[rows] += repeats * idf * counts * (K1 + 1) / (counts + self._norms[rows])
        totals[totals == 0] = -np.inf
        return totals


def fused_scores(legs: Sequence[Float64Array], leg_limit: int) -> Float64Array:
    """Return the reciprocal rank fusion of the best ``leg_limit`` rows of each leg.

    Equal scores of a leg are ranked by id. Rows in no leg get -inf.

    Source: Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods", 2009.
    """
    totals = np.zeros(len(legs[0]))
    for scores in legs:
        limit = min(leg_limit, int(np.count_nonzero(scores > -np.inf)))
        # Stable, so that ids decide between equal scores.
        ranked = np.argsort(-scores, kind="stable")[:limit]
        totals[ranked] += 1 / (RRF_K + np.arange(1, limit + 1))
    totals[totals == 0] = -np.inf
    return totals
