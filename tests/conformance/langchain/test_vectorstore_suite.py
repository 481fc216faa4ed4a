"""LangChain's own suite for vector stores, whole, over every configuration that can take part.

A store that is searched by BM25 or by sparse vectors alone cannot: the suite expects a document
back that shares no term with its query. Those are the ones of ``tests/unit/langchain``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from elanus import DBSF
from langchain_elanus import BM25, ElanusReranker, ElanusVectorStore, Weighted
from support.langchain_models import WordSparse


class StoreSuite(VectorStoreIntegrationTests):
    """The suite over one configuration, in files and in memory; subclasses name it."""

    @pytest.fixture(params=["path", "memory"])
    def uri(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        return ":memory:" if request.param == "memory" else str(tmp_path / "db")

    @pytest.fixture
    def vectorstore(self, uri: str) -> Iterator[ElanusVectorStore]:
        with ElanusVectorStore(self.get_embeddings(), uri=uri, **self.options()) as store:
            yield self.view(store)

    metric: ClassVar[str | None] = None

    def options(self) -> dict[str, Any]:
        return {"metric": self.metric}

    def view(self, store: ElanusVectorStore) -> ElanusVectorStore:
        return store


class TestDenseCosine(StoreSuite):
    pass


class TestDenseInnerProduct(StoreSuite):
    metric: ClassVar = "IP"


class TestDenseL2(StoreSuite):
    metric: ClassVar = "L2"


class TestHybridCosine(StoreSuite):
    def options(self) -> dict[str, Any]:
        return {"metric": self.metric, "sparse": BM25("english")}


class TestHybridInnerProduct(TestHybridCosine):
    metric: ClassVar = "IP"


class TestHybridL2(TestHybridCosine):
    metric: ClassVar = "L2"


class TestHybridWeighted(StoreSuite):
    def options(self) -> dict[str, Any]:
        return {"sparse": BM25(), "fusion": Weighted(dense=0.7, sparse=0.3)}


class TestHybridByDistribution(StoreSuite):
    def options(self) -> dict[str, Any]:
        return {"sparse": BM25(), "fusion": DBSF()}


class TestHybridLearnedSparse(StoreSuite):
    def options(self) -> dict[str, Any]:
        return {"sparse": WordSparse()}


class TestHybridThreeLegs(StoreSuite):
    def options(self) -> dict[str, Any]:
        return {"sparse": [BM25(), WordSparse()]}


class TestReranked(StoreSuite):
    def options(self) -> dict[str, Any]:
        return {"reranker": ElanusReranker(model="lexical")}


class TestOneTenant(StoreSuite):
    def options(self) -> dict[str, Any]:
        return {"sparse": BM25(), "partition_key": "tenant"}

    def view(self, store: ElanusVectorStore) -> ElanusVectorStore:
        return store.for_tenant("acme")


class TestDenseOnServer(StoreSuite):
    """The same by the URL of a server."""

    @pytest.fixture
    def uri(self, server_url: str) -> str:
        return server_url


class TestHybridOnServer(TestDenseOnServer):
    def options(self) -> dict[str, Any]:
        return {"sparse": BM25("english"), "metric": "L2"}


class TestOneTenantOnServer(TestOneTenant):
    @pytest.fixture
    def uri(self, server_url: str) -> str:
        return server_url


del StoreSuite
