"""How much more likely is "yes" than "no" as the next word of a language model on this machine?"""

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

_PLUGIN: Final = "yes-no"
_EXTRA: Final = "elanus-rerankers[cross-encoder]"
_STORED: Final = ("model", "instruction", "max_tokens", "yes", "no", "revision")
_CPU_BATCH_TOKENS: Final = 1024
_ACCELERATOR_BATCH_TOKENS: Final = 16_384
_MAX_BATCH_PAIRS: Final = 64

# The template that Qwen3-Reranker was trained with.
_PREFIX: Final = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    'the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
)
_SUFFIX: Final = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
_INSTRUCTION: Final = "Given a web search query, retrieve relevant passages that answer the query"


@dataclass(frozen=True, eq=False)
class YesNoReranker:
    """Reranker that reads the logits of "yes" and "no" of a causal language model.

    Made for Qwen3-Reranker and models trained alike; the score is the probability of "yes" against
    "no". The model is loaded when it is first needed, and fetched from the Hugging Face Hub if
    ``model`` is not a folder. Instances can be pickled; the copy loads the model again. Safe from
    many threads; they take turns.

    Args:
        model: Folder of the model, or its name at the hub, such as ``"Qwen/Qwen3-Reranker-0.6B"``.
        instruction: What makes a document relevant.
        max_tokens: Tokens of a question in all, template included; the document is cut.
        yes: The word for relevant, one token.
        no: The word for not relevant, one token.
        device: Torch device such as ``"cpu"`` or ``"cuda:1"``, or None for the fastest there is.
        revision: Branch, tag or commit at the hub, or None for its default.
        offline: True to never use the network; the model must be in a folder or the hub's cache.

    Raises:
        PluginNotInstalledError: transformers is not installed.
        InvalidArgumentError: An option is out of range.
    """

    model: str
    instruction: str = _INSTRUCTION
    max_tokens: int = 8192
    yes: str = "yes"
    no: str = "no"
    device: str | None = None
    revision: str | None = None
    offline: bool = False
    _causal: _CausalModel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise InvalidArgumentError(
                f"{_PLUGIN}: expected the name or folder of a model, got {self.model!r}"
            )
        if self.max_tokens < 1:
            raise InvalidArgumentError(
                f"{_PLUGIN}: max_tokens must be at least 1, got {self.max_tokens!r}"
            )
        if importlib.util.find_spec("transformers") is None:
            require_package("transformers", plugin=_PLUGIN, extra=_EXTRA)
        object.__setattr__(self, "_causal", _CausalModel(self))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> RerankerInfo:
        name = Path(self.model).name if Path(self.model).is_dir() else self.model
        return RerankerInfo(name=name, score_kind=ScoreKind.PROBABILITY)

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this reranker again: the options that were set."""
        return {"name": _PLUGIN, "params": changed_options(self, _STORED)}

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Score each document.

        Raises:
            ProviderError: The model cannot be loaded or failed; or "yes" or "no" is not one token.
        """
        return self._causal.probabilities(query, documents)


class _CausalModel:
    """Tokenizer and model of a reranker, loaded when first needed."""

    def __init__(self, options: YesNoReranker) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._tokenizer: Any = None
        self._model: Any = None
        self._torch: Any = None
        self._answers: list[int] = []

    def probabilities(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Return P(yes) / (P(yes) + P(no)) per document, float32."""
        found = np.empty(len(documents), dtype=np.float32)
        if not len(documents):
            return found
        with self._lock:
            if self._model is None:
                self._load()
            on_cpu = self._model.device.type == "cpu"
            budget = _CPU_BATCH_TOKENS if on_cpu else _ACCELERATOR_BATCH_TOKENS
            questions = [self._question(query, document) for document in documents]
            try:
                counts = [len(ids) for ids in questions]
                for rows in token_batches(counts, budget, _MAX_BATCH_PAIRS):
                    found[rows] = self._run([questions[row] for row in rows])
            except RuntimeError as error:
                raise ProviderError(
                    f"{_PLUGIN}: scoring {len(documents)} documents with {self._options.model!r} "
                    f"failed: {error}"
                ) from error
        return found

    def _question(self, query: str, document: str) -> list[int]:
        """Return token ids, of which only the middle is cut."""

        def ids(text: str) -> list[int]:
            return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

        middle = ids(
            f"<Instruct>: {self._options.instruction}\n<Query>: {query}\n<Document>: {document}"
        )
        first, last = ids(_PREFIX), ids(_SUFFIX)
        room = max(1, self._options.max_tokens - len(first) - len(last))
        return [*first, *middle[:room], *last]

    def _run(self, questions: list[list[int]]) -> Float32Array:
        torch = self._torch
        longest = max(len(ids) for ids in questions)
        rows = torch.full((len(questions), longest), self._tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(rows)
        for place, ids in enumerate(questions):
            # Padding on the left, so that every question ends at the last place.
            rows[place, longest - len(ids) :] = torch.tensor(ids)
            mask[place, longest - len(ids) :] = 1
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        device = self._model.device
        with torch.inference_mode():
            logits = self._model(
                input_ids=rows.to(device),
                attention_mask=mask.to(device),
                position_ids=positions.to(device),
                logits_to_keep=1,
            ).logits[:, -1]
        yes_no = logits[:, self._answers].float().softmax(dim=1)
        found: Float32Array = yes_no[:, 0].cpu().numpy()
        return found

    def _load(self) -> None:
        options = self._options
        torch = require_package("torch", plugin=_PLUGIN, extra=_EXTRA)
        transformers = require_package("transformers", plugin=_PLUGIN, extra=_EXTRA)
        hub = {"revision": options.revision or "main", "local_files_only": options.offline}
        logs = transformers.utils.logging
        had_bar = logs.is_progress_bar_enabled()
        logs.disable_progress_bar()
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(options.model, **hub)
            model = transformers.AutoModelForCausalLM.from_pretrained(options.model, **hub)
        except (OSError, ValueError, RuntimeError) as error:
            raise ProviderError(
                f"{_PLUGIN}: cannot load the model {options.model!r}: {error}. Check the name or "
                "the folder, and the network if the model has to be fetched."
            ) from error
        finally:
            if had_bar:
                logs.enable_progress_bar()
        answers = [
            tokenizer(word, add_special_tokens=False)["input_ids"]
            for word in (options.yes, options.no)
        ]
        if any(len(ids) != 1 for ids in answers) or answers[0] == answers[1]:
            raise ProviderError(
                f"{_PLUGIN}: {options.yes!r} and {options.no!r} must be one token each for "
                f"{options.model!r}, and not the same: set yes= and no="
            )
        self._torch = torch
        self._tokenizer = tokenizer
        self._answers = [ids[0] for ids in answers]
        fastest = "cuda" if torch.cuda.is_available() else "cpu"
        model = model.to(options.device or fastest).eval()
        # Half precision is slow on most processors, and only there.
        self._model = model.float() if model.device.type == "cpu" else model


def _rebuild(options: dict[str, Any]) -> YesNoReranker:
    return YesNoReranker(**options)
