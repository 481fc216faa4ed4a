"""Plug-ins by name, from the entry points of really installed distributions."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError, PluginError, PluginNotInstalledError
from elanus.plugins import (
    ModelInfo,
    VectorKind,
    embedder_from_config,
    get_embedder,
    get_reranker,
    get_sparse_embedder,
    installed_embedders,
    installed_rerankers,
    plugin_config,
    require_package,
    reranker_from_config,
)
from elanus.types import Float32Array
from support.plugin_package import install

MODULE = """
import numpy as np
from elanus.plugins import ModelInfo, SparseVectors, VectorKind


class Constant:
    def __init__(self, model="one", dim=3):
        self.info = ModelInfo(name=model, dim=dim)

    def embed_documents(self, texts):
        return np.ones((len(texts), self.info.dim), dtype=np.float32)

    embed_queries = embed_documents


class Sparse:
    info = ModelInfo(name="sparse", kind=VectorKind.SPARSE)

    def embed_documents(self, texts):
        return SparseVectors.from_dicts([{1: 1.0} for _ in texts])

    embed_queries = embed_documents


def nothing():
    return None
"""

ENTRY_POINTS = """
[elanus.embeddings]
constant = {module}:Constant
lonely-sparse = {module}:Sparse
broken = {module}_that_is_missing:Constant
empty = {module}:nothing
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, "constant-embeddings", "constant_embeddings", MODULE, ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


class OwnEmbedder:
    def __init__(self) -> None:
        self.looked = 0

    @property
    def info(self) -> ModelInfo:
        self.looked += 1
        return ModelInfo(name="own", dim=2)

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return np.zeros((len(texts), 2), dtype=np.float32)

    embed_queries = embed_documents


@pytest.mark.usefixtures("plugins")
def test_a_plugin_installed_after_the_first_look_is_found() -> None:
    embedder = get_embedder("constant", dim=4)
    assert embedder.embed_queries(["a", "b"]).tolist() == [[1.0] * 4] * 2


@pytest.mark.usefixtures("plugins")
def test_the_model_follows_the_first_colon() -> None:
    assert get_embedder("constant:org/model:v2").info.name == "org/model:v2"


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(("spec", "options"), [("constant:", {}), ("constant:a", {"model": "b"})])
def test_no_model_and_two_models_are_refused(spec: str, options: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError, match="expected one model"):
        get_embedder(spec, **options)


