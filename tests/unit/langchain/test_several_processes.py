"""Companions that several processes write, and what they are told when that cannot be."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import elanus
from elanus.errors import DatabaseLockedError
from langchain_elanus.extras import (
    ElanusByteStore,
    ElanusChatMessageHistory,
    ElanusRecordManager,
)
from support import langchain_process

PROGRAM = [sys.executable, str(langchain_process.__file__)]


def start(*arguments: str) -> subprocess.Popen[str]:
    """Return a process that has said its first word."""
    process = subprocess.Popen(
        [*PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() in ("ready\n", "held\n")
    return process


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.close()


def test_processes_write_in_turn_and_lose_nothing(tmp_path: Path) -> None:
    folder = str(tmp_path / "db")
    crowd = [start(folder, str(n), "3") for n in range(2)]
    for process in crowd:
        go_on(process)
    langchain_process.main(folder, 2, 3)
    assert [process.wait() for process in crowd] == [0, 0]
    names = [f"{n}:{turn}" for n in range(3) for turn in range(3)]
    with elanus.connect(folder, read_only=True) as database:
        said = [m.text for m in ElanusChatMessageHistory("s", database=database).messages]
        # What one call adds stays together, and in order.
        assert said[::2] == said[1::2]
        assert sorted(said[::2]) == names
        for n in range(3):
            assert [s for s in said[::2] if s[0] == str(n)] == names[3 * n : 3 * n + 3]
        assert ElanusRecordManager("n", database=database).list_keys() == names
        store = ElanusByteStore(database=database)
        assert list(store.yield_keys()) == [*names, "last"]
        assert store.mget(names) == [name.encode() for name in names]


def test_a_writer_that_does_not_let_go_is_named(tmp_path: Path) -> None:
    with start(str(tmp_path), "hold") as holder:
        with pytest.raises(DatabaseLockedError) as alone:
            ElanusByteStore(uri=tmp_path)
        with ElanusByteStore(uri=tmp_path, several_processes=True, wait_s=0.1) as store:
            assert store.mget(["a"]) == [None]
            with pytest.raises(DatabaseLockedError) as waited:
                store.mset([("a", b"1")])
            assert alone.value.pid == waited.value.pid == holder.pid
            go_on(holder)
            holder.wait()
            store.mset([("a", b"1")])
            assert store.mget(["a"]) == [b"1"]


def test_reads_before_there_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    with ElanusChatMessageHistory("s", uri=folder, several_processes=True) as history:
        assert history.messages == []
        history.clear()
        assert history.collection is None
        assert not folder.exists()
        history.add_user_message("first")
        assert [m.text for m in history.messages] == ["first"]
        history.clear()
        assert history.messages == []


@pytest.mark.parametrize("options", [{"uri": ":memory:"}, {"database": True}])
def test_several_processes_need_a_folder(options: dict[str, Any]) -> None:
    with elanus.connect(":memory:") as database:
        given = {k: database if k == "database" else v for k, v in options.items()}
        with pytest.raises(ValueError, match="several_processes=True needs a folder"):
            ElanusByteStore(**given, several_processes=True)


def test_unknown_option() -> None:
    with pytest.raises(TypeError, match="did you mean 'several_processes'"):
        ElanusByteStore(uri=":memory:", several_process=True)  # type: ignore[call-arg]
