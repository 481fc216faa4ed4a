"""How does each token of a text get a vector of its own, to be compared by MaxSim?

Models of ColBERT's kind: a transformer, a linear layer, and a mark in front that tells queries from
documents. Queries are filled up with mask tokens, which the model turns into further vectors.

Source: Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized
Late Interaction over BERT", arXiv:2004.12832.
"""

from __future__ import annotations

import json
import string
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import (
    ModelInfo,
    Role,
    TokenVectors,
    VectorKind,
    normalize_rows,
    require_package,
)
from elanus.plugins.options import given_options
from elanus.types import Float32Array
from elanus_embeddings.hidden_states import EXTRA, Batch, HiddenStates, ModelOptions, model_file

_PLUGIN: Final = "late-interaction"
_STORED: Final = ("model", "query_length", "document_length", "revision")
# What PyLate writes, and what the models of Stanford's ColBERT were trained with.
_SETTINGS_FILE: Final = "config_sentence_transformers.json"
_PYLATE_HEAD: Final = "1_Dense/model.safetensors"
_STANFORD: Final[dict[str, Any]] = {
    "query_prefix": "[unused0]",
    "document_prefix": "[unused1]",
    "query_length": 32,
    "document_length": 180,
    "do_query_expansion": True,
    "attend_to_expansion_tokens": False,
    "skiplist_words": list(string.punctuation),
}


