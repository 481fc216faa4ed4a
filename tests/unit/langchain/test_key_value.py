"""Byte and document stores: any key and value, held against a plain dict."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.documents import Document

import elanus
from elanus.errors import ClosedError, EntityError, SchemaError
from langchain_elanus.extras import ElanusByteStore, ElanusCache, ElanusDocumentStore
from support.langchain_models import TableEmbeddings


@pytest.fixture
def store() -> Iterator[ElanusByteStore]:
    with ElanusByteStore(uri=":memory:") as opened:
        yield opened


# Few keys, so that they collide; wildcards of LIKE among them.
keys = st.sampled_from(["a", "a%b", "a_b", "a\\", "ab", "", "ключ", "\x00", "a/b"])
steps = st.one_of(
    st.tuples(st.just("set"), st.lists(st.tuples(keys, st.binary(max_size=4)), max_size=4)),
    st.tuples(st.just("delete"), st.lists(keys, max_size=3)),
)


@settings(max_examples=40)
@given(st.lists(steps, max_size=8), keys)
def test_bytes_are_those_of_a_dict(actions: list[tuple[str, Any]], prefix: str) -> None:
    oracle: dict[str, bytes] = {}
    with ElanusByteStore(uri=":memory:") as store:
        for action, argument in actions:
            if action == "set":
                store.mset(argument)
                oracle.update(argument)
            else:
                store.mdelete(argument)
                oracle = {k: v for k, v in oracle.items() if k not in argument}
        asked = [*oracle, "missing", *oracle]
        assert store.mget(asked) == [oracle.get(k) for k in asked]
        assert list(store.yield_keys()) == sorted(oracle)
        assert list(store.yield_keys(prefix=prefix)) == sorted(
            k for k in oracle if k.startswith(prefix)
        )


def test_keys_are_a_generator_over_one_snapshot(store: ElanusByteStore) -> None:
    store.mset([(f"{i:05}", b"x") for i in range(3000)])
    keys = store.yield_keys()
    assert next(keys) == "00000"
    store.mdelete(["00001", "02999"])
    assert list(keys) == [f"{i:05}" for i in range(1, 3000)]
    assert len(list(store.yield_keys())) == 2998


async def test_asynchronous_methods(store: ElanusByteStore) -> None:
    await store.amset([("a", b"1"), ("b", b"2")])
    await store.amdelete(["a"])
    assert await store.amget(["a", "b"]) == [None, b"2"]
    assert [key async for key in store.ayield_keys()] == ["b"]


def test_reopen(tmp_path: Path) -> None:
    value = os.urandom(1 << 20)
    with ElanusByteStore(uri=tmp_path) as store:
        assert store.collection is None
        store.mset([("key", value)])
    with pytest.raises(ClosedError):
        store.mget(["key"])
    with ElanusByteStore(uri=tmp_path) as store:
        assert store.mget(["key"]) == [value]


def test_companions_share_a_database() -> None:
    with elanus.connect(":memory:") as database:
        with (
            ElanusByteStore(database=database) as values,
            ElanusDocumentStore(database=database) as documents,
        ):
            values.mset([("a", b"1")])
            documents.mset([("a", Document(page_content="text"))])
            assert list(values.yield_keys()) == list(documents.yield_keys()) == ["a"]
        assert database.list_collections() == ["langchain_bytes", "langchain_documents"]
        assert database.collection("langchain_bytes").schema.vector_fields == ()


def test_a_collection_that_holds_something_else_is_refused() -> None:
    with elanus.connect(":memory:") as database:
        ElanusByteStore(database=database, collection_name="one").mset([("a", b"1")])
        with pytest.raises(SchemaError, match=r"'one' holds something else.*generations.*value"):
            ElanusCache(database=database, collection_name="one")


def test_a_failed_constructor_leaves_nothing_open(tmp_path: Path) -> None:
    with ElanusByteStore(uri=tmp_path, collection_name="one") as store:
        store.mset([("a", b"1")])
    with pytest.raises(SchemaError):
        ElanusCache(uri=tmp_path, collection_name="one")
    with elanus.connect(tmp_path, read_only=True) as database:
        assert database.list_collections() == ["one"]


def test_documents_come_back_as_they_were() -> None:
    documents = [
        Document(id="1", page_content="one", metadata={"id": 1, "a.b": {"k": [1, None]}}),
        Document(page_content="", metadata={}),
    ]
    with ElanusDocumentStore(uri=":memory:") as store:
        store.mset([("x", documents[0]), ("y", documents[1])])
        assert store.mget(["y", "x", "z"]) == [documents[1], documents[0], None]
        assert store.collection is not None
        rows = store.collection.query('metadata["id"] == 1', ["text"])
        assert rows == [{"key": "x", "text": "one"}]


def test_documents_that_cannot_be_stored_change_nothing() -> None:
    bad = Document(page_content="bad", metadata={"k": object()})
    with ElanusDocumentStore(uri=":memory:") as store:
        with pytest.raises(EntityError, match=r"metadata\['k'\]: object.*\(row 1\)"):
            store.mset([("a", Document(page_content="good")), ("b", bad)])
        assert store.collection is None


def test_works_inside_cache_backed_embeddings(store: ElanusByteStore) -> None:
    table = TableEmbeddings({"one": [1.0, 0.0], "two": [0.0, 1.0]})
    cached = CacheBackedEmbeddings.from_bytes_store(
        table, store, namespace="table", key_encoder="sha256"
    )
    assert cached.embed_documents(["one", "two"]) == [[1.0, 0.0], [0.0, 1.0]]
    assert cached.embed_documents(["two", "one"]) == [[0.0, 1.0], [1.0, 0.0]]
    assert sorted(table.embedded) == ["one", "two"]
