"""A process that writes to companions of the LangChain store beside others.

``python langchain_process.py FOLDER NUMBER COUNT``: adds COUNT messages to one conversation, notes
COUNT records and stores COUNT values, whatever others write meanwhile. It says "ready", and
begins at the next line of its input.
``python langchain_process.py FOLDER hold``: opens FOLDER for writing until its input ends.
"""

import sys

from langchain_core.messages import HumanMessage

import elanus
from langchain_elanus.extras import (
    ElanusByteStore,
    ElanusChatMessageHistory,
    ElanusRecordManager,
)


def main(folder: str, number: int, count: int) -> None:
    with (
        ElanusChatMessageHistory("s", uri=folder, several_processes=True) as history,
        ElanusRecordManager("n", uri=folder, several_processes=True) as records,
        ElanusByteStore(uri=folder, several_processes=True) as store,
    ):
        for turn in range(count):
            name = f"{number}:{turn}"
            history.add_messages([HumanMessage(name), HumanMessage(name)])
            records.update([name])
            store.mset([(name, name.encode()), ("last", name.encode())])
            # What this process wrote is there for it at once.
            assert store.mget([name]) == [name.encode()]


def hold(folder: str) -> None:
    with elanus.connect(folder):
        say("held")
        sys.stdin.read()


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[2] == "hold":
        hold(sys.argv[1])
    else:
        say("ready")
        sys.stdin.readline()
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
