"""Databases of one process: handles that share, wait, are forgotten, or are inherited by a fork."""

import gc
import os
import threading
import time
import warnings

import pytest

import elanus
from elanus.engine import database as engine_database
from elanus.engine.background import housekeeping
from elanus.errors import ElanusError, InvalidArgumentError
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.lock import WriterLock
from support.builders import paper_schema, papers


def forked(answer):
    """Return what ``answer`` gives in a forked child, or fail after a while."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.write(writer, repr(answer()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    watch = threading.Timer(60, os.kill, (child, 9))
    watch.start()
    with open(reader, "rb") as told:
        found = told.read().decode()
    watch.cancel()
    os.waitpid(child, 0)
    return found


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (None, "expected a folder, ':memory:' or the URL of a server, got NoneType"),
        ("", "or the URL of a server, got ''; the folder of the program itself is '.'"),
        ("localhost:19530", "write 'http://localhost:19530' for a server, './localhost:19530' for"),
        ("[::1]:19530", "write 'http://\\[::1\\]:19530' for a server"),
        ("ftp://user:secret@host", "a URL with http, https, tcp, grpc or grpcs, got 'host'"),
    ],
)
def test_what_is_neither_folder_nor_url_is_refused(tmp_path, monkeypatch, uri, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgumentError, match=message):
        elanus.connect(uri)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_look_like_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    elanus.connect("./localhost:19530").close()
    with elanus.connect("localhost:19530") as database:
        assert database.list_collections() == []


def test_a_folder_that_cannot_be_made_is_named():
    with pytest.raises(ElanusError, match="cannot create '/proc/nowhere'"):
        elanus.connect("/proc/nowhere")


@pytest.mark.parametrize("read_only", [False, True])
def test_a_forked_child_is_not_held_up_by_locks_of_its_parent(tmp_path, read_only):
    """Another thread may be anywhere at the moment of the fork: here it holds every lock."""
    with elanus.connect(tmp_path / "kb") as db:
        made = db.create_collection("papers", paper_schema())
        made.insert(papers(7))
        db.snapshot("then")
        with elanus.connect(tmp_path / "kb", read_only=read_only) as handle:
            collection = handle.collection("papers")
            collection.count()
            engine = handle._engine()
            held, go_on = threading.Event(), threading.Event()

            view = collection._engine._view
            of_view = view._lock if read_only else view.lock

            def hold():
                with engine._lock, engine._context.memory._lock, handle._shared._door, of_view:
                    held.set()
                    go_on.wait(60)

            thread = threading.Thread(target=hold)
            thread.start()
            assert held.wait(10)
            try:

                def look():
                    counts = (collection.count(), collection.count(as_of="then"))
                    assert collection.stats().rows == 7
                    assert collection.schema == paper_schema()
                    again = handle.collection("papers").count()
                    with elanus.connect(tmp_path / "kb", read_only=True) as own:
                        opened = own.collection("papers").count()
                    handle.close()
                    return (*counts, again, opened)

                assert forked(look) == "(7, 7, 7, 7)"
            finally:
                go_on.set()
                thread.join()
        assert made.count() == 7


def test_waiting_for_one_folder_holds_up_no_other(tmp_path):
    """A process that waits for the right to write somewhere goes on with everything else."""
    elanus.connect(tmp_path / "busy").close()
    taken = WriterLock.acquire(LocalDirectory(tmp_path / "busy"))
    outcome = []

    def wait():
        try:
            elanus.connect(tmp_path / "busy", wait_s=30).close()
            outcome.append("opened")
        except elanus.ElanusError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    with elanus.connect(tmp_path / "other") as other:
        other.create_collection("papers", paper_schema()).insert(papers(3))
    assert outcome == []
    taken.release()
    thread.join(30)
    assert outcome == ["opened"]


def test_a_database_in_memory_that_nobody_holds_takes_its_threads_along(monkeypatch):
    monkeypatch.setattr(engine_database, "TIDY_S", 0.01)
    assert housekeeping.TIDY_S > 0.01

    def helpers():
        return {t for t in threading.enumerate() if t.name.startswith("elanus-")}

    before = helpers()
    db = elanus.connect(":memory:")
    collection = db.create_collection("papers", paper_schema())
    collection.insert(papers(5))
    collection.flush()
    del db
    gc.collect()
    # Who holds a collection holds its database.
    assert collection.count() == 5
    started = helpers() - before
    assert started
    del collection
    for _ in range(500):
        gc.collect()
        if not any(thread.is_alive() for thread in started):
            return
        time.sleep(0.01)
    raise AssertionError(f"still running: {started}")
