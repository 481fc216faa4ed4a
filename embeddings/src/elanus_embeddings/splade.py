"""How does a learned sparse model of sentence-transformers weigh the words of a text?"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import (
    ModelInfo,
    Role,
    SparseVectors,
    VectorKind,
    length_batches,
    require_package,
)
from elanus.plugins.options import given_options, require_counts
from elanus.types import MetricType
from elanus_embeddings.encoder import require_sentence_transformers

_PLUGIN: Final = "splade"
_EXTRA: Final = "elanus-embeddings[sentence-transformers]"
_STORED: Final = ("model", "max_tokens", "max_active", "revision")
# The logits of a text are one number per token and word of the vocabulary: small batches.
_BATCH_TEXTS: Final = 16


@dataclass(frozen=True, eq=False)
class SpladeEmbedder:
    """Sparse embedder that runs any ``SparseEncoder`` of sentence-transformers.

    SPLADE models, and those that only look queries up (inference-free), which their files say. The
    model is loaded when it is first needed, and fetched from the Hugging Face Hub if ``model`` is
    not a folder. Safe from many threads, by turns; can be pickled.

    Args:
        model: Folder of the model, or its name at the hub.
        max_tokens: Tokens after which a text is cut, or None for the model's own limit.
        max_active: Most values of a vector, the largest ones, or None for all.
        device: Torch device such as ``"cpu"`` or ``"cuda:1"``, or None for the fastest there is.
        revision: Branch, tag or commit at the hub, or None for its default.
        offline: True to never use the network; the model must be in a folder or the hub's cache.

    Raises:
        PluginNotInstalledError: sentence-transformers is not installed.
        InvalidArgumentError: An option is out of range.
    """

    model: str
    max_tokens: int | None = None
    max_active: int | None = None
    device: str | None = None
    revision: str | None = None
    offline: bool = False
    _lock: threading.Lock = field(init=False, repr=False)
    _loaded: list[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise InvalidArgumentError(
                f"{_PLUGIN}: expected the name or folder of a model, got {self.model!r}"
            )
        require_counts(_PLUGIN, self, ("max_tokens", "max_active"))
        require_sentence_transformers(_PLUGIN, _EXTRA)
        object.__setattr__(self, "_lock", threading.Lock())
        object.__setattr__(self, "_loaded", [])

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; the first look loads it."""
        with self._lock:
            model = self._get()
            limit = model.max_seq_length
            # The pooling of some models learns its width from the first text it sees.
            dim = model.encode_document(["dimensions"], show_progress_bar=False).shape[-1]
        return ModelInfo(
            name=Path(self.model).name if Path(self.model).is_dir() else self.model,
            revision=self.revision or "",
            kind=VectorKind.SPARSE,
            dim=int(dim),
            metric=MetricType.IP,
            max_tokens=int(limit) if limit is not None and np.isfinite(limit) else None,
        )

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again."""
        params = {name: getattr(self, name) for name in _STORED}
        return {"name": _PLUGIN, "params": {k: v for k, v in params.items() if v is not None}}

    def embed_documents(self, texts: Sequence[str]) -> SparseVectors:
        return self._embed(texts, Role.DOCUMENT)

    def embed_queries(self, texts: Sequence[str]) -> SparseVectors:
        return self._embed(texts, Role.QUERY)

    def _embed(self, texts: Sequence[str], role: Role) -> SparseVectors:
        rows: list[dict[int, float]] = [{} for _ in texts]
        with self._lock:
            model = self._get()
            encode = model.encode_query if role is Role.QUERY else model.encode_document
            try:
                for batch in length_batches([len(text) for text in texts], _BATCH_TEXTS):
                    made = encode(
                        [texts[i] for i in batch],
                        batch_size=len(batch),
                        convert_to_tensor=True,
                        convert_to_sparse_tensor=True,
                        max_active_dims=self.max_active,
                        show_progress_bar=False,
                    ).coalesce()
                    places, words = made.indices().cpu().numpy()
                    values = made.values().float().cpu().numpy()
                    for place, word, value in zip(
                        places.tolist(), words.tolist(), values.tolist(), strict=True
                    ):
                        if value:
                            rows[batch[place]][word] = value
            except RuntimeError as error:
                raise ProviderError(
                    f"{_PLUGIN}: embedding {len(texts)} texts with {self.model!r} failed: {error}"
                ) from error
        return SparseVectors.from_dicts(rows)

    def _get(self) -> Any:
        if not self._loaded:
            package = require_package("sentence_transformers", plugin=_PLUGIN, extra=_EXTRA)
            try:
                model = package.SparseEncoder(
                    self.model,
                    device=self.device,
                    revision=self.revision,
                    local_files_only=self.offline,
                )
            except (OSError, ValueError, RuntimeError) as error:
                raise ProviderError(
                    f"{_PLUGIN}: cannot load the model {self.model!r}: {error}. Check the name or "
                    "the folder, and the network if the model has to be fetched."
                ) from error
            if self.max_tokens is not None:
                model.max_seq_length = self.max_tokens
            self._loaded.append(model.eval())
        return self._loaded[0]


def _rebuild(options: dict[str, Any]) -> SpladeEmbedder:
    return SpladeEmbedder(**options)
