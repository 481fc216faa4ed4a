"""The indexing API with the store's own documents as its records."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.indexing import aindex, index

import elanus
from langchain_elanus import BM25, ElanusVectorStore
from langchain_elanus.extras import ElanusDocumentIndex, ElanusStoreRecords
from support.langchain_models import TableEmbeddings

TEXTS = ["dimensions", "one", "two", "two changed", "three"]
FIRST = [("one", "a"), ("two", "a"), ("three", "b")]
CHANGED = [("one", "a"), ("two changed", "a")]


def documents(pairs: list[tuple[str, str]]) -> list[Document]:
    return [Document(page_content=t, metadata={"source": s}) for t, s in pairs]


def counts(**given: int) -> dict[str, int]:
    names = ("added", "updated", "skipped", "deleted")
    return {f"num_{name}": given.get(name, 0) for name in names}


@pytest.fixture
def model() -> TableEmbeddings:
    return TableEmbeddings({text: [float(n), 1.0] for n, text in enumerate(TEXTS)})


@pytest.fixture
def store(model: TableEmbeddings) -> Iterator[ElanusVectorStore]:
    with ElanusVectorStore(model, uri=":memory:", sparse=BM25()) as opened:
        yield opened


def run(pairs: list[tuple[str, str]], records: Any, target: Any, **options: Any) -> Any:
    arguments = {"source_id_key": "source", "key_encoder": "sha256", **options}
    return index(documents(pairs), records, target, **arguments)


@pytest.mark.parametrize(
    ("cleanup", "expected", "left"),
    [
        (None, counts(added=1, skipped=1), {"one", "two", "two changed", "three"}),
        ("incremental", counts(added=1, skipped=1, deleted=1), {"one", "two changed", "three"}),
        ("scoped_full", counts(added=1, skipped=1, deleted=1), {"one", "two changed", "three"}),
        ("full", counts(added=1, skipped=1, deleted=2), {"one", "two changed"}),
    ],
)
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("as_index", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
async def test_only_what_is_new_is_embedded(
    store: ElanusVectorStore,
    model: TableEmbeddings,
    cleanup: Any,
    expected: dict[str, int],
    left: set[str],
    asynchronous: bool,
    as_index: bool,
    at_once: bool,
) -> None:
    target = ElanusDocumentIndex(vectorstore=store) if as_index else store

    async def again(pairs: list[tuple[str, str]], **options: Any) -> Any:
        # Records that were made anew remember nothing.
        records = ElanusStoreRecords(store, "s")
        options["upsert_kwargs"] = records.upsert_kwargs if at_once else {}
        if not asynchronous:
            return run(pairs, records, target, cleanup=cleanup, **options)
        arguments = {"source_id_key": "source", "key_encoder": "sha256", "cleanup": cleanup}
        return await aindex(documents(pairs), records, target, **arguments, **options)

    assert await again(FIRST) == counts(added=3)
    assert await again(FIRST) == counts(skipped=3)
    assert model.embedded == ["one", "two", "three"]
    assert await again(CHANGED) == expected
    assert model.embedded == ["one", "two", "three", "two changed"]
    assert {d.page_content for d in store.get()} == left
    records = ElanusStoreRecords(store, "s")
    assert records.list_keys() == sorted(str(d.id) for d in store.get())
    assert await again(CHANGED, force_update=True) == counts(updated=2)
    assert model.embedded[4:] == ["one", "two changed"]
    # Its document says as much of each as a sync would.
    assert store.collection is not None
    (kept,) = store.get({"source": "a"}, limit=1)
    (lineage,) = store.collection.lineage([kept.id])  # type: ignore[attr-defined]
    assert (lineage.source, lineage.document, lineage.hash) == ("s", "a", kept.id)


def test_one_commit_writes_document_and_record(store: ElanusVectorStore) -> None:
    records = ElanusStoreRecords(store, "s")
    (id_,) = store.add_documents(documents([("one", "a")]), ids=["x"], **records.upsert_kwargs)
    assert records.exists([id_, "other"]) == [True, False]
    assert ElanusStoreRecords(store, "t").exists([id_]) == [False]
    assert (records.list_keys(group_ids=["a"]), records.list_keys(group_ids=["b"])) == (["x"], [])
    records.delete_keys([id_])
    assert (records.list_keys(), store.count()) == ([], 1)


def test_store_and_records_cannot_disagree(
    store: ElanusVectorStore, model: TableEmbeddings
) -> None:
    records = ElanusStoreRecords(store, "s")
    run(FIRST, records, store, cleanup="full")
    store.delete(filter={"source": "b"})
    assert run(FIRST, records, store, cleanup="full") == counts(added=1, skipped=2)
    assert model.embedded == ["one", "two", "three", "three"]
    # What an interrupted run wrote without a record is written again, and not twice.
    run([("two changed", "c")], ElanusStoreRecords(store, "s"), store, cleanup=None)
    (late,) = store.get({"source": "c"})
    records.delete_keys([str(late.id)])
    assert run([*FIRST, ("two changed", "c")], records, store, cleanup="full") == counts(
        added=1, skipped=3
    )
    assert store.count() == 4


def test_other_documents_stay(store: ElanusVectorStore) -> None:
    store.add_texts(["two"], [{"source": "a"}], ids=["mine"])
    store.sync(documents([("three", "b")]), source="other")
    records = ElanusStoreRecords(store, "s")
    run([("one", "a")], records, store, cleanup="full")
    assert run([], records, store, cleanup="full") == counts(deleted=1)
    assert sorted(d.page_content for d in store.get()) == ["three", "two"]


def test_a_sync_goes_on_from_there(store: ElanusVectorStore, model: TableEmbeddings) -> None:
    records = ElanusStoreRecords(store, "s")
    run(FIRST, records, store, cleanup="full")
    model.embedded.clear()
    report = store.sync(documents([*CHANGED, ("three", "b")]), source="s")
    assert (sorted(report.changed), report.embedded) == (["a", "b"], 1)
    assert model.embedded == ["two changed"]
    assert store.sync(documents([*CHANGED, ("three", "b")]), source="s").unchanged == ["a", "b"]
    assert store.count() == 3


def test_tenants_have_sources_of_their_own(model: TableEmbeddings) -> None:
    with ElanusVectorStore(model, uri=":memory:", partition_key="who") as store:
        views = [store.for_tenant(name) for name in ("a", "b")]
        for view in views:
            run(FIRST, ElanusStoreRecords(view, "s"), view, cleanup="full")
        first = ElanusStoreRecords(views[0], "s")
        assert run(CHANGED, first, views[0], cleanup="full") == counts(
            added=1, skipped=1, deleted=2
        )
        assert [view.count() for view in views] == [2, 3]
        assert run(FIRST, ElanusStoreRecords(views[1], "s"), views[1]) == counts(skipped=3)


def test_records_refuse_what_makes_no_sense(store: ElanusVectorStore) -> None:
    records = ElanusStoreRecords(store, "s")
    with pytest.raises(ValueError, match="group_ids: expected 2, one per key, got 1"):
        records.update(["a", "b"], group_ids=["g"])
    with pytest.raises(ValueError, match="lies in the future"):
        records.update(["a"], time_at_least=records.get_time() + 3600)
    assert (records.list_keys(), records.exists(["a"])) == ([], [False])
    assert records.get_time() < records.get_time()


def test_time_windows(store: ElanusVectorStore) -> None:
    records = ElanusStoreRecords(store, "s")
    store.add_texts(["one", "two"], ids=["a", "b"], source="s")
    start = records.get_time()
    assert records.list_keys(before=start) == ["a", "b"]
    records.update(["b"], group_ids=["g"])
    assert (records.list_keys(before=start), records.list_keys(after=start)) == (["a"], ["b"])
    assert (records.list_keys(group_ids=[None]), records.list_keys(limit=1)) == (["a"], ["a"])


def test_the_schema_changes_once(store: ElanusVectorStore) -> None:
    records = ElanusStoreRecords(store, "s")
    run(FIRST, records, store)
    assert store.collection is not None
    before = store.collection.schema
    run(CHANGED, records, store)
    assert store.collection.schema is before
    assert isinstance(before.field("lineage"), elanus.Field)
