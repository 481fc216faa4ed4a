"""Every kind of read at every consistency level, beside a writer that dies and comes back.

What a reader shows is compared with the numbers that the writer has acknowledged.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import elanus
from elanus.engine import follower

LEVELS = ("strong", "bounded", "session", "eventually")
WRITER = """
import sys, elanus
database = elanus.connect(sys.argv[1], wait_s=30)
collection = database.collection("kb")
print("ready", flush=True)
for line in sys.stdin:
    pk = int(line)
    collection.insert([{"id": pk, "text": f"word w{pk}", "v": [pk, 1.0]}])
    if pk % 3 == 0:
        collection.flush()
    print(collection.last_seq, flush=True)
"""


class Writer:
    """Another process that inserts what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def insert(self, pk: int) -> int:
        """Insert an entity; return its sequence number once it is acknowledged."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{pk}\n")
        self.process.stdin.flush()
        return int(self._answer())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)
        self._close_pipes()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self._close_pipes()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with elanus.connect(tmp_path / "kb") as db:
        schema = elanus.Schema(
            [
                elanus.Field("id", elanus.INT64, primary=True),
                elanus.Field("text", elanus.VARCHAR, analyzer="standard"),
                elanus.Field("v", elanus.FLOAT_VECTOR, dim=2),
                elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
            ]
        )
        db.create_collection("kb", schema)
    return tmp_path / "kb"


@pytest.fixture
def writer(folder: Path) -> Iterator[Writer]:
    made = Writer(folder)
    made.insert(1)
    yield made
    if made.process.poll() is None:
        made.close()


@pytest.fixture
def reader(folder: Path, writer: Writer) -> Iterator[elanus.Collection]:
    with elanus.connect(folder, read_only=True) as db:
        yield db.collection("kb")


def _legs() -> list[elanus.Leg]:
    return [elanus.Leg("v", [1.0, 1.0]), elanus.Leg("bm25", "word")]


# Each returns how many entities it sees.
Read = Callable[..., int]
READS: dict[str, Read] = {
    "get": lambda c, **o: len(c.get(list(range(100)), **o)),
    "query": lambda c, **o: len(c.query("id > 0", **o)),
    "ordered": lambda c, **o: len(c.query(order_by="id desc", **o)),
    "count": lambda c, **o: c.count("id > 0", **o),
    "aggregate": lambda c, **o: c.aggregate("count(*)", **o)[0]["count(*)"],
    "facets": lambda c, **o: sum(n for _, n in c.facets("id", limit=100, **o)["id"]),
    "explain": lambda c, **o: sum(s.allowed for s in c.explain("id > 0", **o)[0].sources),
    "search": lambda c, **o: len(c.search([1.0, 1.0], "v", 100, **o)),
    "text": lambda c, **o: len(c.search("word", "bm25", 100, **o)),
    "by ids": lambda c, **o: len(c.search(ids=1, field="v", limit=100, **o)),
    "hybrid": lambda c, **o: len(c.hybrid_search(_legs(), limit=100, **o)),
    "query_iterator": lambda c, **o: sum(map(len, c.query_iterator(batch_size=3, **o))),
    "search_iterator": lambda c, **o: sum(
        map(len, c.search_iterator([1.0, 1.0], "v", batch_size=3, **o))
    ),
}


def test_strong_waits_and_eventually_answers_at_once(
    writer: Writer, reader: elanus.Collection
) -> None:
    pk = 1
    for name, read in READS.items():
        assert read(reader, consistency="strong") == pk, name
        writer.insert(pk + 1)
        # Nothing was looked up since: what was seen before is the answer.
        assert read(reader, consistency="eventually") == pk, name
        assert read(reader, consistency="strong") == pk + 1, name
        pk += 1
        # Named by its number, a write is there at any level.
        for level in ("session", "eventually", "bounded"):
            pk += 1
            seq = writer.insert(pk)
            assert read(reader, consistency=level, at_least=seq) == pk, name


def test_bounded_is_within_its_staleness(
    writer: Writer, reader: elanus.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pk, (name, read) in enumerate(READS.items(), 1):
        assert read(reader, consistency="strong") == pk, name
        writer.insert(pk + 1)
        monkeypatch.setattr(follower, "BOUNDED_S", 3_600.0)
        assert read(reader, consistency="bounded") == pk, name
        monkeypatch.setattr(follower, "BOUNDED_S", 0.0)
        assert read(reader, consistency="bounded") == pk + 1, name


@pytest.mark.parametrize("level", LEVELS)
def test_the_level_of_the_collection_is_that_of_reads_that_name_none(
    folder: Path, level: str
) -> None:
    with elanus.connect(folder) as db, elanus.connect(folder, read_only=True) as other:
        written, reading = db.collection("kb"), other.collection("kb")
        written.set_consistency(level)
        for pk, (name, read) in enumerate(READS.items(), 1):
            if pk == 1:
                written.insert([{"id": 1, "text": "word", "v": [1.0, 1.0]}])
            assert read(reading, consistency="strong") == pk, name
            written.insert([{"id": pk + 1, "text": "word", "v": [1.0, 1.0]}])
            # The process that writes sees its own writes at any level.
            assert read(written) == pk + 1, name
            assert read(reading) == (pk + 1 if level == "strong" else pk), name


def test_an_iterator_keeps_what_it_began_with(writer: Writer, reader: elanus.Collection) -> None:
    for pk in range(2, 9):
        writer.insert(pk)
    pages = reader.query_iterator(batch_size=3, consistency="strong")
    hits = reader.search_iterator([1.0, 1.0], "v", batch_size=3, consistency="strong")
    first = [e["id"] for e in next(pages)], len(next(hits))
    writer.insert(9)
    assert reader.count() == 9
    assert first == ([1, 2, 3], 3)
    assert [[e["id"] for e in page] for page in pages] == [[4, 5, 6], [7, 8]]
    assert [len(page) for page in hits] == [3, 2]


@pytest.mark.parametrize("level", ["session", "eventually"])
def test_a_session_never_goes_back(
    writer: Writer, reader: elanus.Collection, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "CATCH_UP_S", 0.0)
    stop = threading.Event()
    faults: list[tuple[int, int]] = []

    def watch() -> None:
        last = 0
        while not stop.is_set():
            seen = reader.count(consistency=level)
            if seen < last:
                faults.append((last, seen))
            last = seen

    threads = [threading.Thread(target=watch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for pk in range(2, 40):
        writer.insert(pk)
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert reader.count(consistency="strong") == 39


@pytest.mark.parametrize("level", LEVELS)
def test_a_forked_child_reads_at_every_level(
    writer: Writer, reader: elanus.Collection, level: str
) -> None:
    assert reader.count() == 1
    writer.insert(2)
    told, tell = os.pipe()
    go_on, begin = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            # The child looks for itself when it first reads, so it sees what is there by then.
            found = [reader.count(consistency=level)]
            os.write(tell, b".")
            os.read(go_on, 1)
            found += [read(reader, consistency=level) for read in READS.values()]
            found += [read(reader, consistency="strong") for read in READS.values()]
            os.write(tell, json.dumps(found).encode())
        finally:
            os._exit(0)
    assert os.read(told, 1) == b"."
    seq = writer.insert(3)
    os.write(begin, b".")
    found: list[int] = json.loads(os.read(told, 10_000))
    os.waitpid(child, 0)
    assert found[0] == 2
    at_level, strong = found[1 : len(READS) + 1], found[len(READS) + 1 :]
    assert set(strong) == {3}
    if level == "strong":
        assert set(at_level) == {3}
    else:
        assert at_level[0] == 2
        assert at_level == sorted(at_level)
    # The parent is as it was, and goes on.
    assert reader.count(consistency="eventually") in (1, 3)
    assert reader.count(consistency=level, at_least=seq) == 3


@pytest.mark.parametrize("level", LEVELS)
def test_a_reader_survives_its_writer(
    folder: Path, writer: Writer, reader: elanus.Collection, level: str
) -> None:
    for pk in range(2, 8):
        writer.insert(pk)
    before = reader.count(consistency=level)
    writer.kill()
    assert before <= reader.count(consistency=level)
    # What was acknowledged is there, whoever is left to say so.
    counts: dict[str, Any] = {n: r(reader, consistency="strong") for n, r in READS.items()}
    assert counts == dict.fromkeys(READS, 7)
    assert reader.count(consistency=level) == 7
    # Another writer takes over, and the same handle follows it.
    successor = Writer(folder)
    seq = successor.insert(8)
    assert reader.count(consistency=level, at_least=seq) == 8
    assert reader.count(consistency="strong") == 8
    successor.close()
    assert reader.count(consistency="strong") == 8


def test_a_write_that_never_comes_is_not_waited_for_longer_than_asked(
    writer: Writer, reader: elanus.Collection
) -> None:
    seq = writer.insert(2)
    writer.kill()
    assert reader.search([1.0, 1.0], "v", at_least=seq, consistency="session", timeout=30.0)
    started = time.monotonic()
    with pytest.raises(elanus.errors.SearchTimeoutError):
        reader.search([1.0, 1.0], "v", at_least=seq + (1 << 40), timeout=0.05)
    assert time.monotonic() - started < 30
