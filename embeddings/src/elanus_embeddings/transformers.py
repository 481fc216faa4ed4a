"""How does any transformer become an embedder, by pooling what it makes of the tokens?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.plugins import ModelInfo, Role, finished_vectors
from elanus.plugins.options import changed_options, given_options
from elanus.types import Float32Array, MetricType
from elanus_embeddings.catalog import listed_prompt
from elanus_embeddings.hidden_states import Batch, HiddenStates, ModelOptions

_PLUGIN: Final = "transformers"
POOLINGS: Final = ("mean", "cls", "last")
# Of the options, those that decide the vectors; where the model runs is not stored.
_STORED: Final = (
    "model",
    "pooling",
    "query_prompt",
    "document_prompt",
    "truncate_dim",
    "max_tokens",
    "normalize",
    "revision",
)


@dataclass(frozen=True, eq=False)
class TransformersEmbedder:
    """Embedder that pools the last hidden states of a model of the transformers library.

    The model is loaded when it is first needed, and fetched from the Hugging Face Hub if ``model``
    is not a folder. Instances can be pickled; the copy loads the model again.

    Args:
        model: Folder of the model, or its name at the hub.
        pooling: ``"mean"`` of all tokens, ``"cls"`` for the first one, or ``"last"`` for the last
            one, as decoders such as Qwen3-Embedding are trained.
        query_prompt: Put in front of queries, such as an instruction. None takes the catalogue's.
        document_prompt: Put in front of documents; None as above.
        truncate_dim: Leading dimensions to keep, for models trained so (Matryoshka), or None.
        max_tokens: Tokens after which a text is cut, or None for the model's own limit.
        normalize: True to scale vectors to length 1.
        device: Torch device such as ``"cpu"`` or ``"cuda:1"``, or None for the fastest there is.
        revision: Branch, tag or commit at the hub, or None for its default.
        offline: True to never use the network; the model must be in a folder or the hub's cache.

    Raises:
        PluginNotInstalledError: torch or transformers is not installed.
        InvalidArgumentError: An option is out of range.
    """

    model: str
    pooling: str = "mean"
    query_prompt: str | None = None
    document_prompt: str | None = None
    truncate_dim: int | None = None
    max_tokens: int | None = None
    normalize: bool = True
    device: str | None = None
    revision: str | None = None
    offline: bool = False
    _states: HiddenStates = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise InvalidArgumentError(
                f"{_PLUGIN}: pooling must be one of {', '.join(POOLINGS)}, got {self.pooling!r}"
            )
        cut = self.truncate_dim
        if cut is not None and (not isinstance(cut, int) or cut < 1):
            raise InvalidArgumentError(
                f"{_PLUGIN}: truncate_dim must be an integer of at least 1 or None, got {cut!r}"
            )
        options = ModelOptions(
            self.model, _PLUGIN, self.revision, self.offline, self.device, self.max_tokens
        )
        object.__setattr__(self, "_states", HiddenStates(options))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; the first look loads it."""
        states = self._states
        return ModelInfo(
            name=states.options.name,
            revision=self.revision or "",
            dim=self.truncate_dim or states.hidden_size,
            metric=MetricType.COSINE,
            normalized=self.normalize,
            max_tokens=states.max_tokens,
            query_prompt=self._prompt(Role.QUERY),
            document_prompt=self._prompt(Role.DOCUMENT),
        )

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again: the options that were set."""
        return {"name": _PLUGIN, "params": changed_options(self, _STORED)}

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts, Role.DOCUMENT)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts, Role.QUERY)

    def _embed(self, texts: Sequence[str], role: Role) -> Float32Array:
        prompt = self._prompt(role)
        vectors = np.empty((len(texts), self._states.hidden_size), dtype=np.float32)

        def pool(batch: Batch) -> None:
            vectors[batch.rows] = _pooled(batch, self.pooling).cpu().numpy()

        self._states.run([prompt + text for text in texts], pool)
        return finished_vectors(vectors, self.truncate_dim, normalize=self.normalize)

    def _prompt(self, role: Role) -> str:
        given = self.query_prompt if role is Role.QUERY else self.document_prompt
        if given is not None:
            return given
        return listed_prompt(self.model, role)


def _pooled(batch: Batch, pooling: str) -> Any:
    """Return one vector per text. Padding stands on the right."""
    hidden, mask = batch.hidden, batch.mask
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "last":
        last = (mask.sum(dim=1) - 1).clamp(min=0)
        return hidden[range(len(last)), last]
    weights = mask.unsqueeze(-1).float()
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def _rebuild(options: dict[str, Any]) -> TransformersEmbedder:
    return TransformersEmbedder(**options)
