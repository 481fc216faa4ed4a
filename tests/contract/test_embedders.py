"""Every embedder of elanus-embeddings keeps the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from elanus.plugins import (
    AnyEmbedder,
    Embedder,
    get_embedder,
    get_embedding,
    get_multivector_embedder,
    get_sparse_embedder,
)
from elanus.testing import (
    EmbedderContract,
    HybridEmbedderContract,
    MultiVectorEmbedderContract,
    SparseEmbedderContract,
)
from elanus_embeddings import CachedEmbedder, LsaEmbedder, RemoteEmbedder, export_onnx
from support.embedding_services import EMBEDDING_SERVICES, PLACES
from support.model_server import KEY, model_server
from support.tiny_models import (
    save_colbert,
    save_decoder,
    save_encoder,
    save_heads,
    save_masked_model,
    save_static_model,
)


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
        return get_embedder("minilm", device="cpu", precision="float32")


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


class TestRemote(EmbedderContract):
    @pytest.fixture(scope="class", params=["openai", "cohere", "gemini", "tei"])
    @classmethod
    def embedder(cls, request: pytest.FixtureRequest) -> Iterator[Embedder]:
        service = request.param
        with model_server(EMBEDDING_SERVICES[service]) as served, pytest.MonkeyPatch.context() as m:
            m.setenv("TEST_KEY", KEY)
            options = {"key_env": "TEST_KEY", **PLACES.get(service, {})}
            yield RemoteEmbedder(service, "some-model", served.url, **options)


class TestLsa(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
        file = tmp_path_factory.mktemp("lsa") / "lsa.npz"
        texts = ["rotate an access key", "keys are rotated in the console", "a word in a word", "0"]
        LsaEmbedder.fit(texts, dim=4, min_count=1).save(file)
        return get_embedder(f"lsa:{file}")


class TestTransformersLastToken(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
        folder = save_decoder(tmp_path_factory.mktemp("models") / "decoder")
        return get_embedder(
            f"transformers:{folder}", pooling="last", query_prompt="how to ", device="cpu"
        )


class TestOnnx(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
        base = tmp_path_factory.mktemp("models")
        folder = export_onnx(save_encoder(base / "encoder"), base / "onnx", offline=True)
        return get_embedder(f"onnx:{folder}")


class TestModel2Vec(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
        folder = save_static_model(tmp_path_factory.mktemp("models"))
        return get_embedder(f"model2vec:{folder}")


class TestTruncated(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return get_embedder("truncated", embedder=get_embedder("hash", dim=512), dim=256)


class TestSplade(SparseEmbedderContract):
    tolerance = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> AnyEmbedder:
        folder = save_masked_model(tmp_path_factory.mktemp("models"))
        return get_sparse_embedder(f"splade:{folder}", device="cpu", offline=True)


class TestFastEmbedSparse(SparseEmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> AnyEmbedder:
        pytest.importorskip("fastembed")
        # This model is a stemmer and a list of stop words: nothing has to be fetched.
        folder = tmp_path_factory.mktemp("models")
        (folder / "english.txt").write_text("the\na\n")
        return get_sparse_embedder(
            "fastembed:Qdrant/bm25", kind="sparse", folder=str(folder), offline=True
        )


class TestLateInteraction(MultiVectorEmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> AnyEmbedder:
        folder = save_colbert(tmp_path_factory.mktemp("models") / "colbert")
        return get_multivector_embedder(f"late-interaction:{folder}", device="cpu")


class TestBgeM3(HybridEmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> AnyEmbedder:
        folder = save_heads(tmp_path_factory.mktemp("models") / "heads")
        return get_embedding(f"bge-m3:{folder}", device="cpu", offline=True)


class TestSparseViewOfBgeM3(SparseEmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, tmp_path_factory: pytest.TempPathFactory) -> AnyEmbedder:
        folder = save_heads(tmp_path_factory.mktemp("models") / "heads")
        return get_sparse_embedder(f"bge-m3:{folder}", device="cpu", offline=True)
