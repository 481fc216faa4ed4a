"""What was acknowledged is there after reopening; what is damaged is named."""

import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import elanus
from elanus.engine import context
from elanus.errors import CorruptionError, DatabaseLockedError, StateError
from elanus.storage.catalog import read_format
from elanus.storage.json_file import encode_json_file
from elanus.storage.local_directory import LocalDirectory
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]


def one(folder, pattern):
    (found,) = sorted(folder.glob(f"c/*/{pattern}"))
    return found


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kb"


def write(folder, rows=50):
    database = elanus.connect(folder)
    made = database.create_collection("papers", paper_schema())
    made.insert(papers(rows))
    return database, made


def answers(collection):
    return (
        collection.query(output=["title", "year"]),
        [(h.id, h.score) for h in collection.search(QUERY, limit=10)],
        [(h.id, h.score) for h in collection.search("graph", limit=10)],
        [(h.id, h.score) for h in collection.search({3: 1.0, 5: 2.0}, limit=10)],
    )


def test_log_alone_brings_everything_back(folder):
    database, made = write(folder)
    made.upsert([{**papers(1)[0], "title": "changed"}])
    made.delete([3, 4])
    before = answers(made)
    database.close()
    assert not list(folder.glob("c/*/seg/*"))
    with elanus.connect(folder) as again:
        assert answers(again.collection("papers")) == before


def test_segments_log_and_tombstones_bring_everything_back(folder):
    database, made = write(folder)
    made.flush()
    made.upsert([{**papers(1)[0], "title": "changed"}])
    made.delete([3])
    made.flush()
    made.delete([4])
    made.insert(papers(5, first=100))
    before = answers(made)
    database.close()
    with elanus.connect(folder) as again:
        collection = again.collection("papers")
        assert answers(collection) == before
        collection.compact()
        assert [row["id"] for row in collection.query(output=["id"])] == [
            row["id"] for row in before[0]
        ]


def test_writing_goes_on_after_reopening(folder):
    database, _ = write(folder, rows=3)
    for start in (3, 6, 9):
        database.close()
        database = elanus.connect(folder)
        database.collection("papers").insert(papers(3, first=start))
    assert database.collection("papers").count() == 12
    database.close()


def test_automatic_keys_are_not_given_out_again(folder):
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True, auto_id=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=1),
        ]
    )
    with elanus.connect(folder) as database:
        made = database.create_collection("auto", schema)
        assert made.insert([{"v": [1]}, {"v": [2]}]) == [1, 2]
        made.delete([2])
    with elanus.connect(folder) as database:
        made = database.collection("auto")
        assert made.insert([{"v": [3]}]) == [3]
        made.delete([3])
        made.flush()
    with elanus.connect(folder) as database:
        assert database.collection("auto").insert([{"v": [4]}]) == [4]


@pytest.mark.parametrize("flushed", [False, True])
def test_writes_are_later_than_those_before_though_the_clock_is_not(folder, monkeypatch, flushed):
    with elanus.connect(folder) as database:
        made = database.create_collection("papers", paper_schema())
        made.insert(papers(3))
        if flushed:
            made.flush()
        before, old = made.last_seq, made.get(1, ["title"])
    monkeypatch.setattr(context, "time", SimpleNamespace(time=lambda: 1_000.0))
    with elanus.connect(folder) as database:
        made = database.collection("papers")
        made.set_retention(3_600)
        made.upsert([{**papers(1, first=1, seed=5)[0], "title": "new"}])
        assert made.last_seq > before
        assert made.get(1, ["title"], as_of=before) == old
        made.flush()
    with elanus.connect(folder) as database:
        assert database.collection("papers").get(1, ["title"]) == [{"id": 1, "title": "new"}]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells what is open")
