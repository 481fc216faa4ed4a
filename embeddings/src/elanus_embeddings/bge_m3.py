"""How does BGE-M3 make dense, sparse and token vectors in one pass?

Source: Chen et al., "M3-Embedding: Multi-Linguality, Multi-Functionality, Multi-Granularity Text
Embeddings Through Self-Knowledge Distillation", arXiv:2402.03216.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import (
    Embedder,
    HybridVectors,
    ModelInfo,
    MultiVectorEmbedder,
    SparseEmbedder,
    SparseVectors,
    TokenVectors,
    VectorKind,
    normalize_rows,
)
from elanus.plugins.options import given_options
from elanus.types import Float32Array
from elanus_embeddings.hidden_states import Batch, HiddenStates, ModelOptions, model_file

_PLUGIN: Final = "bge-m3"
_STORED: Final = ("model", "max_tokens", "revision")
_PARTS: Final = {
    VectorKind.DENSE: "dense",
    VectorKind.SPARSE: "sparse",
    VectorKind.MULTIVECTOR: "tokens",
}


@dataclass(frozen=True, eq=False)
class BgeM3Embedder:
    """Embedder of all three kinds that runs BAAI/bge-m3, or a model with the same heads.

    ``get_embedder("bge-m3:BAAI/bge-m3")`` returns its dense view, ``get_sparse_embedder`` and
    ``get_multivector_embedder`` the others; the views of one object share the loaded model, and
    ``get_embedding`` returns the object itself. Its dense vector is that of the first token; a
    token's sparse weight is the largest of its occurrences; token vectors leave out the first token
    and have length 1.

    Args:
        model: Folder of the model, or its name at the Hugging Face Hub.
        max_tokens: Tokens after which a text is cut, or None for the model's own limit.
        device: Torch device such as ``"cpu"`` or ``"cuda:1"``, or None for the fastest there is.
        revision: Branch, tag or commit at the hub, or None for its default.
        offline: True to never use the network; the model must be in a folder or the hub's cache.

    Raises:
        PluginNotInstalledError: torch or transformers is not installed.
        InvalidArgumentError: An option is out of range.
    """

    model: str = "BAAI/bge-m3"
    max_tokens: int | None = None
    device: str | None = None
    revision: str | None = None
    offline: bool = False
    _states: HiddenStates = field(init=False, repr=False)
    _heads: dict[str, Any] = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, repr=False)

    def __post_init__(self) -> None:
        options = ModelOptions(
            self.model, _PLUGIN, self.revision, self.offline, self.device, self.max_tokens
        )
        object.__setattr__(self, "_states", HiddenStates(options))
        object.__setattr__(self, "_heads", {})
        object.__setattr__(self, "_lock", threading.Lock())

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; the first look loads it. ``dim`` is that of the dense vector."""
        return ModelInfo(
            name=self._states.options.name,
            revision=self.revision or "",
            kind=VectorKind.HYBRID,
            dim=self._states.hidden_size,
            normalized=True,
            max_tokens=self._states.max_tokens,
        )

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again."""
        params = {name: getattr(self, name) for name in _STORED}
        return {"name": _PLUGIN, "params": {k: v for k, v in params.items() if v is not None}}

    def embed_documents(self, texts: Sequence[str]) -> HybridVectors:
        return self._embed(texts)

    def embed_queries(self, texts: Sequence[str]) -> HybridVectors:
        return self._embed(texts)

    def view(self, kind: VectorKind) -> Embedder | SparseEmbedder | MultiVectorEmbedder:
        """Return an embedder of one kind that shares the model.

        Raises:
            InvalidArgumentError: ``kind`` is none of the three.
        """
        if kind not in _PARTS:
            raise InvalidArgumentError(f"{_PLUGIN}: no view of kind {kind!r}")
        return cast(Embedder | SparseEmbedder | MultiVectorEmbedder, BgeM3View(self, kind))

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, which are the indices of sparse vectors."""
        return len(self._states.tokenizer)

    @property
    def token_dim(self) -> int:
        """Dimensions of a token's vector."""
        return int(self._head("colbert_linear")["weight"].shape[0])

    def _embed(self, texts: Sequence[str]) -> HybridVectors:
        dense = np.empty((len(texts), self._states.hidden_size), dtype=np.float32)
        sparse: list[dict[int, float]] = [{} for _ in texts]
        tokens: list[Float32Array] = [np.empty((0, 0), dtype=np.float32)] * len(texts)
        unweighted = set(self._states.tokenizer.all_special_ids)

        def use(batch: Batch) -> None:
            dense[batch.rows] = batch.hidden[:, 0].cpu().numpy()
            weights = self._linear("sparse_linear", batch.hidden).relu()[..., 0]
            vectors = self._linear("colbert_linear", batch.hidden[:, 1:])
            ids, lengths = batch.ids.cpu().numpy(), batch.mask.sum(dim=1).tolist()
            values, matrices = weights.cpu().numpy(), vectors.cpu().numpy()
            for place, row in enumerate(batch.rows):
                end = lengths[place]
                sparse[row] = _largest(ids[place, :end], values[place, :end], unweighted)
                tokens[row] = normalize_rows(matrices[place, : max(1, end - 1)])

        self._states.run(texts, use)
        return HybridVectors(
            normalize_rows(dense),
            SparseVectors.from_dicts(sparse),
            TokenVectors.from_lists(tokens, self.token_dim),
        )

    def _linear(self, name: str, hidden: Any) -> Any:
        head = self._head(name)
        return self._states.torch.nn.functional.linear(hidden, head["weight"], head["bias"])

    def _head(self, name: str) -> Any:
        with self._lock:
            if name not in self._heads:
                file = model_file(self._states.options, f"{name}.pt")
                torch = self._states.torch
                try:
                    loaded = torch.load(file, map_location=self._states.device, weights_only=True)
                    self._heads[name] = {k: loaded[k].float() for k in ("weight", "bias")}
                except (OSError, KeyError, RuntimeError) as error:
                    raise ProviderError(f"{_PLUGIN}: cannot read {str(file)!r}: {error}") from error
            return self._heads[name]


@dataclass(frozen=True, eq=False)
class BgeM3View:
    """One kind of the vectors of a ``BgeM3Embedder``."""

    embedder: BgeM3Embedder
    kind: VectorKind

    @property
    def info(self) -> ModelInfo:
        whole = self.embedder.info
        if self.kind is VectorKind.SPARSE:
            size = self.embedder.vocabulary_size
            return replace(whole, kind=self.kind, dim=size, normalized=False)
        dim = whole.dim if self.kind is VectorKind.DENSE else self.embedder.token_dim
        return replace(whole, kind=self.kind, dim=dim)

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores; ``embedding_from_config`` is told the kind again."""
        return self.embedder.config

    def embed_documents(self, texts: Sequence[str]) -> Any:
        return getattr(self.embedder.embed_documents(texts), _PARTS[self.kind])

    def embed_queries(self, texts: Sequence[str]) -> Any:
        return getattr(self.embedder.embed_queries(texts), _PARTS[self.kind])


def _largest(ids: Any, weights: Any, unweighted: set[int]) -> dict[int, float]:
    """Return the largest weight of each token, without special tokens and weights of 0."""
    found: dict[int, float] = {}
    for token, weight in zip(ids.tolist(), weights.tolist(), strict=True):
        if weight > found.get(token, 0.0) and token not in unweighted:
            found[token] = weight
    return found


def _rebuild(options: dict[str, Any]) -> BgeM3Embedder:
    return BgeM3Embedder(**options)
