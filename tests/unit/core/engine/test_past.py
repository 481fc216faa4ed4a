"""``as_of`` gives what was visible then, while it is kept, and an error that says so afterwards."""

import random
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

import elanus
from elanus.engine.context import seq_at, time_of
from elanus.engine.kept_states.history import History, files_of, needed_manifests
from elanus.errors import (
    AlreadyExistsError,
    HistoryError,
    InvalidArgumentError,
    NotFoundError,
    ReadOnlyError,
    StateError,
)
from elanus.storage.manifest import Manifest, SegmentInfo
from elanus.storage.memory_directory import MemoryDirectory
from support.builders import paper_schema, papers

DB = uuid.UUID(int=1)
HOUR_S = 3600.0


def contents(collection, as_of=None):
    return {row["id"]: row["title"] for row in collection.query(output=["title"], as_of=as_of)}


def files(folder, *patterns):
    return sorted(str(p) for pattern in patterns for p in folder.glob(f"c/*/{pattern}"))


def test_every_moment_of_a_random_history_is_there(tmp_path):
    rng = random.Random(7)
    db = elanus.connect(tmp_path)
    collection = db.create_collection("papers", paper_schema())
    collection.set_retention(HOUR_S)
    states = []
    for step in range(60):
        action = rng.choice(["upsert", "upsert", "delete", "flush", "compact", "reopen"])
        if action == "upsert":
            collection.upsert(papers(rng.randint(1, 5), first=rng.randint(0, 15), seed=step))
        elif action == "delete":
            collection.delete(rng.sample(range(20), 4))
        elif action == "flush":
            collection.flush()
        elif action == "compact":
            collection.compact()
        else:
            db.close()
            db = elanus.connect(tmp_path)
            collection = db.collection("papers")
        states.append((collection.last_seq, contents(collection)))
    reading = elanus.connect(tmp_path, read_only=True)
    followed = reading.collection("papers")
    for seq, expected in rng.sample(states, 30):
        assert contents(collection, seq) == expected
        assert contents(followed, seq) == expected
    reading.close()
    db.close()


def test_every_kind_of_read_takes_a_moment(tmp_path):
    with elanus.connect(tmp_path) as db:
        collection = db.create_collection("papers", paper_schema())
        collection.set_retention(HOUR_S)
        collection.insert(papers(20))
        collection.flush()
        vector, legs = papers(1)[0]["dense"], [elanus.Leg("bm25", "graph")]

        def answers(**when):
            return (
                [(h.id, h.score) for h in collection.search(vector, field="dense", **when)],
                [(h.id, h.score) for h in collection.hybrid_search(legs, **when)],
                collection.query("year > 2000", ["title"], **when),
                collection.get([1, 5], ["title"], **when),
                collection.count(**when),
            )

        before, seq = answers(), collection.last_seq
        collection.upsert(papers(10, seed=3))
        collection.delete([1, 12])
        collection.compact()
        assert answers() != before
        assert answers(as_of=seq) == before


def test_a_time_is_the_last_write_up_to_its_millisecond(tmp_path):
    with elanus.connect(tmp_path) as db:
        collection = db.create_collection("papers", paper_schema())
        collection.set_retention(HOUR_S)
        collection.insert(papers(2))
        written = datetime.fromtimestamp(time_of(collection.last_seq), UTC)
        time.sleep(0.003)
        collection.insert(papers(2, first=10))
        assert collection.count(as_of=written) == 2
        assert collection.count(as_of=written.astimezone(None).replace(tzinfo=None)) == 2
        assert collection.count(as_of=datetime.now(UTC) + timedelta(days=1)) == 4


