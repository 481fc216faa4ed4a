"""What a process that only reads shows at each consistency level, while another one writes."""

import subprocess
import sys
import time

import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.engine import follower
from elanus.errors import InvalidArgumentError, SearchTimeoutError

SCHEMA = Schema(
    [Field("id", DataType.INT64, primary=True), Field("v", DataType.FLOAT_VECTOR, dim=2)]
)
WRITER = """
import sys, elanus
database = elanus.connect(sys.argv[1])
collection = database.collection("kb")
for line in sys.stdin:
    pk = int(line)
    collection.insert([{"id": pk, "v": [pk, 1.0]}])
    print(collection.last_seq, flush=True)
"""


class Writer:
    """Another process that inserts what it is told to."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def insert(self, pk):
        """Insert an entity; return its sequence number once it is acknowledged."""
        self.process.stdin.write(f"{pk}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0


@pytest.fixture
def pair(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        database.create_collection("kb", SCHEMA)
    writer = Writer(tmp_path / "kb")
    writer.insert(0)
    with elanus.connect(tmp_path / "kb", read_only=True) as reading:
        collection = reading.collection("kb")
        assert collection.count() == 1
        yield writer, collection
    writer.close()


def test_strong_reads_see_every_acknowledged_write(pair):
    writer, collection = pair
    for pk in range(1, 20):
        writer.insert(pk)
        assert collection.count() == pk + 1
        assert collection.search([pk, 1.0], "v", 40, consistency="Strong").ids[0] is not None


def test_bounded_reads_are_as_old_as_allowed_and_no_older(pair, monkeypatch):
    writer, collection = pair
    writer.insert(1)
    assert collection.count(consistency="bounded") == 1
    monkeypatch.setattr(follower, "BOUNDED_S", 0.2)
    time.sleep(0.25)
    assert collection.count(consistency="bounded") == 2


@pytest.mark.parametrize("level", ["session", "eventually"])
def test_reads_that_do_not_wait_catch_up_behind(pair, level):
    writer, collection = pair
    time.sleep(follower.CATCH_UP_S)
    writer.insert(1)
    # Answered with what was seen already; that read has the process look for news.
    assert collection.count(consistency=level) == 1
    deadline = time.monotonic() + 20
    while collection.count(consistency=level) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert collection.count(consistency=level) == 2


def test_a_read_waits_for_the_write_it_names(pair):
    writer, collection = pair
    for pk in range(1, 10):
        seq = writer.insert(pk)
        found = collection.search([pk, 1.0], "v", 20, consistency="session", at_least=seq)
        assert pk in found.ids
        assert collection.get(pk, consistency="eventually", at_least=seq) == [{"id": pk}]


def test_waiting_ends_with_the_time_of_the_search(pair):
    writer, collection = pair
    future = writer.insert(1) + (10_000 << 22)
    with pytest.raises(SearchTimeoutError):
        collection.search([1.0, 1.0], "v", 1, at_least=future, timeout=0.05)


def test_the_collection_has_a_level(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        written = database.create_collection("kb", SCHEMA)
        written.set_consistency("Eventually")
        assert written.consistency == "eventually"
        with elanus.connect(tmp_path / "kb", read_only=True) as reading:
            read = reading.collection("kb")
            assert read.consistency == "eventually"
            assert read.count() == 0
            written.insert([{"id": 1, "v": [1.0, 1.0]}])
            assert read.count(consistency="strong") == 1
            # The writer sees what it wrote at any level.
            assert written.count(consistency="eventually") == 1


def test_an_unknown_level_is_refused(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        made = database.create_collection("kb", SCHEMA)
        with pytest.raises(InvalidArgumentError, match="did you mean 'strong'"):
            made.set_consistency("stron")
        with pytest.raises(InvalidArgumentError, match="no level"):
            made.search([1.0, 1.0], "v", 1, consistency="best")
