"""Programs that change the same values at a server, one after the other."""

import subprocess
import sys

from llama_index.core.base.llms.types import ChatMessage

from llama_index.storage.chat_store.elanus import ElanusChatStore
from llama_index.storage.kvstore.elanus import ElanusKVStore

PROGRAM = """
import sys
from tests.conformance.llamaindex.test_changes_at_a_server import change
print("ready", flush=True)
sys.stdin.readline()
change(sys.argv[1], "over there")
"""
CHANGES = 10


def change(url: str, name: str) -> None:
    with ElanusKVStore(url) as store, ElanusChatStore(url) as chats:
        for turn in range(CHANGES):
            with store.changes() as changed:
                found = changed.get_many(["total"], "data").get("total", {"n": 0})
                changed.put_all([("total", {"n": found["n"] + 1})], "data")
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
        other.stdin.write("\n")
        other.stdin.close()
        change(server_url, "here")
        assert other.wait() == 0
    with ElanusKVStore(server_url) as store, ElanusChatStore(server_url) as chats:
        assert store.get("total", "data") == {"n": 2 * CHANGES}
        said = [message.content for message in chats.get_messages("talk")]
    for name in ("here", "over there"):
        own = [text for text in said if text is not None and text.startswith(name)]
        assert own == [f"{name} {turn}" for turn in range(CHANGES)]
