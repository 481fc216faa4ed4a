"""How are texts embedded by a model of the sentence-transformers library?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from elanus.errors import InvalidArgumentError
from elanus.plugins import ModelInfo, Role
from elanus.plugins.options import changed_options, given_options, require_counts
from elanus.types import Float32Array, MetricType
from elanus_embeddings.catalog import listed_prompt
from elanus_embeddings.encoder import EncoderOptions, LazyEncoder, require_sentence_transformers

_PLUGIN: Final = "sentence-transformers"
_EXTRA: Final = "elanus-embeddings[sentence-transformers]"

# Of the options, those that decide the vectors; where and how fast the model runs is not stored.
_STORED: Final = (
    "model",
    "revision",
    "max_tokens",
    "truncate_dim",
    "query_prompt",
    "document_prompt",
    "normalize",
)


@dataclass(frozen=True, eq=False)
class SentenceTransformerEmbedder:
    """Embedder that runs any sentence-transformers model on this machine.

    The model is loaded when it is first needed, and fetched from the Hugging Face Hub if ``model``
    is not a folder. Instances can be pickled; the copy loads the model again.

    Args:
        model: Folder of the model, or its name at the hub.
        device: Torch device such as ``"cpu"`` or ``"cuda:1"``, or None for the fastest there is.
        batch_size: Most texts that go through the model together, or None to let padded tokens
            alone decide.
        max_tokens: Tokens after which a text is cut, or None for the model's own limit.
        truncate_dim: Leading dimensions to keep, for models trained so (Matryoshka), or None.
        query_prompt: Put in front of queries. None takes the model's own, else the catalog's.
        document_prompt: Put in front of documents; None as above.
        normalize: True to scale vectors to length 1.
        revision: Branch, tag or commit at the hub, or None for its default.
        offline: True to never use the network; the model must be in a folder or the hub's cache.

    Raises:
        PluginNotInstalledError: sentence-transformers is not installed.
        InvalidArgumentError: An option is out of range.
    """

    model: str
    device: str | None = None
    batch_size: int | None = None
    max_tokens: int | None = None
    truncate_dim: int | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    normalize: bool = True
    revision: str | None = None
    offline: bool = False
    _encoder: LazyEncoder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise InvalidArgumentError(
                f"{_PLUGIN}: expected the name or folder of a model, got {self.model!r}"
            )
        require_counts(_PLUGIN, self, ("batch_size", "max_tokens", "truncate_dim"))
        require_sentence_transformers(_PLUGIN, _EXTRA)
        options = EncoderOptions(
            source=self.model,
            plugin=_PLUGIN,
            extra=_EXTRA,
            revision=self.revision,
            local_files_only=self.offline,
            device=self.device,
            batch_size=self.batch_size,
            max_tokens=self.max_tokens,
            truncate_dim=self.truncate_dim,
            normalize=self.normalize,
        )
        object.__setattr__(self, "_encoder", LazyEncoder(options))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; the first look loads it."""
        encoder = self._encoder.get()
        return ModelInfo(
            name=Path(self.model).name if Path(self.model).is_dir() else self.model,
            revision=self.revision or "",
            dim=encoder.dim,
            metric=MetricType.COSINE if self.normalize else encoder.metric,
            normalized=self.normalize,
            max_tokens=encoder.max_tokens,
            query_prompt=self._prompt(Role.QUERY),
            document_prompt=self._prompt(Role.DOCUMENT),
        )

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again: the options that were set."""
        return {"name": _PLUGIN, "params": changed_options(self, _STORED)}

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._encoder.get().encode(texts, Role.DOCUMENT, self._prompt(Role.DOCUMENT))

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self._encoder.get().encode(texts, Role.QUERY, self._prompt(Role.QUERY))

    def _prompt(self, role: Role) -> str:
        given = self.query_prompt if role is Role.QUERY else self.document_prompt
        if given is not None:
            return given
        own = self._encoder.get().prompts
        # Names that sentence-transformers looks for, in its order.
        for name in ("query",) if role is Role.QUERY else ("document", "passage", "corpus"):
            if name in own:
                return own[name]
        return listed_prompt(self.model, role)


def _rebuild(options: dict[str, Any]) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(**options)
