"""Where storage companions live: reopening, sharing, pickling, several processes, event loops."""

import asyncio
import inspect
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.data_structs.data_structs import IndexDict
from llama_index.core.storage.chat_store import BaseChatStore

import elanus
from elanus.errors import ClosedError, DatabaseLockedError, SchemaError, StateError
from llama_index.storage.chat_store.elanus import ElanusChatStore, ElanusDBChatStore
from llama_index.storage.docstore.elanus import ElanusDocumentStore
from llama_index.storage.index_store.elanus import ElanusIndexStore
from llama_index.storage.kvstore.elanus import ElanusKVStore
from llama_index.vector_stores.elanus import ElanusVectorStore
from support import llamaindex_process
from support.llamaindex_models import make_node

KINDS: list[Any] = [ElanusKVStore, ElanusChatStore, ElanusDBChatStore]


def say(text: str) -> ChatMessage:
    return ChatMessage(content=text)


def test_everything_in_one_folder_is_there_after_reopening(tmp_path: Path) -> None:
    folder = tmp_path / "kb"
    with ElanusKVStore(folder) as kv, ElanusChatStore(folder) as chat:
        vectors = ElanusVectorStore(folder)
        vectors.add([make_node("n")])
        ElanusDocumentStore(kv).add_documents([make_node("n")])
        ElanusIndexStore(kv).add_index_struct(IndexDict(index_id="i"))
        kv.put("k", {"v": 1})
        chat.add_message("c", say("hello"))
        vectors.close()
    with ElanusKVStore(str(folder)) as kv, ElanusChatStore(folder) as chat:
        assert ElanusDocumentStore(kv).get_node("n") == make_node("n")
        assert [s.index_id for s in ElanusIndexStore(kv).index_structs()] == ["i"]
        assert kv.get("k") == {"v": 1}
        assert chat.get_messages("c") == [say("hello")]
    with elanus.connect(folder) as database:
        names = ["llamaindex", "llamaindex_chat", "llamaindex_kv"]
        assert database.list_collections() == names
        for name in names:
            database.collection(name).compact()
    assert ElanusChatStore(folder).get_messages("c") == [say("hello")]


def test_a_given_database_stays_open() -> None:
    with elanus.connect(":memory:") as database:
        for kind in KINDS:
            kind(database=database).close()
        ElanusDocumentStore.from_database(database).close()
        ElanusIndexStore.from_database(database).close()
        assert database.list_collections() == []
        ElanusIndexStore.from_database(database, "a").add_index_struct(IndexDict())
        assert database.list_collections() == ["llamaindex_kv"]


@pytest.mark.parametrize("kind", [ElanusDocumentStore, ElanusIndexStore])
def test_opening_by_uri(kind: Any, tmp_path: Path) -> None:
    store = kind.from_uri(tmp_path / "db", "space", collection_name="mine")
    assert store.kvstore.get_all() == {}
    store.close()
    with pytest.raises(ClosedError):
        store.kvstore.get("a")


def test_collections_are_made_by_the_first_write(tmp_path: Path) -> None:
    with ElanusKVStore(tmp_path / "db") as kv, ElanusChatStore(tmp_path / "db") as chat:
        assert (kv.get_all(), chat.get_keys(), chat.get_messages("k")) == ({}, [], [])
        with elanus.connect(tmp_path / "db") as database:
            assert database.list_collections() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("several_processes", [False, True])
def test_collection_of_something_else(kind: Any, several_processes: bool, tmp_path: Path) -> None:
    with ElanusVectorStore(tmp_path, "taken") as store:
        store.add([make_node("a")])
    with pytest.raises(SchemaError, match="'taken' holds something else: expected the fields"):
        kind(tmp_path, "taken", several_processes=several_processes)
    # Nothing is left open by the attempt.
    elanus.connect(tmp_path).close()


@pytest.mark.parametrize("kind", KINDS)
def test_pickle_reopens(kind: Any, tmp_path: Path) -> None:
    with kind(tmp_path, "mine", several_processes=True, wait_s=5.0) as store:
        again = pickle.loads(pickle.dumps(store))
        state = again.__getstate__()
        assert state == store.__getstate__()
        assert state == {
            "uri": str(tmp_path),
            "collection_name": "mine",
            "several_processes": True,
            "wait_s": 5.0,
        }
        again.close()
    shared = kind(database=elanus.connect(":memory:"))
    with pytest.raises(StateError, match="cannot be pickled"):
        pickle.dumps(shared)


def test_chat_store_is_made_again_from_its_dict(tmp_path: Path) -> None:
    with ElanusChatStore(tmp_path) as store:
        store.add_message("k", say("a"))
        data = store.to_dict()
        with ElanusChatStore.from_dict(data) as again:
            assert again.get_messages("k") == [say("a")]
            assert again.to_dict() == data


@pytest.mark.parametrize("kind", KINDS)
def test_token_is_not_serialised(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(elanus.ElanusError) as failed:
        kind(tmp_path, token="hunter2")
    assert "hunter2" not in str(failed.value)
    # One that has its database already has the token in no place where it is shown.
    with elanus.connect(":memory:") as database:
        store = kind(token="hunter2", database=database)
        shown = [repr(store), str(store), repr(vars(store))]
    assert not any("hunter2" in text for text in shown)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{"uri": ":memory:"}, {"database": "a database"}])
