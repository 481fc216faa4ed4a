"""How does each rerank service want to be asked, and where does it answer?

One entry of ``SERVICES`` per service; ``remote.py`` does the rest, the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from elanus.plugins import ScoreKind


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """One request, in the terms of no service in particular; no document is empty."""

    model: str
    query: str
    documents: list[str]


@dataclass(frozen=True, slots=True)
class RerankService:
    """One service.

    Attributes:
        base_url: Its address, or "" when the user has to give one.
        path: Behind the address.
        body: The JSON of a request.
        indices: Keys to the places of the documents in the answer; "*" goes through a list.
        scores: Keys to their scores, in the same order.
        tokens: Keys to the tokens that were counted, or ().
        score_kind: What its scores mean.
        max_documents: Most documents of a request.
        key_env: Environment variable of its key.
        key_required: Whether it refuses to answer without a key.
    """

    base_url: str
    path: str
    body: Callable[[RerankRequest], dict[str, object]]
    indices: tuple[str, ...]
    scores: tuple[str, ...]
    tokens: tuple[str, ...]
    score_kind: ScoreKind
    max_documents: int
    key_env: str
    key_required: bool = True


def _cohere(asked: RerankRequest) -> dict[str, object]:
    return {
        "model": asked.model,
        "query": asked.query,
        "documents": asked.documents,
        "top_n": len(asked.documents),
    }


def _voyage(asked: RerankRequest) -> dict[str, object]:
    return {
        "model": asked.model,
        "query": asked.query,
        "documents": asked.documents,
        "truncation": True,
    }


def _jina(asked: RerankRequest) -> dict[str, object]:
    return {**_cohere(asked), "return_documents": False}


def _tei(asked: RerankRequest) -> dict[str, object]:
    return {"query": asked.query, "texts": asked.documents, "truncate": True, "raw_scores": False}


_RESULTS: Final = (("results", "*", "index"), ("results", "*", "relevance_score"))

# Shapes and limits as the services document them.
SERVICES: Final[Mapping[str, RerankService]] = {
    # docs.cohere.com/reference/rerank
    "cohere": RerankService(
        base_url="https://api.cohere.com/v2",
        path="/rerank",
        body=_cohere,
        indices=_RESULTS[0],
        scores=_RESULTS[1],
        tokens=("meta", "tokens", "input_tokens"),
        score_kind=ScoreKind.PROBABILITY,
        max_documents=1000,
        key_env="COHERE_API_KEY",
    ),
    # docs.voyageai.com/reference/reranker-api
    "voyage": RerankService(
        base_url="https://api.voyageai.com/v1",
        path="/rerank",
        body=_voyage,
        indices=("data", "*", "index"),
        scores=("data", "*", "relevance_score"),
        tokens=("usage", "total_tokens"),
        score_kind=ScoreKind.PROBABILITY,
        max_documents=1000,
        key_env="VOYAGE_API_KEY",
    ),
    # api.jina.ai/redoc; the scores of some of its models fall below 0.
    "jina": RerankService(
        base_url="https://api.jina.ai/v1",
        path="/rerank",
        body=_jina,
        indices=_RESULTS[0],
        scores=_RESULTS[1],
        tokens=("usage", "total_tokens"),
        score_kind=ScoreKind.LOGIT,
        max_documents=1000,
        key_env="JINA_API_KEY",
    ),
    # huggingface.github.io/text-embeddings-inference; 32 is its --max-client-batch-size.
    "tei": RerankService(
        base_url="",
        path="/rerank",
        body=_tei,
        indices=("*", "index"),
        scores=("*", "score"),
        tokens=(),
        score_kind=ScoreKind.PROBABILITY,
        max_documents=32,
        key_env="TEI_API_KEY",
        key_required=False,
    ),
    # docs.vllm.ai, "Re-rank API", which follows those of Jina and Cohere.
    "vllm": RerankService(
        base_url="",
        path="/v1/rerank",
        body=_cohere,
        indices=_RESULTS[0],
        scores=_RESULTS[1],
        tokens=("usage", "total_tokens"),
        score_kind=ScoreKind.PROBABILITY,
        max_documents=1000,
        key_env="VLLM_API_KEY",
        key_required=False,
    ),
}
