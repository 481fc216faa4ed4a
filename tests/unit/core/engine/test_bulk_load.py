"""An import is visible whole or not at all, goes on where it ended, and yields to what was written
meanwhile."""

import json

import numpy as np
import pytest

import elanus
from elanus.api.collection import Collection
from elanus.engine.background.flush import MemtableFlush
from elanus.engine.database import DatabaseEngine
from elanus.engine.writing import bulk_load
from elanus.errors import ClosedError, EntityError, EntityExistsError, StateError, StorageError
from elanus.storage.memory_directory import MemoryDirectory
from support.fault_directory import FaultDirectory

SEGMENT_ROWS = 10
BATCH_ROWS = 5


class StoppedError(Exception):
    """Ends an import in the middle, like Ctrl-C."""


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch):
    monkeypatch.setattr(bulk_load, "SEGMENT_ROWS", SEGMENT_ROWS)


def schema(**options):
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True, **options),
            elanus.Field("text", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )


def rows(count, *, first=0, text="word"):
    return [{"id": i, "text": f"{text} w{i}", "dense": [i, 1]} for i in range(first, first + count)]


def write(path, entities):
    path.write_text("".join(json.dumps(e) + "\n" for e in entities), "utf-8")
    return path


def texts(collection):
    found = collection.query(output=["text"])
    assert len({row["id"] for row in found}) == len(found) == collection.count()
    return expected(found)


def expected(entities):
    return {row["id"]: row["text"] for row in entities}


def files_below(directory, path):
    found = []
    for name in directory.list_names(path):
        child = f"{path}/{name}"
        found += files_below(directory, child) if directory.is_dir(child) else [child]
    return found


class Store:
    """A database in memory that can be cut off at any moment and opened again."""

    def __init__(self, *, auto_id=False):
        self.inner = MemoryDirectory()
        self.directory = FaultDirectory(self.inner)
        self.engine = DatabaseEngine(self.directory)
        self.collection = Collection(self.engine.create("made", schema(auto_id=auto_id), {}))

    def crash(self):
        """Leave everything as it is on the medium, as a kill does, and open that."""
        self.directory.fail_after(0, lasting=True)
        self.engine.close()
        self.directory = FaultDirectory(self.inner)
        self.engine = DatabaseEngine(self.directory)
        self.collection = Collection(self.engine.open("made"))
        return self.collection

    @property
    def path(self):
        return self.engine.open("made").path

    def segments(self):
        return self.directory.list_names(f"{self.path}/seg")

    def jobs(self):
        return self.directory.list_names(f"{self.path}/import")


@pytest.fixture
def store():
    made = Store()
    yield made
    made.engine.close()


def stop_at(monkeypatch, row):
    """Let imports end when they reach a row."""
    before = bulk_load.BulkLoad.add

    def add(self, batch):
        keys = batch.columns["id"].to_pylist() if "id" in batch.columns else []
        if row in keys:
            raise StoppedError
        before(self, batch)

    patch = monkeypatch.context()
    inside = patch.__enter__()
    inside.setattr(bulk_load.BulkLoad, "add", add)
    return patch


def stopped_import(monkeypatch, store, file, row, **options):
    patch = stop_at(monkeypatch, row)
    with pytest.raises(StoppedError):
        store.collection.import_data(file, batch_rows=BATCH_ROWS, **options)
    patch.__exit__(None, None, None)


def test_import_goes_on_where_its_last_segment_ended(monkeypatch, store, tmp_path):
    entities = rows(48)
    file = write(tmp_path / "in.jsonl", entities)
    stopped_import(monkeypatch, store, file, 37)
    assert store.collection.count() == 0
    assert len(store.segments()) == 3
    again = store.crash()
    assert again.count() == 0
    assert len(store.segments()) == 3
    kept = set(store.segments())
    result = again.import_data(file, batch_rows=BATCH_ROWS)
    assert (result.rows, result.resumed_from) == (48, 30)
    assert texts(again) == expected(entities)
    assert kept <= set(store.segments())
    assert store.jobs() == []
    assert len(again.search("w31", limit=50)) == 1
    assert texts(store.crash()) == expected(entities)


