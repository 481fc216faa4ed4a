"""How does each embedding service want to be asked, and where does it answer?

One entry of ``SERVICES`` per service: its address, its limits, the shape of its request and where
the vectors stand in its answer. ``remote.py`` does the rest, the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from elanus.plugins import Role
from elanus.plugins.services import Sign


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """One request, in the terms of no service in particular.

    Attributes:
        model: Name of the model at the service.
        texts: What to embed, none of them empty.
        role: Documents or queries.
        dim: Dimensions to ask for, or None for the model's own.
        user: On whose behalf, for services that are told, or None.
    """

    model: str
    texts: list[str]
    role: Role
    dim: int | None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingService:
    """One service.

    Attributes:
        base_url: Its address, or "" when the user has to give one; ``{region}`` stands for where it
            runs.
        path: Behind the address; ``{model}``, ``{region}`` and ``{project}`` stand for those.
        body: The JSON of a request.
        vectors: Keys to the vectors in the answer; "*" goes through a list.
        index: Keys to the place of each vector, or () when they come in order.
        tokens: Keys to the tokens that were counted, or ().
        max_texts: Most texts of a request.
        max_tokens: Most tokens of a request, or None.
        takes_dim: Whether it shortens vectors itself when asked.
        key_env: Environment variable of its key, or "".
        key_required: Whether it refuses to answer without a key.
        key_header: Header that carries the key.
        key_prefix: In front of the key.
        single: Whether a request takes one text, and ``vectors`` leads to its one vector.
        singly: Models that take one text a request, where others take several.
        sign: What proves who asks when there is no key.
    """

    base_url: str
    path: str
    body: Callable[[EmbeddingRequest], dict[str, object]]
    vectors: tuple[str, ...]
    index: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    max_texts: int = 128
    max_tokens: int | None = None
    takes_dim: bool = True
    key_env: str = ""
    key_required: bool = True
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    single: bool = False
    singly: frozenset[str] = frozenset()
    sign: Sign = Sign.NOTHING

    def most_texts(self, model: str) -> int:
        """Return the most texts of a request for a model."""
        return 1 if self.single or model in self.singly else self.max_texts


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _openai(asked: EmbeddingRequest) -> dict[str, object]:
    return _given(
        model=asked.model,
        input=asked.texts,
        encoding_format="float",
        dimensions=asked.dim,
        user=asked.user,
    )


def _mistral(asked: EmbeddingRequest) -> dict[str, object]:
    return _given(model=asked.model, input=asked.texts, output_dimension=asked.dim)


def _ollama(asked: EmbeddingRequest) -> dict[str, object]:
    return _given(model=asked.model, input=asked.texts, truncate=True, dimensions=asked.dim)


def _tei(asked: EmbeddingRequest) -> dict[str, object]:
    return {"inputs": asked.texts, "normalize": True, "truncate": True}


def _cohere(asked: EmbeddingRequest) -> dict[str, object]:
    return _given(
        model=asked.model,
        texts=asked.texts,
        input_type="search_query" if asked.role is Role.QUERY else "search_document",
        embedding_types=["float"],
        truncate="END",
        output_dimension=asked.dim,
    )


def _voyage(asked: EmbeddingRequest) -> dict[str, object]:
    return _given(
        model=asked.model,
        input=asked.texts,
        input_type=asked.role.value,
        truncation=True,
        output_dimension=asked.dim,
    )


# The second generation of models knows no tasks.
_JINA_WITHOUT_TASKS: Final = frozenset(
    f"jina-embeddings-v2-{name}"
    for name in ("small-en", "base-en", "base-zh", "base-de", "base-es", "base-code")
)


def _jina(asked: EmbeddingRequest) -> dict[str, object]:
    task = "retrieval.query" if asked.role is Role.QUERY else "retrieval.passage"
    return _given(
        model=asked.model,
        input=asked.texts,
        task=None if asked.model in _JINA_WITHOUT_TASKS else task,
        truncate=True,
        dimensions=asked.dim,
    )


def _gemini(asked: EmbeddingRequest) -> dict[str, object]:
    task = "RETRIEVAL_QUERY" if asked.role is Role.QUERY else "RETRIEVAL_DOCUMENT"
    return {
        "requests": [
            _given(
                model=f"models/{asked.model}",
                content={"parts": [{"text": text}]},
                taskType=task,
                outputDimensionality=asked.dim,
            )
            for text in asked.texts
        ]
    }


def _bedrock_titan(asked: EmbeddingRequest) -> dict[str, object]:
    return _given(inputText=asked.texts[0], dimensions=asked.dim)


_BEDROCK_COHERE_V3: Final = frozenset({"cohere.embed-english-v3", "cohere.embed-multilingual-v3"})


def _bedrock_cohere(asked: EmbeddingRequest) -> dict[str, object]:
    body = _cohere(asked) | {"truncate": "END" if asked.model in _BEDROCK_COHERE_V3 else "RIGHT"}
    del body["model"]
    return body


def _vertex(asked: EmbeddingRequest) -> dict[str, object]:
    task = "RETRIEVAL_QUERY" if asked.role is Role.QUERY else "RETRIEVAL_DOCUMENT"
    return {
        "instances": [{"content": text, "task_type": task} for text in asked.texts],
        "parameters": _given(autoTruncate=True, outputDimensionality=asked.dim),
    }


def _nvidia(asked: EmbeddingRequest) -> dict[str, object]:
    role = "query" if asked.role is Role.QUERY else "passage"
    return _openai(asked) | {"input_type": role, "truncate": "END"}


def _mixedbread(asked: EmbeddingRequest) -> dict[str, object]:
    return _openai(asked) | {"normalized": True}


def _dashscope(asked: EmbeddingRequest) -> dict[str, object]:
    return {
        "model": asked.model,
        "input": {"texts": asked.texts},
        "parameters": _given(text_type=asked.role.value, dimension=asked.dim),
    }


def _yandex(asked: EmbeddingRequest) -> dict[str, object]:
    # Its models come in pairs, of which users name that of the documents.
    query = asked.model.replace("-doc/", "-query/")
    return _given(
        modelUri=query if asked.role is Role.QUERY else asked.model,
        text=asked.texts[0],
        dim=None if asked.dim is None else str(asked.dim),
    )


_TOTAL_TOKENS: Final = ("usage", "total_tokens")
# Many services answer as OpenAI's does.
_as_openai = partial(
    EmbeddingService,
    path="/embeddings",
    vectors=("data", "*", "embedding"),
    index=("data", "*", "index"),
    tokens=_TOTAL_TOKENS,
)

# Shapes and limits as the services document them.
SERVICES: Final[Mapping[str, EmbeddingService]] = {
    # platform.openai.com/docs/api-reference/embeddings; also vLLM, LM Studio, llama.cpp, Azure.
    "openai": _as_openai(
        base_url="https://api.openai.com/v1",
        body=_openai,
        max_texts=2048,
        max_tokens=300_000,
        key_env="OPENAI_API_KEY",
    ),
    # docs.ollama.com/api/embed
    "ollama": EmbeddingService(
        base_url="http://localhost:11434",
        path="/api/embed",
        body=_ollama,
        vectors=("embeddings", "*"),
        tokens=("prompt_eval_count",),
        max_texts=64,
        key_env="OLLAMA_API_KEY",
        key_required=False,
    ),
    # huggingface.github.io/text-embeddings-inference; 32 is its --max-client-batch-size.
    "tei": EmbeddingService(
        base_url="",
        path="/embed",
        body=_tei,
        vectors=("*",),
        max_texts=32,
        takes_dim=False,
        key_env="TEI_API_KEY",
        key_required=False,
    ),
    # docs.cohere.com/reference/embed
    "cohere": EmbeddingService(
        base_url="https://api.cohere.com/v2",
        path="/embed",
        body=_cohere,
        vectors=("embeddings", "float", "*"),
        tokens=("meta", "billed_units", "input_tokens"),
        max_texts=96,
        key_env="COHERE_API_KEY",
    ),
    # docs.voyageai.com/reference/embeddings-api; models of the series 3.5 take more tokens.
    "voyage": _as_openai(
        base_url="https://api.voyageai.com/v1",
        body=_voyage,
        max_texts=1000,
        max_tokens=120_000,
        key_env="VOYAGE_API_KEY",
    ),
    # api.jina.ai/redoc
    "jina": _as_openai(
        base_url="https://api.jina.ai/v1",
        body=_jina,
        max_texts=512,
        key_env="JINA_API_KEY",
    ),
    # ai.google.dev/api/embeddings
    "gemini": EmbeddingService(
        base_url="https://generativelanguage.googleapis.com/v1beta",
        path="/models/{model}:batchEmbedContents",
        body=_gemini,
        vectors=("embeddings", "*", "values"),
        max_texts=100,
        key_env="GEMINI_API_KEY",
        key_header="x-goog-api-key",
        key_prefix="",
    ),
    # docs.mistral.ai/api/#tag/embeddings
    "mistral": _as_openai(
        base_url="https://api.mistral.ai/v1",
        body=_mistral,
        max_texts=512,
        max_tokens=16_384,
        key_env="MISTRAL_API_KEY",
    ),
    # docs.aws.amazon.com/bedrock, "Amazon Titan Text Embeddings"; a request takes one text.
    "bedrock-titan": EmbeddingService(
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        path="/model/{model}/invoke",
        body=_bedrock_titan,
        vectors=("embedding",),
        tokens=("inputTextTokenCount",),
        single=True,
        key_env="AWS_BEARER_TOKEN_BEDROCK",
        sign=Sign.AWS,
    ),
    # docs.aws.amazon.com/bedrock, "Cohere Embed".
    "bedrock-cohere": EmbeddingService(
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        path="/model/{model}/invoke",
        body=_bedrock_cohere,
        vectors=("embeddings", "float", "*"),
        max_texts=96,
        key_env="AWS_BEARER_TOKEN_BEDROCK",
        sign=Sign.AWS,
    ),
    # cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
    "vertex": EmbeddingService(
        base_url="https://{region}-aiplatform.googleapis.com",
        path=("/v1/projects/{project}/locations/{region}/publishers/google/models/{model}:predict"),
        body=_vertex,
        vectors=("predictions", "*", "embeddings", "values"),
        max_texts=250,
        max_tokens=20_000,
        singly=frozenset({"gemini-embedding-001"}),
        key_env="GOOGLE_OAUTH_ACCESS_TOKEN",
        sign=Sign.GOOGLE,
    ),
    # docs.nvidia.com/nim/nemo-retriever/text-embedding; also a NIM of one's own.
    "nvidia": _as_openai(
        base_url="https://integrate.api.nvidia.com/v1",
        body=_nvidia,
        max_texts=128,
        key_env="NVIDIA_API_KEY",
    ),
    # mixedbread.com/api-reference/endpoints/embeddings
    "mixedbread": _as_openai(
        base_url="https://api.mixedbread.com/v1",
        body=_mixedbread,
        max_texts=256,
        key_env="MXBAI_API_KEY",
    ),
    # alibabacloud.com/help/en/model-studio/text-embedding-synchronous-api
    "dashscope": EmbeddingService(
        base_url="https://dashscope.aliyuncs.com/api/v1",
        path="/services/embeddings/text-embedding/text-embedding",
        body=_dashscope,
        vectors=("output", "embeddings", "*", "embedding"),
        index=("output", "embeddings", "*", "text_index"),
        tokens=_TOTAL_TOKENS,
        max_texts=10,
        key_env="DASHSCOPE_API_KEY",
    ),
    # docs.siliconflow.cn/en/api-reference/embeddings
    "siliconflow": _as_openai(
        base_url="https://api.siliconflow.cn/v1",
        body=_openai,
        max_texts=32,
        key_env="SILICONFLOW_API_KEY",
    ),
    # huggingface.co/docs/inference-providers/tasks/feature-extraction
    "huggingface": EmbeddingService(
        base_url="https://router.huggingface.co/hf-inference",
        path="/models/{model}/pipeline/feature-extraction",
        body=_tei,
        vectors=("*",),
        max_texts=32,
        takes_dim=False,
        key_env="HF_TOKEN",
    ),
    # yandex.cloud/en/docs/ai-studio/embeddings/api-ref/Embeddings/textEmbedding
    "yandex": EmbeddingService(
        base_url="https://llm.api.cloud.yandex.net/foundationModels/v1",
        path="/textEmbedding",
        body=_yandex,
        vectors=("embedding",),
        tokens=("numTokens",),
        single=True,
        key_env="YC_API_KEY",
        key_prefix="Api-Key ",
    ),
}
