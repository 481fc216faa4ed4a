"""What does a transformer make of each token, for the plug-ins that pool or keep it?"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import require_package, token_batches

EXTRA: Final = "elanus-embeddings[transformers]"
_CPU_BATCH_TOKENS: Final = 1024
_ACCELERATOR_BATCH_TOKENS: Final = 32_768
_MAX_BATCH_TEXTS: Final = 256


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model is loaded, and how it runs.

    Attributes:
        model: Folder of the model, or its name at the Hugging Face Hub.
        plugin: Name of the plug-in, for messages.
        revision: Branch, tag or commit at the hub, or None for its default.
        offline: True to never use the network.
        device: Torch device, or None for the fastest there is.
        max_tokens: Tokens after which a text is cut, or None for the model's own limit.
    """

    model: str
    plugin: str
    revision: str | None = None
    offline: bool = False
    device: str | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise InvalidArgumentError(
                f"{self.plugin}: expected the name or folder of a model, got {self.model!r}"
            )
        limit = self.max_tokens
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise InvalidArgumentError(
                f"{self.plugin}: max_tokens must be an integer of at least 1 or None, got {limit!r}"
            )
        for package in ("torch", "transformers"):
            if importlib.util.find_spec(package) is None:
                require_package(package, plugin=self.plugin, extra=EXTRA)

    @property
    def name(self) -> str:
        """Name of the model; that of the last folder for one on this machine."""
        return Path(self.model).name if Path(self.model).is_dir() else self.model


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What the model made of some texts; the tensors are on its device.

    Attributes:
        rows: Places of the texts.
        ids: Token ids, shape ``(texts, longest)``.
        mask: 1 where a token stands and 0 where there is padding, same shape.
        hidden: Last hidden states, shape ``(texts, longest, hidden size)``.
    """

    rows: list[int]
    ids: Any
    mask: Any
    hidden: Any


class HiddenStates:
    """A transformer without head, loaded when first needed. Safe from many threads, by turns.

    Args:
        options: Which model, and how it runs.
        max_length: Tokens after which texts are cut when neither options nor model say so.
    """

    def __init__(self, options: ModelOptions, max_length: int = 512) -> None:
        self.options = options
        self._fallback = max_length
        # Reentrant: what is called with a batch asks for tokenizer and device.
        self._lock = threading.RLock()
        self._tokenizer: Any = None
        self._model: Any = None
        self._torch: Any = None
        self._max_tokens = 0

    @property
    def torch(self) -> Any:
        """The torch module."""
        self._load()
        return self._torch

    @property
    def tokenizer(self) -> Any:
        """The tokenizer."""
        self._load()
        return self._tokenizer

    @property
    def device(self) -> Any:
        """Where the model runs."""
        self._load()
        return self._model.device

    @property
    def hidden_size(self) -> int:
        """Numbers of a hidden state."""
        self._load()
        return int(self._model.config.hidden_size)

    @property
    def max_tokens(self) -> int:
        """Tokens after which a text is cut."""
        self._load()
        return self._max_tokens

    def run(
        self,
        texts: Sequence[str],
        use: Callable[[Batch], None],
        *,
        max_tokens: int | None = None,
        prepare: Callable[[Any], None] | None = None,
    ) -> None:
        """Send texts through the model in batches of like length, and hand each batch to ``use``.

        Args:
            texts: Texts with their prompts.
            use: Called with each batch, in no order.
            max_tokens: Tokens after which a text is cut; None takes ``self.max_tokens``.
            prepare: Changes the features of a batch before the model sees them.

        Raises:
            ProviderError: The model cannot be loaded, or failed.
        """
        self._load()
        limit = min(max_tokens or self._max_tokens, self._max_tokens)
        on_cpu = self._model.device.type == "cpu"
        budget = _CPU_BATCH_TOKENS if on_cpu else _ACCELERATOR_BATCH_TOKENS
        # One at a time: tokenizers change state as they run.
        with self._lock:
            try:
                counts = [len(ids) for ids in self._tokenize(texts, limit)["input_ids"]]
                for rows in token_batches(counts, budget, _MAX_BATCH_TEXTS):
                    use(self._run(rows, [texts[i] for i in rows], limit, prepare))
            except RuntimeError as error:
                raise ProviderError(
                    f"{self.options.plugin}: embedding {len(texts)} texts with "
                    f"{self.options.model!r} failed: {error}"
                ) from error

    def _run(
        self,
        rows: list[int],
        texts: list[str],
        limit: int,
        prepare: Callable[[Any], None] | None,
    ) -> Batch:
        features = self._tokenize(
            texts, limit, padding=True, padding_side="right", return_tensors="pt"
        )
        if prepare is not None:
            prepare(features)
        features = features.to(self._model.device)
        with self._torch.inference_mode():
            hidden = self._model(**features).last_hidden_state.float()
        return Batch(rows, features["input_ids"], features["attention_mask"], hidden)

    def _tokenize(self, texts: Sequence[str], limit: int, **options: object) -> Any:
        if not len(texts):
            return {"input_ids": []}
        return self._tokenizer(list(texts), truncation=True, max_length=limit, **options)

    def _load(self) -> None:
        with self._lock:
            if self._model is None:
                self._read()

    def _read(self) -> None:
        options = self.options
        torch = require_package("torch", plugin=options.plugin, extra=EXTRA)
        transformers = require_package("transformers", plugin=options.plugin, extra=EXTRA)
        hub = {"revision": options.revision or "main", "local_files_only": options.offline}
        logs = transformers.utils.logging
        # A bar for weights that load within a second only disturbs the terminal of the caller.
        had_bar = logs.is_progress_bar_enabled()
        logs.disable_progress_bar()
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(options.model, **hub)
            model = transformers.AutoModel.from_pretrained(options.model, **hub)
        except (OSError, ValueError, RuntimeError) as error:
            raise ProviderError(
                f"{options.plugin}: cannot load the model {options.model!r}: {error}. Check the "
                "name or the folder, and the network if the model has to be fetched."
            ) from error
        finally:
            if had_bar:
                logs.enable_progress_bar()
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        own = getattr(model.config, "max_position_embeddings", None) or self._fallback
        limits = (tokenizer.model_max_length, own, options.max_tokens)
        self._max_tokens = int(min(limit for limit in limits if limit is not None))
        self._torch = torch
        self._tokenizer = tokenizer
        self._model = model.to(options.device or fastest_device(torch)).float().eval()


def fastest_device(torch: Any) -> str:
    """Return the name of the fastest device that torch finds."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def model_file(options: ModelOptions, name: str) -> Path:
    """Return the path of one file of a model, fetched from the hub if it is not a folder.

    Raises:
        ProviderError: The model has no such file, or it cannot be fetched.
    """
    if Path(options.model).is_dir():
        file = Path(options.model) / name
        if file.is_file():
            return file
        raise ProviderError(f"{options.plugin}: {options.model!r} has no file {name!r}")
    hub = require_package("huggingface_hub", plugin=options.plugin, extra=EXTRA)
    try:
        return Path(
            hub.hf_hub_download(
                options.model,
                name,
                revision=options.revision,
                local_files_only=options.offline,
            )
        )
    except (OSError, ValueError, hub.errors.HfHubHTTPError) as error:
        raise ProviderError(
            f"{options.plugin}: cannot fetch {name!r} of {options.model!r}: {error}. Check the "
            "name and the network, or give a folder that holds the model."
        ) from error