@pytest.mark.usefixtures("plugins")
def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidArgumentError, match=r"'dims'.*its options are: model, dim"):
        get_embedder("constant", dims=4)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("openai", "missing a required argument: 'model'; write 'openai:MODEL'; its options are"),
        ("hash:64", "'model'; it has one model, and its name is 'hash'; its options are: dim"),
    ],
)
def test_a_missing_model_and_one_too_many_are_told(spec: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        get_embedder(spec)


@pytest.mark.usefixtures("plugins")
def test_a_factory_that_makes_something_else_is_an_error() -> None:
    with pytest.raises(PluginError, match="'empty': its factory returned NoneType, which lacks"):
        get_embedder("empty")


@pytest.mark.usefixtures("plugins")
def test_a_plugin_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(PluginNotInstalledError, match=r"'broken'.*cannot be imported") as caught:
        get_embedder("broken")
    assert caught.value.name == "broken"


@pytest.mark.usefixtures("plugins")
def test_dense_and_sparse_are_not_mixed_up() -> None:
    assert get_sparse_embedder("lonely-sparse").info.kind is VectorKind.SPARSE
    with pytest.raises(InvalidArgumentError, match=r"makes sparse vectors, expected .* dense"):
        get_embedder("lonely-sparse")
    with pytest.raises(InvalidArgumentError, match=r"makes dense vectors, expected .* sparse"):
        get_sparse_embedder("constant")


def test_a_name_that_two_distributions_claim_is_an_error(plugins: Path) -> None:
    install(plugins, "other-embeddings", "other_embeddings", MODULE, ENTRY_POINTS)
    with pytest.raises(PluginError, match="by constant-embeddings and other-embeddings"):
        get_embedder("constant")


def test_an_unknown_name_lists_what_there_is_and_the_nearest() -> None:
    with pytest.raises(PluginNotInstalledError) as caught:
        get_embedder("mini-lm")
    message = str(caught.value)
    assert message.startswith(
        "no embedder called 'mini-lm' is installed. Installed: bedrock-cohere, "
    )
    assert " hash, " in message
    assert "Did you mean 'minilm'?" in message
    assert (caught.value.name, caught.value.extra) == ("mini-lm", None)


def test_a_model_name_is_not_guessed_to_a_provider() -> None:
    with pytest.raises(PluginNotInstalledError, match="as in 'provider:model'"):
        get_embedder("all-MiniLM-L6-v2")


def test_names_are_told_per_kind() -> None:
    assert {"hash", "minilm", "sentence-transformers"} <= set(installed_embedders())
    assert {"cross-encoder", "lexical"} <= set(installed_rerankers())
    with pytest.raises(PluginNotInstalledError, match="no reranker called 'hash'"):
        get_reranker("hash")


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("minilm", "elanus-embeddings[minilm]"),
        ("hahs", "elanus-embeddings"),
        ("voyage", "elanus-embeddings"),
    ],
)
def test_without_the_distribution_the_message_says_what_to_install(
    name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A search path of its own keeps the emptied answer out of the other tests.
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ())
    with pytest.raises(PluginNotInstalledError) as caught:
        get_embedder(name)
    assert caught.value.extra == extra
    assert "Installed: none." in str(caught.value)
    assert f"To install: pip install '{extra}'." in str(caught.value)


def test_an_own_object_is_taken_as_it_is() -> None:
    embedder = OwnEmbedder()
    assert get_embedder(embedder) is embedder


def test_an_own_object_takes_no_options() -> None:
    with pytest.raises(InvalidArgumentError, match=r"options \['dim'\].*OwnEmbedder"):
        get_embedder(OwnEmbedder(), dim=3)


def test_an_object_that_does_not_fit_is_told_what_it_lacks() -> None:
    with pytest.raises(InvalidArgumentError, match="OwnEmbedder lacks score"):
        get_reranker(OwnEmbedder())  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="int lacks info, embed_documents"):
        get_embedder(5)  # type: ignore[arg-type]


def test_a_stored_configuration_builds_the_plugin_again() -> None:
    config = plugin_config(get_embedder("hash", dim=16))
    assert config == {"name": "hash", "params": {"dim": 16}}
    assert embedder_from_config(config).info.dim == 16
    lexical = plugin_config(get_reranker("lexical", k1=0.5))
    assert reranker_from_config(lexical).score("a", ["a", "b"])[1] == 0.0


def test_an_own_object_has_to_be_passed_again() -> None:
    config = plugin_config(OwnEmbedder())
    with pytest.raises(PluginNotInstalledError, match=r"'own' is an object of your own.*embedder="):
        embedder_from_config(config)
    with pytest.raises(InvalidArgumentError, match="expected a mapping with 'name'"):
        reranker_from_config({})


def test_a_missing_package_names_the_extra() -> None:
    with pytest.raises(PluginNotInstalledError) as caught:
        require_package("no_such_package", plugin="mine", extra="mine[all]")
    assert str(caught.value).endswith("pip install 'mine[all]'")
    assert (caught.value.name, caught.value.extra) == ("mine", "mine[all]")


def test_importing_and_naming_plugins_loads_no_heavy_package() -> None:
    script = (
        "import sys, elanus.plugins as p; p.installed_embedders(); p.get_embedder('hash')\n"
        "p.get_embedder('minilm').info; import elanus_rerankers\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'transformers', "
        "'sentence_transformers', 'scipy', 'sklearn', 'huggingface_hub', 'pandas'}))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert shown == "[]\n"
