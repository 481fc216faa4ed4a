"""What must an object offer to embed texts, or to rerank them?

These are the whole contracts; ``elanus.testing`` has the test classes that hold a plug-in to them.
Any object with the right attributes fits: nothing has to be inherited.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.types import Float32Array, Int64Array, MetricType, UInt32Array


class VectorKind(StrEnum):
    """Form of the vectors that an embedder makes.

    DENSE is one vector per text, SPARSE one of few values at many indices, MULTIVECTOR one vector
    per token, HYBRID all three from one pass of the model.
    """

    DENSE = "dense"
    SPARSE = "sparse"
    MULTIVECTOR = "multivector"
    HYBRID = "hybrid"


class ScoreKind(StrEnum):
    """What the score of a reranker means; larger is more relevant in each.

    LOGIT is any real number, PROBABILITY lies in [0, 1], RELEVANCE is 0 or larger on a scale that
    depends on the query.
    """

    LOGIT = "logit"
    PROBABILITY = "probability"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a user of an embedder must know about its model.

    Attributes:
        name: Name that tells this model from others, such as ``"all-MiniLM-L6-v2"``.
        revision: Version of the model, or "" when it has none.
        kind: Form of the vectors.
        dim: Dimensions of a dense vector, or of each token's; for sparse ones the number of
            distinct indices, or 0 when there is no bound.
        metric: The metric that the model was trained for.
        normalized: True when every vector has length 1.
        max_tokens: Tokens after which a text is cut, or None when nothing is cut.
        query_prompt: Put in front of every query by the embedder itself.
        document_prompt: Put in front of every document by the embedder itself.
        fingerprint: A fingerprint that the plug-in vouches for, in the form that
            ``elanus.plugins.fingerprint`` returns, or "" to have it computed from probe texts.
    """

    name: str
    revision: str = ""
    kind: VectorKind = VectorKind.DENSE
    dim: int = 0
    metric: MetricType = MetricType.COSINE
    normalized: bool = False
    max_tokens: int | None = None
    query_prompt: str = ""
    document_prompt: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class RerankerInfo:
    """What a user of a reranker must know about its model.

    Attributes:
        name: Name that tells this model from others.
        score_kind: What its scores mean.
    """

    name: str
    score_kind: ScoreKind


