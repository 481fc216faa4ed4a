"""How does a cross-encoder run without torch?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import RerankerInfo, ScoreKind, require_package
from elanus.plugins.onnx_graphs import OnnxSession, quantize, write_graph
from elanus.plugins.options import changed_options, given_options, require_counts
from elanus.types import Float32Array

_PLUGIN: Final = "onnx-cross-encoder"
_EXTRA: Final = "elanus-rerankers[onnx]"
_EXPORT_EXTRA: Final = "elanus-rerankers[onnx-export]"
_STORED: Final = ("model", "file", "max_tokens", "score_kind")
_DEFAULT_MAX_TOKENS: Final = 512


@dataclass(frozen=True, eq=False)
class OnnxCrossEncoderReranker:
    """Reranker that runs the ONNX graph of a cross-encoder with one label or two.

    The graph takes ``input_ids``, ``attention_mask`` and, if it wants them, ``token_type_ids``, and
    its first output is the logits. ``export_cross_encoder`` makes such a folder. Safe from many
    threads; can be pickled.

    Args:
        model: Folder with the graph and ``tokenizer.json``.
        file: Name of the graph in it.
        max_tokens: Tokens of query and document together after which the longer of the two is cut;
            None takes the limit of the folder, else 512.
        score_kind: ``"logit"``, or ``"probability"`` for its sigmoid.
        threads: Threads of one call, or None for one per core.

    Raises:
        PluginNotInstalledError: onnxruntime or tokenizers is not installed.
        NotFoundError: The folder lacks a file.
        InvalidArgumentError: An option is out of range.
    """

    model: str
    file: str = "model.onnx"
    max_tokens: int | None = None
    score_kind: str = ScoreKind.LOGIT.value
    threads: int | None = None
    _session: OnnxSession = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_counts(_PLUGIN, self, ("max_tokens", "threads"))
        if self.score_kind not in (ScoreKind.LOGIT, ScoreKind.PROBABILITY):
            raise InvalidArgumentError(
                f"{_PLUGIN}: score_kind must be 'logit' or 'probability', got {self.score_kind!r}"
            )
        settings = Path(self.model) / "config.json"
        stored = json.loads(settings.read_text("utf-8")) if settings.is_file() else {}
        session = OnnxSession(
            Path(self.model),
            self.file,
            plugin=_PLUGIN,
            extra=_EXTRA,
            max_tokens=self.max_tokens or int(stored.get("max_tokens", _DEFAULT_MAX_TOKENS)),
            threads=self.threads,
        )
        object.__setattr__(self, "_session", session)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> RerankerInfo:
        return RerankerInfo(name=Path(self.model).name, score_kind=ScoreKind(self.score_kind))

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this reranker again: the options that were set."""
        return {"name": _PLUGIN, "params": changed_options(self, _STORED)}

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Score each document.

        Raises:
            ProviderError: The graph cannot be loaded, has another number of labels, or failed.
        """
        logits = np.empty(len(documents), dtype=np.float32)
        for rows, output, _ in self._session.run([(query, text) for text in documents]):
            if output.ndim != 2 or output.shape[1] not in (1, 2):
                raise ProviderError(
                    f"{_PLUGIN}: {self.model!r} has an output of shape {output.shape}, expected "
                    "one or two logits per pair"
                )
            two = output.shape[1] == 2
            logits[rows] = output[:, 1] - output[:, 0] if two else output[:, 0]
        if self.score_kind == ScoreKind.LOGIT:
            return logits
        # exp of more than 80 would leave float32; the sigmoid is 0 or 1 long before.
        return (1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0)))).astype(np.float32)


def export_cross_encoder(
    model: str | Path, folder: str | Path, *, int8: bool = False, offline: bool = False
) -> Path:
    """Write a cross-encoder as ``model.onnx`` and ``tokenizer.json``.

    Args:
        model: Folder of a sequence-classification model, or its name at the Hugging Face Hub.
        folder: Where to write; it is created, and files in it are replaced.
        int8: True to also write ``model_int8.onnx``, which is smaller and faster and gives other
            scores.
        offline: True to never use the network.

    Returns:
        ``folder``.

    Raises:
        PluginNotInstalledError: transformers, onnxruntime or onnx is not installed.
        ProviderError: The model cannot be loaded.
    """
    transformers = require_package("transformers", plugin=_PLUGIN, extra=_EXPORT_EXTRA)
    require_package("onnx", plugin=_PLUGIN, extra=_EXPORT_EXTRA)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(model), local_files_only=offline)
        loaded = transformers.AutoModelForSequenceClassification.from_pretrained(
            str(model), local_files_only=offline, attn_implementation="eager"
        ).eval()
    except (OSError, ValueError, RuntimeError) as error:
        raise ProviderError(
            f"{_PLUGIN}: cannot load the model {str(model)!r}: {error}. Check the name or the "
            "folder, and the network if the model has to be fetched."
        ) from error
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    own = getattr(loaded.config, "max_position_embeddings", _DEFAULT_MAX_TOKENS)
    settings = {"max_tokens": int(min(tokenizer.model_max_length, own))}
    (out / "config.json").write_text(json.dumps(settings) + "\n", encoding="utf-8")
    write_graph(loaded, tokenizer, out / "model.onnx", "logits")
    if int8:
        quantize(out / "model.onnx", out / "model_int8.onnx")
    return out


def _rebuild(options: dict[str, Any]) -> OnnxCrossEncoderReranker:
    return OnnxCrossEncoderReranker(**options)
