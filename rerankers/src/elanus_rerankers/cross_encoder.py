"""How relevant does a transformer find a document that it reads together with the query?"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import RerankerInfo, ScoreKind, require_package, token_batches
from elanus.plugins.options import changed_options, given_options
from elanus.types import Float32Array

_PLUGIN: Final = "cross-encoder"
_EXTRA: Final = "elanus-rerankers[cross-encoder]"
# Batches of about this many tokens keep the activations of a layer in the caches of the processor.
_CPU_BATCH_TOKENS: Final = 1024
_ACCELERATOR_BATCH_TOKENS: Final = 32_768
_MAX_BATCH_PAIRS: Final = 256

# Of the options, those that decide the scores; where the model runs is not stored.
_STORED: Final = ("model", "max_tokens", "score_kind", "revision")


@dataclass(frozen=True, eq=False)
class CrossEncoderReranker:
    """Reranker that runs a sequence-classification model of transformers on this machine.

    Fits models with one label (its logit is the score) or two (the logit of the second against the
    first). The model is loaded when it is first needed, and fetched from the Hugging Face Hub if
    ``model`` is not a folder. Instances can be pickled; the copy loads the model again. Safe from
    many threads; they take turns.

    Args:
        model: Folder of the model, or its name at the hub.
        device: Torch device such as ``"cpu"`` or ``"cuda:1"``, or None for the fastest there is.
        max_tokens: Tokens of query and document together after which the longer of the two is cut,
            or None for the model's own limit.
        score_kind: ``"logit"``, or ``"probability"`` for its sigmoid.
        revision: Branch, tag or commit at the hub, or None for its default.
        offline: True to never use the network; the model must be in a folder or the hub's cache.

    Raises:
        PluginNotInstalledError: transformers is not installed.
        InvalidArgumentError: An option is out of range.
    """

    model: str
    device: str | None = None
    max_tokens: int | None = None
    score_kind: str = ScoreKind.LOGIT.value
    revision: str | None = None
    offline: bool = False
    _pairs: _PairModel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise InvalidArgumentError(
                f"{_PLUGIN}: expected the name or folder of a model, got {self.model!r}"
            )
        if self.max_tokens is not None and (
            not isinstance(self.max_tokens, int) or self.max_tokens < 1
        ):
            raise InvalidArgumentError(
                f"{_PLUGIN}: max_tokens must be an integer of at least 1 or None, got "
                f"{self.max_tokens!r}"
            )
        if self.score_kind not in (ScoreKind.LOGIT, ScoreKind.PROBABILITY):
            raise InvalidArgumentError(
                f"{_PLUGIN}: score_kind must be 'logit' or 'probability', got {self.score_kind!r}"
            )
        if importlib.util.find_spec("transformers") is None:
            require_package("transformers", plugin=_PLUGIN, extra=_EXTRA)
        object.__setattr__(self, "_pairs", _PairModel(self))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> RerankerInfo:
        name = Path(self.model).name if Path(self.model).is_dir() else self.model
        return RerankerInfo(name=name, score_kind=ScoreKind(self.score_kind))

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this reranker again: the options that were set."""
        return {"name": _PLUGIN, "params": changed_options(self, _STORED)}

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Score each document.

        Raises:
            ProviderError: The model cannot be loaded, has another number of labels, or failed.
        """
        logits = self._pairs.logits(query, documents)
        if self.score_kind == ScoreKind.LOGIT:
            return logits
        # exp of more than 80 would leave float32; the sigmoid is 0 or 1 long before.
        return (1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0)))).astype(np.float32)


class _PairModel:
    """Tokenizer and model of a reranker, loaded when first needed."""

    def __init__(self, options: CrossEncoderReranker) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._tokenizer: Any = None
        self._model: Any = None
        self._torch: Any = None
        self._max_tokens = 0

    def logits(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Return one logit per document, float32."""
        logits = np.empty(len(documents), dtype=np.float32)
        if not len(documents):
            return logits
        # One at a time: tokenizers change state as they run.
        with self._lock:
            if self._model is None:
                self._load()
            try:
                on_cpu = self._model.device.type == "cpu"
                limit = _CPU_BATCH_TOKENS if on_cpu else _ACCELERATOR_BATCH_TOKENS
                counts = [len(ids) for ids in self._tokenize(query, documents)["input_ids"]]
                for batch in token_batches(counts, limit, _MAX_BATCH_PAIRS):
                    logits[batch] = self._run(query, [documents[i] for i in batch])
            except RuntimeError as error:
                raise ProviderError(
                    f"{_PLUGIN}: scoring {len(documents)} documents with {self._options.model!r} "
                    f"failed: {error}"
                ) from error
        return logits

    def _run(self, query: str, documents: Sequence[str]) -> Float32Array:
        features = self._tokenize(query, documents, padding=True, return_tensors="pt")
        with self._torch.inference_mode():
            logits = self._model(**features.to(self._model.device)).logits
        # Two labels: the logit of the softmax probability of the second, "relevant" by custom.
        raw = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
        values: Float32Array = raw.cpu().numpy()
        return values

    def _tokenize(self, query: str, documents: Sequence[str], **options: object) -> Any:
        return self._tokenizer(
            [query] * len(documents),
            list(documents),
            truncation=True,
            max_length=self._max_tokens,
            **options,
        )

    def _load(self) -> None:
        options = self._options
        torch = require_package("torch", plugin=_PLUGIN, extra=_EXTRA)
        transformers = require_package("transformers", plugin=_PLUGIN, extra=_EXTRA)
        hub = {"revision": options.revision or "main", "local_files_only": options.offline}
        logs = transformers.utils.logging
        # A bar for weights that load within a second only disturbs the terminal of the caller.
        had_bar = logs.is_progress_bar_enabled()
        logs.disable_progress_bar()
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(options.model, **hub)
            model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
                options.model, output_loading_info=True, **hub
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise ProviderError(
                f"{_PLUGIN}: cannot load the model {options.model!r}: {error}. Check the name or "
                "the folder, and the network if the model has to be fetched."
            ) from error
        finally:
            if had_bar:
                logs.enable_progress_bar()
        _check_head(options.model, model.config.num_labels, sorted(report["missing_keys"]))
        own = getattr(model.config, "max_position_embeddings", tokenizer.model_max_length)
        limits = (tokenizer.model_max_length, own, options.max_tokens)
        self._torch = torch
        self._tokenizer = tokenizer
        self._max_tokens = int(min(limit for limit in limits if limit is not None))
        self._model = model.to(options.device or _fastest_device(torch)).float().eval()


def _check_head(name: str, labels: int, missing: list[str]) -> None:
    if missing:
        # transformers fills in random weights, with which every score is noise.
        raise ProviderError(
            f"{_PLUGIN}: {name!r} has no weights for {', '.join(missing)}: it is not a trained "
            "cross-encoder"
        )
    if labels not in (1, 2):
        raise ProviderError(f"{_PLUGIN}: {name!r} has {labels} labels, expected 1 or 2")


def _rebuild(options: dict[str, Any]) -> CrossEncoderReranker:
    return CrossEncoderReranker(**options)


def _fastest_device(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
