"""How is a model asked from an event loop without stopping it?

Calls run in a worker thread: models release the interpreter while they compute and services are
waited for. Nothing is bound to one loop. A plug-in that has ``aembed_documents`` and
``aembed_queries`` of its own is asked by these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from elanus.plugins.batching import Progress, Role, embed_texts
from elanus.plugins.protocols import Embedder, Reranker
from elanus.plugins.ranking import Ranked, rank
from elanus.types import Float32Array

MadeT = TypeVar("MadeT", covariant=True)


class Embeds(Protocol[MadeT]):
    """An embedder of any kind, by what it makes of texts."""

    def embed_documents(self, texts: Sequence[str]) -> MadeT: ...

    def embed_queries(self, texts: Sequence[str]) -> MadeT: ...


async def aembed_documents(embedder: Embeds[MadeT], texts: Sequence[str]) -> MadeT:
    """Return what ``embedder.embed_documents`` returns, for an embedder of any kind.

    Dense vectors of many texts come batched from ``aembed_texts``.
    """
    made: MadeT = await _awaited(embedder, "embed_documents", texts)
    return made


async def aembed_queries(embedder: Embeds[MadeT], texts: Sequence[str]) -> MadeT:
    """Return what ``embedder.embed_queries`` returns, for an embedder of any kind."""
    made: MadeT = await _awaited(embedder, "embed_queries", texts)
    return made


async def _awaited(embedder: Any, method: str, texts: Sequence[str]) -> Any:
    own = getattr(embedder, f"a{method}", None)
    if own is not None:
        return await own(texts)
    return await asyncio.to_thread(getattr(embedder, method), texts)


async def aembed_texts(
    embedder: Embedder,
    texts: Sequence[str],
    *,
    role: Role = Role.DOCUMENT,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Float32Array:
    """Embed texts in a worker thread; arguments, result and errors are those of ``embed_texts``.

    ``progress`` is called in that thread.
    """
    return await asyncio.to_thread(
        embed_texts, embedder, texts, role=role, batch_size=batch_size, progress=progress
    )


async def arank(
    reranker: Reranker, query: str, documents: Sequence[str], top_k: int | None = None
) -> list[Ranked]:
    """Rank documents in a worker thread; arguments, result and errors are those of ``rank``."""
    return await asyncio.to_thread(rank, reranker, query, documents, top_k)