@dataclass(frozen=True, slots=True, eq=False)
class SparseVectors:
    """Sparse vectors in CSR form.

    Row ``i`` has the indices ``indices[offsets[i]:offsets[i + 1]]``, ascending and unique, with
    ``values`` at the same places.

    Attributes:
        offsets: int64, shape ``(n + 1,)``, from 0, never falling.
        indices: uint32, shape ``(offsets[-1],)``.
        values: float32, finite, shape ``(offsets[-1],)``.
    """

    offsets: Int64Array
    indices: UInt32Array
    values: Float32Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def from_dicts(cls, rows: Iterable[Mapping[int, float]]) -> SparseVectors:
        """Build from one ``{index: value}`` mapping per row.

        Raises:
            InvalidArgumentError: An index does not fit uint32, or a value is not finite.
        """
        ordered = [sorted(row.items()) for row in rows]
        offsets = np.zeros(len(ordered) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in ordered], out=offsets[1:])
        indices = np.array([index for row in ordered for index, _ in row], dtype=np.int64)
        values = np.array([value for row in ordered for _, value in row], dtype=np.float32)
        if indices.size and (indices.min() < 0 or indices.max() >= 2**32):
            raise InvalidArgumentError(
                f"sparse vectors: indices must lie in [0, 2**32), got {indices.min()} to "
                f"{indices.max()}"
            )
        if not np.isfinite(values).all():
            raise InvalidArgumentError("sparse vectors: every value must be finite")
        return cls(offsets, indices.astype(np.uint32), values)

    def to_dicts(self) -> list[dict[int, float]]:
        """Return one ``{index: value}`` dict per row."""
        ends = self.offsets.tolist()
        indices, values = self.indices.tolist(), self.values.tolist()
        return [
            dict(zip(indices[a:b], values[a:b], strict=True)) for a, b in itertools.pairwise(ends)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """Lists of vectors, one list per text and one vector per token.

    Attributes:
        offsets: int64, shape ``(n + 1,)``, from 0, rising: every text has a vector at least.
        vectors: float32, finite, shape ``(offsets[-1], dim)``; text ``i`` has the rows
            ``offsets[i]`` to ``offsets[i + 1]``.
    """

    offsets: Int64Array
    vectors: Float32Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def from_lists(cls, lists: Sequence[Float32Array], dim: int) -> TokenVectors:
        """Build from one float32 matrix of ``dim`` columns per text."""
        offsets = np.zeros(len(lists) + 1, dtype=np.int64)
        np.cumsum([len(rows) for rows in lists], out=offsets[1:])
        vectors = np.concatenate([np.empty((0, dim), dtype=np.float32), *lists])
        return cls(offsets, vectors)

    def to_lists(self) -> list[Float32Array]:
        """Return one matrix per text, views of ``vectors``."""
        ends = self.offsets.tolist()
        return [self.vectors[a:b] for a, b in itertools.pairwise(ends)]


@dataclass(frozen=True, slots=True, eq=False)
class HybridVectors:
    """What a hybrid model makes of the same texts in one pass.

    Attributes:
        dense: float32, shape ``(n, dim)``.
        sparse: One row per text.
        tokens: One list per text.
    """

    dense: Float32Array
    sparse: SparseVectors
    tokens: TokenVectors


class Embedder(Protocol):
    """Text → dense vectors.

    Both methods take any number of texts, none and empty ones included, and return float32,
    C-contiguous, shape ``(len(texts), info.dim)``, finite, row ``i`` for text ``i``. The vector of
    a text does not depend on the other texts of the call. Calls may come from several threads.

    An object that can be built again from a stored collection also has ``config``, see
    ``elanus.plugins.plugin_config``.
    """

    @property
    def info(self) -> ModelInfo:
        """What the model is and makes; the same at every call."""

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        """Embed texts that are stored: one vector per text, shape ``(len(texts), info.dim)``."""

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        """Embed texts that are searched by, to compare with those of documents; else the same."""


class SparseEmbedder(Protocol):
    """Text → sparse vectors, one row per text; else as ``Embedder``."""

    @property
    def info(self) -> ModelInfo:
        """What the model is and makes; the same at every call."""

    def embed_documents(self, texts: Sequence[str]) -> SparseVectors:
        """Embed texts that are stored: one sparse vector per text."""

    def embed_queries(self, texts: Sequence[str]) -> SparseVectors:
        """Embed texts that are searched by, to compare with those of documents; else the same."""


class MultiVectorEmbedder(Protocol):
    """Text → one vector per token, at least one per text; else as ``Embedder``."""

    @property
    def info(self) -> ModelInfo:
        """What the model is and makes; the same at every call."""

    def embed_documents(self, texts: Sequence[str]) -> TokenVectors:
        """Embed texts that are stored: the vectors of the tokens of each text."""

    def embed_queries(self, texts: Sequence[str]) -> TokenVectors:
        """Embed texts that are searched by, to compare with those of documents; else the same."""


class HybridEmbedder(Protocol):
    """Text → dense, sparse and token vectors at once; else as ``Embedder``.

    ``view`` returns an embedder of one of the three kinds that shares the model.
    """

    @property
    def info(self) -> ModelInfo:
        """What the model is and makes; the same at every call."""

    def embed_documents(self, texts: Sequence[str]) -> HybridVectors:
        """Embed texts that are stored: the vectors of all kinds of each text."""

    def embed_queries(self, texts: Sequence[str]) -> HybridVectors:
        """Embed texts that are searched by, to compare with those of documents; else the same."""

    def view(self, kind: VectorKind) -> Embedder | SparseEmbedder | MultiVectorEmbedder:
        """Return an embedder of one kind that shares the model."""


AnyEmbedder: TypeAlias = Embedder | SparseEmbedder | MultiVectorEmbedder | HybridEmbedder


class Reranker(Protocol):
    """(query, document) → score.

    ``score`` returns float32, shape ``(len(documents),)``, finite, larger is more relevant. Calls
    may come from several threads.
    """

    @property
    def info(self) -> RerankerInfo:
        """What the model is and how its scores are meant; the same at every call."""

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Return the relevance of each document to the query, shape ``(len(documents),)``."""
