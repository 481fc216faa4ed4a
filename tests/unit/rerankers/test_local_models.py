"""Rerankers that run a model here, against plain transformers run pair by pair."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from elanus.errors import InvalidArgumentError, NotFoundError, ProviderError
from elanus.plugins import (
    get_multivector_embedder,
    get_reranker,
    plugin_config,
    reranker_from_config,
)
from elanus_rerankers import (
    FlashRankReranker,
    MaxSimReranker,
    OnnxCrossEncoderReranker,
    YesNoReranker,
    export_cross_encoder,
)
from support.tiny_models import save_colbert, save_cross_encoder, save_decoder, save_flashrank

QUERY = "how to rotate a key ?"
DOCUMENTS = ["the weather in paris", "", "rotate a key in the console", "word " * 80, "key"]


@pytest.mark.parametrize("labels", [1, 2])
def test_a_graph_scores_as_torch_does(tmp_path: Path, labels: int) -> None:
    source = save_cross_encoder(tmp_path / "model", labels=labels)
    folder = export_cross_encoder(source, tmp_path / "onnx", offline=True)
    expected = get_reranker(f"cross-encoder:{source}", device="cpu", offline=True)
    found = get_reranker(f"onnx-cross-encoder:{folder}")
    np.testing.assert_allclose(
        found.score(QUERY, DOCUMENTS), expected.score(QUERY, DOCUMENTS), atol=1e-4
    )
    chance = OnnxCrossEncoderReranker(str(folder), score_kind="probability")
    logits = expected.score(QUERY, DOCUMENTS).astype(np.float64)
    np.testing.assert_allclose(chance.score(QUERY, DOCUMENTS), 1 / (1 + np.exp(-logits)), atol=1e-4)


def test_an_int8_graph_is_smaller_and_near(tmp_path: Path) -> None:
    source = save_cross_encoder(tmp_path / "model")
    folder = export_cross_encoder(source, tmp_path / "onnx", int8=True, offline=True)
    exact = OnnxCrossEncoderReranker(str(folder)).score(QUERY, DOCUMENTS)
    near = OnnxCrossEncoderReranker(str(folder), "model_int8.onnx").score(QUERY, DOCUMENTS)
    assert 0 < np.abs(exact - near).max() < 0.2 * np.abs(exact).max() + 0.2


def test_a_folder_without_a_graph(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"model\.onnx"):
        OnnxCrossEncoderReranker(str(tmp_path))


def test_maxsim_is_the_sum_of_the_best(tmp_path: Path) -> None:
    folder = save_colbert(tmp_path / "colbert")
    inner = get_multivector_embedder(f"late-interaction:{folder}", device="cpu")
    found = MaxSimReranker(inner)
    (query,) = inner.embed_queries([QUERY]).to_lists()
    expected = [
        sum(max(float(q @ d) for d in document) for q in query)
        for document in inner.embed_documents(DOCUMENTS).to_lists()
    ]
    np.testing.assert_allclose(found.score(QUERY, DOCUMENTS), expected, atol=1e-4)
    rebuilt = reranker_from_config(plugin_config(found))
    np.testing.assert_allclose(rebuilt.score(QUERY, DOCUMENTS), expected, atol=1e-4)


def yes_no_oracle(folder: Path, document: str, limit: int) -> float:
    """One question by hand, so without padding."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    first = ids(
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query "
        'and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
        "<|im_start|>user\n"
    )
    last = ids("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
    middle = ids(
        "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
        f"<Query>: {QUERY}\n<Document>: {document}"
    )[: limit - len(first) - len(last)]
    with torch.inference_mode():
        logits = model(torch.tensor([[*first, *middle, *last]])).logits[0, -1]
    yes, no = (logits[tokenizer.convert_tokens_to_ids(word)].item() for word in ("yes", "no"))
    return 1 / (1 + float(np.exp(no - yes)))


def test_logits_of_yes_and_no(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path / "decoder", causal_head=True)
    found = YesNoReranker(str(folder), max_tokens=180, device="cpu", offline=True)
    expected = [yes_no_oracle(folder, document, 180) for document in DOCUMENTS]
    np.testing.assert_allclose(found.score(QUERY, DOCUMENTS), expected, rtol=1e-3)
    # Else a constant would pass.
    assert max(expected) > 2 * min(expected)
    copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_allclose(copy.score(QUERY, DOCUMENTS), expected, rtol=1e-3)


def test_words_that_are_several_tokens(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path / "decoder", causal_head=True)
    with pytest.raises(ProviderError, match="must be one token each"):
        YesNoReranker(str(folder), yes="yes yes", device="cpu").score(QUERY, DOCUMENTS)


def test_flashrank_runs_a_model_of_ours(tmp_path: Path) -> None:
    source = save_flashrank(tmp_path)
    found = FlashRankReranker("ms-marco-TinyBERT-L-2-v2", cache=str(tmp_path))
    plain = get_reranker(f"cross-encoder:{source}", device="cpu", score_kind="probability")
    given = found.score(QUERY, DOCUMENTS)
    np.testing.assert_allclose(given, plain.score(QUERY, DOCUMENTS), atol=1e-4)
    assert found.score(QUERY, []).shape == (0,)


def test_flashrank_does_not_know_every_name(tmp_path: Path) -> None:
    (tmp_path / "nobody").mkdir()
    with pytest.raises(ProviderError, match="Check the name in FlashRank's list"):
        FlashRankReranker("nobody", cache=str(tmp_path)).score(QUERY, DOCUMENTS)


def test_bad_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="expected the name or folder"):
        YesNoReranker("")
    with pytest.raises(InvalidArgumentError, match="max_tokens must be"):
        OnnxCrossEncoderReranker(str(tmp_path), max_tokens=0)
    with pytest.raises(InvalidArgumentError, match="score_kind must be"):
        OnnxCrossEncoderReranker(str(tmp_path), score_kind="rank")
