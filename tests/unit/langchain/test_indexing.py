"""LangChain's indexing API over the store."""

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, aindex, index

from langchain_elanus import BM25, ElanusVectorStore


def documents(*pairs: tuple[str, str]) -> list[Document]:
    return [Document(page_content=t, metadata={"source": s}) for t, s in pairs]


def counts(added: int = 0, updated: int = 0, skipped: int = 0, deleted: int = 0) -> dict[str, int]:
    return {
        "num_added": added,
        "num_updated": updated,
        "num_skipped": skipped,
        "num_deleted": deleted,
    }


FIRST = documents(("one", "a"), ("two", "a"), ("three", "b"))
CHANGED = documents(("one", "a"), ("two changed", "a"))


@pytest.mark.parametrize(
    ("cleanup", "expected", "left"),
    [
        (None, counts(1, skipped=1), {"one", "two", "two changed", "three"}),
        ("incremental", counts(1, skipped=1, deleted=1), {"one", "two changed", "three"}),
        ("scoped_full", counts(1, skipped=1, deleted=1), {"one", "two changed", "three"}),
        ("full", counts(1, skipped=1, deleted=2), {"one", "two changed"}),
    ],
)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_indexing_api(
    cleanup: Any, expected: dict[str, int], left: set[str], asynchronous: bool
) -> None:
    store = ElanusVectorStore(DeterministicFakeEmbedding(size=3), uri=":memory:", sparse=BM25())
    records = InMemoryRecordManager(namespace="test")
    records.create_schema()

    async def run(docs: list[Document]) -> Any:
        arguments: dict[str, Any] = {
            "cleanup": cleanup,
            "source_id_key": "source",
            "key_encoder": "sha256",
        }
        if asynchronous:
            return await aindex(docs, records, store, **arguments)
        return index(docs, records, store, **arguments)

    assert await run(FIRST) == counts(3)
    assert await run(FIRST) == counts(skipped=3)
    assert await run(CHANGED) == expected
    assert {d.page_content for d in store.get()} == left