def test_without_retention_the_past_is_gone_and_takes_no_space(tmp_path):
    with elanus.connect(tmp_path) as db:
        collection = db.create_collection("papers", paper_schema())
        collection.insert(papers(10))
        collection.flush()
        seq = collection.last_seq
        for pk in (1, 2):
            collection.delete([pk])
            collection.flush()
        db._shared.engine.open_engines()[0].tidy()
        assert len(files(tmp_path, "del/*")) == 1
        collection.upsert(papers(10, seed=1))
        collection.compact()
        db._shared.engine.open_engines()[0].tidy()
        with pytest.raises(HistoryError, match=r"set_retention\(seconds\)"):
            collection.count(as_of=seq)
        assert len(files(tmp_path, "seg/*")) == 1
        assert len(files(tmp_path, "wal/*")) == 1


def test_what_was_there_before_rows_or_fields_went_is_there(tmp_path):
    with elanus.connect(tmp_path) as db:
        collection = db.create_collection("papers", paper_schema())
        collection.set_retention(HOUR_S)
        collection.insert(papers(10))
        collection.flush()
        whole = collection.last_seq
        collection.drop_field("year")
        without_year = collection.last_seq
        collection.truncate()
        assert whole < without_year < collection.last_seq
        years = [{"id": row["id"], "year": row["year"]} for row in papers(10)]
        assert collection.query(output=["year"], as_of=whole) == years
        with pytest.raises(InvalidArgumentError, match="no field 'year'"):
            collection.query(output=["year"], as_of=without_year)
        assert collection.count(as_of=without_year) == 10
        assert collection.count() == 0


def test_retention_that_has_passed_gives_its_space_back(tmp_path):
    with elanus.connect(tmp_path) as db:
        collection = db.create_collection("papers", paper_schema())
        collection.set_retention(HOUR_S)
        for seed in range(3):
            collection.upsert(papers(10, seed=seed))
            collection.compact()
        assert len(files(tmp_path, "seg/*")) == 3
        collection.set_retention(0)
        db._shared.engine.open_engines()[0].tidy()
        assert len(files(tmp_path, "seg/*")) == 1
        assert len(files(tmp_path, "manifest/*")) == 3
        assert contents(collection) == {row["id"]: row["title"] for row in papers(10, seed=2)}


def test_a_snapshot_cuts_all_collections_and_outlives_everything(tmp_path):
    with elanus.connect(tmp_path) as db:
        first = db.create_collection("first", paper_schema())
        second = db.create_collection("second", paper_schema())
        first.insert(papers(5))
        first.flush()
        first.delete([2])
        second.insert(papers(3))
        made = db.snapshot("monday")
        before = contents(first), contents(second)
        assert db.list_snapshots() == {"monday": made}
        for collection in (first, second):
            collection.upsert(papers(8, seed=4))
            collection.compact()
            collection.compact()
        assert (contents(first, "monday"), contents(second, "monday")) == before
    with elanus.connect(tmp_path) as db:  # nothing of it is swept when the database is opened
        first, second = db.collection("first"), db.collection("second")
        assert (contents(first, "monday"), contents(second, "monday")) == before
        assert contents(first, made.seq) == before[0]
        with elanus.connect(tmp_path, read_only=True) as reading:
            assert contents(reading.collection("second"), "monday") == before[1]
            assert reading.list_snapshots() == {"monday": made}
            with pytest.raises(ReadOnlyError):
                reading.snapshot("tuesday")
        assert len(files(tmp_path, "seg/*")) == 3
        db.drop_snapshot("monday")
        assert len(files(tmp_path, "seg/*")) == 2
        with pytest.raises(NotFoundError, match="monday"):
            contents(first, "monday")


def test_a_snapshot_of_a_collection_that_is_not_open(tmp_path):
    with elanus.connect(tmp_path) as db:
        db.create_collection("papers", paper_schema()).insert(papers(5))
    with elanus.connect(tmp_path) as db:
        db.snapshot("early")
        collection = db.collection("papers")
        collection.delete([0, 1])
        collection.compact()
        assert (collection.count(), collection.count(as_of="early")) == (3, 5)


