"""The chat stores beside LlamaIndex's ``SimpleChatStore`` and ``SQLAlchemyChatStore``."""

import asyncio
import inspect
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.storage.chat_store import BaseChatStore, SimpleChatStore
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus
from llama_index.core.storage.chat_store.sql import SQLAlchemyChatStore

from elanus.errors import EntityError
from llama_index.storage.chat_store.elanus import ElanusChatStore, ElanusDBChatStore

KEYS = ["user1", "it's", "1:0:user1", "", "ключ"]


@pytest.fixture
def store(place: dict[str, Any]) -> Iterator[ElanusChatStore]:
    with ElanusChatStore(**place) as opened:
        yield opened


@pytest.fixture
def queue(place: dict[str, Any]) -> Iterator[ElanusDBChatStore]:
    with ElanusDBChatStore(**place) as opened:
        yield opened


def say(text: str, role: str = "user") -> ChatMessage:
    return ChatMessage(role=MessageRole(role), content=text)


def texts(messages: list[ChatMessage] | None) -> list[str | None]:
    return [m.content for m in messages or []]


# --- ElanusChatStore --------------------------------------------------------------------------


def test_class(store: ElanusChatStore) -> None:
    assert isinstance(store, BaseChatStore)
    assert store.class_name() == "ElanusChatStore"


def test_messages_come_back_as_they_went_in(store: ElanusChatStore) -> None:
    class Call(BaseModel):
        name: str = "search"

    image = ImageBlock(image=b"iVBORw0KGgo=", image_mimetype="image/png")
    messages = [
        say("ключ 'it's' \n\x00"),
        ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text="a"), image]),
        ChatMessage(
            role=MessageRole.TOOL, content="", additional_kwargs={"calls": [Call()], "n": 2}
        ),
    ]
    store.set_messages("k", messages)
    read = store.get_messages("k")
    assert read[:2] == messages[:2]
    assert read[2].additional_kwargs == {"calls": [{"name": "search"}], "n": 2}


def test_message_without_json_form(store: ElanusChatStore) -> None:
    with pytest.raises(EntityError, match="message cannot be written as JSON"):
        store.add_message("k", ChatMessage(content="x", additional_kwargs={"o": object()}))
    assert store.get_keys() == []


def test_conversations_are_apart(store: ElanusChatStore) -> None:
    for key in KEYS:
        store.add_message(key, say(f"hello {key}"))
        store.add_message(key, say("world"))
    assert store.get_keys() == sorted(KEYS)
    assert texts(store.get_messages("it's")) == ["hello it's", "world"]
    assert texts(store.delete_messages("it's")) == ["hello it's", "world"]
    assert store.delete_messages("it's") is None
    assert store.get_messages("it's") == []
    assert store.get_keys() == sorted({*KEYS} - {"it's"})


def test_places_of_messages(store: ElanusChatStore) -> None:
    store.set_messages("k", [say("a"), say("b"), say("c")])
    store.add_message("k", say("first"), idx=0)
    store.add_message("k", say("before c"), idx=-1)
    store.add_message("k", say("end"), idx=99)
    assert texts(store.get_messages("k")) == ["first", "a", "b", "before c", "c", "end"]
    assert store.delete_message("k", 3) == say("before c")
    assert store.delete_message("k", -2) == say("c")
    assert store.delete_last_message("k") == say("end")
    assert texts(store.get_messages("k")) == ["first", "a", "b"]
    for outside in (3, -4):
        assert store.delete_message("k", outside) is None
    store.set_messages("k", [say("only")])
    assert store.delete_last_message("k") == say("only")
    assert store.delete_last_message("k") is None
    assert store.delete_last_message("nobody") is None


async def test_async_methods_do_what_the_others_do(store: ElanusChatStore) -> None:
    await store.async_add_message("k", say("b"))
    await store.async_add_message("k", say("a"), 0)
    assert texts(await store.aget_messages("k")) == ["a", "b"]
    assert await store.aget_keys() == ["k"]
    assert await store.adelete_message("k", 0) == say("a")
    await store.aset_messages("k", [say("c"), say("d")])
    assert await store.adelete_last_message("k") == say("d")
    assert texts(await store.adelete_messages("k")) == ["c"]
    assert await store.adelete_messages("k") is None


def test_threads_lose_no_message(store: ElanusChatStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: store.add_message("k", say(str(i))), range(24)))
    assert sorted(texts(store.get_messages("k")), key=str) == sorted(map(str, range(24)))


INDEXES = st.integers(-4, 4)
CALLS = st.one_of(
    st.tuples(st.just("add_message"), st.sampled_from("xy"), st.text(max_size=3)),
    st.tuples(st.just("insert"), st.sampled_from("xy"), st.text(max_size=3), INDEXES),
    st.tuples(st.just("delete_message"), st.sampled_from("xy"), st.integers(0, 4)),
    st.tuples(st.just("set_messages"), st.sampled_from("xy"), st.lists(st.text(max_size=3))),
    st.tuples(st.just("delete_messages"), st.sampled_from("xy")),
)


