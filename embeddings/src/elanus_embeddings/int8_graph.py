"""When may a model run in int8, and where is its graph kept?

Making the graph takes some seconds and PyTorch; it is made once and kept in the user's cache, so
that later processes load neither PyTorch nor the full weights. A processor without the right
instructions may lose more than it should to rounding, so a graph is compared with the one that it
was made from before it is used.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from elanus_embeddings.onnx import OnnxEmbedder
from elanus_embeddings.onnx_export import export_onnx

GRAPH: Final = "model_int8.onnx"
LOWEST_COSINE: Final = 0.98
"""Cosine to the vectors of the full weights that each probe must reach."""

_FORMAT: Final = 1
_CHECKED: Final = "checked.json"
_TO_RUN: Final = ("onnxruntime", "tokenizers")
_TO_MAKE: Final = ("onnx", "torch", "sentence_transformers")
_ACCELERATORS: Final = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_PROBES: Final = (
    "The subprocess module lets you spawn new processes and connect to their pipes.",
    "Rotate the signing key every month, and keep the old one until all tokens have expired.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "How long may goods be returned after they were delivered?",
    "The quick brown fox jumps over the lazy dog. " * 12,
)


def can_run_int8(device: str | None) -> bool:
    """Return whether the packages are there and nothing faster than the processor is.

    Args:
        device: Torch device that was asked for, or None for the fastest there is.
    """
    if device is None:
        accelerated = sys.platform == "darwin" or any(map(os.path.exists, _ACCELERATORS))
        if accelerated:
            return False
    elif device != "cpu":
        return False
    return _are_installed(_TO_RUN)


def int8_folder(model: Path, name: str) -> Path | None:
    """Return a folder with the int8 graph of a model, made now if it was not before.

    Args:
        model: Folder of the sentence-transformers model.
        name: Name for the folder in the cache.

    Returns:
        None if its vectors are too far from those of the full weights on this machine, or if it
        is not there and packages to make it are missing.

    Raises:
        OSError: The cache cannot be written.
    """
    folder = _cache() / f"{name}-int8-{_identity(model)}"
    if not (folder / _CHECKED).is_file():
        if not _are_installed(_TO_MAKE):
            return None
        _make(model, folder)
    checked = json.loads((folder / _CHECKED).read_text("utf-8"))
    return folder if checked["lowest_cosine"] >= LOWEST_COSINE else None


def _make(model: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        export_onnx(model, made, int8=True, offline=True)
        full = OnnxEmbedder(str(made)).embed_documents(_PROBES)
        small = OnnxEmbedder(str(made), GRAPH).embed_documents(_PROBES)
        lowest = float(np.einsum("ij,ij->i", full, small).min())
        (made / "model.onnx").unlink()
        (made / _CHECKED).write_text(json.dumps({"lowest_cosine": lowest}), encoding="utf-8")
        try:
            made.rename(folder)
        except OSError:
            # Another process was first; what it made is as good.
            if not (folder / _CHECKED).is_file():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _identity(model: Path) -> str:
    """Return what changes with the model and the packages that quantize it."""
    weights = sorted(model.glob("*.safetensors")) or sorted(model.glob("*.bin"))
    parts = [str(_FORMAT), *(f"{file.name}:{file.stat().st_size}" for file in weights)]
    parts += [importlib.metadata.version("onnxruntime"), platform.machine()]
    return hashlib.blake2b("|".join(parts).encode(), digest_size=6).hexdigest()


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path is to be ignored.
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "elanus" / "models"


def _are_installed(packages: tuple[str, ...]) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in packages)
