"""Pooling, token vectors and learned weights, against plain transformers run text by text."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import (
    VectorKind,
    embedding_from_config,
    get_embedder,
    get_embedding,
    get_multivector_embedder,
    get_sparse_embedder,
    plugin_config,
)
from elanus.types import Float32Array
from elanus_embeddings import LateInteractionEmbedder, TransformersEmbedder
from support.tiny_models import (
    save_colbert,
    save_decoder,
    save_encoder,
    save_heads,
    save_masked_model,
)

TEXTS = ["how to rotate a key ?", "", "the weather in paris", "word " * 50, "key", "keys: one ."]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("models")
    return {
        "encoder": save_encoder(base / "encoder"),
        "decoder": save_decoder(base / "decoder"),
        "heads": save_heads(base / "heads"),
        "colbert": save_colbert(base / "colbert"),
        "attending": save_colbert(base / "attending", attend=True),
        "plain": save_colbert(base / "plain", expand=False),
        "splade": save_masked_model(base / "splade"),
    }


def states(folder: Path, text: str, max_tokens: int = 64) -> tuple[list[int], Float32Array]:
    """Return token ids and last hidden states of one text, so without padding."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    features = tokenizer(text, truncation=True, max_length=max_tokens, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**features).last_hidden_state[0].numpy()
    return features["input_ids"][0].tolist(), hidden


def scaled(vectors: Any) -> Float32Array:
    rows = np.asarray(vectors, dtype=np.float32)
    lengths: Float32Array = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


