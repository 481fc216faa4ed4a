"""LangChain's own suites for embeddings, whole, on the built-in embedder."""

from typing import Any

from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_elanus import ElanusEmbeddings


class TestEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[ElanusEmbeddings]:
        return ElanusEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "hash"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"ELANUS_EMBEDDING_MODEL": "hash"}, {}, {"model": "hash"}


class TestEmbeddingsIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[ElanusEmbeddings]:
        return ElanusEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "hash", "model_kwargs": {"dim": 64}}
