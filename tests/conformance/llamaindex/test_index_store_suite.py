"""The index store: structures come back equal, and indexes are loaded by them."""

from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.data_structs.data_structs import IndexDict, IndexGraph, KeywordTable
from llama_index.core.storage.index_store.types import BaseIndexStore

from llama_index.storage.index_store.elanus import ElanusIndexStore
from llama_index.storage.kvstore.elanus import ElanusKVStore


@pytest.fixture
def store(place: dict[str, Any]) -> Iterator[ElanusIndexStore]:
    opened = ElanusIndexStore(ElanusKVStore(**place))
    yield opened
    opened.close()


def test_structures_come_back_equal(store: ElanusIndexStore) -> None:
    assert isinstance(store, BaseIndexStore)
    structs = [
        IndexDict(nodes_dict={"v": "n"}, index_id="one"),
        IndexGraph(all_nodes={0: "a"}, index_id="two"),
        KeywordTable(table={"key": {"a", "b"}}, index_id="three"),
    ]
    assert store.index_structs() == []
    for struct in structs:
        store.add_index_struct(struct)
    assert [store.get_index_struct(s.index_id) for s in structs] == structs
    assert sorted(s.index_id for s in store.index_structs()) == ["one", "three", "two"]
    store.delete_index_struct("two")
    assert store.get_index_struct("two") is None
    store.delete_index_struct("missing")


async def test_async_methods_do_what_the_others_do(store: ElanusIndexStore) -> None:
    struct = IndexDict(index_id="one", summary="s")
    await store.async_add_index_struct(struct)
    assert await store.aget_index_struct() == struct
    assert await store.aget_index_struct("one") == struct
    assert await store.async_index_structs() == [struct]
    await store.adelete_index_struct("one")
    assert await store.async_index_structs() == []


def test_the_only_index(store: ElanusIndexStore) -> None:
    with pytest.raises(ValueError, match="expected one, as the store holds no index"):
        store.get_index_struct()
    store.add_index_struct(IndexDict(index_id="one"))
    assert store.get_index_struct().index_id == "one"  # type: ignore[union-attr]
    store.add_index_struct(IndexDict(index_id="two"))
    with pytest.raises(ValueError, match="one, two"):
        store.get_index_struct()


def test_namespaces_stay_apart(place: dict[str, Any]) -> None:
    with ElanusKVStore(**place) as kvstore:
        ElanusIndexStore(kvstore, "a").add_index_struct(IndexDict(index_id="one"))
        assert ElanusIndexStore(kvstore, "b").index_structs() == []