def test_resume_false_starts_anew(monkeypatch, store, tmp_path):
    file = write(tmp_path / "in.jsonl", rows(30))
    stopped_import(monkeypatch, store, file, 27)
    old = set(store.segments())
    result = store.collection.import_data(file, resume=False)
    assert (result.rows, result.resumed_from) == (30, None)
    assert old.isdisjoint(store.segments())


@pytest.mark.parametrize("change", ["content", "option", "source"])
def test_another_import_drops_what_an_earlier_one_left(monkeypatch, store, tmp_path, change):
    file = write(tmp_path / "in.jsonl", rows(30))
    stopped_import(monkeypatch, store, file, 27)
    old = set(store.segments())
    entities = rows(30)
    options = {}
    if change == "content":
        entities = rows(30, text="other")
        write(file, entities)
    elif change == "option":
        options["on_conflict"] = "skip"
    else:
        file = write(tmp_path / "other.jsonl", entities)
    result = store.collection.import_data(file, **options)
    assert (result.rows, result.resumed_from) == (30, None)
    assert texts(store.collection) == expected(entities)
    assert old.isdisjoint(store.segments())
    assert store.jobs() == []


def test_import_into_other_fields_starts_anew(monkeypatch, store, tmp_path):
    file = tmp_path / "in.csv"
    lines = [f'{i},w{i},"[{i}, 1]",{i}' for i in range(30)]
    file.write_text("\n".join(["id,text,dense,year", *lines]), "utf-8")
    store.collection.add_field(elanus.Field("year", elanus.INT64, nullable=True))
    stopped_import(monkeypatch, store, file, 27)
    again = store.crash()
    again.drop_field("year")
    again.add_field(elanus.Field("year", elanus.VARCHAR, nullable=True))
    result = again.import_data(file, batch_rows=BATCH_ROWS)
    assert (result.rows, result.resumed_from) == (30, None)
    assert [row["year"] for row in again.query(output=["year"])] == [str(i) for i in range(30)]


def test_import_into_another_partition_of_the_same_name_starts_anew(monkeypatch, store, tmp_path):
    file = write(tmp_path / "in.jsonl", rows(30))
    store.collection.create_partition("p")
    stopped_import(monkeypatch, store, file, 27, partition="p")
    again = store.crash()
    again.drop_partition("p")
    again.create_partition("p")
    result = again.import_data(file, batch_rows=BATCH_ROWS, partition="p")
    assert (result.rows, result.resumed_from) == (30, None)
    assert again.count(partitions=["p"]) == again.count() == 30
    assert texts(again) == expected(rows(30))


def test_source_that_cannot_be_read_again_leaves_nothing(monkeypatch, store):
    patch = stop_at(monkeypatch, 27)
    with pytest.raises(StoppedError):
        store.collection.import_data(rows(30), batch_rows=BATCH_ROWS)
    patch.__exit__(None, None, None)
    assert store.segments() == store.jobs() == []
    assert files_below(store.directory, f"{store.path}/idx") == []


def test_crash_after_the_commit_is_told_from_one_before(monkeypatch, store, tmp_path):
    entities = rows(25)
    file = write(tmp_path / "in.jsonl", entities)

    def die(*arguments):
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(bulk_load, "delete_load", die)
        with pytest.raises(StoppedError):
            store.collection.import_data(file, batch_rows=BATCH_ROWS)
    again = store.crash()
    assert texts(again) == expected(entities)
    again.compact()
    again.delete([3])
    result = again.import_data(file, batch_rows=BATCH_ROWS)
    assert (result.rows, result.resumed_from) == (25, 25)
    assert store.jobs() == []
    assert again.count() == 24
    with pytest.raises(EntityExistsError):
        again.import_data(file)


def test_replaced_rows_stay_hidden_after_a_crash(store, tmp_path):
    store.collection.insert(rows(12, text="old"))
    store.collection.flush()
    store.collection.upsert(rows(8, text="older"))
    entities = rows(20, text="new")
    store.collection.import_data(write(tmp_path / "in.jsonl", entities), on_conflict="replace")
    assert texts(store.collection) == expected(entities)
    again = store.crash()
    assert texts(again) == expected(entities)
    again.upsert(rows(1, text="newest"))
    again.compact()
    assert texts(again) == expected(entities) | {0: "newest w0"}
    assert [hit.id for hit in again.search("old", limit=30)] == []


