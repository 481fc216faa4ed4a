"""Late interaction and SPLADE by fastembed, beside which the workspace's own hub cannot live.

Its packages are installed in a folder of their own, as those of the clients of Milvus are. Models
are tiny ones of ours, laid out as fastembed keeps those that it knows.
"""

from __future__ import annotations

import json
import os
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from elanus.plugins import get_sparse_embedder
from elanus.plugins.onnx_graphs import write_graph
from support.client_environments import UnavailableError, run_python
from support.tiny_models import bert_config, save_masked_model, save_tokenizer

pytestmark = pytest.mark.slow

TEXTS = ["rotate the key", "a key, a key.", "paris is mild in may", "x", "rotate?"]
QUERY_MARK, DOCUMENT_MARK, QUERY_LENGTH = 1, 2, 31


class Tokens(torch.nn.Module):
    """A model of transformers, of whose output one member is taken and put through a layer."""

    def __init__(self, model: Any, member: str, layer: Any = None) -> None:
        super().__init__()
        self.model, self.member, self.layer = model, member, layer

    def forward(self, **features: Any) -> dict[str, Any]:
        found = self.model(**features)[self.member]
        if self.layer is not None:
            found = torch.nn.functional.normalize(self.layer(found), dim=-1)
        return {"tokens": found}


def write_folder(folder: Path, model: Any, tokenizer: Any) -> None:
    folder.mkdir()
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad_token": "[PAD]", "mask_token": "[MASK]", "cls_token": "[CLS]"}
    settings = {
        "config.json": {"pad_token_id": tokenizer.pad_token_id},
        "tokenizer_config.json": {"model_max_length": 64, **names},
        "special_tokens_map.json": names,
    }
    for name, content in settings.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")

    def features(texts: list[str], **options: Any) -> dict[str, Any]:
        # fastembed puts a mark among the tokens and knows nothing of their types.
        found = dict(tokenizer(texts, **options))
        del found["token_type_ids"]
        return found

    write_graph(model.eval(), features, folder / "model.onnx", "tokens")


def token_vectors(model: Tokens, tokenizer: Any, text: str, mark: int) -> Any:
    """Return what ColBERT makes of a text: with a mark, and masks behind or without punctuation."""
    ids = tokenizer(text)["input_ids"]
    attended = [1] * (len(ids) + 1)
    if mark == QUERY_MARK:
        filling = QUERY_LENGTH - len(ids)
        ids, attended = ids + [tokenizer.mask_token_id] * filling, attended + [0] * filling
    ids = [ids[0], mark, *ids[1:]]
    with torch.no_grad():
        asked = {"input_ids": torch.tensor([ids]), "attention_mask": torch.tensor([attended])}
        found = model(**asked)["tokens"][0].numpy()
    if mark == QUERY_MARK:
        return found
    skipped = {tokenizer(s, add_special_tokens=False)["input_ids"][0] for s in string.punctuation}
    return found[[token not in skipped for token in ids]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "texts.json").write_text(json.dumps(TEXTS), encoding="utf-8")
    tokenizer = save_tokenizer(folder / "raw")
    with torch.random.fork_rng():
        torch.manual_seed(7)
        # The other kernels of attention have no form in ONNX.
        config = bert_config(len(tokenizer))
        config._attn_implementation = "eager"
        encoder = transformers.BertModel(config)
        layer = torch.nn.Linear(32, 8, bias=False)
        colbert = Tokens(encoder, "last_hidden_state", layer).eval()
    for role, mark in (("documents", DOCUMENT_MARK), ("queries", QUERY_MARK)):
        rows = [token_vectors(colbert, tokenizer, text, mark) for text in TEXTS]
        np.savez(folder / f"{role}.npz", **{str(place): one for place, one in enumerate(rows)})
    # The exporter leaves a model as it is for training.
    write_folder(folder / "colbert", colbert, tokenizer)
    masked = save_masked_model(folder / "masked")
    raw = transformers.BertForMaskedLM.from_pretrained(
        masked.parent / "raw", attn_implementation="eager"
    )
    write_folder(folder / "splade", Tokens(raw, "logits"), tokenizer)
    sparse = get_sparse_embedder(f"splade:{masked}", device="cpu", offline=True)
    made = sparse.embed_documents(TEXTS).to_dicts()
    (folder / "sparse.json").write_text(json.dumps(made), encoding="utf-8")
    return folder


def test_models_of_fastembed_keep_the_contract(models: Path) -> None:
    # Scenarios of clients are told where a server is; there is none here.
    settings = {**os.environ, "ELANUS_URI": "", "FASTEMBED_MODELS": str(models)}
    try:
        part = run_python("fastembed", ["fastembed_models"], settings)["fastembed_models"]
    except UnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"fastembed cannot be installed: {error}")
    assert not part.failures, "\n\n".join(f"{name}: {text}" for name, text in part.failures.items())
    assert len(part.passed) >= 19
    assert not part.skipped
