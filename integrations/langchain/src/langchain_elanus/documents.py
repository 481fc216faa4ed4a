"""How does a LangChain document become a row, and a found row a document?"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from elanus.documents import DocumentBatch, DocumentHit, StoredDocument
from elanus.errors import EntityError


@dataclass(frozen=True, slots=True)
class Found:
    """A document that a search found.

    Attributes:
        document: What the user gets.
        score: As the search or the reranker reported it.
        relevance: In [0, 1], larger is more relevant.
        vector: float32, shape ``(dim,)``, when it was asked for.
    """

    document: Document
    score: float
    relevance: float
    vector: NDArray[np.float32] | None = field(default=None, compare=False)


def make_batch(
    texts: Iterable[str],
    metadatas: Sequence[Mapping[str, Any]] | None,
    ids: Sequence[str | None] | None,
) -> DocumentBatch:
    """Return texts as a batch, with a UUID for each that has no id.

    Raises:
        EntityError: A ``ValueError``: the lengths differ, or metadata cannot be stored.
    """
    if isinstance(texts, str):
        raise EntityError("texts: expected a list of str, got one str; write [text]")
    kept = list(texts)
    given = list(ids) if ids else [None] * len(kept)
    return DocumentBatch(
        ids=[str(uuid.uuid4()) if i is None else i for i in given],
        texts=kept,
        metadatas=list(metadatas) if metadatas else None,
    )


def split_documents(
    documents: Iterable[Document], options: dict[str, Any]
) -> tuple[list[str], list[dict[str, Any]], Sequence[str | None]]:
    """Return texts, metadata and ids of documents; takes ``ids`` out of ``options``.

    Raises:
        EntityError: A ``ValueError``: something is no document.
    """
    if isinstance(documents, Document):
        raise EntityError("documents: expected a list of Document, got one; write [document]")
    kept = list(documents)
    for row, one in enumerate(kept):
        if not isinstance(one, Document):
            raise EntityError(
                f"documents: expected Document, got {type(one).__name__} (row {row}); add_texts "
                f"takes texts",
                row=row,
            )
    given = options.pop("ids", None)
    ids = [document.id for document in kept] if given is None else given
    return [d.page_content for d in kept], [d.metadata for d in kept], ids


def to_document(stored: StoredDocument) -> Document:
    """Return a stored document as LangChain knows it, with nothing added to its metadata."""
    return Document(id=stored.id, page_content=stored.text, metadata=stored.metadata)


def to_found(hit: DocumentHit) -> Found:
    """Return a hit of a search."""
    return Found(to_document(hit), hit.score, hit.relevance, hit.vector)
