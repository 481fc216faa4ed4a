"""Which model embeds, and how long does it take?"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from elanus.plugins import Embedder, ModelInfo, get_embedder, plugin_config

Float32Array = npt.NDArray[np.float32]

DEFAULT_EMBEDDER = "minilm"


def load_embedder(name: str) -> TimedEmbedder:
    """Return an embedder plug-in by name, ready to embed. No model is fetched from a network.

    Raises:
        PluginNotInstalledError: The plug-in, or what it needs, is not installed.
        InvalidArgumentError: No plug-in has this name.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # The caller shows in its own way that a model is being loaded.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    embedder = TimedEmbedder(get_embedder(name))
    # A model is loaded when it is first used; the first question should not wait for that.
    embedder.embed_queries(["ready"])
    return embedder


class TimedEmbedder:
    """An embedder that keeps the time its last query took.

    A search embeds the question and then asks the database; the difference between the two is
    worth showing. Vectors and stored configuration are those of the embedder inside.
    """

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        # Questions may be asked by several threads at once; each reads its own time.
        self._timed = threading.local()

    @property
    def info(self) -> ModelInfo:
        return self._inner.info

    @property
    def config(self) -> Mapping[str, object] | None:
        """What a collection stores to build the embedder again."""
        config = plugin_config(self._inner)
        return config if config["params"] is not None else None

    @property
    def last_query_s(self) -> float:
        """Seconds that this thread's last call of ``embed_queries`` took."""
        return float(getattr(self._timed, "query_s", 0.0))

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._inner.embed_documents(texts)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        started = time.perf_counter()
        vectors = self._inner.embed_queries(texts)
        self._timed.query_s = time.perf_counter() - started
        return vectors
