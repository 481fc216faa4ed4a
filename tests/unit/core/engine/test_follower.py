"""A process that only reads sees each commit of the writer, on files that it never changes."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import elanus
from elanus.errors import (
    ClosedError,
    CollectionNotFoundError,
    CorruptionError,
    ReadOnlyError,
)
from elanus.storage.publication import read_publication
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]


def answers(collection):
    """Every kind of answer; scores do not depend on how rows lie in segments."""
    return (
        collection.query(output=["title", "year"]),
        [(h.id, h.score) for h in collection.search(QUERY, limit=10)],
        [(h.id, h.score) for h in collection.search("graph", limit=10)],
        [(h.id, h.score) for h in collection.search({3: 1.0, 5: 2.0}, limit=10)],
    )


@pytest.fixture
def pair(tmp_path):
    """The same collection for writing and for reading; two engines that share nothing but files."""
    with elanus.connect(tmp_path / "kb") as writing:
        written = writing.create_collection("papers", paper_schema())
        written.insert(papers(20))
        with elanus.connect(tmp_path / "kb", read_only=True) as reading:
            yield written, reading.collection("papers")


def test_each_commit_is_seen_by_the_next_read(pair):
    written, read = pair
    steps = [
        lambda: written.insert(papers(5, first=100)),
        lambda: written.delete([3, 101]),
        written.flush,
        lambda: written.upsert(papers(4, first=1, seed=9)),
        lambda: written.delete([7]),
        written.flush,
        lambda: written.insert(papers(3, first=200)),
        written.compact,
        lambda: written.upsert(papers(2, first=200, seed=7)),
        lambda: written.delete("year < 2000"),
        written.compact,
        lambda: written.insert(papers(1, first=300)),
    ]
    for step in steps:
        step()
        assert answers(read) == answers(written)
        assert read.last_seq == written.last_seq


def test_missed_steps_are_caught_up_at_once(pair):
    written, read = pair
    for round_ in range(4):
        for step in range(3):
            written.upsert(papers(6, first=round_ * 5, seed=step))
            written.delete([round_])
            written.flush()
        if round_ % 2:
            written.compact()
        assert answers(read) == answers(written)


def test_what_was_open_stays_open(pair):
    written, read = pair
    written.flush()
    read.count()
    (segment,) = [s for s in read._engine._view.segments() if "segment" in s.name]
    column = segment.reader.column("title")
    written.delete([1])
    written.insert(papers(2, first=50))
    written.flush()
    assert read.count() == 21
    first = read._engine._view.segments()[0]
    assert first.reader.column("title") is column


def test_an_older_snapshot_survives_the_deletion_of_its_files(pair):
    written, read = pair
    written.flush()
    before = answers(written)
    snapshot = read._engine.snapshot()
    written.delete("id < 15")
    written.compact()
    read.count()
    engine = read._engine
    engine.snapshot = lambda as_of=None, **_: snapshot
    assert answers(read) == before


def test_a_second_reader_of_a_new_process_sees_the_same(pair, tmp_path):
    written, _ = pair
    written.flush()
    written.upsert(papers(3, first=5, seed=1))
    code = (
        "import sys, elanus\n"
        "read = elanus.connect(sys.argv[1], read_only=True).collection('papers')\n"
        "print(read.count(), read.last_seq)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "kb")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{written.count()} {written.last_seq}\n"


def test_writes_are_refused(pair):
    _, read = pair
    for write in (
        lambda: read.insert(papers(1, first=400)),
        lambda: read.upsert(papers(1)),
        lambda: read.delete([1]),
        lambda: read.delete("year < 2000"),
        read.flush,
        read.compact,
        lambda: read.create_index("dense", "FLAT"),
        lambda: read.set_properties({"a": 1}),
        lambda: read.set_retention(1),
        read.drop,
    ):
        with pytest.raises(ReadOnlyError, match="connect without it to write"):
            write()


def test_created_and_dropped_collections_are_followed(tmp_path):
    with elanus.connect(tmp_path) as writing:
        writing.create_collection("one", paper_schema()).insert(papers(3))
        with elanus.connect(tmp_path, read_only=True) as reading:
            one = reading.collection("one")
            writing.create_collection("two", paper_schema()).insert(papers(2))
            assert reading.list_collections() == ["one", "two"]
            assert reading.collection("two").count() == 2
            writing.drop_collection("one")
            for _ in range(2):  # it stays dropped
                with pytest.raises(ClosedError, match="dropped"):
                    one.count()
            with pytest.raises(CollectionNotFoundError):
                reading.collection("one")
            writing.create_collection("one", paper_schema()).insert(papers(1, first=9))
            assert reading.collection("one").query(output=["id"]) == [{"id": 9}]


def test_settings_are_followed(pair):
    written, read = pair
    written.set_properties({"colour": "green"})
    written.set_retention(60)
    read.count()
    assert (read.properties, read.retention_s) == ({"colour": "green"}, 60.0)


def test_without_a_publication_the_files_tell(pair):
    written, read = pair
    path = written._engine.path
    directory = read._engine._context.directory
    (file,) = Path(directory.location).glob("c/*/PUB")
    file.unlink()
    assert read_publication(directory, path) is None
    with elanus.connect(directory.location, read_only=True) as again:
        assert again.collection("papers").count() == 20


def test_damage_is_an_error_each_time_and_never_an_older_state(pair, tmp_path):
    written, read = pair
    assert read.count() == 20
    (log,) = (tmp_path / "kb").glob("c/*/wal/*.wal")
    whole = log.read_bytes()
    written.insert(papers(2, first=50))
    raw = bytearray(log.read_bytes())
    raw[len(whole) + 40] ^= 1
    with log.open("r+b") as file:
        file.write(raw)
    for _ in range(2):
        with pytest.raises(CorruptionError, match=r"\.wal: damaged at byte"):
            read.count()
    raw[len(whole) + 40] ^= 1
    with log.open("r+b") as file:
        file.write(raw)
    assert answers(read) == answers(written)


def test_a_writer_that_appears_is_followed_after_files_alone(tmp_path):
    with elanus.connect(tmp_path) as db:
        db.create_collection("papers", paper_schema()).insert(papers(20))
        db.collection("papers").delete([3])
    (publication,) = tmp_path.glob("c/*/PUB")
    publication.unlink()
    with elanus.connect(tmp_path, read_only=True) as reading:
        read = reading.collection("papers")
        assert read.count() == 19
        with elanus.connect(tmp_path) as db:
            written = db.collection("papers")
            for step in range(4):
                written.upsert(papers(3, first=5 * step, seed=step + 1))
                written.delete([step])
                assert answers(read) == answers(written)
                written.flush()
                assert answers(read) == answers(written)


def test_unacknowledged_bytes_at_the_end_of_the_log_are_not_read(pair, tmp_path):
    _, read = pair
    (log,) = (tmp_path / "kb").glob("c/*/wal/*.wal")
    with log.open("ab") as file:
        file.write(b"half a record")
    with elanus.connect(tmp_path / "kb", read_only=True) as again:
        assert again.collection("papers").count() == 20
    assert read.count() == 20


def test_the_folder_is_not_changed_by_reading(pair, tmp_path):
    written, read = pair
    written.flush()
    written.insert(papers(2, first=60))

    def listing():
        files = [p for p in (tmp_path / "kb").rglob("*") if p.is_file()]
        return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files)

    written._engine._context.maintenance.wait_idle()
    before = listing()
    answers(read)
    assert listing() == before


def test_readers_in_many_threads_never_see_half_a_batch(pair):
    written, read = pair
    written.delete("id >= 0")
    stop = threading.Event()
    failures = []

    def watch():
        last = 0
        while not stop.is_set():
            found = read.query(output=["id"])
            if len(found) % 7 or len(found) < last:
                failures.append((last, len(found)))
            last = len(found)

    threads = [threading.Thread(target=watch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for batch in range(40):
        written.insert(papers(7, first=batch * 7))
        if batch % 10 == 9:
            written.flush()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert read.count() == 280


@pytest.mark.parametrize("read_only", [False, True])
def test_a_forked_child_reads_what_the_parent_commits_later(tmp_path, read_only):
    with elanus.connect(tmp_path) as writing:
        written = writing.create_collection("papers", paper_schema())
        written.insert(papers(5))
        reading = elanus.connect(tmp_path, read_only=True)
        handle = reading.collection("papers") if read_only else written
        handle.count()
        asked, answered = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.read(asked[0], 1)  # the parent has written by now
                count = handle.count()
                try:
                    handle.insert(papers(1, first=77))
                except elanus.ElanusError as error:
                    os.write(answered[1], f"{count} {type(error).__name__}".encode())
                    status = 0
            finally:
                os._exit(status)
        written.insert(papers(4, first=10))
        os.write(asked[1], b"x")
        _, status = os.waitpid(pid, 0)
        assert status == 0
        expected = "ReadOnlyError" if read_only else "StateError"
        assert os.read(answered[0], 100).decode() == f"9 {expected}"
        assert written.count() == 9
        assert written.insert(papers(1, first=77)) == [77]
        reading.close()


def test_a_catalog_that_was_committed_and_not_published_is_seen_with_the_next_writer(tmp_path):
    publication = tmp_path / "kb" / "catalog" / "PUB"
    with elanus.connect(tmp_path / "kb") as writing:
        writing.create_collection("first", paper_schema())
        with elanus.connect(tmp_path / "kb", read_only=True) as reading:
            published = publication.read_bytes()
            writing.create_collection("second", paper_schema())
            writing.close()
            # As if the process had been killed between the two.
            with publication.open("r+b") as file:
                file.write(published)
            assert reading.list_collections() == ["first"]
            with elanus.connect(tmp_path / "kb"):
                assert reading.list_collections() == ["first", "second"]
