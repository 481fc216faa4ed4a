"""How does a sentence embedding model run without torch?

ONNX Runtime runs the graph, ``tokenizers`` cuts the text; both are small and load fast. A folder
has ``model.onnx`` and ``tokenizer.json``, and ``sentence_bert_config.json`` and
``1_Pooling/config.json`` where sentence-transformers wrote them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError, NotFoundError, ProviderError
from elanus.plugins import (
    ModelInfo,
    Role,
    leading_dimensions,
    normalize_rows,
    require_package,
    token_batches,
)
from elanus.types import Float32Array, Int64Array
from elanus_embeddings.catalog import find_model
from elanus_embeddings.transformers import POOLINGS

_PLUGIN: Final = "onnx"
_EXTRA: Final = "elanus-embeddings[onnx]"
_STORED: Final = (
    *("model", "file", "pooling", "query_prompt", "document_prompt"),
    *("truncate_dim", "max_tokens", "normalize"),
)
# Activations of a batch of this many tokens stay in the caches of the processor.
_BATCH_TOKENS: Final = 1024
_MAX_BATCH_TEXTS: Final = 256
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
        for name in ("truncate_dim", "max_tokens", "threads"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InvalidArgumentError(
                    f"{_PLUGIN}: {name} must be an integer of at least 1 or None, got {value!r}"
                )
        session = OnnxSession(Path(self.model), self.file, self.max_tokens, self.threads)
        object.__setattr__(self, "_session", session)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, ({f.name: getattr(self, f.name) for f in fields(self) if f.init},)

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
        options = {f.name: (getattr(self, f.name), f.default) for f in fields(self) if f.init}
        params = {
            name: value
            for name, (value, default) in options.items()
            if name in _STORED and value != default
        }
        return {"name": _PLUGIN, "params": params}

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
        if self.truncate_dim is not None:
            return leading_dimensions(vectors, self.truncate_dim, normalize=self.normalize)
        return normalize_rows(vectors) if self.normalize else vectors

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
        entry = find_model(self._name)
        if entry is None:
            return ""
        return entry.model.query_prompt if role is Role.QUERY else entry.model.document_prompt


class OnnxSession:
    """Tokenizer and graph of a folder; the graph is loaded when it is first needed."""

    def __init__(
        self, folder: Path, file: str, max_tokens: int | None, threads: int | None
    ) -> None:
        for name in (file, "tokenizer.json"):
            if not (folder / name).is_file():
                raise NotFoundError(
                    f"{_PLUGIN}: no file {str(folder / name)!r}; export_onnx(model, folder) writes "
                    "a folder that has what is needed"
                )
        self._folder = folder
        self._file = file
        self._given_max_tokens = max_tokens
        self._threads = threads
        self._lock = threading.Lock()
        self._session: Any = None
        self._tokenizer: Any = None
        self._inputs: frozenset[str] = frozenset()
        # Both packages at once, so that a missing one shows before anything is embedded.
        self._runtime = require_package("onnxruntime", plugin=_PLUGIN, extra=_EXTRA)
        self._tokenizers = require_package("tokenizers", plugin=_PLUGIN, extra=_EXTRA)

    @property
    def max_tokens(self) -> int:
        """Tokens after which a text is cut."""
        if self._given_max_tokens is not None:
            return self._given_max_tokens
        stored = _read_json(self._folder / "sentence_bert_config.json").get("max_seq_length")
        return int(stored or _DEFAULT_MAX_TOKENS)

    @property
    def dim(self) -> int:
        """Numbers of the last axis of the first output."""
        size = self._load().get_outputs()[0].shape[-1]
        if isinstance(size, int):
            return size
        return int(self.run(["dimensions"])[0][1].shape[-1])

    def run(self, texts: Sequence[str]) -> list[tuple[list[int], Any, Int64Array]]:
        """Return places, first output and mask of each batch.

        Raises:
            ProviderError: The graph cannot be loaded, or failed.
        """
        session = self._load()
        # The lock of tokenizers is its own: encoding changes nothing.
        encoded = self._tokenizer.encode_batch(list(texts)) if len(texts) else []
        found = []
        for rows in token_batches([len(one.ids) for one in encoded], _BATCH_TOKENS, _MAX_BATCH_TEXTS):
            longest = max(len(encoded[row].ids) for row in rows)
            features = {
                name: np.zeros((len(rows), longest), dtype=np.int64)
                for name in ("input_ids", "attention_mask", "token_type_ids")
            }
            for place, row in enumerate(rows):
                one = encoded[row]
                features["input_ids"][place, : len(one.ids)] = one.ids
                features["attention_mask"][place, : len(one.ids)] = 1
                features["token_type_ids"][place, : len(one.ids)] = one.type_ids
            inputs = {name: features[name] for name in features if name in self._inputs}
            try:
                output = session.run(None, inputs)[0]
            except (RuntimeError, ValueError, self._failure) as error:
                raise ProviderError(
                    f"{_PLUGIN}: {str(self._folder / self._file)!r} failed on {len(rows)} texts: "
                    f"{error}"
                ) from error
            found.append((rows, np.asarray(output, np.float32), features["attention_mask"]))
        return found

    @property
    def _failure(self) -> Any:
        return self._runtime.capi.onnxruntime_pybind11_state.RuntimeException

    def _load(self) -> Any:
        with self._lock:
            if self._session is None:
                options = self._runtime.SessionOptions()
                if self._threads is not None:
                    options.intra_op_num_threads = self._threads
                options.log_severity_level = 3
                state = self._runtime.capi.onnxruntime_pybind11_state
                try:
                    session = self._runtime.InferenceSession(
                        str(self._folder / self._file), options, providers=["CPUExecutionProvider"]
                    )
                except (RuntimeError, state.InvalidProtobuf, state.Fail, state.InvalidGraph) as bad:
                    raise ProviderError(
                        f"{_PLUGIN}: cannot load {str(self._folder / self._file)!r}: {bad}"
                    ) from bad
                self._inputs = frozenset(one.name for one in session.get_inputs())
                tokenizer = self._tokenizers.Tokenizer.from_file(
                    str(self._folder / "tokenizer.json")
                )
                tokenizer.enable_truncation(self.max_tokens)
                tokenizer.no_padding()
                self._tokenizer = tokenizer
                self._session = session
            return self._session


def _pooled(hidden: Float32Array, mask: Int64Array, pooling: str) -> Float32Array:
    if pooling == "cls":
        return hidden[:, 0]
    lengths = mask.sum(axis=1)
    if pooling == "last":
        last: Float32Array = hidden[np.arange(len(hidden)), lengths - 1]
        return last
    weights = mask.astype(np.float32) / lengths[:, np.newaxis]
    mean: Float32Array = np.einsum("btd,bt->bd", hidden, weights, dtype=np.float32)
    return mean


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