def test_several_processes_need_a_folder(kind: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="several_processes=True needs a folder"):
        kind(**options, several_processes=True)


# --- several processes ------------------------------------------------------------------------


def test_processes_write_in_turn_and_lose_nothing(tmp_path: Path) -> None:
    program = str(llamaindex_process.__file__)
    command = [sys.executable, program, str(tmp_path / "db")]
    crowd = [subprocess.Popen([*command, str(n), "5"]) for n in range(2)]
    llamaindex_process.main(str(tmp_path / "db"), 2, 5)
    assert [process.wait() for process in crowd] == [0, 0]
    expected = sorted(f"{n}-{i}" for n in range(3) for i in range(5))
    chat = ElanusChatStore(tmp_path / "db", several_processes=True)
    found = [str(m.content) for m in chat.get_messages("all")]
    assert sorted(found) == expected
    # Each process' own messages are in the order in which it wrote them.
    assert [m for m in found if m.startswith("0-")] == [f"0-{i}" for i in range(5)]
    nodes = ElanusDocumentStore.from_uri(tmp_path / "db", several_processes=True)
    info = nodes.get_ref_doc_info("shared")
    assert info is not None
    assert sorted(info.node_ids) == expected
    assert sorted(nodes.docs) == expected


HOLDER = """
import sys
from llama_index.storage.kvstore.elanus import ElanusKVStore
store = ElanusKVStore(sys.argv[1])
store.put("a", {"n": 1})
print("open", flush=True)
sys.stdin.readline()
"""


def test_beside_a_process_that_keeps_the_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(DatabaseLockedError) as locked:
            ElanusKVStore(tmp_path)
        assert locked.value.pid == holder.pid
        with ElanusKVStore(tmp_path, several_processes=True, wait_s=0.0) as store:
            assert store.get("a") == {"n": 1}
            with pytest.raises(DatabaseLockedError):
                store.put("a", {"n": 2})
            holder.communicate("\n")
            store.put("a", {"n": 2})
            assert store.get("a") == {"n": 2}


# --- asynchronous use -------------------------------------------------------------------------


class _Watching:
    """The table of a store that remembers in which threads it was asked."""

    def __init__(self, table: Any, threads: list[threading.Thread]) -> None:
        self._table = table
        self._threads = threads

    def __getattr__(self, name: str) -> Any:
        if name in ("collection", "query", "delete", "writing", "changing"):
            self._threads.append(threading.current_thread())
        return getattr(self._table, name)


async def test_the_engine_never_runs_on_the_event_loop() -> None:
    threads: list[threading.Thread] = []
    kv, chat, queue = (kind(":memory:") for kind in KINDS)
    kv._table = _Watching(kv._table, threads)
    for store in (chat, queue):
        store._messages._table = _Watching(store._messages._table, threads)
    nodes, indexes = ElanusDocumentStore(kv), ElanusIndexStore(kv)
    arguments: dict[str, Any] = {
        "key": "a", "val": {}, "kv_pairs": [("a", {})], "messages": [say("x")], "idx": 0, "n": 1,
        "message": say("x"), "docs": [make_node("a")], "doc_id": "a", "ref_doc_id": "a",
        "doc_hash": "h", "doc_hashes": {"a": "h"}, "node_ids": ["a"], "node_id": "a",
        "node_id_dict": {1: "a"}, "index_struct": IndexDict(index_id="i"), "struct_id": "i",
        "raise_error": False,
    }  # fmt: skip
    asked = 0
    for store in (kv, chat, queue, nodes, indexes):
        for name, call in inspect.getmembers(type(store), inspect.iscoroutinefunction):
            if name.startswith("_"):
                continue
            parameters = inspect.signature(call).parameters
            if name in ("aget_node", "aget_node_dict", "aget_document"):
                await nodes.async_add_documents([make_node("a")])
            before = len(threads)
            await call(store, **{n: arguments[n] for n in parameters if n in arguments})
            assert len(threads) > before, name
            asked += 1
    assert asked > 40
    assert threading.current_thread() not in threads


async def test_async_calls_run_beside_each_other() -> None:
    # Four readers meet at a barrier, which only calls that run at the same time can pass.
    barrier = threading.Barrier(4, timeout=30)

    class Meeting(_Watching):
        def __getattr__(self, name: str) -> Any:
            if name == "reading":
                barrier.wait()
            return super().__getattr__(name)

    store = ElanusKVStore(":memory:")
    store.put("a", {"n": 1})
    table: Any = Meeting(store._table, [])
    store._table = table
    assert await asyncio.gather(*(store.aget("a") for _ in range(4))) == [{"n": 1}] * 4


def test_many_event_loops_and_threads() -> None:
    chat = ElanusChatStore(":memory:")

    def in_own_loop(number: int) -> None:
        async def work() -> None:
            await asyncio.gather(*(chat.async_add_message("k", say(f"{number}")) for _ in range(3)))

        asyncio.run(work())

    workers = [threading.Thread(target=in_own_loop, args=(n,)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(str(m.content) for m in chat.get_messages("k")) == sorted("012345" * 3)


def test_async_methods_of_the_base_go_to_a_thread() -> None:
    # ElanusChatStore relies on it for all but one of them.
    for name, call in inspect.getmembers(BaseChatStore, inspect.iscoroutinefunction):
        assert "to_thread" in inspect.getsource(call), name
