"""LangChain's own suites for byte stores, caches and document indexes, whole."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from langchain_core.caches import BaseCache
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing.base import DocumentIndex
from langchain_core.stores import BaseStore
from langchain_tests.integration_tests.base_store import BaseStoreAsyncTests, BaseStoreSyncTests
from langchain_tests.integration_tests.cache import AsyncCacheTestSuite, SyncCacheTestSuite
from langchain_tests.integration_tests.indexer import (
    AsyncDocumentIndexTestSuite,
    DocumentIndexerTestSuite,
)

from langchain_elanus import BM25, ElanusVectorStore
from langchain_elanus.extras import (
    ElanusByteStore,
    ElanusCache,
    ElanusDocumentIndex,
    ElanusDocumentStore,
)

BYTES = (b"foo", bytes(range(256)), b"")
DOCUMENTS = (
    Document(id="1", page_content="foo", metadata={"id": 1}),
    Document(page_content="bar"),
    Document(id="3", page_content="", metadata={"deep": {"k": [1, None]}}),
)


class TestByteStore(BaseStoreSyncTests[bytes]):
    @pytest.fixture
    def three_values(self) -> tuple[bytes, bytes, bytes]:
        return BYTES

    @pytest.fixture
    def kv_store(self, tmp_path: Path) -> Iterator[BaseStore[str, bytes]]:
        with ElanusByteStore(uri=tmp_path / "db") as store:
            yield store


class TestByteStoreOnServer(TestByteStore):
    @pytest.fixture
    def kv_store(self, server_url: str) -> Iterator[BaseStore[str, bytes]]:
        with ElanusByteStore(uri=server_url) as store:
            yield store


class TestByteStoreAsync(BaseStoreAsyncTests[bytes]):
    @pytest.fixture
    def three_values(self) -> tuple[bytes, bytes, bytes]:
        return BYTES

    @pytest.fixture
    async def kv_store(self, tmp_path: Path) -> AsyncIterator[BaseStore[str, bytes]]:
        async with ElanusByteStore(uri=tmp_path / "db") as store:
            yield store


class TestDocumentStore(BaseStoreSyncTests[Document]):
    @pytest.fixture
    def three_values(self) -> tuple[Document, Document, Document]:
        return DOCUMENTS

    @pytest.fixture
    def kv_store(self) -> Iterator[BaseStore[str, Document]]:
        with ElanusDocumentStore(uri=":memory:") as store:
            yield store


class TestDocumentStoreAsync(BaseStoreAsyncTests[Document]):
    @pytest.fixture
    def three_values(self) -> tuple[Document, Document, Document]:
        return DOCUMENTS

    @pytest.fixture
    async def kv_store(self) -> AsyncIterator[BaseStore[str, Document]]:
        async with ElanusDocumentStore(uri=":memory:") as store:
            yield store


class TestCache(SyncCacheTestSuite):
    @pytest.fixture
    def cache(self, tmp_path: Path) -> Iterator[BaseCache]:
        with ElanusCache(uri=tmp_path / "db") as cache:
            yield cache


class TestCacheAsync(AsyncCacheTestSuite):
    @pytest.fixture
    async def cache(self, tmp_path: Path) -> AsyncIterator[BaseCache]:
        async with ElanusCache(uri=tmp_path / "db") as cache:
            yield cache


class TestDocumentIndex(DocumentIndexerTestSuite):
    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[DocumentIndex]:
        embeddings = DeterministicFakeEmbedding(size=6)
        with ElanusVectorStore(embeddings, uri=tmp_path / "db", sparse=BM25()) as store:
            yield ElanusDocumentIndex(vectorstore=store)


class TestDocumentIndexAsync(AsyncDocumentIndexTestSuite):
    @pytest.fixture
    async def index(self, tmp_path: Path) -> AsyncIterator[DocumentIndex]:
        embeddings = DeterministicFakeEmbedding(size=6)
        async with ElanusVectorStore(embeddings, uri=tmp_path / "db") as store:
            yield ElanusDocumentIndex(vectorstore=store)
