"""In which order does a language model put documents that it sees together?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.plugins import RerankerInfo, ScoreKind
from elanus.types import Float32Array
from elanus_rerankers.chat import ChatReranker

_PROMPT: Final = (
    "Rank the {count} passages below by how well they answer the query, the best first. Reply only "
    "with their numbers, as in [2] > [1] > [3].\n\nQuery: {query}\n\n{passages}\n\nRanking:"
)
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, eq=False)
class ListwiseLlmReranker(ChatReranker):
    """Reranker that lets a language model sort windows of documents, from the last to the first.

    A window slides upwards by ``step``, so that a good document of the end can rise to the top.
    Scores are n, n - 1, ... 1 along the order found: they mean nothing but the order. Documents
    that an answer leaves out keep their order behind those it names. Besides ``window`` and
    ``step``, options are those of ``ChatReranker``.

    Args:
        window: Documents that are seen together, at least 2.
        step: Documents by which the window moves, from 1 to ``window``.

    Source: Sun et al., "Is ChatGPT Good at Search? Investigating Large Language Models as
    Re-Ranking Agents", arXiv:2304.09542.
    """

    window: int = 20
    step: int = 10

    plugin = "llm-listwise"
    stored = (*ChatReranker.stored, "window", "step")

    def __post_init__(self) -> None:
        if self.window < 2 or not 1 <= self.step <= self.window:
            raise InvalidArgumentError(
                f"{self.plugin}: window must be at least 2 and step lie in [1, window], got "
                f"window={self.window} and step={self.step}"
            )
        super().__post_init__()

    @property
    def info(self) -> RerankerInfo:
        return RerankerInfo(name=self.model, score_kind=ScoreKind.RELEVANCE)

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Score each document by its place in the order found.

        Raises:
            ProviderError: The service failed; see ``HttpClient.post``.
        """
        order = list(range(len(documents)))
        start = max(0, len(order) - self.window)
        while len(order) > 1:
            seen = order[start : start + self.window]
            order[start : start + self.window] = self._sorted(query, documents, seen)
            if start == 0:
                break
            start = max(0, start - self.step)
        scores = np.empty(len(documents), dtype=np.float32)
        scores[order] = np.arange(len(order), 0, -1, dtype=np.float32)
        return scores

    def _sorted(self, query: str, documents: Sequence[str], rows: list[int]) -> list[int]:
        passages = "\n".join(
            f"[{number}] {self.cut(documents[row])}" for number, row in enumerate(rows, start=1)
        )
        prompt = _PROMPT.replace("{passages}", passages).replace("{query}", self.cut(query), 1)
        choice = self.ask(prompt.replace("{count}", str(len(rows)), 1), len(rows))
        said = str(choice["message"]["content"])
        # Models that think aloud do so before the ranking.
        said = said.rsplit("</think>", 1)[-1]
        named = [int(number) - 1 for number in _NUMBER.findall(said)]
        places = dict.fromkeys(place for place in named if 0 <= place < len(rows))
        rest = [place for place in range(len(rows)) if place not in places]
        return [rows[place] for place in [*places, *rest]]
