"""Programs that change the same values at a server, one after the other."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from llama_index.core.base.llms.types import ChatMessage

from llama_index.storage.chat_store.elanus import ElanusChatStore
from llama_index.storage.kvstore.elanus import ElanusKVStore
from llama_index.storage.kvstore.elanus.changes import KVChanges

PROGRAM = """
import sys
from tests.conformance.llamaindex.test_changes_at_a_server import change, stores
with stores(sys.argv[1]) as (store, chats):
    print("ready", flush=True)
    sys.stdin.readline()
    change(store, chats, "over there")
"""
CHANGES = 8


@contextmanager
def stores(url: str) -> Iterator[tuple[ElanusKVStore, ElanusChatStore]]:
    with ElanusKVStore(url) as store, ElanusChatStore(url) as chats:
        yield store, chats


def add_one(changed: KVChanges) -> None:
    found = changed.get_many(["total"], "data").get("total", {"n": 0})
    changed.put_all([("total", {"n": found["n"] + 1})], "data")


def change(store: ElanusKVStore, chats: ElanusChatStore, name: str) -> None:
    for turn in range(CHANGES):
        with store.changes() as changed:
            add_one(changed)
        chats.add_message("talk", ChatMessage(role="user", content=f"{name} {turn}"))


def test_no_change_of_two_programs_is_lost(server_url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "ready\n"
        with stores(server_url) as (store, chats):
            with store.changes() as changed:
                add_one(changed)
                other.stdin.write("\n")
                other.stdin.close()
                # It waits for this change; if it did not, it would write what this one undoes.
                with pytest.raises(subprocess.TimeoutExpired):
                    other.wait(2)
            change(store, chats, "here")
            assert other.wait() == 0
    with stores(server_url) as (store, chats):
        assert store.get("total", "data") == {"n": 2 * CHANGES + 1}
        said = [message.content for message in chats.get_messages("talk")]
    for name in ("here", "over there"):
        own = [text for text in said if text is not None and text.startswith(name)]
        assert own == [f"{name} {turn}" for turn in range(CHANGES)]