def test_duplicates_across_segments_and_a_crash(monkeypatch, store, tmp_path):
    entities = [*rows(24), *rows(6, text="again"), *rows(8, first=100)]
    file = write(tmp_path / "in.jsonl", entities)
    stopped_import(monkeypatch, store, file, 101, on_conflict="replace")
    result = store.crash().import_data(file, on_conflict="replace", batch_rows=BATCH_ROWS)
    assert (result.rows, result.resumed_from) == (32, 30)
    assert texts(store.collection) == expected(entities)


def during_the_import(monkeypatch, act, *, late=False):
    """Do something to the collection before the rows of an import become visible.

    ``late`` is after the last look without the lock.
    """
    owner, name = (MemtableFlush, "drained") if late else (bulk_load.BulkLoad, "finish")
    before = getattr(owner, name)

    def first_act(self, *arguments):
        act()
        return before(self, *arguments)

    monkeypatch.setattr(owner, name, first_act)


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("flushed", [True, False])
@pytest.mark.parametrize("on_conflict", ["error", "skip", "replace"])
def test_rows_written_meanwhile(monkeypatch, store, tmp_path, on_conflict, flushed, late):
    def act():
        store.collection.insert(rows(2, first=8, text="meanwhile"))
        if flushed:
            store.collection.flush()

    entities = rows(25)
    file = write(tmp_path / "in.jsonl", entities)
    with monkeypatch.context() as patch:
        during_the_import(patch, act, late=late)
        if on_conflict == "error":
            with pytest.raises(EntityExistsError, match=r"key 8 was written .* while this import"):
                store.collection.import_data(file, batch_rows=BATCH_ROWS)
        else:
            result = store.collection.import_data(
                file, batch_rows=BATCH_ROWS, on_conflict=on_conflict
            )
            assert (result.rows, result.skipped) == ((23, 2) if on_conflict == "skip" else (25, 0))
    meanwhile = expected(rows(2, first=8, text="meanwhile"))
    final = {
        "error": meanwhile,
        "skip": expected(entities) | meanwhile,
        "replace": expected(entities),
    }[on_conflict]
    assert texts(store.collection) == final
    assert texts(store.crash()) == final


def test_conflict_meanwhile_is_counted_and_the_rest_loaded(monkeypatch, store, tmp_path):
    file = write(tmp_path / "in.jsonl", rows(25))
    during_the_import(monkeypatch, lambda: store.collection.insert(rows(2, first=8, text="m")))
    result = store.collection.import_data(file, max_errors=2)
    assert (result.rows, result.failed) == (23, 2)
    assert store.collection.count() == 25


def test_failed_commit_shows_nothing_and_hides_nothing(store, tmp_path):
    store.collection.insert(rows(5, text="old"))
    store.collection.flush()
    entities = rows(15, text="new")
    file = write(tmp_path / "in.jsonl", entities)
    inner_link = store.directory.link

    def link(source, target):
        if "/manifest/" in target:
            raise StorageError("no manifest today")
        inner_link(source, target)

    store.directory.link = link
    with pytest.raises(StorageError, match="no manifest today"):
        store.collection.import_data(file, on_conflict="replace")
    store.directory.link = inner_link
    assert texts(store.collection) == expected(rows(5, text="old"))
    store.collection.upsert(rows(1, text="newer"))
    assert texts(store.collection) == expected(rows(5, text="old")) | {0: "newer w0"}
    result = store.collection.import_data(file, on_conflict="replace")
    assert result.resumed_from == 15
    assert texts(store.collection) == expected(entities)


def test_keys_that_only_the_log_deletes_come_with_an_import(store, tmp_path):
    store.collection.upsert(rows(5, text="old"))
    store.collection.flush()
    store.collection.delete([1, 2])
    store.collection.import_data(write(tmp_path / "in.jsonl", rows(2)), on_conflict="replace")
    there = expected(rows(5, text="old")) | expected(rows(2))
    del there[2]
    assert texts(store.collection) == there
    assert texts(store.crash()) == there


