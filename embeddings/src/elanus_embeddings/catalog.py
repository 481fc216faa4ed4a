"""What is known about embedding models by their exact name?

A model that was trained with prompts embeds badly without them, and many of those models do not
carry their prompts in their own files. Nothing here is looked up by a part of a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from elanus.plugins import ModelInfo, Role, VectorKind

_DENSE: Final = VectorKind.DENSE


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """Facts about one published model.

    Attributes:
        model: Kind, dimensions, token limit and prompts.
        licence: SPDX identifier of the licence of its weights, or "proprietary" for a model that
            only its service runs.
        plugin: Embedder that runs it, as in ``get_embedder(f"{plugin}:{model.name}")``.
    """

    model: ModelInfo
    licence: str
    plugin: str


# Columns: name, kind, dimensions, token limit, licence, prompt of queries, prompt of documents.
# From the model cards and the documentation of the services.
_Row = tuple[str, VectorKind, int, int, str, str, str]
_BGE: Final = "Represent this sentence for searching relevant passages: "
_QWEN: Final = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
)
_GEMMA: Final = ("task: search result | query: ", "title: none | text: ")

_SENTENCE_TRANSFORMERS: Final[list[_Row]] = [
    ("sentence-transformers/all-MiniLM-L6-v2", _DENSE, 384, 256, "Apache-2.0", "", ""),
    ("sentence-transformers/all-MiniLM-L12-v2", _DENSE, 384, 128, "Apache-2.0", "", ""),
    ("sentence-transformers/all-mpnet-base-v2", _DENSE, 768, 384, "Apache-2.0", "", ""),
    ("intfloat/e5-small-v2", _DENSE, 384, 512, "MIT", "query: ", "passage: "),
    ("intfloat/e5-base-v2", _DENSE, 768, 512, "MIT", "query: ", "passage: "),
    ("intfloat/e5-large-v2", _DENSE, 1024, 512, "MIT", "query: ", "passage: "),
    ("intfloat/multilingual-e5-small", _DENSE, 384, 512, "MIT", "query: ", "passage: "),
    ("intfloat/multilingual-e5-base", _DENSE, 768, 512, "MIT", "query: ", "passage: "),
    ("intfloat/multilingual-e5-large", _DENSE, 1024, 512, "MIT", "query: ", "passage: "),
    ("BAAI/bge-small-en-v1.5", _DENSE, 384, 512, "MIT", _BGE, ""),
    ("BAAI/bge-base-en-v1.5", _DENSE, 768, 512, "MIT", _BGE, ""),
    ("BAAI/bge-large-en-v1.5", _DENSE, 1024, 512, "MIT", _BGE, ""),
    ("mixedbread-ai/mxbai-embed-large-v1", _DENSE, 1024, 512, "Apache-2.0", _BGE, ""),
]
_TRANSFORMERS: Final[list[_Row]] = [
    ("Qwen/Qwen3-Embedding-0.6B", _DENSE, 1024, 32768, "Apache-2.0", _QWEN, ""),
    ("Qwen/Qwen3-Embedding-4B", _DENSE, 2560, 32768, "Apache-2.0", _QWEN, ""),
    ("Qwen/Qwen3-Embedding-8B", _DENSE, 4096, 32768, "Apache-2.0", _QWEN, ""),
]
_MODEL2VEC: Final[list[_Row]] = [
    ("minishlab/potion-base-2M", _DENSE, 64, 512, "MIT", "", ""),
    ("minishlab/potion-base-8M", _DENSE, 256, 512, "MIT", "", ""),
    ("minishlab/potion-base-32M", _DENSE, 512, 512, "MIT", "", ""),
    ("minishlab/potion-retrieval-32M", _DENSE, 512, 512, "MIT", "", ""),
]
_OTHER_KINDS: Final[dict[str, list[_Row]]] = {
    "bge-m3": [("BAAI/bge-m3", VectorKind.HYBRID, 1024, 8192, "MIT", "", "")],
    "late-interaction": [
        ("lightonai/GTE-ModernColBERT-v1", VectorKind.MULTIVECTOR, 128, 300, "Apache-2.0", "", ""),
        ("colbert-ir/colbertv2.0", VectorKind.MULTIVECTOR, 128, 180, "MIT", "", ""),
    ],
    "splade": [
        (
            "naver/splade-cocondenser-ensembledistil",
            *(VectorKind.SPARSE, 30522, 512, "CC-BY-NC-SA-4.0", "", ""),
        ),
    ],
}
_SERVICES: Final[dict[str, list[_Row]]] = {
    "openai": [
        ("text-embedding-3-small", _DENSE, 1536, 8191, "proprietary", "", ""),
        ("text-embedding-3-large", _DENSE, 3072, 8191, "proprietary", "", ""),
        ("text-embedding-ada-002", _DENSE, 1536, 8191, "proprietary", "", ""),
    ],
    "cohere": [
        ("embed-v4.0", _DENSE, 1536, 128000, "proprietary", "", ""),
        ("embed-english-v3.0", _DENSE, 1024, 512, "proprietary", "", ""),
        ("embed-multilingual-v3.0", _DENSE, 1024, 512, "proprietary", "", ""),
    ],
    "voyage": [
        ("voyage-3.5", _DENSE, 1024, 32000, "proprietary", "", ""),
        ("voyage-3.5-lite", _DENSE, 1024, 32000, "proprietary", "", ""),
        ("voyage-3-large", _DENSE, 1024, 32000, "proprietary", "", ""),
        ("voyage-code-3", _DENSE, 1024, 32000, "proprietary", "", ""),
    ],
    "jina": [
        ("jina-embeddings-v3", _DENSE, 1024, 8192, "CC-BY-NC-4.0", "", ""),
        ("jina-embeddings-v4", _DENSE, 2048, 32768, "CC-BY-NC-4.0", "", ""),
    ],
    "gemini": [("gemini-embedding-001", _DENSE, 3072, 2048, "proprietary", "", "")],
    "mistral": [("mistral-embed", _DENSE, 1024, 8192, "proprietary", "", "")],
    "bedrock-titan": [
        ("amazon.titan-embed-text-v2:0", _DENSE, 1024, 8192, "proprietary", "", ""),
        ("amazon.titan-embed-text-v1", _DENSE, 1536, 8192, "proprietary", "", ""),
    ],
    "bedrock-cohere": [
        ("cohere.embed-v4:0", _DENSE, 1536, 128000, "proprietary", "", ""),
        ("cohere.embed-english-v3", _DENSE, 1024, 512, "proprietary", "", ""),
        ("cohere.embed-multilingual-v3", _DENSE, 1024, 512, "proprietary", "", ""),
    ],
    "vertex": [
        ("text-embedding-005", _DENSE, 768, 2048, "proprietary", "", ""),
        ("text-multilingual-embedding-002", _DENSE, 768, 2048, "proprietary", "", ""),
    ],
    "nvidia": [
        ("nvidia/llama-3.2-nv-embedqa-1b-v2", _DENSE, 2048, 8192, "proprietary", "", ""),
        ("nvidia/nv-embedqa-e5-v5", _DENSE, 1024, 512, "proprietary", "", ""),
    ],
    "dashscope": [
        ("text-embedding-v4", _DENSE, 1024, 8192, "proprietary", "", ""),
        ("text-embedding-v3", _DENSE, 1024, 8192, "proprietary", "", ""),
    ],
    "ollama": [
        (
            "nomic-embed-text",
            *(_DENSE, 768, 2048, "Apache-2.0", "search_query: ", "search_document: "),
        ),
        ("mxbai-embed-large", _DENSE, 1024, 512, "Apache-2.0", _BGE, ""),
        ("embeddinggemma", _DENSE, 768, 2048, "Gemma", *_GEMMA),
    ],
}


def _entries() -> Iterator[CatalogEntry]:
    tables = {
        "sentence-transformers": _SENTENCE_TRANSFORMERS,
        "transformers": _TRANSFORMERS,
        "model2vec": _MODEL2VEC,
        **_OTHER_KINDS,
        **_SERVICES,
    }
    for plugin, rows in tables.items():
        for name, kind, dim, max_tokens, licence, query, document in rows:
            model = ModelInfo(
                name=name,
                kind=kind,
                dim=dim,
                normalized=kind is not VectorKind.SPARSE,
                max_tokens=max_tokens,
                query_prompt=query,
                document_prompt=document,
            )
            yield CatalogEntry(model, licence, plugin)


CATALOG: dict[str, CatalogEntry] = {entry.model.name: entry for entry in _entries()}


def find_model(name: str) -> CatalogEntry | None:
    """Return what is known about the model of this exact name, or None.

    A name without an organisation may be one of ``sentence-transformers``, as that library has it.
    """
    return CATALOG.get(name) or CATALOG.get(f"sentence-transformers/{name}")


def listed_prompt(model: str, role: Role) -> str:
    """Return the prompt that the catalogue has for a model, "" for models that it does not have."""
    entry = find_model(model)
    if entry is None:
        return ""
    return entry.model.query_prompt if role is Role.QUERY else entry.model.document_prompt
