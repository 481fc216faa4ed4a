"""How do texts become vectors at the speed of a look-up, from a table of one vector per token?"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import ModelInfo, leading_dimensions, normalize_rows, require_package
from elanus.plugins.options import changed_options, given_options
from elanus.types import Float32Array

_PLUGIN: Final = "model2vec"
_EXTRA: Final = "elanus-embeddings[model2vec]"
_STORED: Final = ("model", "truncate_dim", "max_tokens", "normalize")


@dataclass(frozen=True, eq=False)
class Model2VecEmbedder:
    """Embedder that runs a static model of the model2vec library, without torch.

    The model is loaded when it is first needed, and fetched from the Hugging Face Hub if ``model``
    is not a folder; set ``HF_HUB_OFFLINE=1`` to forbid that. Safe from many threads; can be
    pickled. A text without a known token gets zeros, which ``normalize`` leaves as they are.

    Args:
        model: Folder of the model, or its name at the hub, such as ``"minishlab/potion-base-8M"``.
        truncate_dim: Leading dimensions to keep, or None.
        max_tokens: Tokens after which a text is cut.
        normalize: True to scale vectors to length 1.

    Raises:
        PluginNotInstalledError: model2vec is not installed.
        InvalidArgumentError: An option is out of range.
    """

    model: str
    truncate_dim: int | None = None
    max_tokens: int = 512
    normalize: bool = True
    _lock: threading.Lock = field(init=False, repr=False)
    _loaded: list[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise InvalidArgumentError(
                f"{_PLUGIN}: expected the name or folder of a model, got {self.model!r}"
            )
        for name in ("truncate_dim", "max_tokens"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InvalidArgumentError(
                    f"{_PLUGIN}: {name} must be an integer of at least 1, got {value!r}"
                )
        require_package("model2vec", plugin=_PLUGIN, extra=_EXTRA)
        object.__setattr__(self, "_lock", threading.Lock())
        object.__setattr__(self, "_loaded", [])

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; the first look loads it."""
        return ModelInfo(
            name=Path(self.model).name if Path(self.model).is_dir() else self.model,
            dim=self.truncate_dim or int(self._get().dim),
            # Zeros of a text without a known token have no length to scale.
            normalized=False,
            max_tokens=self.max_tokens,
        )

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again: the options that were set."""
        return {"name": _PLUGIN, "params": changed_options(self, _STORED)}

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> Float32Array:
        model = self._get()
        vectors = np.zeros((len(texts), int(model.dim)), dtype=np.float32)
        if len(texts):
            made = model.encode(list(texts), max_length=self.max_tokens, use_multiprocessing=False)
            vectors[:] = np.asarray(made, dtype=np.float32)
        if self.truncate_dim is not None:
            return leading_dimensions(vectors, self.truncate_dim, normalize=self.normalize)
        return normalize_rows(vectors) if self.normalize else vectors

    def _get(self) -> Any:
        with self._lock:
            if not self._loaded:
                package = require_package("model2vec", plugin=_PLUGIN, extra=_EXTRA)
                try:
                    self._loaded.append(package.StaticModel.from_pretrained(self.model))
                except (OSError, ValueError, RuntimeError) as error:
                    raise ProviderError(
                        f"{_PLUGIN}: cannot load the model {self.model!r}: {error}. Check the name "
                        "or the folder, and the network if the model has to be fetched."
                    ) from error
            return self._loaded[0]


def _rebuild(options: dict[str, Any]) -> Model2VecEmbedder:
    return Model2VecEmbedder(**options)