def test_names_are_taken_once_and_hold_their_collections(tmp_path):
    with elanus.connect(tmp_path) as db:
        db.create_collection("papers", paper_schema())
        db.snapshot("a")
        with pytest.raises(AlreadyExistsError, match="'a' exists already"):
            db.snapshot("a")
        with pytest.raises(StateError, match="part of snapshot 'a'; drop the snapshot first"):
            db.drop_collection("papers")
        with pytest.raises(NotFoundError, match="expected one of 'a'"):
            db.collection("papers").count(as_of="b")
        db.drop_snapshot("a")
        db.drop_collection("papers")


@pytest.mark.parametrize("moment", [1.5, True, -1, b"x"])
def test_what_is_no_moment_is_refused(tmp_path, moment):
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("papers", paper_schema())
        with pytest.raises(InvalidArgumentError, match="as_of must be a datetime"):
            collection.count(as_of=moment)


@pytest.mark.parametrize("seconds", [-1, True, "1", float("nan"), 1e12])
def test_what_is_no_retention_is_refused(seconds):
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("papers", paper_schema())
        with pytest.raises(InvalidArgumentError, match="retention must be a number of seconds"):
            collection.set_retention(seconds)


def test_which_manifests_are_needed():
    def manifest(version, next_seq):
        one = "00000000-0000-0000-0000-000000000001"
        return Manifest(version, one, one, "c", {}, 1, next_seq, 1, "")

    older = [manifest(1, 10), manifest(2, 20), manifest(3, 20), manifest(4, 30)]
    current = manifest(5, 40)

    def needed(horizon, *pinned):
        found = needed_manifests(older, current, horizon=horizon, pinned=pinned)
        return [m.version for m in found]

    assert needed(0) == [1, 3, 4]  # 3 took the place of 2 without a write between them
    assert needed(18) == [1, 3, 4]  # as of 18: manifest 1 and the log up to 18
    assert needed(19) == [3, 4]
    assert needed(29) == [4]
    assert needed(39) == []
    assert needed(100) == []
    assert needed(100, 2) == [2]


def test_files_go_when_neither_a_search_nor_a_kept_state_needs_them():
    directory = MemoryDirectory()
    uuids = [uuid.UUID(int=number) for number in range(3)]
    infos = [SegmentInfo(number, 1, 1, 1, {}, {}) for number in uuids]

    def manifest(version, *segments):
        return Manifest(version, DB, DB, "c", {}, 1, 10 * version, 1, "", segments=segments)

    def left():
        history.sweep()
        return [uuids.index(uuid.UUID(name)) for name in directory.list_names("c/1/seg")]

    for number in uuids:
        directory.make_dir(f"c/1/seg/{number}")
        directory.write_new(f"c/1/seg/{number}/pk.idx", [b"keys"])
    history = History(directory, "c/1", manifest(1, *infos), [])
    # Given up a moment before the manifest that does without it is taken note of.
    history.discard(files_of(infos[0]))
    assert left() == [0, 1, 2]
    history.advance(manifest(2, *infos[1:]), horizon=100, pinned=[])
    assert left() == [1, 2]
    # A search still reads what the next manifest does without.
    history.advance(manifest(3, infos[2]), horizon=100, pinned=[])
    assert left() == [1, 2]
    history.discard(files_of(infos[1]))
    assert left() == [2]
    # A state that somebody named needs it, until it is dropped.
    history.advance(manifest(4), horizon=100, pinned=[3])
    history.discard(files_of(infos[2]))
    assert left() == [2]
    history.advance(manifest(4), horizon=100, pinned=[])
    assert left() == []


def test_sequence_numbers_tell_the_time():
    for milliseconds in range(1_700_000_000_000, 1_700_000_001_000):
        seq = milliseconds << 18
        assert seq_at(time_of(seq)) == seq
    assert seq_at(2.0) - seq_at(1.999) == 1 << 18
