"""Which rows and queries does the sparse benchmark ask?

``bm25``: the passages and their queries as words of two and more characters in lower case, without
33 stop words; every system gets these words. ``learned``: what a learned sparse model would make of
them, synthetically: the 30,000 commonest words of a passage weighted by frequency and rarity, and
words that occur beside them with smaller weights.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elanus.types import Float32Array, Int64Array

_STOP_WORDS = """
a an and are as at be but by for if in into is it no not of on or such that the their then there
these they this to was will with
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
VOCABULARY = 30_000
ROW_TERMS, QUERY_TERMS = 121, 36
NEIGHBOURS, SAMPLED_ROWS = 32, 50
_WORD = re.compile(r"\w\w+")


@dataclass(frozen=True, slots=True)
class SparseRows:
    """Sparse vectors: row ``i`` owns entries ``offsets[i]`` to ``offsets[i + 1]``."""

    offsets: Int64Array
    terms: Int64Array
    weights: Float32Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, i: int) -> tuple[Int64Array, Float32Array]:
        """Return terms and weights of a row."""
        span = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return self.terms[span], self.weights[span]

    @classmethod
    def of(cls, rows: Sequence[tuple[ArrayLike, ArrayLike]]) -> SparseRows:
        """Gather rows given as terms and weights."""
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        terms = [np.asarray(terms, dtype=np.int64) for terms, _ in rows]
        np.cumsum([len(of_row) for of_row in terms], out=offsets[1:])
        weights = [np.asarray(weights, dtype=np.float32) for _, weights in rows]
        return cls(offsets, np.concatenate(terms), np.concatenate(weights))


def words(text: str) -> list[str]:
    """Return the words of a text that count."""
    return [word for word in _WORD.findall(text.lower()) if word not in STOP_WORDS]


def counted(texts: Sequence[Sequence[str]], vocabulary: dict[str, int], grow: bool) -> SparseRows:
    """Return how often each row has each word; unknown words enter the vocabulary, or are left."""
    rows = []
    for tokens in texts:
        counts = Counter(tokens)
        if grow:
            for word in counts:
                vocabulary.setdefault(word, len(vocabulary))
        known = {vocabulary[word]: n for word, n in counts.items() if word in vocabulary}
        rows.append((list(known), list(known.values())))
    return SparseRows.of(rows)


class LearnedSparse:
    """A stand-in for a learned sparse model, made from how words occur together."""

    def __init__(self, rows: SparseRows, num_words: int) -> None:
        self._rng = np.random.default_rng(7)
        frequencies = np.bincount(rows.terms, minlength=num_words)
        common = np.argsort(-frequencies, kind="stable")[:VOCABULARY]
        self._number = np.full(num_words, -1, dtype=np.int64)
        self._number[common] = np.arange(len(common))
        self._idf = np.log1p(len(rows) / (frequencies[common] + 0.5)).astype(np.float32)
        self._neighbours, self._closeness = self._learn(rows)

    def _learn(self, rows: SparseRows) -> tuple[Int64Array, Float32Array]:
        """Return the words beside which each word occurs most, and how much."""
        numbers = self._number[rows.terms]
        owners = np.repeat(np.arange(len(rows)), np.diff(rows.offsets))
        kept = numbers >= 0
        order = np.argsort(numbers[kept], kind="stable")
        by_term = owners[kept][order]
        ends = np.searchsorted(numbers[kept][order], np.arange(len(self._idf) + 1))
        neighbours = np.zeros((len(self._idf), NEIGHBOURS), dtype=np.int64)
        closeness = np.zeros((len(self._idf), NEIGHBOURS), dtype=np.float32)
        for term in range(len(self._idf)):
            holders = by_term[ends[term] : ends[term + 1]]
            if len(holders) > SAMPLED_ROWS:
                holders = self._rng.choice(holders, SAMPLED_ROWS, replace=False)
            beside = np.concatenate([self._number[rows.row(int(h))[0]] for h in holders])
            found, counts = np.unique(beside[beside >= 0], return_counts=True)
            scores = counts / len(holders) * self._idf[found]
            best = np.argsort(-scores, kind="stable")[:NEIGHBOURS]
            neighbours[term, : len(best)] = found[best]
            closeness[term, : len(best)] = scores[best] / scores[best[0]]
        return neighbours, closeness

    def expand(self, rows: SparseRows, size: int) -> SparseRows:
        """Return vectors of about ``size`` entries."""
        made = []
        for i in range(len(rows)):
            terms, counts = rows.row(i)
            known = self._number[terms] >= 0
            terms, counts = self._number[terms[known]], counts[known]
            own = np.log1p(counts) * self._idf[terms]
            scores = np.zeros(len(self._idf), dtype=np.float32)
            np.maximum.at(
                scores,
                self._neighbours[terms].ravel(),
                (0.5 * self._closeness[terms] * own[:, None]).ravel(),
            )
            scores[terms] = own
            best = np.argpartition(-scores, size)[:size]
            best = np.sort(best[scores[best] > 0])
            noise = self._rng.uniform(0.7, 1.3, len(best))
            made.append((best, np.log1p(scores[best]) * noise))
        return SparseRows.of(made)


def exact_best(
    rows: SparseRows, queries: SparseRows, num_terms: int, k: int
) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return rows and scores of the ``k`` largest inner products, in double precision."""
    order = np.argsort(rows.terms, kind="stable")
    owners = np.repeat(np.arange(len(rows)), np.diff(rows.offsets))[order]
    weights = rows.weights[order].astype(np.float64)
    ends = np.searchsorted(rows.terms[order], np.arange(num_terms + 1))
    best = []
    for i in range(len(queries)):
        scores = np.zeros(len(rows))
        for term, weight in zip(*queries.row(i), strict=True):
            span = slice(ends[term], ends[term + 1])
            scores[owners[span]] += float(weight) * weights[span]
        top = np.argpartition(-scores, k)[:k]
        top = top[np.lexsort((top, -scores[top]))]
        top = top[scores[top] > 0]
        best.append((top, scores[top]))
    return best


def bm25_weights(rows: SparseRows, k1: float, b: float) -> SparseRows:
    """Return the rows with each frequency as what BM25 makes of it, without idf."""
    lengths = np.add.reduceat(np.append(rows.weights, 0), rows.offsets[:-1])
    lengths[np.diff(rows.offsets) == 0] = 0
    norms = k1 * (1 - b + b * lengths / lengths.mean())
    tf = rows.weights.astype(np.float64)
    impact = tf * (k1 + 1) / (tf + np.repeat(norms, np.diff(rows.offsets)))
    return SparseRows(rows.offsets, rows.terms, impact)  # double, for the exact answer
