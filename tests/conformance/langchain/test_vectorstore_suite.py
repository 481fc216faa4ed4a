"""LangChain's own suite for vector stores, whole, for every metric and for hybrid search."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from langchain_elanus import BM25, ElanusVectorStore


class StoreSuite(VectorStoreIntegrationTests):
    """The suite over one configuration; subclasses name it."""

    options: ClassVar[dict[str, Any]] = {}
    in_memory = False

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[ElanusVectorStore]:
        uri = ":memory:" if self.in_memory else str(tmp_path / "db")
        with ElanusVectorStore(self.get_embeddings(), uri=uri, **self.options) as store:
            yield store


class TestDenseCosine(StoreSuite):
    pass


class TestDenseInnerProduct(StoreSuite):
    options: ClassVar = {"metric": "IP"}


class TestDenseL2(StoreSuite):
    options: ClassVar = {"metric": "L2"}


class TestHybridWithBM25(StoreSuite):
    options: ClassVar = {"sparse": BM25("english")}


class TestHybridInMemory(StoreSuite):
    options: ClassVar = {"sparse": BM25()}
    in_memory = True


del StoreSuite
