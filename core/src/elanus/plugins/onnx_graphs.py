"""How does an ONNX graph run, and how does a model of transformers become one?

Shared by embedders and rerankers. Nothing is imported before it is needed.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus.errors import NotFoundError, ProviderError
from elanus.plugins.batching import token_batches
from elanus.plugins.registry import require_package
from elanus.types import Float32Array, Int64Array

# Activations of a batch of this many tokens stay in the caches of the processor.
_BATCH_TOKENS: Final = 1024
_MAX_BATCH_TEXTS: Final = 256
_PLUGIN: Final = "export_onnx"
_EXTRA: Final = "elanus-embeddings[onnx-export]"
_OPSET: Final = 17


class OnnxSession:
    """Tokenizer and graph of a folder; the graph is loaded when it is first needed.

    Safe from many threads.

    Args:
        folder: Holds the graph and ``tokenizer.json``.
        file: Name of the graph.
        plugin: Name of the plug-in, for messages.
        extra: What to install when a package is missing.
        max_tokens: Tokens after which a text, or a pair of texts, is cut.
        threads: Threads of one call, or None for one per core.

    Raises:
        PluginNotInstalledError: onnxruntime or tokenizers is not installed.
        NotFoundError: The folder lacks a file.
    """

    def __init__(
        self,
        folder: Path,
        file: str,
        *,
        plugin: str,
        extra: str,
        max_tokens: int,
        threads: int | None = None,
    ) -> None:
        for name in (file, "tokenizer.json"):
            if not (folder / name).is_file():
                raise NotFoundError(
                    f"{plugin}: no file {str(folder / name)!r}; export_onnx(model, folder) writes "
                    "a folder that has what is needed"
                )
        self._folder = folder
        self._file = file
        self._plugin = plugin
        self.max_tokens = max_tokens
        self._threads = threads
        self._lock = threading.Lock()
        self._session: Any = None
        self._tokenizer: Any = None
        self._inputs: frozenset[str] = frozenset()
        # Both packages at once, so that a missing one shows before anything is embedded.
        self._runtime = require_package("onnxruntime", plugin=plugin, extra=extra)
        self._tokenizers = require_package("tokenizers", plugin=plugin, extra=extra)

    @property
    def dim(self) -> int:
        """Numbers of the last axis of the first output."""
        size = self._load().get_outputs()[0].shape[-1]
        if isinstance(size, int):
            return size
        return int(self.run(["dimensions"])[0][1].shape[-1])

    def run(
        self, texts: Sequence[str] | Sequence[tuple[str, str]]
    ) -> list[tuple[list[int], Float32Array, Int64Array]]:
        """Return places, first output and mask of each batch.

        Args:
            texts: Texts, or pairs of texts that the model reads together.

        Raises:
            ProviderError: The graph cannot be loaded, or failed.
        """
        session = self._load()
        encoded = self._tokenizer.encode_batch(list(texts)) if len(texts) else []
        found = []
        counts = [len(one.ids) for one in encoded]
        for rows in token_batches(counts, _BATCH_TOKENS, _MAX_BATCH_TEXTS):
            features = _features([encoded[row] for row in rows])
            inputs = {name: features[name] for name in features if name in self._inputs}
            try:
                output = session.run(None, inputs)[0]
            except (RuntimeError, ValueError, self._failure) as error:
                raise ProviderError(
                    f"{self._plugin}: {str(self._folder / self._file)!r} failed on {len(rows)} "
                    f"texts: {error}"
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
                        f"{self._plugin}: cannot load {str(self._folder / self._file)!r}: {bad}"
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


def write_graph(model: Any, tokenizer: Any, file: Path, output: str) -> None:
    """Write one output of a model of transformers as a graph of any batch and length.

    Args:
        model: On the CPU, with eager attention.
        tokenizer: Its tokenizer.
        file: The graph.
        output: Name of the member of the model's output.
    """
    torch = require_package("torch", plugin=_PLUGIN, extra=_EXTRA)
    features = dict(tokenizer(["one", "two words"], padding=True, return_tensors="pt"))
    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in features]

    class Graph(torch.nn.Module):  # type: ignore[misc,name-defined]
        """The model with positional arguments, which is what a graph has."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: Any) -> Any:
            return self.model(**dict(zip(names, values, strict=True)))[output]

    axes = {name: {0: "texts", 1: "tokens"} for name in [*names, output]}
    if output == "logits":
        axes[output] = {0: "texts"}
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter warns about every shape that it cannot prove.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Graph(),
            tuple(features[name] for name in names),
            str(file),
            input_names=names,
            output_names=[output],
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )


def quantize(source: Path, target: Path) -> None:
    """Write a graph with int8 weights, one scale per output channel."""
    tools = require_package("onnxruntime.quantization", plugin=_PLUGIN, extra=_EXTRA)
    # It advises a step that changes nothing for these graphs, in the log of the whole program.
    logger = logging.getLogger()
    logger.addFilter(_is_no_advice)
    try:
        tools.quantize_dynamic(
            str(source), str(target), weight_type=tools.QuantType.QInt8, per_channel=True
        )
    finally:
        logger.removeFilter(_is_no_advice)


def _is_no_advice(record: logging.LogRecord) -> bool:
    return "pre-processing before quantization" not in record.getMessage()


def _features(encoded: list[Any]) -> dict[str, Int64Array]:
    """Return the inputs of a batch, padded on the right."""
    longest = max(len(one.ids) for one in encoded)
    names = ("input_ids", "attention_mask", "token_type_ids")
    features = {name: np.zeros((len(encoded), longest), dtype=np.int64) for name in names}
    for place, one in enumerate(encoded):
        features["input_ids"][place, : len(one.ids)] = one.ids
        features["attention_mask"][place, : len(one.ids)] = 1
        features["token_type_ids"][place, : len(one.ids)] = one.type_ids
    return features
