"""Which candidates share the rarest words with the query?

BM25 over the candidates alone, by ``rank-bm25``: no model, no index. Counts and lengths are those
of the candidate list, so a score means something only within one call.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from rank_bm25 import BM25Plus

from elanus.errors import InvalidArgumentError
from elanus.plugins import RerankerInfo, ScoreKind
from elanus.types import Float32Array

_WORD = re.compile(r"\w+")
_INFO = RerankerInfo(name="lexical", score_kind=ScoreKind.RELEVANCE)


class LexicalReranker:
    """BM25 of the query over the candidate list.

    The idf is ``ln((N + 1) / df)``, which stays above 0 when every candidate has the term. That of
    ``rank_bm25.BM25Okapi`` turns negative then, and ranks a candidate that has the words of the
    query below one that has none: the usual case for candidates that a search returned.

    Args:
        k1: Saturation of the term frequency, 0 or larger.
        b: Share of length normalisation, from 0 (none) to 1 (full).

    Raises:
        InvalidArgumentError: ``k1`` or ``b`` is out of range.

    Source: Lv and Zhai, "Lower-Bounding Term Frequency Normalization", 2011, with its delta at 0.
    """

    def __init__(self, k1: float = 1.2, b: float = 0.75) -> None:
        if not 0 <= k1 < float("inf"):
            raise InvalidArgumentError(
                f"lexical reranker: k1 must be finite and 0 or larger, got {k1!r}"
            )
        if not 0 <= b <= 1:
            raise InvalidArgumentError(f"lexical reranker: b must lie in [0, 1], got {b!r}")
        self._k1 = k1
        self._b = b

    @property
    def info(self) -> RerankerInfo:
        return _INFO

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this reranker again."""
        return {"name": "lexical", "params": {"k1": self._k1, "b": self._b}}

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Score each document; one that shares no word with the query gets 0.

        A word that the query repeats counts each time.
        """
        scores = np.zeros(len(documents), dtype=np.float32)
        terms = [_terms(document) for document in documents]
        wanted = _terms(query)
        if not wanted or not any(terms):
            # rank-bm25 divides by the mean length, which is 0 here.
            return scores
        bm25 = BM25Plus(terms, k1=self._k1, b=self._b, delta=0.0)
        # With k1 = 0 the formula is 0/0 for a term that a document lacks; such a term adds nothing.
        with np.errstate(invalid="ignore"):
            raw = [bm25.get_scores([term]) for term in wanted]
        scores[:] = np.nan_to_num(np.array(raw), nan=0.0).sum(axis=0)
        return scores


def _terms(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
