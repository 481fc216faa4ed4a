"""The key-value store beside LlamaIndex's own ``SimpleKVStore``: the same calls, equal answers."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.core.storage.kvstore.types import BaseKVStore

from elanus.errors import EntityError
from llama_index.storage.kvstore.elanus import ElanusKVStore

HARD = ["", "it's", 'quo"te', "a/b", "1:x", "ключ", "a\nb", "\x00"]
VALUE: dict[str, Any] = {
    "text": "ключ 'it's'",
    "deep": {"list": [1, 2.5, None, True, {"k": []}]},
    "large": 2**80,
    "order": {"z": 1, "a": 2},
}


@pytest.fixture
def store(place: dict[str, Any]) -> Iterator[ElanusKVStore]:
    with ElanusKVStore(**place) as opened:
        yield opened


def test_class(store: ElanusKVStore) -> None:
    assert isinstance(store, BaseKVStore)
    asynchronous = inspect.getmembers(BaseKVStore, inspect.iscoroutinefunction)
    assert {name for name, _ in asynchronous} == {"aput", "aput_all", "aget", "aget_all", "adelete"}
    assert all(getattr(ElanusKVStore, n) is not f for n, f in asynchronous)


def test_empty_store(store: ElanusKVStore) -> None:
    assert store.get("a") is None
    assert store.get_all() == {}
    assert store.delete("a") is False


def test_values_come_back_as_they_went_in(store: ElanusKVStore) -> None:
    store.put("a", VALUE)
    read = store.get("a")
    assert read == VALUE
    assert read is not None
    assert list(read["order"]) == ["z", "a"]
    read["text"] = "changed"
    assert store.get("a") == VALUE


def test_put_get_delete(store: ElanusKVStore) -> None:
    store.put("foo", {"foo": "bar"})
    store.put("bar", {"bar": 1})
    store.put("bar", {"bar": 2})
    assert (store.get("foo"), store.get("bar"), store.get("x")) == (
        {"foo": "bar"},
        {"bar": 2},
        None,
    )
    assert store.get_all() == {"foo": {"foo": "bar"}, "bar": {"bar": 2}}
    assert store.delete("bar") is True
    assert store.delete("bar") is False
    assert store.get_all() == {"foo": {"foo": "bar"}}


async def test_async_methods(store: ElanusKVStore) -> None:
    await store.aput("foo", {"foo": "bar"})
    await store.aput_all([("bar", {"bar": 1}), ("more", {})], "other", batch_size=7)
    assert await store.aget("foo") == {"foo": "bar"}
    assert await store.aget("foo", "other") is None
    assert await store.aget_all("other") == {"bar": {"bar": 1}, "more": {}}
    assert await store.adelete("bar", "other") is True
    assert await store.adelete("bar", "other") is False


@pytest.mark.parametrize("collection", HARD)
def test_collections_are_apart(store: ElanusKVStore, collection: str) -> None:
    for key in HARD:
        store.put(key, {"at": key}, collection)
    store.put("it's", {"other": 1}, collection + "x")
    assert store.get_all(collection) == {key: {"at": key} for key in HARD}
    assert store.get_all(collection + "x") == {"it's": {"other": 1}}
    assert store.get_many(["it's", "", "missing", "it's"], collection) == {
        "it's": {"at": "it's"},
        "": {"at": ""},
    }


def test_put_all_writes_everything_or_nothing(store: ElanusKVStore) -> None:
    store.put_all([("a", {"n": 1}), ("b", {"n": 2}), ("a", {"n": 3})], batch_size=1)
    assert store.get_all() == {"a": {"n": 3}, "b": {"n": 2}}
    with pytest.raises(EntityError, match="value of key 'd' cannot be written as JSON"):
        store.put_all([("c", {"n": 1}), ("d", {"n": object()})])
    store.put_all([])
    assert sorted(store.get_all()) == ["a", "b"]


def test_changes_are_written_together_or_not_at_all(store: ElanusKVStore) -> None:
    store.put("old", {"n": 0}, "x")
    with store.changes() as changes:
        changes.put_all([("a", {"n": 1})], "x")
        changes.put_all([("b", {"n": 2}), ("gone", {})], "y")
        changes.delete(["gone", "missing"], "y")
        changes.delete(["old"], "x")
        assert changes.get_many(["old", "a"], "x") == {"old": {"n": 0}}
    assert (store.get_all("x"), store.get_all("y")) == ({"a": {"n": 1}}, {"b": {"n": 2}})
    with pytest.raises(EntityError, match="key 'd'"), store.changes() as changes:
        changes.put_all([("c", {}), ("d", {"n": object()})], "x")
    assert store.get_all("x") == {"a": {"n": 1}}


KEYS = st.sampled_from(["a", "b", "ab", ""])
CALLS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.fixed_dictionaries({"n": st.integers()}), KEYS),
    st.tuples(st.just("delete"), KEYS, KEYS),
    st.tuples(st.just("get"), KEYS, KEYS),
    st.tuples(
        st.just("put_all"),
        st.lists(st.tuples(KEYS, st.dictionaries(st.text(max_size=2), st.floats(allow_nan=False)))),
        KEYS,
    ),
)


@settings(max_examples=40)
@given(st.lists(CALLS, max_size=12))
def test_any_calls_answer_like_the_simple_store(calls: list[Any]) -> None:
    oracle = SimpleKVStore()
    with ElanusKVStore(":memory:") as store:
        for name, *arguments in calls:
            assert getattr(store, name)(*arguments) == getattr(oracle, name)(*arguments)
        for collection in ("a", "b", "ab", ""):
            assert store.get_all(collection) == oracle.get_all(collection)
