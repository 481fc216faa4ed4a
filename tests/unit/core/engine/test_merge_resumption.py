"""A merge that ended early goes on at the next opening, with what is written already."""

import numpy as np
import pytest

import elanus
from elanus.api.collection import Collection
from elanus.engine.background import compaction, maintenance, merge_job, segment_files
from elanus.engine.background.merge_job import MergeJob
from elanus.engine.database import DatabaseEngine
from elanus.engine.indexing import index_choice
from elanus.errors import ClosedError, DiskFullError, StorageError
from elanus.storage.census import Need, take_census
from elanus.storage.manifest import load_newest
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.merge_record import list_merges
from elanus.storage.repair.states import rebuild_manifest
from support.oracle import bm25_scores

pytest.importorskip("hnswlib", reason="hnswlib is not installed")

DIM = 8
ROWS = np.random.default_rng(4).normal(size=(2_000, DIM)).astype(np.float32)
STEPS = ["columns", "by_text", "by_title", "v"]
"""What a merge writes, in order: the columns, postings of two fields, the graph."""


class KilledError(BaseException):
    """Stands for the end of the process: nothing of the merge is cleaned up."""


def schema():
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("title", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=DIM, metric="L2"),
            elanus.Field("by_text", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
            elanus.Field("by_title", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("title")),
        ]
    )


def rows(first, stop, version=0):
    return [
        {
            "id": pk,
            "text": f"word{pk % 13} all v{version}",
            "title": f"title{pk % 7}",
            "v": ROWS[pk].tolist(),
        }
        for pk in range(first, stop)
    ]


class Merging:
    """A database in memory whose merges are recorded; writes down what they do."""

    def __init__(self, monkeypatch):
        self.directory = MemoryDirectory()
        self.done = []
        self.killed_after = None
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(merge_job, "RECORDED_BYTES", 0)
        monkeypatch.setattr(index_choice, "MIN_INDEXED_ROWS", 100)
        # Merges are made by hand here.
        monkeypatch.setattr(maintenance.Maintenance, "submit", lambda *a, **k: None)
        self._watch(segment_files, "write_segment_streams", lambda *_, **__: "columns")
        named = lambda directory, path, segment, file: file.field  # noqa: E731
        self._watch(segment_files, "write_index", named)
        self._watch(compaction, "write_index", named)

    def _watch(self, module, name, step_of):
        real = getattr(module, name)

        def watched(*args, **kwargs):
            step = step_of(*args, **kwargs)
            made = real(*args, **kwargs)
            self.done.append(step)
            return made

        self._monkeypatch.setattr(module, name, watched)

    def open(self):
        self.engine = DatabaseEngine(self.directory)
        names = sorted(self.engine.catalog().collections)
        return self.engine.open(names[0]) if names else self.engine.create("c", schema(), {})

    def kill_after(self, steps):
        """End the process once so many steps of a merge are noted down."""
        noted = [0]
        note, fail = MergeJob.note, MergeJob.fail

        def killing_note(job, made):
            note(job, made)
            noted[0] += 1
            if noted[0] == steps:
                raise KilledError

        self._monkeypatch.setattr(MergeJob, "note", killing_note)
        self._monkeypatch.setattr(MergeJob, "fail", lambda job, error: None)
        with pytest.raises(KilledError):
            self.engine.open("c").compact()
        self._monkeypatch.setattr(MergeJob, "note", note)
        self._monkeypatch.setattr(MergeJob, "fail", fail)
        self.engine.close()


@pytest.fixture
def merging(monkeypatch):
    return Merging(monkeypatch)


def fill(collection):
    """Three segments, the first with a graph, rows dead in two of them."""
    collection.insert(rows(0, 800))
    collection.flush()
    collection.create_index("v", "HNSW", {"M": 4})
    collection.compact()
    for first in range(800, 1_200, 200):
        collection.insert(rows(first, first + 200))
        collection.flush()
    collection.delete(list(range(50)))
    collection.upsert(rows(900, 920, version=1))
    collection.flush()
    return {r["id"]: r for r in [*rows(50, 1_200), *rows(900, 920, version=1)]}


def check(collection, expected):
    api = Collection(collection)
    found = api.query(output=["text", "title"])
    wanted = [
        {"id": pk, "text": r["text"], "title": r["title"]} for pk, r in sorted(expected.items())
    ]
    assert sorted(found, key=lambda r: r["id"]) == wanted
    for field, key, word in (("by_text", "text", "word5"), ("by_title", "title", "title3")):
        scores = bm25_scores([word], {pk: r[key].split() for pk, r in expected.items()})
        hits = api.search(word, field=field, limit=2_000)
        assert {hit.id: hit.score for hit in hits} == pytest.approx(scores, rel=1e-5)
    for pk in list(expected)[::97]:
        assert api.search(ROWS[pk], field="v", limit=1, ef=200)[0].id == pk


