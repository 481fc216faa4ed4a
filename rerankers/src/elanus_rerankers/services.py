"""How does each rerank service want to be asked, and where does it answer?

One entry of ``SERVICES`` per service; ``remote.py`` does the rest, the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from elanus.plugins import ScoreKind
from elanus.plugins.services import Sign


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """One request, in the terms of no service in particular; no document is empty."""

    model: str
    query: str
    documents: list[str]
    region: str = ""


@dataclass(frozen=True, slots=True)
class RerankService:
    """One service.

    Attributes:
        base_url: Its address, or "" when the user has to give one.
        path: Behind the address; ``{undotted}`` stands for the model without dots, ``{project}``
            for that of the user.
        body: The JSON of a request.
        indices: Keys to the places of the documents in the answer; "*" goes through a list.
        scores: Keys to their scores, in the same order.
        tokens: Keys to the tokens that were counted, or ().
        score_kind: What its scores mean.
        max_documents: Most documents of a request.
        key_env: Environment variable of its key.
        key_required: Whether it refuses to answer without a key.
        max_tokens: Most tokens of a request, the query counted once for each document; or None.
        sign: What proves who asks when there is no key.
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
    max_tokens: int | None = None
    sign: Sign = Sign.NOTHING


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


def _bedrock(asked: RerankRequest) -> dict[str, object]:
    arn = f"arn:aws:bedrock:{asked.region}::foundation-model/{asked.model}"
    sources = [
        {"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": text}}}
        for text in asked.documents
    ]
    configuration = {
        "modelConfiguration": {"modelArn": arn},
        "numberOfResults": len(asked.documents),
    }
    return {
        "queries": [{"type": "TEXT", "textQuery": {"text": asked.query}}],
        "sources": sources,
        "rerankingConfiguration": {
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": configuration,
        },
    }


def _vertex(asked: RerankRequest) -> dict[str, object]:
    records = [{"id": str(place), "content": text} for place, text in enumerate(asked.documents)]
    return {
        "model": asked.model,
        "query": asked.query,
        "records": records,
        "topN": len(records),
        "ignoreRecordDetailsInResponse": True,
    }


def _nvidia(asked: RerankRequest) -> dict[str, object]:
    return {
        "model": asked.model,
        "query": {"text": asked.query},
        "passages": [{"text": text} for text in asked.documents],
        "truncate": "END",
    }


def _mixedbread(asked: RerankRequest) -> dict[str, object]:
    return {
        "model": asked.model,
        "query": asked.query,
        "input": asked.documents,
        "top_k": len(asked.documents),
        "return_input": False,
    }


def _dashscope(asked: RerankRequest) -> dict[str, object]:
    return {
        "model": asked.model,
        "input": {"query": asked.query, "documents": asked.documents},
        "parameters": {"top_n": len(asked.documents), "return_documents": False},
    }


_TOTAL_TOKENS: Final = ("usage", "total_tokens")
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
        tokens=_TOTAL_TOKENS,
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
        tokens=_TOTAL_TOKENS,
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
        tokens=_TOTAL_TOKENS,
        score_kind=ScoreKind.PROBABILITY,
        max_documents=1000,
        key_env="VLLM_API_KEY",
        key_required=False,
    ),
    # docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html; it takes no
    # API key of Bedrock.
    "bedrock": RerankService(
        base_url="https://bedrock-agent-runtime.{region}.amazonaws.com",
        path="/rerank",
        body=_bedrock,
        indices=("results", "*", "index"),
        scores=("results", "*", "relevanceScore"),
        tokens=(),
        score_kind=ScoreKind.PROBABILITY,
        max_documents=1000,
        key_env="",
        sign=Sign.AWS,
    ),
    # cloud.google.com/generative-ai-app-builder/docs/ranking
    "vertex": RerankService(
        base_url="https://discoveryengine.googleapis.com",
        path=("/v1/projects/{project}/locations/global/rankingConfigs/default_ranking_config:rank"),
        body=_vertex,
        indices=("records", "*", "id"),
        scores=("records", "*", "score"),
        tokens=(),
        score_kind=ScoreKind.PROBABILITY,
        max_documents=200,
        key_env="GOOGLE_OAUTH_ACCESS_TOKEN",
        sign=Sign.GOOGLE,
    ),
    # docs.api.nvidia.com/nim/reference, the rerankers of the catalogue; names in paths have no dot.
    "nvidia": RerankService(
        base_url="https://ai.api.nvidia.com/v1/retrieval",
        path="/{undotted}/reranking",
        body=_nvidia,
        indices=("rankings", "*", "index"),
        scores=("rankings", "*", "logit"),
        tokens=_TOTAL_TOKENS,
        score_kind=ScoreKind.LOGIT,
        max_documents=512,
        key_env="NVIDIA_API_KEY",
    ),
    # docs.nvidia.com/nim/nemo-retriever/text-reranking, a container of one's own.
    "nim": RerankService(
        base_url="",
        path="/v1/ranking",
        body=_nvidia,
        indices=("rankings", "*", "index"),
        scores=("rankings", "*", "logit"),
        tokens=_TOTAL_TOKENS,
        score_kind=ScoreKind.LOGIT,
        max_documents=512,
        key_env="NVIDIA_API_KEY",
        key_required=False,
    ),
    # mixedbread.com/api-reference/endpoints/reranking
    "mixedbread": RerankService(
        base_url="https://api.mixedbread.com/v1",
        path="/reranking",
        body=_mixedbread,
        indices=("data", "*", "index"),
        scores=("data", "*", "score"),
        tokens=_TOTAL_TOKENS,
        score_kind=ScoreKind.PROBABILITY,
        max_documents=1000,
        key_env="MXBAI_API_KEY",
    ),
    # alibabacloud.com/help/en/model-studio/text-rerank-api
    "dashscope": RerankService(
        base_url="https://dashscope.aliyuncs.com/api/v1",
        path="/services/rerank/text-rerank/text-rerank",
        body=_dashscope,
        indices=("output", *_RESULTS[0]),
        scores=("output", *_RESULTS[1]),
        tokens=_TOTAL_TOKENS,
        score_kind=ScoreKind.PROBABILITY,
        max_documents=500,
        max_tokens=30_000,
        key_env="DASHSCOPE_API_KEY",
    ),
    # docs.siliconflow.cn/en/api-reference/rerank
    "siliconflow": RerankService(
        base_url="https://api.siliconflow.cn/v1",
        path="/rerank",
        body=_jina,
        indices=_RESULTS[0],
        scores=_RESULTS[1],
        tokens=("meta", "tokens", "input_tokens"),
        score_kind=ScoreKind.PROBABILITY,
        max_documents=1000,
        key_env="SILICONFLOW_API_KEY",
    ),
}
