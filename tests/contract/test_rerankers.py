"""Every reranker of elanus-rerankers keeps the contract."""

from collections.abc import Iterator
from typing import Any

import pytest

from elanus.plugins import Reranker, get_reranker
from elanus.testing import RerankerContract
from elanus_rerankers import (
    ListwiseLlmReranker,
    PointwiseLlmReranker,
    RemoteReranker,
    export_cross_encoder,
)
from support.model_server import KEY, model_server
from support.rerank_services import OPTIONS, RERANK_SERVICES, ranking, yes_or_no
from support.tiny_models import save_colbert, save_cross_encoder, save_decoder, save_flashrank


class TestLexical(RerankerContract):
    @pytest.fixture
    def reranker(self) -> Reranker:
        return get_reranker("lexical")


class TestLexicalAtTheLimits(RerankerContract):
    @pytest.fixture
    def reranker(self) -> Reranker:
        return get_reranker("lexical", k1=0.0, b=1.0)


class TestCrossEncoder(RerankerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def reranker(cls, tmp_path_factory: pytest.TempPathFactory) -> Reranker:
        folder = save_cross_encoder(tmp_path_factory.mktemp("models") / "classifier")
        return get_reranker("cross-encoder", model=str(folder), device="cpu", offline=True)


class TestCrossEncoderOfTwoLabelsAsProbability(RerankerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def reranker(cls, tmp_path_factory: pytest.TempPathFactory) -> Reranker:
        folder = save_cross_encoder(tmp_path_factory.mktemp("models") / "classifier", labels=2)
        return get_reranker(
            f"cross-encoder:{folder}", device="cpu", offline=True, score_kind="probability"
        )


class TestRemote(RerankerContract):
    @pytest.fixture(scope="class", params=sorted(RERANK_SERVICES))
    @classmethod
    def reranker(cls, request: pytest.FixtureRequest) -> Iterator[Reranker]:
        service = request.param
        with model_server(RERANK_SERVICES[service]) as served, pytest.MonkeyPatch.context() as m:
            m.setenv("TEST_KEY", KEY)
            m.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            m.setenv("AWS_SECRET_ACCESS_KEY", KEY)
            options: dict[str, Any] = {"key_env": "TEST_KEY", **OPTIONS.get(service, {})}
            yield RemoteReranker(service, "some-model", served.url, **options)


class TestPointwiseLlm(RerankerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def reranker(cls) -> Iterator[Reranker]:
        with model_server(yes_or_no) as served:
            yield PointwiseLlmReranker("model", served.url)


class TestListwiseLlm(RerankerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def reranker(cls) -> Iterator[Reranker]:
        with model_server(ranking) as served:
            yield ListwiseLlmReranker("model", served.url, window=4, step=2)

    def test_scores_follow_the_order_of_the_documents(self, reranker: Reranker) -> None:
        """Ties keep the order of the documents, so only the best one can be compared."""
        documents = ["the weather", "rotate a key", "a key"]
        assert reranker.score("rotate a key", documents).tolist() == [1.0, 3.0, 2.0]
        assert reranker.score("rotate a key", documents[::-1]).tolist() == [2.0, 3.0, 1.0]


class TestOnnxCrossEncoder(RerankerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def reranker(cls, tmp_path_factory: pytest.TempPathFactory) -> Reranker:
        base = tmp_path_factory.mktemp("models")
        source = save_cross_encoder(base / "classifier")
        folder = export_cross_encoder(source, base / "onnx", offline=True)
        return get_reranker(f"onnx-cross-encoder:{folder}")


class TestFlashRank(RerankerContract):
    tolerance = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def reranker(cls, tmp_path_factory: pytest.TempPathFactory) -> Reranker:
        cache = tmp_path_factory.mktemp("models")
        save_flashrank(cache)
        return get_reranker("flashrank:ms-marco-TinyBERT-L-2-v2", cache=str(cache))


class TestYesNo(RerankerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def reranker(cls, tmp_path_factory: pytest.TempPathFactory) -> Reranker:
        folder = save_decoder(tmp_path_factory.mktemp("models") / "decoder", causal_head=True)
        return get_reranker(f"yes-no:{folder}", max_tokens=180, device="cpu", offline=True)


class TestMaxSim(RerankerContract):
    tolerance = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def reranker(cls, tmp_path_factory: pytest.TempPathFactory) -> Reranker:
        folder = save_colbert(tmp_path_factory.mktemp("models") / "colbert")
        return get_reranker(f"maxsim:late-interaction:{folder}")
