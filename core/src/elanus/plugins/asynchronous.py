"""How is a model asked from an event loop without stopping it?

Every call runs in a worker thread: models release the interpreter while they compute and services
are waited for. Nothing is bound to one loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from elanus.plugins.batching import Progress, Role, embed_texts
from elanus.plugins.protocols import Embedder, Reranker
from elanus.plugins.ranking import Ranked, rank
from elanus.types import Float32Array


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
