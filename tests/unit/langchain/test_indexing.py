"""LangChain's indexing API over stores and document indexes, and its records."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, RecordManager, aindex, index

import elanus
from langchain_elanus import BM25, ElanusReranker, ElanusVectorStore
from langchain_elanus.extras import ElanusDocumentIndex, ElanusRecordManager


def documents(*pairs: tuple[str, str]) -> list[Document]:
    return [Document(page_content=t, metadata={"source": s}) for t, s in pairs]


def counts(added: int = 0, updated: int = 0, skipped: int = 0, deleted: int = 0) -> dict[str, int]:
    return {
        "num_added": added,
        "num_updated": updated,
        "num_skipped": skipped,
        "num_deleted": deleted,
    }


@pytest.fixture
def database() -> Iterator[elanus.Database]:
    with elanus.connect(":memory:") as opened:
        yield opened


FIRST = documents(("one", "a"), ("two", "a"), ("three", "b"))
CHANGED = documents(("one", "a"), ("two changed", "a"))
RECORDS: dict[str, Callable[[elanus.Database], RecordManager]] = {
    "in memory": lambda database: InMemoryRecordManager(namespace="test"),
    "elanus": lambda database: ElanusRecordManager("test", database=database),
}


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
@pytest.mark.parametrize("as_index", [False, True])
@pytest.mark.parametrize("kind", RECORDS)
async def test_indexing_api(
    database: elanus.Database,
    cleanup: Any,
    expected: dict[str, int],
    left: set[str],
    asynchronous: bool,
    as_index: bool,
    kind: str,
) -> None:
    embeddings = DeterministicFakeEmbedding(size=3)
    store = ElanusVectorStore(embeddings, database=database, sparse=BM25())
    target: Any = ElanusDocumentIndex(vectorstore=store) if as_index else store
    records = RECORDS[kind](database)
    await records.acreate_schema()
    records.create_schema()

    async def run(docs: list[Document], **options: Any) -> Any:
        arguments: dict[str, Any] = {
            "cleanup": cleanup,
            "source_id_key": "source",
            "key_encoder": "sha256",
            **options,
        }
        if asynchronous:
            return await aindex(docs, records, target, **arguments)
        return index(docs, records, target, **arguments)

    assert await run(FIRST) == counts(3)
    assert await run(FIRST) == counts(skipped=3)
    assert await run(CHANGED) == expected
    assert {d.page_content for d in store.get()} == left
    assert sorted(records.list_keys()) == [d.id for d in store.get()]
    assert await run(CHANGED, force_update=True) == counts(updated=2)


async def test_a_changed_source_in_many_batches(database: elanus.Database) -> None:
    store = ElanusVectorStore(DeterministicFakeEmbedding(size=3), database=database)
    records = ElanusRecordManager("test", database=database)
    old = documents(*((f"old {i}", str(i % 3)) for i in range(25)))
    new = documents(*((f"new {i}", str(i % 2)) for i in range(20)))
    arguments: dict[str, Any] = {
        "cleanup": "scoped_full",
        "source_id_key": "source",
        "key_encoder": "sha256",
        "batch_size": 4,
        "cleanup_batch_size": 3,
    }
    assert index(old, records, store, **arguments) == counts(25)
    assert await aindex(new, records, store, **arguments) == counts(20, deleted=17)
    kept = [f"old {i}" for i in range(2, 25, 3)]
    assert sorted(d.page_content for d in store.get()) == sorted(
        kept + [d.page_content for d in new]
    )


# --- records ----------------------------------------------------------------------------------

key = st.sampled_from(["a", "b", "a/b", "%2F"])
keys = st.lists(key, max_size=3)
groups = st.sampled_from(["g", "h", None])
times = st.sampled_from([None, 1.0, 2.0, 3.0])
writes = st.one_of(
    st.tuples(st.just("update"), st.lists(st.tuples(key, groups), max_size=3)),
    st.tuples(st.just("delete"), keys),
)


class Clock:
    """Shows what it was set to."""

    def __init__(self) -> None:
        self.now = 1.0

    def __call__(self) -> float:
        return self.now


@settings(max_examples=40)
@given(st.lists(writes, max_size=6), times, times, st.none() | st.lists(groups, max_size=2), keys)
def test_records_are_those_of_the_in_memory_manager(
    steps: list[tuple[str, Any]],
    before: float | None,
    after: float | None,
    group_ids: list[str | None] | None,
    asked: list[str],
) -> None:
    clock, oracle = Clock(), InMemoryRecordManager("n")
    with (
        patch.object(time, "time", clock),
        elanus.connect(":memory:") as database,
        ElanusRecordManager("n", database=database) as records,
    ):
        other = ElanusRecordManager("n/a", database=database)
        # Joined by a slash, this namespace and key would be those of another record below.
        other.update(["b"])
        for step, given_rows in steps:
            for manager in (oracle, records):
                if step == "update":
                    names = [key for key, _ in given_rows]
                    manager.update(names, group_ids=[group for _, group in given_rows])
                else:
                    manager.delete_keys(given_rows)
            clock.now += 1
        conditions: dict[str, Any] = {"before": before, "after": after, "group_ids": group_ids}
        expected = sorted(oracle.list_keys(**conditions))
        assert records.list_keys(**conditions) == expected
        assert records.list_keys(**conditions, limit=1) == expected[:1]
        assert records.exists(asked) == oracle.exists(asked)
        assert other.list_keys() == ["b"]


async def test_records_asynchronously(database: elanus.Database) -> None:
    records = ElanusRecordManager("n", database=database)
    start = await records.aget_time()
    await records.aupdate(["a", "b"], group_ids=["g", None], time_at_least=start)
    assert await records.aexists(["a", "x"]) == [True, False]
    assert await records.alist_keys(group_ids=["g"]) == ["a"]
    assert await records.alist_keys(before=start) == []
    await records.adelete_keys(["a"])
    assert await records.alist_keys() == ["b"]


def test_records_refuse_what_makes_no_sense(database: elanus.Database) -> None:
    records = ElanusRecordManager("n", database=database)
    with pytest.raises(ValueError, match="group_ids: expected 2, one per key, got 1"):
        records.update(["a", "b"], group_ids=["g"])
    with pytest.raises(ValueError, match="lies in the future"):
        records.update(["a"], time_at_least=records.get_time() + 3600)
    assert records.list_keys() == []


def test_time_never_goes_back(database: elanus.Database) -> None:
    store = ElanusVectorStore(DeterministicFakeEmbedding(size=3), database=database)
    records = ElanusRecordManager("n", database=database)
    clock = Clock()
    arguments: dict[str, Any] = {"cleanup": "full", "key_encoder": "sha256"}
    with patch.object(time, "time", clock):
        clock.now = 1_900_000_000.0
        index(FIRST, records, store, **arguments)
        # The clock is set back by more than anybody waits.
        clock.now = 1_700_000_000.0
        assert index(CHANGED, records, store, **arguments) == counts(1, skipped=1, deleted=2)
        assert index(FIRST, records, store, **arguments) == counts(2, skipped=1, deleted=1)
    assert {d.page_content for d in store.get()} == {"one", "two", "three"}


# --- document index ---------------------------------------------------------------------------


def test_document_index_is_a_retriever(database: elanus.Database) -> None:
    store = ElanusVectorStore(sparse=BM25("english"), database=database)
    made = ElanusDocumentIndex(
        vectorstore=store, search_type="bm25", k=2, compressor=ElanusReranker(top_n=1)
    )
    texts = ["rotating the keys", "the keys of a piano", "apples"]
    made.upsert([Document(id=str(i), page_content=t) for i, t in enumerate(texts)])
    assert [d.id for d in made.invoke("rotate keys")] == ["0"]
    assert made.invoke("zebra") == []


async def test_document_index_deletes_what_is_there(database: elanus.Database) -> None:
    store = ElanusVectorStore(sparse=BM25(), database=database)
    made = ElanusDocumentIndex(vectorstore=store)
    docs = [Document(id=str(i), page_content="x", metadata={"n": i}) for i in range(5)]
    made.upsert(docs)
    gone: dict[str, Any] = {"num_failed": 0, "failed": []}
    assert made.delete(["1", "9"], filter={"n": 2}) == {"num_deleted": 0, "succeeded": [], **gone}
    assert made.delete(["1", "1"]) == {"num_deleted": 1, "succeeded": ["1"], **gone}
    by_filter = await made.adelete(filter={"n": {"$gte": 3}})
    assert by_filter == {"num_deleted": 2, "succeeded": ["3", "4"], **gone}
    assert made.delete([]) == {"num_deleted": 0, "succeeded": [], **gone}
    assert made.get(["4", "2", "0", "2"]) == [docs[2], docs[0]]
    with pytest.raises(ValueError, match="expected ids or filter="):
        made.delete()
    with pytest.raises(TypeError, match="filter"):
        made.delete(["0"], filters={"n": 1})