def leftovers(merging, collection):
    found = take_census(merging.directory, collection.path, collection.state.manifest)
    return [file.path for file in found if file.need not in (Need.CURRENT, Need.OLDER)]


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_a_killed_merge_goes_on_with_what_is_written(merging, steps):
    collection = merging.open()
    expected = fill(collection)
    merging.done.clear()
    merging.kill_after(steps)
    assert merging.done == STEPS[:steps]
    (record,) = list_merges(merging.directory, collection.path)
    # Rows die between the two halves: they were alive when the merge began.
    merging.done.clear()
    collection = merging.open()
    collection.delete([60, 61, 900, 1_199])
    collection.upsert(rows(62, 64, version=2))
    expected = {pk: r for pk, r in expected.items() if pk not in (60, 61, 900, 1_199)}
    expected |= {r["id"]: r for r in rows(62, 64, version=2)}
    check(collection, expected)
    collection.state.freeze()
    collection._upkeep.flush()
    merging.done.clear()
    assert collection._upkeep._compaction.run(everything=False)
    assert merging.done == STEPS[steps:]
    assert list_merges(merging.directory, collection.path) == []
    assert record.made.uuid in {s.info.uuid for s in collection.state.sealed()}
    check(collection, expected)
    merging.engine.close()
    check(merging.open(), expected)
    assert leftovers(merging, merging.engine.open("c")) == []


@pytest.mark.parametrize("steps", [1, 4])
def test_half_a_merge_is_neither_an_orphan_nor_newer_rows(merging, steps):
    """Taken for newer rows by a repair it would bring rows back that died since it began."""
    collection = merging.open()
    fill(collection)
    merging.kill_after(steps)
    (record,) = list_merges(merging.directory, collection.path)
    manifest = load_newest(merging.directory, collection.path)
    census = take_census(merging.directory, collection.path, manifest)
    made = {f.path for f in census if str(record.made.uuid) in f.path}
    assert {f.need for f in census if f.path in made} == {Need.MERGE}
    assert {f.path for f in census if f.need is Need.MERGE} > made
    rebuilt = rebuild_manifest(merging.directory, collection.path, manifest)
    assert (rebuilt.added, rebuilt.merged) == ((), ())
    assert rebuilt.manifest.segments == manifest.segments


def test_compacting_by_hand_ends_with_one_segment_after_a_resumed_merge(merging):
    collection = merging.open()
    expected = fill(collection)
    merging.kill_after(1)
    collection = merging.open()
    collection.insert(rows(1_200, 1_300))
    expected |= {r["id"]: r for r in rows(1_200, 1_300)}
    collection.compact()
    assert len(collection.state.sealed()) == 1
    check(collection, expected)


def test_a_merge_whose_segments_are_gone_is_forgotten(merging):
    collection = merging.open()
    expected = fill(collection)
    merging.kill_after(2)
    (record,) = list_merges(merging.directory, collection.path)
    collection = merging.open()
    # Another merge takes the segments: what the first one made is of no use any more.
    collection._upkeep._compaction._has_resumed = True
    collection.compact()
    merging.engine.close()
    collection = merging.open()
    collection._upkeep._compaction.run(everything=False)
    assert list_merges(merging.directory, collection.path) == []
    assert not merging.directory.is_dir(f"{collection.path}/seg/{record.made.uuid}")
    assert leftovers(merging, collection) == []
    check(collection, expected)


def test_a_merge_whose_fields_have_changed_is_forgotten(merging):
    """Its columns hold values of a field that was dropped; the one of that name now has none."""
    collection = merging.open()
    api = Collection(collection)
    field = elanus.Field("x", elanus.INT64, nullable=True)
    api.add_field(field)
    expected = fill(collection)
    api.upsert([{"id": pk, "x": pk} for pk in range(50, 1_200)], partial=True)
    merging.kill_after(1)
    (record,) = list_merges(merging.directory, collection.path)
    collection = merging.open()
    api = Collection(collection)
    api.drop_field("x")
    api.add_field(field)
    assert list_merges(merging.directory, collection.path) == []
    assert not merging.directory.is_dir(f"{collection.path}/seg/{record.made.uuid}")
    collection.compact()
    assert {row["x"] for row in api.query(output=["x"])} == {None}
    check(collection, expected)
    merging.engine.close()
    collection = merging.open()
    check(collection, expected)
    assert leftovers(merging, collection) == []


def test_a_merge_some_of_whose_segments_are_gone_is_forgotten(merging):
    collection = merging.open()
    expected = fill(collection)
    merging.kill_after(1)
    collection = merging.open()
    gone = collection.state.sealed()[-1]
    dead = [int(pk) for pk in gone.reader.column("id").to_pylist()]
    collection.delete([pk for pk in dead if pk in expected])
    expected = {pk: row for pk, row in expected.items() if pk not in dead}
    # A segment without a row that lives is dropped by itself.
    collection.state.install_compacted([gone], None)
    merging.engine.close()
    collection = merging.open()
    collection._upkeep._compaction.run(everything=False)
    assert list_merges(merging.directory, collection.path) == []
    check(collection, expected)


