"""What is known about reranking models by their exact name?

For choosing one; every other model that fits works as well.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """Facts about one published cross-encoder.

    Attributes:
        name: Name at the Hugging Face Hub.
        max_tokens: Tokens of query and document together after which they are cut.
        licence: SPDX identifier of the licence of its weights.
        languages: "English" or "multilingual".
    """

    name: str
    max_tokens: int
    licence: str
    languages: str


# From the model cards.
CATALOG: dict[str, CatalogEntry] = {
    entry.name: entry
    for entry in (
        CatalogEntry("cross-encoder/ms-marco-MiniLM-L6-v2", 512, "Apache-2.0", "English"),
        CatalogEntry("cross-encoder/ms-marco-MiniLM-L12-v2", 512, "Apache-2.0", "English"),
        CatalogEntry("BAAI/bge-reranker-base", 512, "MIT", "multilingual"),
        CatalogEntry("BAAI/bge-reranker-large", 512, "MIT", "multilingual"),
        CatalogEntry("BAAI/bge-reranker-v2-m3", 8192, "Apache-2.0", "multilingual"),
    )
}
