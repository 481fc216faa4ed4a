"""After a repair the database opens with exactly the rows that verify, and says which are lost."""

import json
import re

import pytest

import elanus
from elanus.api.repair import repair
from elanus.errors import DatabaseLockedError, NotFoundError
from elanus.storage.census import walk_files
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.repair.run import repair_database
from elanus.storage.verification import verify_database
from support.builders import paper_schema, papers
from support.stored_files import (
    CHANGES,
    contents,
    copy_of,
    damage,
    damage_in,
    first_path,
    in_memory,
    make_papers,
    one,
    rows_in,
)


@pytest.fixture(scope="module")
def kb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repair") / "kb"
    make_papers(folder)
    return folder


@pytest.fixture(scope="module")
def rows(kb):
    return rows_in(kb, read_only=True)


def is_clean(directory):
    return all(part.is_whole for part in verify_database(directory))


def files(directory):
    return {path: bytes(directory.read(path)) for path in walk_files(directory, "")}


def segment_of_first_rows(directory):
    """Return the folder of the segment with rows 0..39."""
    return re.sub(r"/del/(.{36})-.*", r"/seg/\1", first_path(directory, "c/*/del/*"))


WITHOUT_LOSS = ["FORMAT", "c/*/idx/*/bm25/*", "c/*/idx/*/sparse/*", "c/*/seg/*/pk.idx"]
WITHOUT_LOSS += ["c/*/manifest/*1.man", "c/*/manifest/*2.man"]


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("pattern", WITHOUT_LOSS)
def test_derivable_files_are_repaired_without_salvage(kb, rows, pattern, kind):
    directory = in_memory(kb)
    file = first_path(directory, pattern)
    damage_in(directory, file, kind)
    damaged = files(directory).get(file)
    report = repair_database(directory)
    assert report.is_complete
    assert report.lost_rows == []
    if ".man" not in pattern or kind != "deleted":
        assert [(a.path, a.lost) for a in report.actions] == [(file, "")]
    if damaged is not None:
        assert bytes(directory.read(f"{report.folder}/{file}")) == damaged
    assert is_clean(directory)
    assert contents(directory) == rows
    assert is_clean(directory)