def test_only_the_log_that_is_written_is_open(folder):
    database, made = write(folder)
    for first in (100, 200, 300):
        made.insert(papers(5, first=first))
        made.flush()
    with os.scandir("/proc/self/fd") as entries:
        opened = [os.readlink(entry) for entry in entries if os.path.lexists(entry)]
    logs = [name for name in opened if name.startswith(str(folder)) and ".wal" in name]
    assert logs == [str(one(folder, "wal/*.wal"))]
    database.close()


def test_torn_tail_is_cut_and_logged(folder, caplog):
    database, made = write(folder)
    log = one(folder, "wal/*.wal")
    complete = log.stat().st_size
    made.insert(papers(5, first=100))
    database.close()
    # Without what the writer published nothing tells a lost record from one never acknowledged.
    one(folder, "PUB").unlink()
    os.truncate(log, log.stat().st_size - 3)
    with caplog.at_level(logging.WARNING), elanus.connect(folder) as again:
        assert again.collection("papers").count() == 50
        assert again.collection("papers").insert(papers(1, first=200)) == [200]
    assert "belong to a write that was never acknowledged; cut" in caplog.text
    assert log.stat().st_size > complete
    with elanus.connect(folder) as again:
        assert again.collection("papers").count() == 51


def test_a_collection_that_a_lost_catalog_named_is_left_alone(folder, caplog):
    database, made = write(folder)
    before = answers(made)
    database.create_collection("other", paper_schema())
    database.drop_collection("other")
    database.close()
    kept = sorted((folder / "catalog").glob("*.man"))
    lost = {file: file.read_bytes() for file in kept}
    for file in kept:
        file.unlink()
    # What the catalog was before the collection was made.
    first = folder / "catalog" / "00000000000000000001.man"
    content = {"version": 1, "parent": 0, "db_uuid": str(read_format(LocalDirectory(folder)))}
    first.write_bytes(encode_json_file("catalog", 1, {**content, "collections": {}}))
    with caplog.at_level(logging.WARNING), elanus.connect(folder) as again:
        assert again.list_collections() == []
    assert "does not name is left alone" in caplog.text
    for file, raw in lost.items():
        file.write_bytes(raw)
    with elanus.connect(folder) as again:
        assert again.list_collections() == ["papers"]
        assert answers(again.collection("papers")) == before


def test_a_lost_acknowledged_record_is_refused_by_name(folder):
    database, made = write(folder)
    log = one(folder, "wal/*.wal")
    complete = log.stat().st_size
    made.insert(papers(5, first=100))
    database.close()
    os.truncate(log, log.stat().st_size - 3)
    with elanus.connect(folder) as again, pytest.raises(CorruptionError) as caught:
        again.collection("papers")
    assert (caught.value.path, caught.value.offset) == (str(log.relative_to(folder)), complete)


def test_damage_inside_the_log_is_refused_by_name(folder):
    database, made = write(folder, rows=5)
    made.insert(papers(5, first=100))
    database.close()
    log = one(folder, "wal/*.wal")
    raw = bytearray(log.read_bytes())
    raw[200] ^= 1
    log.write_bytes(raw)
    with elanus.connect(folder) as again, pytest.raises(CorruptionError) as caught:
        again.collection("papers")
    assert caught.value.path == str(log.relative_to(folder))
    assert log.read_bytes() == bytes(raw)


def test_damaged_column_is_refused_when_it_is_read(folder):
    database, made = write(folder)
    made.flush()
    database.close()
    column = one(folder, "seg/*/*title.col")
    raw = bytearray(column.read_bytes())
    raw[100] ^= 1
    column.write_bytes(raw)
    with elanus.connect(folder) as again:
        collection = again.collection("papers")
        assert len(collection.search(QUERY, limit=5, output=["year"])) == 5
        with pytest.raises(CorruptionError) as caught:
            collection.query(output=["title"])
        assert caught.value.path == str(column.relative_to(folder))


