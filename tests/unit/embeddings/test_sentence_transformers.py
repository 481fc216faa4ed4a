"""Any sentence-transformers model, against the plain transformers model run text by text."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from elanus.errors import InvalidArgumentError, PluginNotInstalledError, ProviderError
from elanus.plugins import plugin_config
from elanus.types import Float32Array, MetricType
from elanus_embeddings import SentenceTransformerEmbedder
from support.tiny_models import save_encoder

TEXTS = [
    "how to rotate a key ?",
    "",
    "the weather in paris",
    "word " * 50,
    "key",
    "zebra: access keys are rotated each year in the console .",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("models") / "encoder")


def embedder(folder: Path, **options: object) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(str(folder), device="cpu", offline=True, **options)  # type: ignore[arg-type]


def pooled(folder: Path, texts: list[str], max_tokens: int = 64) -> Float32Array:
    """Mean of the last hidden states, one text at a time, so without any padding."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        features = tokenizer(text, truncation=True, max_length=max_tokens, return_tensors="pt")
        with torch.inference_mode():
            rows.append(model(**features).last_hidden_state[0].mean(dim=0).numpy())
    return np.stack(rows)


def scaled(vectors: Float32Array) -> Float32Array:
    lengths: Float32Array = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def test_vectors_are_those_of_the_model_run_text_by_text(folder: Path) -> None:
    given = embedder(folder).embed_documents(TEXTS)
    np.testing.assert_allclose(given, scaled(pooled(folder, TEXTS)), atol=1e-5)


def test_raw_vectors_keep_their_length(folder: Path) -> None:
    raw = embedder(folder, normalize=False)
    np.testing.assert_allclose(raw.embed_documents(TEXTS), pooled(folder, TEXTS), atol=1e-5)
    assert raw.info.normalized is False


def test_texts_are_cut_at_max_tokens(folder: Path) -> None:
    short = embedder(folder, max_tokens=8)
    expected = scaled(pooled(folder, TEXTS, max_tokens=8))
    np.testing.assert_allclose(short.embed_documents(TEXTS), expected, atol=1e-5)
    assert short.info.max_tokens == 8


def test_leading_dimensions_are_kept_and_scaled(folder: Path) -> None:
    given = embedder(folder, truncate_dim=5).embed_documents(TEXTS)
    np.testing.assert_allclose(given, scaled(pooled(folder, TEXTS)[:, :5]), atol=1e-5)


def test_prompts_go_in_front(folder: Path) -> None:
    prompted = embedder(folder, query_prompt="how to ", document_prompt="the key ")
    queries = scaled(pooled(folder, ["how to " + text for text in TEXTS]))
    documents = scaled(pooled(folder, ["the key " + text for text in TEXTS]))
    np.testing.assert_allclose(prompted.embed_queries(TEXTS), queries, atol=1e-5)
    np.testing.assert_allclose(prompted.embed_documents(TEXTS), documents, atol=1e-5)


def test_one_text_at_a_time_changes_nothing(folder: Path) -> None:
    given = embedder(folder, batch_size=1).embed_documents(TEXTS)
    np.testing.assert_allclose(given, embedder(folder).embed_documents(TEXTS), atol=1e-5)


def test_info_comes_from_the_model(folder: Path) -> None:
    info = embedder(folder, query_prompt="how: ").info
    assert (info.name, info.dim, info.max_tokens) == ("encoder", 32, 64)
    assert (info.metric, info.normalized) == (MetricType.COSINE, True)
    assert (info.query_prompt, info.document_prompt) == ("how: ", "")


def test_the_configuration_holds_what_decides_the_vectors(folder: Path) -> None:
    given = embedder(folder, batch_size=4, max_tokens=16, normalize=False)
    assert plugin_config(given) == {
        "name": "sentence-transformers",
        "params": {"model": str(folder), "max_tokens": 16, "normalize": False},
    }


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"max_tokens": -1}, {"truncate_dim": 0}, {"truncate_dim": 2.5}]
)
def test_options_out_of_range_are_refused(folder: Path, options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(InvalidArgumentError, match=f"{name} must be an integer of at least 1"):
        embedder(folder, **options)


def test_a_model_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    missing = embedder(tmp_path / "nothing")
    with pytest.raises(ProviderError, match=r"cannot load the model '.*nothing'.*Check the name"):
        missing.embed_documents(["text"])


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(PluginNotInstalledError) as caught:
        SentenceTransformerEmbedder("any")
    assert caught.value.extra == "elanus-embeddings[sentence-transformers]"