LOST = {
    "000-id.col": set(),  # the keys follow from their index
    "001-title.col": set(range(40)) - set(range(10, 15)) - {20, 21},
    "003-meta.col": set(range(40)) - set(range(10, 15)) - {20, 21},
    "004-dense.vec": set(range(40)) - set(range(10, 15)) - {20, 21},
    "005-sparse.col": set(range(40)) - set(range(10, 15)) - {20, 21},
    "rows.col": set(),
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("name", LOST)
def test_salvage_keeps_the_rows_that_verify_and_lists_the_others(kb, rows, name, kind):
    directory = in_memory(kb)
    segment = segment_of_first_rows(directory)
    damage_in(directory, f"{segment}/{name}", kind)
    before = files(directory)
    refused = repair_database(directory)
    assert [f.path for f in refused.refused] == [f"{segment}/{name}"]
    assert {p: r for p, r in files(directory).items() if p != "LOCK"} == (
        {p: r for p, r in before.items() if p != "LOCK"}
    )
    dry = repair_database(directory, salvage=True, dry_run=True)
    assert files(directory).keys() == before.keys() | {"LOCK"}
    report = repair_database(directory, salvage=True)
    assert [a.done for a in report.actions] == [a.done for a in dry.actions]
    assert {row.pk for row in report.lost_rows} == LOST[name]
    assert report.is_complete
    assert is_clean(directory)
    kept = {pk: title for pk, title in rows.items() if pk not in LOST[name]}
    assert contents(directory) == kept
    for path, raw in before.items():
        if path.startswith(segment):
            assert bytes(directory.read(f"{report.folder}/{path}")) == raw
    if LOST[name]:
        lines = bytes(directory.read(f"{report.folder}/lost_rows.jsonl")).splitlines()
        assert {json.loads(line)["pk"] for line in lines} == LOST[name]
        assert json.loads(lines[0])["segment"] == segment.rpartition("/")[2]


def test_only_the_rows_of_the_damaged_block_are_lost(tmp_path):
    count = 30_000
    with elanus.connect(tmp_path / "kb") as db:
        schema = elanus.Schema(
            [
                elanus.Field("id", elanus.INT64, primary=True),
                elanus.Field("value", elanus.INT64),
            ]
        )
        collection = db.create_collection("numbers", schema)
        collection.insert([{"id": 10 * n, "value": n} for n in range(count)])
        collection.flush()
        collection.delete([100, 100_000])
        collection.flush()
    damage(one(tmp_path / "kb", "c/*/seg/*/001-value.col"))
    middle = (count * 8 + 64) // 2 // 65_536
    low, high = (middle * 65_536 - 64) // 8, ((middle + 1) * 65_536 - 64) // 8
    report = repair(tmp_path / "kb", salvage=True)
    lost = {10 * n for n in range(low, high)} - {100_000}
    assert {row.pk for row in report.lost_rows} == lost
    with elanus.connect(tmp_path / "kb") as db:
        found = db.collection("numbers").query(output=["id", "value"])
    expected = set(range(count)) - set(range(low, high)) - {10, 10_000}
    assert {row["id"]: row["value"] for row in found} == {10 * n: n for n in expected}
    assert is_clean(LocalDirectory(tmp_path / "kb"))


@pytest.mark.parametrize("kind", CHANGES)
def test_lost_tombstones_bring_back_only_what_was_deleted(kb, rows, kind):
    directory = in_memory(kb)
    damage_in(directory, first_path(directory, "c/*/del/*"), kind)
    report = repair_database(directory, salvage=True)
    (action,) = report.actions
    assert action.done == "tombstones derived again from newer rows: 5 rows were replaced"
    assert action.lost == "which of the other 35 rows had been deleted: they are back"
    assert is_clean(directory)
    old = {row["id"]: row["title"] for row in papers(40) if row["id"] in (20, 21)}
    assert contents(directory) == rows | old


def test_missing_segment_is_dropped(kb, rows):
    directory = in_memory(kb)
    directory.delete_dir(segment_of_first_rows(directory))
    report = repair_database(directory, salvage=True)
    assert report.is_complete
    assert {(row.row, row.pk) for row in report.lost_rows} == {
        (pk, None) for pk in LOST["001-title.col"]
    }
    assert is_clean(directory)
    kept = {pk: title for pk, title in rows.items() if pk not in LOST["001-title.col"]}
    assert contents(directory) == kept


# --- logs -------------------------------------------------------------------------------------


def record_offsets(raw):
    offsets, place = [], 64
    while place < len(raw):
        offsets.append(place)
        length = int.from_bytes(raw[place + 4 : place + 8], "little")
        place += 32 + length + -length % 8
    return offsets


@pytest.mark.parametrize(
    ("record", "lost", "back"),
    [(0, set(range(100, 106)), set()), (1, set(), {41}), (2, set(range(200, 206)), set())],
)
def test_damaged_record_costs_only_its_own_write(kb, rows, record, lost, back):
    directory = in_memory(kb)
    path = first_path(directory, "c/*/wal/*")
    raw = bytearray(directory.read(path))
    raw[record_offsets(raw)[record] + 40] ^= 1
    directory.delete(path)
    directory.create_append(path).write([bytes(raw)])
    (explained,) = repair_database(directory).refused
    assert explained.path == path
    assert explained.offset == record_offsets(raw)[record]
    report = repair_database(directory, salvage=True)
    (action,) = report.actions
    assert action.done.startswith("written again with the 2 records that verify")
    assert action.lost.startswith("the writes in bytes ")
    assert bytes(directory.read(f"{report.folder}/{path}")) == bytes(raw)
    assert is_clean(directory)
    expected = {pk: title for pk, title in rows.items() if pk not in lost}
    expected |= {row["id"]: row["title"] for row in papers(30, first=40) if row["id"] in back}
    assert contents(directory) == expected


def test_log_with_a_damaged_header_keeps_every_record(kb, rows):
    directory = in_memory(kb)
    path = first_path(directory, "c/*/wal/*")
    damage_in(directory, path, "head")
    report = repair_database(directory, salvage=True)
    assert [(a.path, a.lost) for a in report.actions] == [(path, "")]
    assert contents(directory) == rows


def test_missing_log_is_an_empty_one(kb, rows):
    directory = in_memory(kb)
    directory.delete(first_path(directory, "c/*/wal/*"))
    report = repair_database(directory, salvage=True)
    assert [a.lost for a in report.actions] == ["every write that was only in this log"]
    assert is_clean(directory)
    found = contents(directory)
    assert {pk for pk in rows if pk < 100} | {41} == set(found)


def test_interrupted_repair_of_a_log_goes_on_from_the_original(kb, rows):
    """The original has its second name already, and its successor is not there yet."""
    directory = in_memory(kb)
    path = first_path(directory, "c/*/wal/*")
    kept = f"damaged/20260101T000000Z/{path}"
    directory.make_dir(kept.rpartition("/")[0])
    directory.link(path, kept)
    directory.delete(path)
    report = repair_database(directory, salvage=True)
    assert report.is_complete
    assert contents(directory) == rows


# --- manifests and catalogs -------------------------------------------------------------------


@pytest.mark.parametrize("kind", CHANGES)
def test_damaged_manifest_follows_from_the_one_before_and_the_files(kb, rows, kind):
    directory = in_memory(kb)
    path = first_path(directory, "c/*/manifest/*3.man")
    damage_in(directory, path, kind)
    (refused,) = repair_database(directory).refused
    assert refused.path == path
    assert "1 newer segments with 35 rows taken in" in refused.meaning
    assert "lose: changes of settings and indexes since" in refused.meaning
    report = repair_database(directory, salvage=True)
    assert report.is_complete
    assert is_clean(directory)
    assert contents(directory) == rows


def test_damaged_manifest_of_a_merge_does_not_double_rows(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("papers", paper_schema())
        for step in range(3):
            collection.upsert(papers(10, first=5 * step, seed=step))
            collection.flush()
        db.snapshot("before")  # its segments stay beside the one they are merged into
        collection.compact()
    rows = rows_in(tmp_path / "kb", read_only=True)
    damage(sorted((tmp_path / "kb").glob("c/*/manifest/*"))[-1])
    assert len(list((tmp_path / "kb").glob("c/*/seg/*"))) == 4
    assert repair(tmp_path / "kb", salvage=True).is_complete
    assert is_clean(LocalDirectory(tmp_path / "kb"))
    assert rows_in(tmp_path / "kb") == rows


def test_without_any_manifest_only_a_backup_helps(kb):
    directory = in_memory(kb)
    for name in ("1", "2", "3"):
        damage_in(directory, first_path(directory, f"c/*/manifest/*{name}.man"), "middle")
    report = repair_database(directory, salvage=True)
    assert [(f.message.partition(": ")[2], f.cure) for f in report.refused] == [
        ("no manifest can be read", "restore a backup")
    ]


@pytest.mark.parametrize("kind", CHANGES)
def test_damaged_catalog_is_made_of_the_folders(kb, rows, kind):
    directory = in_memory(kb)
    damage_in(directory, first_path(directory, "catalog/*"), kind)
    assert not repair_database(directory).is_complete
    report = repair_database(directory, salvage=True)
    assert report.is_complete
    assert "made of what is there: papers" in report.actions[0].done
    assert is_clean(directory)
    assert contents(directory) == rows


def test_collection_that_only_a_damaged_catalog_names_stays(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        db.create_collection("papers", paper_schema()).insert(papers(3))
        db.create_collection("notes", paper_schema()).insert(papers(4))
    damage(tmp_path / "kb" / "catalog" / f"{2:020d}.man")
    assert repair(tmp_path / "kb", salvage=True).is_complete
    assert len(rows_in(tmp_path / "kb", "papers")) == 3
    assert len(rows_in(tmp_path / "kb", "notes")) == 4


# --- all at once, and what is refused ---------------------------------------------------------


def test_damage_everywhere_at_once(kb, rows):
    directory = in_memory(kb)
    segment = segment_of_first_rows(directory)
    for path in (
        "FORMAT",
        f"{segment}/001-title.col",
        first_path(directory, "c/*/del/*"),
        first_path(directory, "c/*/idx/*"),
        first_path(directory, "catalog/*"),
        first_path(directory, "c/*/manifest/*3.man"),
    ):
        damage_in(directory, path, "scrambled")
    report = repair_database(directory, salvage=True)
    assert report.is_complete
    assert is_clean(directory)
    lost = LOST["001-title.col"]
    assert contents(directory) == {pk: title for pk, title in rows.items() if pk not in lost}


def test_nothing_to_repair_changes_nothing(kb):
    directory = in_memory(kb)
    before = files(directory)
    report = repair_database(directory, salvage=True)
    assert (report.actions, report.refused, report.folder) == ([], [], None)
    after = files(directory)
    assert {p: r for p, r in after.items() if p != "LOCK"} == (
        {p: r for p, r in before.items() if p != "LOCK"}
    )


def test_open_database_is_not_repaired(kb, tmp_path):
    copy = copy_of(kb, tmp_path / "kb")
    with elanus.connect(copy):
        with pytest.raises(DatabaseLockedError):
            repair(copy)
        assert repair(copy, dry_run=True).is_complete


def test_no_database(tmp_path):
    with pytest.raises(NotFoundError, match="no elanus database in"):
        repair(tmp_path)


def test_dropped_postings_are_on_the_disk_again(kb, rows, tmp_path):
    copy = copy_of(kb, tmp_path / "kb")
    for pattern in ("c/*/idx/*/bm25/*", "c/*/idx/*/sparse/*"):
        for file in copy.glob(pattern):
            damage(file)
    assert repair(copy).is_complete
    assert len(list(copy.glob("c/*/idx/*/bm25/*"))) == 2
    assert len(list(copy.glob("c/*/idx/*/sparse/*"))) == 2
    assert is_clean(LocalDirectory(copy))
    with elanus.connect(copy, read_only=True) as db, elanus.connect(kb, read_only=True) as old:
        for query in ("graph", "token score"):
            found = db.collection("papers").search(query, "bm25", limit=20)
            expected = old.collection("papers").search(query, "bm25", limit=20)
            assert [(h.id, h.score) for h in found] == [(h.id, h.score) for h in expected]
