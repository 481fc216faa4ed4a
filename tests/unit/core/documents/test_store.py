"""What the adapters share: options, layout, rows and the store itself."""

import threading
from typing import Any

import pytest

import elanus
from elanus.documents import (
    BM25,
    DocumentBatch,
    DocumentSearch,
    DocumentStore,
    SearchMode,
    Selection,
    StoreOptions,
)
from elanus.errors import EntityError, FormatVersionError, InvalidArgumentError


def make_store(**options: Any) -> DocumentStore:
    return DocumentStore.open(elanus.connect(":memory:"), "kb", StoreOptions(**options))


def test_layout_of_a_new_collection() -> None:
    store = make_store(bm25=BM25("english", k1=1.5), sparse=True, partition_key="tenant", model="m")
    store.for_tenant("t").upsert(DocumentBatch(["a"], ["x"], dense=[[1.0, 0.0]], sparse=[{3: 1.0}]))
    assert store.collection is not None
    assert [(f.name, f.dtype.name) for f in store.collection.schema.fields] == [
        ("id", "VARCHAR"),
        ("text", "VARCHAR"),
        ("metadata", "JSON"),
        ("ref_doc_id", "VARCHAR"),
        ("node", "JSON"),
        ("tenant", "VARCHAR"),
        ("dense", "FLOAT_VECTOR"),
        ("sparse", "SPARSE_FLOAT_VECTOR"),
        ("bm25", "SPARSE_FLOAT_VECTOR"),
    ]
    assert store.collection.properties == {
        "documents": {
            "layout": 1,
            "metric": "COSINE",
            "dim": 2,
            "model": "m",
            "partition_key": "tenant",
        }
    }


def test_newer_layout_is_not_read() -> None:
    database = elanus.connect(":memory:")
    store = DocumentStore.open(database, "kb", StoreOptions(bm25=BM25()))
    store.create(None)
    assert store.collection is not None
    database.collection("kb").set_properties({"documents": {"layout": 2}})
    with pytest.raises(FormatVersionError, match="layout 2"):
        DocumentStore.open(database, "kb")


def test_bad_first_batch_makes_no_collection() -> None:
    store = make_store()
    with pytest.raises(EntityError, match=r"dim 2, got 1 \(row 1\)"):
        store.upsert(DocumentBatch(["a", "b"], ["x", "y"], dense=[[1.0, 0.0], [1.0]]))
    assert store.collection is None


def test_two_threads_make_the_collection_once() -> None:
    database = elanus.connect(":memory:")
    barrier = threading.Barrier(8)
    failed: list[BaseException] = []

    def write(number: int) -> None:
        store = DocumentStore.open(database, "kb", StoreOptions(bm25=BM25()))
        barrier.wait()
        try:
            store.upsert(DocumentBatch([str(number)], ["x"]))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert DocumentStore.open(database, "kb").count() == 8


def test_collection_that_another_store_dropped_and_remade() -> None:
    database = elanus.connect(":memory:")
    first, second = (DocumentStore.open(database, "kb") for _ in range(2))
    first.upsert(DocumentBatch(["a"], ["x"], dense=[[1.0, 0.0]]))
    assert second.count() == 1
    first.drop()
    assert second.count() == 0
    first.upsert(DocumentBatch(["b"], ["x"], dense=[[1.0, 0.0, 0.0]]))
    request = DocumentSearch(mode=SearchMode.DENSE, dense=[1.0, 0.0, 0.0])
    assert [h.id for h in second.search(request)] == ["b"]


def test_selection_joins_everything() -> None:
    store = make_store(bm25=BM25())
    batch = DocumentBatch(
        ids=["a", "b", "c"],
        texts=["x", "x", "x"],
        metadatas=[{"n": 1}, {"n": 2}, {"n": 3}],
        ref_doc_ids=["d", "d", None],
    )
    store.upsert(batch)
    selection = Selection(filter={"n": {"$gt": 1}}, ids=["c", "b", "a"], ref_doc_ids=["d"])
    assert [d.id for d in store.query(selection)] == ["b"]
    assert [d.id for d in store.query(Selection(ids=["c", "a", "c"]))] == ["c", "a"]
    assert [d.id for d in store.query(Selection(ids=["c", "a"], filter="n > 0"))] == ["c", "a"]
    assert store.query(Selection(ref_doc_ids=[])) == []
    assert store.count(Selection(ids=[])) == 0


@pytest.mark.parametrize("arguments", [{"limit": 0}, {"offset": -1}])
def test_pages_that_make_no_sense(arguments: dict[str, int]) -> None:
    with pytest.raises(InvalidArgumentError):
        DocumentSearch(mode=SearchMode.BM25, text="x", **arguments)


@pytest.mark.parametrize(
    "options",
    [{"metric": "HAMMING"}, {"fusion": 60}],
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        StoreOptions(**options)
