"""Cross-encoders, against the plain transformers model run pair by pair."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from elanus.errors import InvalidArgumentError, PluginNotInstalledError, ProviderError
from elanus.plugins import ScoreKind, plugin_config
from elanus.types import Float32Array
from elanus_rerankers import CrossEncoderReranker
from support.tiny_models import save_cross_encoder, save_encoder

QUERY = "how to rotate a key ?"
DOCUMENTS = [
    "the weather in paris",
    "",
    "word " * 50,
    "keys are rotated in the console",
    "zebra key",
]


@pytest.fixture(scope="module")
def one_label(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "one")


@pytest.fixture(scope="module")
def two_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "two", labels=2)


def reranker(folder: Path, **options: object) -> CrossEncoderReranker:
    return CrossEncoderReranker(str(folder), device="cpu", offline=True, **options)  # type: ignore[arg-type]


def pair_logits(folder: Path, max_tokens: int = 64) -> Float32Array:
    """Logits of each pair on its own, so without any padding; shape (documents, labels)."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    rows = []
    # Lists of one: given bare strings, tokenizers drop an empty document and its separator.
    for document in DOCUMENTS:
        features = tokenizer(
            [QUERY], [document], truncation=True, max_length=max_tokens, return_tensors="pt"
        )
        with torch.inference_mode():
            rows.append(model(**features).logits[0].numpy())
    return np.stack(rows)


def test_scores_are_the_logits_of_each_pair(one_label: Path) -> None:
    expected = pair_logits(one_label)[:, 0]
    given = reranker(one_label).score(QUERY, DOCUMENTS)
    np.testing.assert_allclose(given, expected, atol=1e-5)
    assert len(set(np.round(expected, 3))) == len(DOCUMENTS)
    assert reranker(one_label).info.score_kind is ScoreKind.LOGIT


def test_probabilities_are_the_sigmoid(one_label: Path) -> None:
    expected = torch.sigmoid(torch.from_numpy(pair_logits(one_label)[:, 0])).numpy()
    probable = reranker(one_label, score_kind="probability")
    np.testing.assert_allclose(probable.score(QUERY, DOCUMENTS), expected, atol=1e-5)
    assert probable.info.score_kind is ScoreKind.PROBABILITY


def test_two_labels_give_the_softmax_probability_of_the_second(two_labels: Path) -> None:
    expected = torch.softmax(torch.from_numpy(pair_logits(two_labels)), dim=1)[:, 1].numpy()
    probable = reranker(two_labels, score_kind="probability")
    np.testing.assert_allclose(probable.score(QUERY, DOCUMENTS), expected, atol=1e-5)


def test_pairs_are_cut_at_max_tokens(one_label: Path) -> None:
    expected = pair_logits(one_label, max_tokens=12)[:, 0]
    given = reranker(one_label, max_tokens=12).score(QUERY, DOCUMENTS)
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_the_query_decides(one_label: Path) -> None:
    ranked = reranker(one_label)
    assert np.abs(ranked.score(QUERY, DOCUMENTS) - ranked.score("paris", DOCUMENTS)).max() > 0.01


def test_no_documents_need_no_model(tmp_path: Path) -> None:
    assert reranker(tmp_path / "nothing").score(QUERY, []).shape == (0,)


def test_the_configuration_holds_what_decides_the_scores(one_label: Path) -> None:
    assert plugin_config(reranker(one_label, max_tokens=12, score_kind="probability")) == {
        "name": "cross-encoder",
        "params": {"model": str(one_label), "max_tokens": 12, "score_kind": "probability"},
    }


def test_a_model_without_a_trained_head_is_refused(tmp_path: Path) -> None:
    bare = reranker(save_encoder(tmp_path / "bare"))
    with pytest.raises(ProviderError, match=r"no weights for classifier\.bias.*not a trained"):
        bare.score(QUERY, DOCUMENTS)


def test_three_labels_are_refused(tmp_path: Path) -> None:
    three = reranker(save_cross_encoder(tmp_path / "three", labels=3))
    with pytest.raises(ProviderError, match="has 3 labels, expected 1 or 2"):
        three.score(QUERY, DOCUMENTS)


def test_a_model_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"cannot load the model '.*nothing'.*Check the name"):
        reranker(tmp_path / "nothing").score(QUERY, DOCUMENTS)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(PluginNotInstalledError) as caught:
        CrossEncoderReranker("any")
    assert caught.value.extra == "elanus-rerankers[cross-encoder]"


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("", {}, "expected the name or folder of a model"),
        ("m", {"max_tokens": 0}, "max_tokens must be an integer of at least 1"),
        ("m", {"score_kind": "relevance"}, "must be 'logit' or 'probability', got 'relevance'"),
    ],
)
def test_options_out_of_range_are_refused(
    model: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        CrossEncoderReranker(model, **options)  # type: ignore[arg-type]
