"""What is known about embedding models by their exact name?

A model that was trained with prompts embeds badly without them, and many of those models do not
carry their prompts in their own files. Nothing here is looked up by a part of a name.
"""

from __future__ import annotations

from dataclasses import dataclass

from elanus.plugins import ModelInfo

_BGE_QUERY = "Represent this sentence for searching relevant passages: "


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """Facts about one published model.

    Attributes:
        model: Dimensions, token limit and prompts.
        licence: SPDX identifier of the licence of its weights.
    """

    model: ModelInfo
    licence: str


def _entry(
    name: str, dim: int, max_tokens: int, licence: str, *, query: str = "", document: str = ""
) -> tuple[str, CatalogEntry]:
    model = ModelInfo(
        name=name,
        dim=dim,
        normalized=True,
        max_tokens=max_tokens,
        query_prompt=query,
        document_prompt=document,
    )
    return name, CatalogEntry(model, licence)


_E5 = {"query": "query: ", "document": "passage: "}
_BGE = {"query": _BGE_QUERY}

# From the model cards: intfloat/*e5*, BAAI/bge-*-en-v1.5, sentence-transformers/all-*.
CATALOG: dict[str, CatalogEntry] = dict(
    [
        _entry("sentence-transformers/all-MiniLM-L6-v2", 384, 256, "Apache-2.0"),
        _entry("sentence-transformers/all-MiniLM-L12-v2", 384, 128, "Apache-2.0"),
        _entry("sentence-transformers/all-mpnet-base-v2", 768, 384, "Apache-2.0"),
        _entry("intfloat/e5-small-v2", 384, 512, "MIT", **_E5),
        _entry("intfloat/e5-base-v2", 768, 512, "MIT", **_E5),
        _entry("intfloat/e5-large-v2", 1024, 512, "MIT", **_E5),
        _entry("intfloat/multilingual-e5-small", 384, 512, "MIT", **_E5),
        _entry("intfloat/multilingual-e5-base", 768, 512, "MIT", **_E5),
        _entry("intfloat/multilingual-e5-large", 1024, 512, "MIT", **_E5),
        _entry("BAAI/bge-small-en-v1.5", 384, 512, "MIT", **_BGE),
        _entry("BAAI/bge-base-en-v1.5", 768, 512, "MIT", **_BGE),
        _entry("BAAI/bge-large-en-v1.5", 1024, 512, "MIT", **_BGE),
    ]
)


def find_model(name: str) -> CatalogEntry | None:
    """Return what is known about the model of this exact name, or None.

    A name without an organisation belongs to ``sentence-transformers``, as that library has it.
    """
    return CATALOG.get(name if "/" in name else f"sentence-transformers/{name}")