@pytest.mark.parametrize("model", ["encoder", "decoder"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_pooling(folders: dict[str, Path], model: str, pooling: str) -> None:
    pool = {"mean": lambda h: h.mean(axis=0), "cls": lambda h: h[0], "last": lambda h: h[-1]}
    found = TransformersEmbedder(str(folders[model]), pooling, device="cpu", offline=True)
    expected = scaled([pool[pooling](states(folders[model], text)[1]) for text in TEXTS])
    np.testing.assert_allclose(found.embed_documents(TEXTS), expected, atol=1e-5)


def test_instructions_and_leading_dimensions(folders: dict[str, Path]) -> None:
    found = get_embedder(
        f"transformers:{folders['decoder']}",
        pooling="last",
        query_prompt="how to do ",
        truncate_dim=7,
        device="cpu",
    )
    rows = [states(folders["decoder"], "how to do " + text)[1][-1][:7] for text in TEXTS]
    np.testing.assert_allclose(found.embed_queries(TEXTS), scaled(rows), atol=1e-5)
    rows = [states(folders["decoder"], text)[1][-1][:7] for text in TEXTS]
    np.testing.assert_allclose(found.embed_documents(TEXTS), scaled(rows), atol=1e-5)


def test_texts_are_cut_at_max_tokens(folders: dict[str, Path]) -> None:
    found = TransformersEmbedder(str(folders["encoder"]), max_tokens=6, device="cpu")
    rows = [states(folders["encoder"], text, 6)[1].mean(axis=0) for text in TEXTS]
    np.testing.assert_allclose(found.embed_documents(TEXTS), scaled(rows), atol=1e-5)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    found = TransformersEmbedder(str(tmp_path / "absent"), offline=True)
    with pytest.raises(ProviderError, match="cannot load the model"):
        found.embed_documents(["one"])


def test_one_pass_makes_dense_sparse_and_token_vectors(folders: dict[str, Path]) -> None:
    folder = folders["heads"]
    made = get_embedding(f"bge-m3:{folder}", device="cpu").embed_documents(TEXTS)
    sparse = torch.load(folder / "sparse_linear.pt", weights_only=True)
    tokens = torch.load(folder / "colbert_linear.pt", weights_only=True)
    special = {0, 1, 2, 3, 4}
    for row, text in enumerate(TEXTS):
        ids, hidden = states(folder, text)
        np.testing.assert_allclose(made.dense[row], scaled(hidden[:1])[0], atol=1e-5)
        weights = hidden @ sparse["weight"].numpy()[0] + sparse["bias"].item()
        expected: dict[int, float] = {}
        for token, weight in zip(ids, weights.tolist(), strict=True):
            if token not in special and weight > 0:
                expected[token] = max(weight, expected.get(token, 0.0))
        assert made.sparse.to_dicts()[row] == pytest.approx(expected, abs=1e-5)
        matrix = hidden[1:] @ tokens["weight"].numpy().T + tokens["bias"].numpy()
        np.testing.assert_allclose(made.tokens.to_lists()[row], scaled(matrix), atol=1e-5)


def test_views_of_one_model(folders: dict[str, Path]) -> None:
    name = f"bge-m3:{folders['heads']}"
    whole = get_embedding(name, device="cpu")
    assert whole.info.kind is VectorKind.HYBRID
    made = whole.embed_queries(TEXTS)
    dense = get_embedder(name, device="cpu")
    sparse = get_sparse_embedder(name, device="cpu")
    tokens = get_multivector_embedder(name, device="cpu")
    np.testing.assert_array_equal(dense.embed_queries(TEXTS), made.dense)
    assert sparse.embed_queries(TEXTS).to_dicts() == made.sparse.to_dicts()
    np.testing.assert_array_equal(tokens.embed_queries(TEXTS).vectors, made.tokens.vectors)
    assert (dense.info.dim, tokens.info.dim, sparse.info.kind) == (32, 8, VectorKind.SPARSE)
    rebuilt = embedding_from_config(plugin_config(sparse), VectorKind.SPARSE)
    assert rebuilt.embed_queries(TEXTS).to_dicts() == made.sparse.to_dicts()


def test_a_model_without_heads(folders: dict[str, Path]) -> None:
    with pytest.raises(ProviderError, match=r"has no file '\w+_linear.pt'"):
        get_embedding(f"bge-m3:{folders['encoder']}").embed_documents(["one"])


def colbert_oracle(folder: Path, text: str, *, query: bool, attend: bool, expand: bool) -> Any:
    """One text by hand: mark, fill up, project, scale, leave punctuation out."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    head = LateInteractionEmbedder(str(folder), device="cpu")._head().numpy()
    length = 12 if query else 20
    ids = tokenizer(text, truncation=True, max_length=length - 1)["input_ids"]
    ids.insert(1, tokenizer.convert_tokens_to_ids("[Q] " if query else "[D] "))
    mask = [1] * len(ids)
    if query and expand:
        missing = length - len(ids)
        ids, mask = ids + [tokenizer.mask_token_id] * missing, mask + [int(attend)] * missing
    with torch.inference_mode():
        hidden = model(torch.tensor([ids]), torch.tensor([mask])).last_hidden_state[0].numpy()
    skipped = set() if query else set(tokenizer.convert_tokens_to_ids([".", "?", ":"]))
    kept = [place for place, token in enumerate(ids) if token not in skipped]
    return scaled(hidden @ head.T)[kept]


@pytest.mark.parametrize("name", ["colbert", "attending", "plain"])
@pytest.mark.parametrize("query", [True, False])
def test_token_vectors(folders: dict[str, Path], name: str, query: bool) -> None:
    found = get_multivector_embedder(f"late-interaction:{folders[name]}", device="cpu")
    made = found.embed_queries(TEXTS) if query else found.embed_documents(TEXTS)
    for text, rows in zip(TEXTS, made.to_lists(), strict=True):
        expected = colbert_oracle(
            folders[name], text, query=query, attend=name == "attending", expand=name != "plain"
        )
        np.testing.assert_allclose(rows, expected, atol=1e-5)
    assert found.info.dim == 8


def test_a_model_without_linear_layer(folders: dict[str, Path]) -> None:
    with pytest.raises(ProviderError, match="it is no ColBERT model"):
        get_embedding(f"late-interaction:{folders['encoder']}").embed_documents(["one"])


def test_splade_weights(folders: dict[str, Path]) -> None:
    found = get_sparse_embedder(f"splade:{folders['splade']}", device="cpu")
    raw = folders["splade"].parent / "raw"
    tokenizer = transformers.AutoTokenizer.from_pretrained(raw)
    model = transformers.AutoModelForMaskedLM.from_pretrained(raw).eval()
    for text, row in zip(TEXTS, found.embed_documents(TEXTS).to_dicts(), strict=True):
        features = tokenizer(text, truncation=True, max_length=64, return_tensors="pt")
        with torch.inference_mode():
            logits = model(**features).logits[0]
        weights = torch.log1p(logits.relu()).max(dim=0).values.numpy()
        expected = {place: float(weights[place]) for place in np.flatnonzero(weights)}
        assert row == pytest.approx(expected, abs=1e-4)
    few = get_sparse_embedder(f"splade:{folders['splade']}", device="cpu", max_active=3)
    for short, long in zip(
        few.embed_queries(TEXTS).to_dicts(), found.embed_queries(TEXTS).to_dicts(), strict=True
    ):
        assert short == pytest.approx(
            dict(sorted(long.items(), key=lambda item: -item[1])[:3]), abs=1e-5
        )


def test_copies_make_the_same_vectors(folders: dict[str, Path]) -> None:
    found = TransformersEmbedder(str(folders["encoder"]), "cls", device="cpu")
    copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copy.embed_documents(TEXTS), found.embed_documents(TEXTS))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TransformersEmbedder("m", "max"), "pooling must be one of"),
        (lambda: TransformersEmbedder(""), "expected the name or folder"),
        (lambda: TransformersEmbedder("m", truncate_dim=0), "truncate_dim must be"),
        (lambda: TransformersEmbedder("m", max_tokens=0), "max_tokens must be"),
        (lambda: LateInteractionEmbedder("m", query_length=3), "query_length must be"),
    ],
)
def test_bad_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()