@dataclass(frozen=True, eq=False)
class LateInteractionEmbedder:
    """Embedder of token vectors for models saved by PyLate or by Stanford's ColBERT.

    Vectors have length 1. Documents leave out punctuation, as their model says; queries always have
    ``query_length`` vectors when their model expands them. The model is loaded when it is first
    needed, and fetched from the Hugging Face Hub if ``model`` is not a folder.

    Args:
        model: Folder of the model, or its name at the hub.
        query_length: Tokens of a query, or None for the model's own number.
        document_length: Tokens after which a document is cut, or None as above.
        device: Torch device such as ``"cpu"`` or ``"cuda:1"``, or None for the fastest there is.
        revision: Branch, tag or commit at the hub, or None for its default.
        offline: True to never use the network; the model must be in a folder or the hub's cache.

    Raises:
        PluginNotInstalledError: torch or transformers is not installed.
        InvalidArgumentError: An option is out of range.
    """

    model: str
    query_length: int | None = None
    document_length: int | None = None
    device: str | None = None
    revision: str | None = None
    offline: bool = False
    _states: HiddenStates = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, repr=False)
    _read: dict[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("query_length", "document_length"):
            value = getattr(self, name)
            # Two tokens frame a text and a third marks it.
            if value is not None and (not isinstance(value, int) or value < 4):
                raise InvalidArgumentError(
                    f"{_PLUGIN}: {name} must be an integer of at least 4 or None, got {value!r}"
                )
        options = ModelOptions(self.model, _PLUGIN, self.revision, self.offline, self.device)
        object.__setattr__(self, "_states", HiddenStates(options))
        object.__setattr__(self, "_lock", threading.Lock())
        object.__setattr__(self, "_read", {})

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; the first look loads it. ``dim`` is that of a token's vector."""
        return ModelInfo(
            name=self._states.options.name,
            revision=self.revision or "",
            kind=VectorKind.MULTIVECTOR,
            dim=int(self._head().shape[0]),
            normalized=True,
            max_tokens=self._length(Role.DOCUMENT),
        )

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again."""
        params = {name: getattr(self, name) for name in _STORED}
        return {"name": _PLUGIN, "params": {k: v for k, v in params.items() if v is not None}}

    def embed_documents(self, texts: Sequence[str]) -> TokenVectors:
        return self._embed(texts, Role.DOCUMENT)

    def embed_queries(self, texts: Sequence[str]) -> TokenVectors:
        return self._embed(texts, Role.QUERY)

    def _embed(self, texts: Sequence[str], role: Role) -> TokenVectors:
        head = self._head()
        expands = role is Role.QUERY and self._settings()["do_query_expansion"]
        skipped = self._skipped() if role is Role.DOCUMENT else np.empty(0, dtype=np.int64)
        found: list[Float32Array] = [np.empty((0, 0), dtype=np.float32)] * len(texts)

        def use(batch: Batch) -> None:
            vectors = (batch.hidden @ head.T).cpu().numpy()
            ids, mask = batch.ids.cpu().numpy(), batch.mask.cpu().numpy().astype(bool)
            kept = np.ones_like(mask) if expands else mask & ~np.isin(ids, skipped)
            for place, row in enumerate(batch.rows):
                found[row] = normalize_rows(vectors[place][kept[place]])

        def prepare(features: Any) -> None:
            self._mark(features, role)
            if expands:
                self._expand(features)

        self._states.run(texts, use, max_tokens=self._length(role) - 1, prepare=prepare)
        return TokenVectors.from_lists(found, int(head.shape[0]))

    def _mark(self, features: Any, role: Role) -> None:
        """Put the mark of the role behind the first token of every text."""
        torch = self._states.torch
        prefix = self._settings()[f"{role.value}_prefix"]
        mark = self._states.tokenizer.convert_tokens_to_ids(prefix)
        values = {"input_ids": mark, "attention_mask": 1, "token_type_ids": 0}
        for name, value in values.items():
            if name in features:
                rows = features[name]
                column = torch.full((len(rows), 1), value, dtype=rows.dtype)
                features[name] = torch.cat([rows[:, :1], column, rows[:, 1:]], dim=1)

    def _expand(self, features: Any) -> None:
        """Fill every query up with mask tokens."""
        torch, tokenizer = self._states.torch, self._states.tokenizer
        missing = self._length(Role.QUERY) - features["input_ids"].shape[1]
        for name in ("input_ids", "attention_mask", "token_type_ids"):
            if name in features:
                features[name] = torch.nn.functional.pad(features[name], (0, missing))
        empty = features["attention_mask"] == 0
        features["input_ids"][empty] = tokenizer.mask_token_id
        if self._settings()["attend_to_expansion_tokens"]:
            features["attention_mask"][empty] = 1

    def _length(self, role: Role) -> int:
        given = self.query_length if role is Role.QUERY else self.document_length
        own = int(self._settings()[f"{role.value}_length"])
        return min(given or own, self._states.max_tokens)

    def _skipped(self) -> Any:
        words = self._settings()["skiplist_words"]
        return np.array(self._states.tokenizer.convert_tokens_to_ids(words), dtype=np.int64)

    def _settings(self) -> dict[str, Any]:
        with self._lock:
            if "settings" not in self._read:
                settings = dict(_STANFORD)
                if self._is_pylate():
                    file = model_file(self._states.options, _SETTINGS_FILE)
                    stored = json.loads(file.read_text("utf-8"))
                    settings.update({k: stored[k] for k in settings if stored.get(k) is not None})
                self._read["settings"] = settings
            found: dict[str, Any] = self._read["settings"]
            return found

    def _head(self) -> Any:
        """Return the weights of the linear layer, shape ``(dim, hidden size)``."""
        with self._lock:
            if "head" not in self._read:
                name = _PYLATE_HEAD if self._is_pylate() else "model.safetensors"
                file = model_file(self._states.options, name)
                tensors = require_package("safetensors.torch", plugin=_PLUGIN, extra=EXTRA)
                weights = tensors.load_file(str(file)).get("linear.weight")
                if weights is None:
                    raise ProviderError(
                        f"{_PLUGIN}: {self.model!r} has no linear layer: it is no ColBERT model"
                    )
                self._read["head"] = weights.float().to(self._states.device)
            return self._read["head"]

    def _is_pylate(self) -> bool:
        """Return whether the linear layer is in a file of its own. The caller holds the lock."""
        if "pylate" not in self._read:
            try:
                model_file(self._states.options, _PYLATE_HEAD)
            except ProviderError:
                self._read["pylate"] = False
            else:
                self._read["pylate"] = True
        return bool(self._read["pylate"])


def _rebuild(options: dict[str, Any]) -> LateInteractionEmbedder:
    return LateInteractionEmbedder(**options)
