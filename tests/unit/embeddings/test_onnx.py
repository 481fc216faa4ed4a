"""Exported graphs, against torch."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError, NotFoundError, ProviderError
from elanus.plugins import get_embedder
from elanus_embeddings import MiniLMEmbedder, OnnxEmbedder, SentenceTransformerEmbedder, export_onnx
from support.tiny_models import save_encoder

TEXTS = [
    "how to rotate a key ?",
    "",
    "Keys are rotated in the console, under Security.",
    "word " * 400,
    "Übergrößenträger, naïve café №5",
    "0",
]


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = MiniLMEmbedder(precision="float32")._encoder.options.source
    return export_onnx(source, tmp_path_factory.mktemp("onnx") / "minilm", int8=True, offline=True)


def test_minilm_is_that_of_torch(minilm: Path) -> None:
    found = OnnxEmbedder(str(minilm), max_tokens=256)
    expected = MiniLMEmbedder(device="cpu", precision="float32").embed_documents(TEXTS)
    np.testing.assert_allclose(found.embed_documents(TEXTS), expected, atol=1e-4)
    assert found.info.dim == 384


def test_int8_stays_near(minilm: Path) -> None:
    found = OnnxEmbedder(str(minilm), "model_int8.onnx", max_tokens=256)
    expected = MiniLMEmbedder(device="cpu", precision="float32").embed_documents(TEXTS)
    cosines = (found.embed_documents(TEXTS) * expected).sum(axis=1)
    assert cosines.min() > 0.97
    assert np.abs(found.embed_documents(TEXTS) - expected).max() > 1e-3
    sizes = [(minilm / name).stat().st_size for name in ("model_int8.onnx", "model.onnx")]
    assert sizes[0] < 0.3 * sizes[1]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("tiny")
    return save_encoder(base / "encoder"), export_onnx(
        base / "encoder", base / "onnx", offline=True
    )


def test_the_limit_of_the_model_goes_along(tiny: tuple[Path, Path]) -> None:
    source, folder = tiny
    torch_made = SentenceTransformerEmbedder(str(source), device="cpu", offline=True)
    found = get_embedder(f"onnx:{folder}")
    assert found.info.max_tokens == torch_made.info.max_tokens == 64
    np.testing.assert_allclose(
        found.embed_documents(TEXTS), torch_made.embed_documents(TEXTS), atol=1e-4
    )
    assert found.info.name == "encoder"


@pytest.mark.parametrize("pooling", ["cls", "last"])
def test_other_poolings(tiny: tuple[Path, Path], pooling: str) -> None:
    source, folder = tiny
    expected = get_embedder(f"transformers:{source}", pooling=pooling, device="cpu")
    found = OnnxEmbedder(str(folder), pooling=pooling, query_prompt="how ", truncate_dim=9)
    rows = expected.embed_documents(["how " + text for text in TEXTS])[:, :9]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(found.embed_queries(TEXTS), rows, atol=1e-4)


def test_pooling_and_prompts_of_the_folder_are_read(
    tiny: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    (folder / "1_Pooling").mkdir(parents=True)
    for name in ("model.onnx", "tokenizer.json"):
        (folder / name).write_bytes((tiny[1] / name).read_bytes())
    pooling = {"pooling_mode_cls_token": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "config.json").write_text(json.dumps({"prompts": {"query": "how "}}))
    found = OnnxEmbedder(str(folder), max_tokens=64)
    expected = OnnxEmbedder(str(tiny[1]), pooling="cls", query_prompt="how ")
    np.testing.assert_array_equal(found.embed_queries(TEXTS), expected.embed_queries(TEXTS))


def test_a_folder_without_a_graph(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"model\.onnx.*export_onnx"):
        OnnxEmbedder(str(tmp_path))


def test_a_graph_that_is_none(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    (tmp_path / "tokenizer.json").write_bytes((tiny[1] / "tokenizer.json").read_bytes())
    with pytest.raises(ProviderError, match="cannot load"):
        OnnxEmbedder(str(tmp_path)).embed_documents(["one"])


def test_copies_make_the_same_vectors(tiny: tuple[Path, Path]) -> None:
    found = OnnxEmbedder(str(tiny[1]), threads=1)
    copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copy.embed_documents(TEXTS), found.embed_documents(TEXTS))


def test_options_out_of_range(tiny: tuple[Path, Path]) -> None:
    with pytest.raises(InvalidArgumentError, match="pooling must be one of"):
        OnnxEmbedder(str(tiny[1]), pooling="max")
    with pytest.raises(InvalidArgumentError, match="threads must be"):
        OnnxEmbedder(str(tiny[1]), threads=0)


def test_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="cannot load the model"):
        export_onnx(tmp_path / "absent", tmp_path / "out", offline=True)
