"""Which of these documents come first, as a reranker scores them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins.protocols import Reranker


@dataclass(frozen=True, slots=True)
class Ranked:
    """One document of a ranking.

    Attributes:
        index: Its place among the documents given.
        score: As the reranker gave it; larger is more relevant.
    """

    index: int
    score: float


def rank(
    reranker: Reranker, query: str, documents: Sequence[str], top_k: int | None = None
) -> list[Ranked]:
    """Return the documents in the order of their scores, the most relevant first.

    Args:
        reranker: The plug-in.
        query: What is searched.
        documents: Texts to rank; may be empty.
        top_k: Most documents to return, at least 1, or None for all. Ties keep their order.

    Raises:
        InvalidArgumentError: ``top_k`` is below 1.
        ProviderError: The plug-in returned another shape, or a value that is not finite.
    """
    if top_k is not None and top_k < 1:
        raise InvalidArgumentError(f"top_k must be at least 1 or None, got {top_k}")
    scores = reranker.score(query, documents)
    if scores.shape != (len(documents),) or not np.isfinite(scores).all():
        raise ProviderError(
            f"{reranker.info.name}: expected {len(documents)} finite scores, got an array of shape "
            f"{scores.shape}"
        )
    order = np.argsort(-scores, kind="stable")[:top_k].tolist()
    return [Ranked(index, float(scores[index])) for index in order]
