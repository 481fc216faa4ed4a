"""LangChain's own suite for retrievers, whole."""

from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_tests.integration_tests import RetrieversIntegrationTests

from langchain_elanus import BM25, ElanusRetriever, ElanusVectorStore
from langchain_elanus.extras import ElanusDocumentIndex


def filled_store(uri: str = ":memory:", **options: Any) -> ElanusVectorStore:
    store = ElanusVectorStore(DeterministicFakeEmbedding(size=6), uri=uri, **options)
    store.add_texts(["one apple", "two apples", "three pears", "four plums"])
    return store


class TestDenseRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[ElanusRetriever]:
        return ElanusRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"vectorstore": filled_store()}

    @property
    def retriever_query_example(self) -> str:
        return "apple"


class TestHybridRetriever(TestDenseRetriever):
    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"vectorstore": filled_store(sparse=BM25("english"))}


class TestDocumentIndexAsRetriever(TestDenseRetriever):
    @property
    def retriever_constructor(self) -> type[ElanusRetriever]:
        return ElanusDocumentIndex


class TestRetrieverOnServer(TestDenseRetriever):
    @pytest.fixture(autouse=True)
    def _server(self, server_url: str) -> None:
        self._url = server_url

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"vectorstore": filled_store(uri=self._url)}
