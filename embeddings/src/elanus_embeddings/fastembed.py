"""How do the models of the fastembed library serve as plug-ins, dense, sparse or per token?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import (
    ModelInfo,
    Role,
    SparseVectors,
    TokenVectors,
    VectorKind,
    require_package,
)
from elanus.plugins.options import given_options
from elanus.types import Float32Array, MetricType

_PLUGIN: Final = "fastembed"
_EXTRA: Final = "elanus-embeddings[fastembed]"
_CLASSES: Final = {
    VectorKind.DENSE: "TextEmbedding",
    VectorKind.SPARSE: "SparseTextEmbedding",
    VectorKind.MULTIVECTOR: "LateInteractionTextEmbedding",
}


@dataclass(frozen=True, eq=False)
class FastEmbedEmbedder:
    """Embedder that runs a model of fastembed.

    The model is fetched when it is first needed, unless it is in ``folder`` or in fastembed's
    cache. Safe from many threads, by turns; can be pickled.

    Args:
        model: Name of the model, as fastembed lists it.
        kind: ``"dense"``, ``"sparse"`` or ``"multivector"``.
        folder: Folder that holds the model already, or None.
        cache: Folder that fastembed keeps models in, or None for its default.
        offline: True to never use the network.
        threads: Threads of one call, or None for one per core.

    Raises:
        PluginNotInstalledError: fastembed is not installed.
        InvalidArgumentError: ``kind`` is none of the three.
    """

    model: str
    kind: str = "dense"
    folder: str | None = None
    cache: str | None = None
    offline: bool = False
    threads: int | None = None
    _lock: threading.Lock = field(init=False, repr=False)
    _loaded: list[Any] = field(init=False, repr=False)
    _facts: list[ModelInfo] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in set(_CLASSES):
            raise InvalidArgumentError(
                f"{_PLUGIN}: kind must be one of {', '.join(_CLASSES)}, got {self.kind!r}"
            )
        require_package("fastembed", plugin=_PLUGIN, extra=_EXTRA)
        for name, value in (("_lock", threading.Lock()), ("_loaded", []), ("_facts", [])):
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; the first look loads it and embeds one text."""
        kind = VectorKind(self.kind)
        if not self._facts:
            dim = 0
            if kind is not VectorKind.SPARSE:
                dim = int(np.asarray(self._run(["dimensions"], Role.DOCUMENT)[0]).shape[-1])
            metric = MetricType.IP if kind is VectorKind.SPARSE else MetricType.COSINE
            self._facts.append(ModelInfo(name=self.model, kind=kind, dim=dim, metric=metric))
        return self._facts[0]

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again."""
        params = {name: getattr(self, name) for name in ("model", "kind", "folder")}
        return {"name": _PLUGIN, "params": {k: v for k, v in params.items() if v is not None}}

    def embed_documents(self, texts: Sequence[str]) -> Any:
        return self._embed(texts, Role.DOCUMENT)

    def embed_queries(self, texts: Sequence[str]) -> Any:
        return self._embed(texts, Role.QUERY)

    def _embed(
        self, texts: Sequence[str], role: Role
    ) -> Float32Array | SparseVectors | TokenVectors:
        made = self._run(texts, role) if len(texts) else []
        if self.kind == VectorKind.SPARSE:
            return SparseVectors.from_dicts(
                dict(zip(one.indices.tolist(), one.values.tolist(), strict=True)) for one in made
            )
        dim = self.info.dim
        rows = [np.asarray(one, dtype=np.float32) for one in made]
        if self.kind == VectorKind.MULTIVECTOR:
            return TokenVectors.from_lists(rows, dim)
        return np.array(rows, dtype=np.float32).reshape(len(rows), dim)

    def _run(self, texts: Sequence[str], role: Role) -> list[Any]:
        with self._lock:
            model = self._get()
            run: Callable[[list[str]], Iterable[Any]] = (
                model.query_embed if role is Role.QUERY else model.passage_embed
            )
            try:
                return list(run(list(texts)))
            except (RuntimeError, ValueError) as error:
                raise ProviderError(
                    f"{_PLUGIN}: embedding {len(texts)} texts with {self.model!r} failed: {error}"
                ) from error

    def _get(self) -> Any:
        if not self._loaded:
            package = require_package("fastembed", plugin=_PLUGIN, extra=_EXTRA)
            kind = getattr(package, _CLASSES[VectorKind(self.kind)])
            try:
                self._loaded.append(
                    kind(
                        self.model,
                        cache_dir=self.cache,
                        threads=self.threads,
                        local_files_only=self.offline,
                        specific_model_path=self.folder,
                    )
                )
            except (OSError, ValueError, RuntimeError) as error:
                raise ProviderError(
                    f"{_PLUGIN}: cannot load the model {self.model!r}: {error}. Check the name in "
                    "fastembed's list, and the network if the model has to be fetched."
                ) from error
        return self._loaded[0]


def _rebuild(options: dict[str, Any]) -> FastEmbedEmbedder:
    return FastEmbedEmbedder(**options)