def test_automatic_keys_are_never_given_twice(monkeypatch, tmp_path):
    store = Store(auto_id=True)
    file = tmp_path / "in.npz"
    texts_given = np.array([f"w{i}" for i in range(28)])
    np.savez(file, text=texts_given, dense=np.ones((28, 2), dtype=np.float32))
    calls = []
    before = bulk_load.BulkLoad.add

    def add(self, batch):
        calls.append(len(batch))
        if len(calls) == 5:
            raise StoppedError
        before(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(bulk_load.BulkLoad, "add", add)
        with pytest.raises(StoppedError):
            store.collection.import_data(file, batch_rows=BATCH_ROWS)
    again = store.crash()
    (inserted,) = again.insert([{"text": "between", "dense": [1, 1]}])
    result = again.import_data(file, batch_rows=BATCH_ROWS)
    assert (result.rows, result.resumed_from) == (28, 20)
    found = texts(again)
    assert len(found) == 29
    assert sorted(found.values()) == sorted([*texts_given.tolist(), "between"])
    assert found[inserted] == "between"
    last = again.insert([{"text": "last", "dense": [1, 1]}])
    assert last[0] > max(found)
    store.engine.close()


def test_errors_are_counted_once_across_a_crash(monkeypatch, store, tmp_path):
    entities = rows(38)
    entities[4] = {"id": 4}
    entities[33] = {"id": 33}
    file = write(tmp_path / "in.jsonl", entities)
    stopped_import(monkeypatch, store, file, 36, max_errors=5)
    elsewhere = tmp_path / "bad.jsonl"
    again = store.crash()
    result = again.import_data(file, max_errors=5, batch_rows=BATCH_ROWS, errors_file=elsewhere)
    assert (result.rows, result.failed, result.resumed_from) == (36, 2, 25)
    assert [json.loads(line)["row"] for line in elsewhere.read_text().splitlines()] == [4, 33]


def test_import_that_stopped_at_an_error_goes_on_when_it_may_leave_it_out(store, tmp_path):
    entities = rows(38)
    entities[33] = {"id": 33}
    file = write(tmp_path / "in.jsonl", entities)
    with pytest.raises(EntityError, match="line 34"):
        store.collection.import_data(file, batch_rows=BATCH_ROWS)
    result = store.collection.import_data(file, batch_rows=BATCH_ROWS, max_errors=1)
    assert (result.rows, result.failed, result.resumed_from) == (37, 1, 30)


def test_one_import_at_a_time(store):
    def source():
        yield from rows(3)
        with pytest.raises(StateError, match="another import into this collection is running"):
            store.collection.import_data(rows(3, first=10))
        for change in (
            store.collection.truncate,
            lambda: store.collection.add_field(elanus.Field("n", elanus.INT64, nullable=True)),
        ):
            with pytest.raises(StateError, match="an import is running"):
                change()
        yield from rows(3, first=20)

    store.collection.insert(rows(1, first=50))
    assert store.collection.import_data(source()).rows == 6
    assert store.collection.count() == 7
    assert store.collection.import_data(rows(3, first=10)).rows == 3


def test_searches_and_writes_go_on_meanwhile(store):
    store.collection.insert(rows(3, first=1000))

    def source():
        for row in rows(40):
            assert store.collection.count() == 3 + row["id"]
            store.collection.insert(rows(1, first=2000 + row["id"]))
            yield row

    store.collection.import_data(source(), batch_rows=1)
    assert store.collection.count() == 83


def test_dropped_collection_ends_the_import(store):
    def source():
        yield from rows(3)
        store.collection.drop()
        yield from rows(3, first=20)

    with pytest.raises(ClosedError):
        store.collection.import_data(source(), batch_rows=1)


def test_past_before_an_import_does_not_show_it(store):
    store.collection.set_retention(3600)
    store.collection.insert(rows(3))
    before = store.collection.last_seq
    store.collection.import_data(rows(20, text="new"), on_conflict="replace")
    after = store.collection.last_seq
    store.collection.insert(rows(1, first=500))
    assert expected(store.collection.query(output=["text"], as_of=before)) == expected(rows(3))
    found = expected(store.collection.query(output=["text"], as_of=after))
    assert found == expected(rows(20, text="new"))