def test_a_merge_of_other_fields_is_forgotten(merging, monkeypatch):
    """A repair that goes back to an older manifest may go back to other fields."""
    collection = merging.open()
    expected = fill(collection)
    merging.kill_after(1)
    (record,) = list_merges(merging.directory, collection.path)
    collection = merging.open()
    monkeypatch.setattr(MergeJob, "forget_unfinished", lambda state: None)
    Collection(collection).add_field(elanus.Field("x", elanus.INT64, nullable=True))
    collection._upkeep._compaction.run(everything=False)
    assert list_merges(merging.directory, collection.path) == []
    assert not merging.directory.is_dir(f"{collection.path}/seg/{record.made.uuid}")
    check(collection, expected)


def test_a_merge_whose_record_is_damaged_leaves_nothing(merging):
    collection = merging.open()
    expected = fill(collection)
    merging.kill_after(1)
    (record,) = list_merges(merging.directory, collection.path)
    folder = f"{collection.path}/merge/{record.job}"
    for name in merging.directory.list_names(folder):
        merging.directory.delete(f"{folder}/{name}")
        merging.directory.write_new(f"{folder}/{name}", [b"{"])
    collection = merging.open()
    collection._upkeep._compaction.run(everything=False)
    assert merging.directory.list_names(f"{collection.path}/merge") == []
    check(collection, expected)


def test_a_merge_of_rows_that_have_come_back_is_forgotten(merging):
    """A repair that goes back to an older manifest finds rows alive that the merge left out."""
    collection = merging.open()
    fill(collection)
    merging.kill_after(1)
    collection = merging.open()
    first = collection.state.sealed()[0]
    first.revive(np.arange(50, dtype=np.int64))
    collection.state.commit_settings(collection.state.settings)
    merging.engine.close()
    collection = merging.open()
    collection._upkeep._compaction.run(everything=False)
    assert list_merges(merging.directory, collection.path) == []
    assert Collection(collection).get([0, 49], ["text"]) == [
        {"id": pk, "text": rows(pk, pk + 1)[0]["text"]} for pk in (0, 49)
    ]


def test_a_damaged_half_is_made_anew(merging):
    collection = merging.open()
    expected = fill(collection)
    merging.kill_after(2)
    (record,) = list_merges(merging.directory, collection.path)
    folder = f"{collection.path}/seg/{record.made.uuid}"
    merging.directory.delete(f"{folder}/{record.made.columns['text']}")
    merging.done.clear()
    collection = merging.open()
    assert collection._upkeep._compaction.run(everything=False)
    assert merging.done == STEPS
    check(collection, expected)


def test_closing_keeps_a_merge_and_a_failure_forgets_it(merging, monkeypatch):
    collection = merging.open()
    expected = fill(collection)
    real = segment_files.write_index
    for error, kept in ((RuntimeError("no"), 0), (ClosedError("closing"), 1)):

        def failing(*_, error=error):
            raise error

        monkeypatch.setattr(segment_files, "write_index", failing)
        with pytest.raises(type(error)):
            collection._upkeep._compaction.run(everything=True)
        assert len(list_merges(merging.directory, collection.path)) == kept
    monkeypatch.setattr(segment_files, "write_index", real)
    merging.engine.close()
    merging.done.clear()
    collection = merging.open()
    assert collection._upkeep._compaction.run(everything=False)
    assert merging.done == STEPS[1:]
    check(collection, expected)


def test_small_merges_write_nothing_down(merging, monkeypatch):
    collection = merging.open()
    fill(collection)
    monkeypatch.setattr(merge_job, "RECORDED_BYTES", 1 << 30)
    monkeypatch.setattr(merge_job, "save_merge", None)
    collection.compact()
    assert len(collection.state.sealed()) == 1


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_merge_whose_record_cannot_be_written_goes_on_without(merging, monkeypatch, failing):
    collection = merging.open()
    expected = fill(collection)
    saved = [0]
    save = merge_job.save_merge

    def no_room(*args):
        saved[0] += 1
        if saved[0] == failing:
            raise DiskFullError("no room")
        return save(*args)

    monkeypatch.setattr(merge_job, "save_merge", no_room)
    collection.compact()
    assert saved == [failing]
    assert list_merges(merging.directory, collection.path) == []
    assert len(collection.state.sealed()) == 1
    check(collection, expected)


def test_a_record_that_cannot_be_deleted_is_forgotten_later(merging, monkeypatch):
    collection = merging.open()
    expected = fill(collection)

    def failing(*_):
        raise StorageError("the medium failed")

    monkeypatch.setattr(merge_job, "delete_merge", failing)
    collection.compact()
    monkeypatch.undo()
    assert len(list_merges(merging.directory, collection.path)) == 1
    merging.engine.close()
    engine = DatabaseEngine(merging.directory)
    collection = engine.open("c")
    collection.wait_idle()
    assert list_merges(merging.directory, collection.path) == []
    check(collection, expected)
    engine.close()
