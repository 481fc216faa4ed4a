"""How do the models of the FlashRank library serve as rerankers?"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import RerankerInfo, ScoreKind, require_package
from elanus.plugins.options import given_options
from elanus.types import Float32Array

_PLUGIN: Final = "flashrank"
_EXTRA: Final = "elanus-rerankers[flashrank]"


@dataclass(frozen=True, eq=False)
class FlashRankReranker:
    """Reranker that runs a cross-encoder of FlashRank.

    The model is fetched when it is first needed, unless ``cache`` has a folder of its name. Safe
    from many threads, by turns; can be pickled.

    Args:
        model: Name of the model, as FlashRank lists it.
        cache: Folder that keeps models.
        max_tokens: Tokens of query and document together after which they are cut.

    Raises:
        PluginNotInstalledError: flashrank is not installed.
        InvalidArgumentError: An option is out of range.
    """

    model: str = "ms-marco-MiniLM-L-12-v2"
    cache: str = "~/.cache/flashrank"
    max_tokens: int = 512
    _lock: threading.Lock = field(init=False, repr=False)
    _loaded: list[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.model or self.max_tokens < 1:
            raise InvalidArgumentError(
                f"{_PLUGIN}: expected the name of a model and max_tokens of at least 1, got "
                f"{self.model!r} and {self.max_tokens!r}"
            )
        require_package("flashrank", plugin=_PLUGIN, extra=_EXTRA)
        object.__setattr__(self, "_lock", threading.Lock())
        object.__setattr__(self, "_loaded", [])

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> RerankerInfo:
        return RerankerInfo(name=self.model, score_kind=ScoreKind.PROBABILITY)

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this reranker again."""
        return {
            "name": _PLUGIN,
            "params": {"model": self.model, "cache": self.cache, "max_tokens": self.max_tokens},
        }

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Score each document.

        Raises:
            ProviderError: The model cannot be loaded, or failed.
        """
        scores = np.empty(len(documents), dtype=np.float32)
        if not len(documents):
            return scores
        package = require_package("flashrank", plugin=_PLUGIN, extra=_EXTRA)
        passages = [{"id": row, "text": text} for row, text in enumerate(documents)]
        with self._lock:
            model = self._get(package)
            try:
                ranked = model.rerank(package.RerankRequest(query=query, passages=passages))
            except (RuntimeError, ValueError) as error:
                raise ProviderError(
                    f"{_PLUGIN}: scoring {len(documents)} documents with {self.model!r} failed: "
                    f"{error}"
                ) from error
        for one in ranked:
            scores[one["id"]] = one["score"]
        return scores

    def _get(self, package: Any) -> Any:
        if not self._loaded:
            folder = Path(self.cache).expanduser()
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._loaded.append(
                    package.Ranker(
                        self.model,
                        cache_dir=str(folder),
                        max_length=self.max_tokens,
                        log_level="WARNING",
                    )
                )
            except (OSError, KeyError, ValueError, RuntimeError) as error:
                raise ProviderError(
                    f"{_PLUGIN}: cannot load the model {self.model!r}: {error}. Check the name in "
                    f"FlashRank's list, and the network if the model is not in {str(folder)!r}."
                ) from error
        return self._loaded[0]


def _rebuild(options: dict[str, Any]) -> FlashRankReranker:
    return FlashRankReranker(**options)
