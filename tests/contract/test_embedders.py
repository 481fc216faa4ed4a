"""Every embedder of elanus-embeddings keeps the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from elanus.plugins import Embedder, get_embedder
from elanus.testing import EmbedderContract
from elanus_embeddings import CachedEmbedder
from support.tiny_models import save_encoder


class TestHash(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return get_embedder("hash")


class TestHashInFewDimensions(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return get_embedder("hash", dim=3)


class TestMiniLM(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls) -> Embedder:
        return get_embedder("minilm", device="cpu")


class TestSentenceTransformers(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
        folder = save_encoder(tmp_path_factory.mktemp("models") / "encoder")
        return get_embedder(
            "sentence-transformers",
            model=str(folder),
            device="cpu",
            offline=True,
            query_prompt="how: ",
            truncate_dim=16,
        )


class TestSentenceTransformersWithoutNormalization(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
        folder = save_encoder(tmp_path_factory.mktemp("models") / "encoder")
        return get_embedder(
            f"sentence-transformers:{folder}", device="cpu", offline=True, normalize=False
        )


class TestCached(EmbedderContract):
    @pytest.fixture
    def embedder(self, tmp_path: Path) -> Iterator[Embedder]:
        with CachedEmbedder(get_embedder("hash"), tmp_path / "cache.sqlite") as cached:
            yield cached
