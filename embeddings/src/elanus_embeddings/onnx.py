"""How does a sentence embedding model run without torch?

ONNX Runtime runs the graph, ``tokenizers`` cuts the text; both are small and load fast. A folder
has ``model.onnx`` and ``tokenizer.json``, and ``sentence_bert_config.json`` and
``1_Pooling/config.json`` where sentence-transformers wrote them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.plugins import ModelInfo, Role, finished_vectors
from elanus.plugins.onnx_graphs import OnnxSession
from elanus.plugins.options import changed_options, given_options, require_counts
from elanus.types import Float32Array, Int64Array
from elanus_embeddings.catalog import listed_prompt
from elanus_embeddings.transformers import POOLINGS

_PLUGIN: Final = "onnx"
_EXTRA: Final = "elanus-embeddings[onnx]"
_STORED: Final = (
    *("model", "file", "pooling", "query_prompt", "document_prompt"),
    *("truncate_dim", "max_tokens", "normalize"),
)
_DEFAULT_MAX_TOKENS: Final = 512


@dataclass(frozen=True, eq=False)
class OnnxEmbedder:
    """Embedder that runs the ONNX graph of a folder.

    The graph takes ``input_ids`` and ``attention_mask``, and ``token_type_ids`` if it wants them;
    its first output is either the last hidden states, which are pooled here, or one vector per
    text. ``export_onnx`` makes such a folder. Safe from many threads; can be pickled.

    Args:
        model: The folder.
        file: Name of the graph in it.
        pooling: ``"mean"``, ``"cls"`` or ``"last"``; None takes that of the folder, else mean.
        query_prompt: Put in front of queries; None takes the catalogue's.
        document_prompt: Put in front of documents; None takes the catalogue's.
        truncate_dim: Leading dimensions to keep, for models trained so (Matryoshka), or None.
        max_tokens: Tokens after which a text is cut; None takes the limit of the folder, else 512.
        normalize: True to scale vectors to length 1.
        threads: Threads of one call, or None for one per core.

    Raises:
        PluginNotInstalledError: onnxruntime or tokenizers is not installed.
        NotFoundError: The folder lacks a file.
        InvalidArgumentError: An option is out of range.
    """

    model: str
    file: str = "model.onnx"
    pooling: str | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    truncate_dim: int | None = None
    max_tokens: int | None = None
    normalize: bool = True
    threads: int | None = None
    _session: OnnxSession = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.pooling is not None and self.pooling not in POOLINGS:
            raise InvalidArgumentError(
                f"{_PLUGIN}: pooling must be one of {', '.join(POOLINGS)} or None, got "
                f"{self.pooling!r}"
            )
        require_counts(_PLUGIN, self, ("truncate_dim", "max_tokens", "threads"))
        session = OnnxSession(
            Path(self.model),
            self.file,
            plugin=_PLUGIN,
            extra=_EXTRA,
            max_tokens=self.max_tokens or _stored_limit(Path(self.model)),
            threads=self.threads,
        )
        object.__setattr__(self, "_session", session)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; the first look loads it."""
        return ModelInfo(
            name=self._name,
            dim=self.truncate_dim or self._session.dim,
            normalized=self.normalize,
            max_tokens=self._session.max_tokens,
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
        pooling = self.pooling or _stored_pooling(Path(self.model))
        vectors = np.empty((len(texts), self._session.dim), dtype=np.float32)
        for rows, output, mask in self._session.run([prompt + text for text in texts]):
            vectors[rows] = output if output.ndim == 2 else _pooled(output, mask, pooling)
        return finished_vectors(vectors, self.truncate_dim, normalize=self.normalize)

    @property
    def _name(self) -> str:
        # The folder remembers which model it was exported from.
        source = _read_json(Path(self.model) / "config.json").get("elanus_source")
        return str(source) if source else Path(self.model).name

    def _prompt(self, role: Role) -> str:
        given = self.query_prompt if role is Role.QUERY else self.document_prompt
        if given is not None:
            return given
        own = _read_json(Path(self.model) / "config.json").get("prompts", {})
        for name in ("query",) if role is Role.QUERY else ("document", "passage", "corpus"):
            if name in own:
                return str(own[name])
        return listed_prompt(self._name, role)


def _pooled(hidden: Float32Array, mask: Int64Array, pooling: str) -> Float32Array:
    if pooling == "cls":
        return hidden[:, 0]
    lengths = mask.sum(axis=1)
    if pooling == "last":
        last: Float32Array = hidden[np.arange(len(hidden)), lengths - 1]
        return last
    weights = (mask / lengths[:, np.newaxis]).astype(np.float32)
    mean: Float32Array = np.einsum("btd,bt->bd", hidden, weights)
    return mean


def _stored_limit(folder: Path) -> int:
    stored = _read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    return int(stored or _DEFAULT_MAX_TOKENS)


def _stored_pooling(folder: Path) -> str:
    stored = _read_json(folder / "1_Pooling" / "config.json")
    if stored.get("pooling_mode_cls_token") or stored.get("pooling_mode") == "cls":
        return "cls"
    if stored.get("pooling_mode_lasttoken") or stored.get("pooling_mode") == "lasttoken":
        return "last"
    return "mean"


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def _rebuild(options: dict[str, Any]) -> OnnxEmbedder:
    return OnnxEmbedder(**options)
