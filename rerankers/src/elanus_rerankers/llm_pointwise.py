"""How likely does a language model say "yes" when asked whether a document helps?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from elanus.plugins import RerankerInfo, ScoreKind
from elanus.plugins.remote import answers
from elanus.types import Float32Array
from elanus_rerankers.chat import ChatReranker

_PROMPT: Final = (
    "Does the document help to answer the query? Reply with one word, Yes or No.\n\n"
    "Query: {query}\n\nDocument: {document}\n\nAnswer:"
)


@dataclass(frozen=True, eq=False)
class PointwiseLlmReranker(ChatReranker):
    """Reranker that asks a language model about one document at a time.

    The score is the probability of "yes" against "no" as the first token, from the log
    probabilities that the service returns. A service without them gives 1 for "yes" and else 0,
    which only splits the documents in two. Options are those of ``ChatReranker``.

    Source: Liang et al., "Holistic Evaluation of Language Models", 2022, relevance generation.
    """

    plugin = "llm-pointwise"

    @property
    def info(self) -> RerankerInfo:
        return RerankerInfo(name=self.model, score_kind=ScoreKind.PROBABILITY)

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Score each document.

        Raises:
            ProviderError: The service failed; see ``HttpClient.post``.
        """

        def ask(rows: list[int]) -> float:
            (row,) = rows
            # Not str.format: texts may have braces of their own.
            prompt = _PROMPT.replace("{document}", self.cut(documents[row]))
            prompt = prompt.replace("{query}", self.cut(query), 1)
            choice = self.ask(prompt, 1, max_tokens=1, logprobs=True, top_logprobs=20)
            return _probability(choice)

        scores = np.empty(len(documents), dtype=np.float32)
        for rows, found in answers(ask, [[i] for i in range(len(documents))], self.concurrency):
            scores[rows] = found
        return scores


def _probability(choice: dict[str, Any]) -> float:
    """Return P(yes) / (P(yes) + P(no)) of the first token."""
    content = (choice.get("logprobs") or {}).get("content") or []
    mass = {"yes": 0.0, "no": 0.0}
    for candidate in content[0].get("top_logprobs", []) if content else []:
        word = str(candidate.get("token", "")).strip().lower()
        if word in mass:
            mass[word] += math.exp(float(candidate["logprob"]))
    total = mass["yes"] + mass["no"]
    if total > 0:
        return mass["yes"] / total
    said = str(choice["message"]["content"]).strip().lower()
    return 1.0 if said.startswith("yes") else 0.0