@pytest.mark.parametrize("damage", ["flip", "delete"])
@pytest.mark.parametrize("field", ["bm25", "sparse", "dense"])
def test_indexes_are_derived_again(folder, field, damage, caplog):
    database, made = write(folder, rows=200)
    made.create_index("dense", "HNSW", {"M": 8})
    made.compact()
    made.wait_indexed()
    before = answers(made)
    assert made.stats().segments[0].indexes == {"dense": "HNSW"}
    database.close()
    file = one(folder, f"idx/*/{field}/*")
    if damage == "delete":
        file.unlink()
    else:
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 1
        file.write_bytes(raw)
    with caplog.at_level(logging.WARNING), elanus.connect(folder) as again:
        collection = again.collection("papers")
        assert answers(collection) == before
        collection.wait_indexed()
        assert collection.stats().background_error is None
    assert "the index is derived again" in caplog.text


def test_missing_log_is_refused(folder):
    database, made = write(folder)
    made.flush()
    made.insert(papers(1, first=99))
    database.close()
    one(folder, "wal/*.wal").unlink()
    with elanus.connect(folder) as again, pytest.raises(CorruptionError, match="log is missing"):
        again.collection("papers")


@pytest.mark.parametrize("lost", [1, 2])
def test_an_older_state_is_not_taken_for_the_current_one(folder, lost):
    """The manifest before the last one fits everything that is there: only what was published
    says that there was another."""
    database, made = write(folder)
    made.flush()
    made.set_properties({"a": 1})
    made.set_properties({"a": 2})
    database.close()
    manifests = sorted(folder.glob("c/*/manifest/*.man"))
    for file in manifests[-lost:]:
        file.unlink()
    for _ in range(2):
        refused = pytest.raises(CorruptionError, match=f"{manifests[-1].name}: the file is miss")
        with elanus.connect(folder) as again, refused:
            again.collection("papers")
    assert list(folder.glob("c/*/seg/*"))


def test_log_torn_at_its_creation_is_ignored(folder):
    database, _ = write(folder)
    database.close()
    log = one(folder, "wal/*.wal")
    torn = log.with_name(log.name.replace("1.wal", "2.wal"))
    torn.write_bytes(b"ELAN")
    for _ in range(2):
        with elanus.connect(folder) as again:
            assert again.collection("papers").count() == 50
    assert not torn.exists()


def test_leftovers_of_a_crash_are_swept(folder):
    database, _ = write(folder)
    database.close()
    collection = next(folder.glob("c/*"))
    stray = [
        collection / "seg" / "00000000-0000-0000-0000-000000000000.tmp",
        folder / "c" / "11111111-1111-1111-1111-111111111111",
    ]
    for path in stray:
        path.mkdir()
        (path / "part").write_bytes(b"x")
    with elanus.connect(folder) as again:
        assert again.collection("papers").count() == 50
    assert [path.exists() for path in stray] == [False, False]


def test_second_process_is_refused_with_the_pid_of_the_first(folder):
    database, _ = write(folder)
    script = (
        "import sys, elanus\n"
        "try:\n"
        "    elanus.connect(sys.argv[1])\n"
        "except elanus.ElanusError as error:\n"
        "    print(type(error).__name__, error.pid)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [DatabaseLockedError.__name__, str(os.getpid())]
    database.close()


def test_another_process_reads_beside_the_writer(folder):
    database, made = write(folder)
    made.flush()
    made.insert(papers(5, first=100))
    made.delete([0])
    script = (
        "import sys, elanus\n"
        "with elanus.connect(sys.argv[1], read_only=True) as db:\n"
        "    c = db.collection('papers')\n"
        "    print(c.count(), c.search([0.3, -1.0, 0.5, 0.2], limit=3).ids)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == f"54 {made.search(QUERY, limit=3).ids}"
    database.close()


def test_forked_child_reads_but_does_not_write(folder):
    database, made = write(folder)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            found = made.count()
            made.insert(papers(1, first=500))
            message = "wrote"
        except StateError as error:
            message = f"{found} {type(error).__name__}"
        finally:
            os.write(writer, message.encode())
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode() == "50 StateError"
    made.insert(papers(1, first=500))
    assert made.count() == 51
    database.close()
