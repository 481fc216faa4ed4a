"""How are many texts embedded at once, whatever the embedder?

``embed_texts`` is the one way from texts to vectors inside the engine: it batches by length, tells
how far it is, and checks what the plug-in returns before any of it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TypeAlias

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins.protocols import Embedder, ModelInfo
from elanus.types import Float32Array

Progress: TypeAlias = Callable[[int, int], None]

DEFAULT_BATCH_SIZE = 128

# Sorting a window instead of everything keeps the texts of a batch about equally long and still
# lets the rate that a progress bar shows predict the time left.
_BATCHES_PER_WINDOW = 16


class Role(StrEnum):
    """Why a text is embedded; models may treat the two differently."""

    DOCUMENT = "document"
    QUERY = "query"


def embed_texts(
    embedder: Embedder,
    texts: Sequence[str],
    *,
    role: Role = Role.DOCUMENT,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Float32Array:
    """Embed texts of any number, batched by length.

    Args:
        embedder: The plug-in.
        texts: Texts to embed; may be empty.
        role: Documents to store, or queries.
        batch_size: Texts per call of the plug-in, at least 1. None takes ``embedder.batch_texts``,
            which plug-ins that ask a service have, or 128.
        progress: Called after each batch with the texts done and the number of all texts.

    Returns:
        float32, shape ``(len(texts), embedder.info.dim)``, row ``i`` for text ``i``.

    Raises:
        InvalidArgumentError: ``texts`` is a plain string or has something that is not a string, or
            ``batch_size`` is below 1.
        ProviderError: The plug-in returned another shape or dtype, or a value that is not finite.
    """
    _check_texts(texts)
    if batch_size is None:
        batch_size = int(getattr(embedder, "batch_texts", DEFAULT_BATCH_SIZE))
    if batch_size < 1:
        raise InvalidArgumentError(f"batch_size must be at least 1, got {batch_size}")
    embed = embedder.embed_queries if role is Role.QUERY else embedder.embed_documents
    info = embedder.info
    vectors = np.empty((len(texts), info.dim), dtype=np.float32)
    done = 0
    for rows in length_batches([len(text) for text in texts], batch_size):
        vectors[rows] = check_vectors(embed([texts[i] for i in rows]), len(rows), info)
        done += len(rows)
        if progress is not None:
            progress(done, len(texts))
    return vectors


def length_batches(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Yield batches of positions such that the texts of a batch are about equally long.

    Windows of texts follow each other in the given order; inside one, the longest come first. Ties
    keep their order.

    Args:
        lengths: Length of each text, in any unit.
        batch_size: Largest number of positions in a batch.
    """
    window = batch_size * _BATCHES_PER_WINDOW
    for start in range(0, len(lengths), window):
        stop = min(start + window, len(lengths))
        order = sorted(range(start, stop), key=lambda i: -lengths[i])
        for first in range(0, len(order), batch_size):
            yield order[first : first + batch_size]


def token_batches(
    token_counts: Sequence[int], max_tokens: int, max_texts: int
) -> Iterator[list[int]]:
    """Yield batches of positions for a model that pads the texts of a batch to the longest.

    Work and memory of such a model grow with padded tokens, not texts. The longest texts come
    first; ties keep their order.

    Args:
        token_counts: Tokens of each text.
        max_tokens: Largest number of tokens of a batch after padding, which is the tokens of its
            longest text times its texts. A text that is longer by itself is a batch of its own.
        max_texts: Largest number of texts of a batch.

    Raises:
        InvalidArgumentError: A limit is below 1.
    """
    if max_tokens < 1 or max_texts < 1:
        raise InvalidArgumentError(
            f"batches need limits of at least 1, got {max_tokens} tokens and {max_texts} texts"
        )
    batch: list[int] = []
    longest = 0
    for position in sorted(range(len(token_counts)), key=lambda i: -token_counts[i]):
        if batch and (len(batch) == max_texts or longest * (len(batch) + 1) > max_tokens):
            yield batch
            batch = []
        if not batch:
            longest = token_counts[position]
        batch.append(position)
    if batch:
        yield batch


def check_vectors(vectors: object, count: int, info: ModelInfo) -> Float32Array:
    """Return ``vectors`` if they are what the contract of ``Embedder`` promises.

    Raises:
        ProviderError: Another type, dtype or shape, or a value that is not finite.
    """
    expected = f"{info.name}: expected a float32 array of shape ({count}, {info.dim})"
    if not isinstance(vectors, np.ndarray):
        raise ProviderError(f"{expected}, got {type(vectors).__name__}")
    if vectors.dtype != np.float32 or vectors.shape != (count, info.dim):
        raise ProviderError(f"{expected}, got {vectors.dtype} of shape {vectors.shape}")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise ProviderError(
            f"{info.name}: the vector of text {int(np.argmin(finite))} of {count} has a value "
            "that is not finite"
        )
    return vectors


def normalize_rows(vectors: Float32Array) -> Float32Array:
    """Return the rows scaled to length 1 (L2); rows of zeros stay zeros.

    Args:
        vectors: float32, shape ``(n, dim)``; left as it is.
    """
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    lengths[lengths == 0] = 1.0
    scaled: Float32Array = (vectors / lengths[:, np.newaxis]).astype(np.float32)
    return scaled


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise InvalidArgumentError("texts must be a list of strings, got one string: pass [text]")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidArgumentError(
                f"texts[{row}]: expected a string, got {type(text).__name__}"
            )
