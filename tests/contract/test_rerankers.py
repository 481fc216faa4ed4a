"""Every reranker of elanus-rerankers keeps the contract."""

import pytest

from elanus.plugins import Reranker, get_reranker
from elanus.testing import RerankerContract
from support.tiny_models import save_cross_encoder


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