def do(store: Any, name: str, key: str, arguments: list[Any]) -> Any:
    if name == "insert":
        return store.add_message(key, say(arguments[0]), arguments[1])
    if name == "add_message":
        return store.add_message(key, say(arguments[0]))
    if name == "set_messages":
        return store.set_messages(key, [say(text) for text in arguments[0]])
    return getattr(store, name)(key, *arguments)


@settings(max_examples=60)
@given(st.lists(CALLS, max_size=10))
def test_any_calls_answer_like_the_simple_store(calls: list[Any]) -> None:
    oracle = SimpleChatStore()
    with ElanusChatStore(":memory:") as store:
        for name, key, *arguments in calls:
            # A conversation without messages does not exist here; there it may be an empty list.
            assert (do(store, name, key, arguments) or None) == (
                do(oracle, name, key, arguments) or None
            )
            assert store.get_messages(key) == oracle.get_messages(key)
        assert store.get_keys() == sorted(k for k in oracle.get_keys() if oracle.get_messages(k))


# --- ElanusDBChatStore ------------------------------------------------------------------------


def test_class_of_the_queue(queue: ElanusDBChatStore) -> None:
    assert isinstance(queue, AsyncDBChatStore)
    assert queue.class_name() == "ElanusDBChatStore"
    calls = inspect.getmembers(AsyncDBChatStore, inspect.iscoroutinefunction)
    assert all(getattr(ElanusDBChatStore, name) is not call for name, call in calls)


async def test_pages_and_statuses(queue: ElanusDBChatStore) -> None:
    await queue.add_messages("k", [say(str(i)) for i in range(5)])
    assert texts(await queue.get_messages("k", limit=2, offset=1)) == ["1", "2"]
    assert texts(await queue.get_messages("k", offset=3)) == ["3", "4"]
    assert texts(await queue.archive_oldest_messages("k", 2)) == ["0", "1"]
    assert texts(await queue.get_messages("k")) == ["2", "3", "4"]
    assert texts(await queue.get_messages("k", MessageStatus.ARCHIVED)) == ["0", "1"]
    assert texts(await queue.get_messages("k", None)) == ["0", "1", "2", "3", "4"]
    assert (await queue.count_messages("k"), await queue.count_messages("k", None)) == (3, 5)
    assert texts(await queue.delete_oldest_messages("k", 1)) == ["2"]
    assert await queue.delete_message("k", 0) == say("0")
    assert await queue.delete_message("k", -1) == say("4")
    assert await queue.delete_message("k", 9) is None
    await queue.delete_messages("k", MessageStatus.ARCHIVED)
    assert texts(await queue.get_messages("k", None)) == ["3"]
    await queue.add_message("other", say("x"), MessageStatus.ARCHIVED)
    assert await queue.get_keys() == ["k", "other"]
    await queue.delete_messages("k")
    assert await queue.get_keys() == ["other"]


async def test_both_stores_see_the_same_rows(place: dict[str, Any]) -> None:
    with ElanusDBChatStore(**place) as queue, ElanusChatStore(**place) as store:
        if place.get("uri") == ":memory:":
            return  # every ":memory:" is a database of its own
        await queue.add_messages("k", [say("a"), say("b")])
        await queue.archive_oldest_messages("k", 1)
        assert texts(store.get_messages("k")) == ["a", "b"]
        store.add_message("k", say("c"))
        assert texts(await queue.get_messages("k")) == ["b", "c"]


STATUSES = st.sampled_from([*MessageStatus])
QUEUE_CALLS = st.one_of(
    st.tuples(st.just("add_messages"), st.lists(st.text(max_size=2), min_size=1), STATUSES),
    st.tuples(st.just("set_messages"), st.lists(st.text(max_size=2)), STATUSES),
    st.tuples(st.just("archive_oldest_messages"), st.integers(0, 3)),
    st.tuples(st.just("delete_oldest_messages"), st.integers(0, 3)),
    st.tuples(st.just("delete_messages"), st.none() | STATUSES),
    st.tuples(st.just("get_messages"), st.none() | STATUSES, st.integers(1, 3), st.integers(0, 2)),
    st.tuples(st.just("count_messages"), st.none() | STATUSES),
)


@settings(max_examples=25)
@given(st.lists(QUEUE_CALLS, max_size=8))
def test_any_calls_answer_like_the_sql_store(calls: list[Any]) -> None:
    async def run() -> None:
        oracle = SQLAlchemyChatStore(table_name="messages")
        with ElanusDBChatStore(":memory:") as queue:
            for name, *arguments in calls:
                if name in ("add_messages", "set_messages"):
                    arguments[0] = [say(text) for text in arguments[0]]
                answers = [await getattr(s, name)("k", *arguments) for s in (queue, oracle)]
                assert answers[0] == answers[1]
            for status in (None, *MessageStatus):
                assert await queue.get_messages("k", status) == await oracle.get_messages(
                    "k", status
                )
            assert await queue.get_keys() == await oracle.get_keys()

    asyncio.run(run())
