"""A backup is the database at one moment; what comes back is that, or a message."""

import threading
from pathlib import Path

import pytest

import elanus
from elanus.api.repair import repair
from elanus.errors import (
    CorruptionError,
    DatabaseLockedError,
    InvalidArgumentError,
    NotFoundError,
    StorageError,
)
from elanus.storage.backup.record import list_backups, load_backup
from elanus.storage.backup.restore import restore_backup, verify_backups
from elanus.storage.catalog import RESTORE_MARKER, read_format
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.verification import verify_database
from support.builders import paper_schema, papers
from support.stored_files import (
    CHANGES,
    copy_of,
    damage,
    damage_in,
    in_memory,
    make_papers,
    one,
    rows_in,
)

SEGMENT_FILES = {
    "000-id.col",
    "001-title.col",
    "002-year.col",
    "003-meta.col",
    "004-dense.vec",
    "005-sparse.col",
    "pk.idx",
    "rows.col",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A database and a folder with one backup of it; read only."""
    folder = tmp_path_factory.mktemp("backup")
    make_papers(folder / "kb")
    with elanus.connect(folder / "kb", read_only=True) as db:
        db.backup(folder / "backups")
    return folder


def files_in(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def is_clean(folder: Path) -> bool:
    parts = list(verify_database(LocalDirectory(folder, read_only=True)))
    return not any(part.findings for part in parts)


def test_restored_database_holds_the_same_rows_under_another_identifier(made, tmp_path):
    result = elanus.restore(made / "backups", tmp_path / "new")
    assert (result.number, result.collections) == (1, ("papers",))
    assert is_clean(tmp_path / "new")
    old, new = (read_format(LocalDirectory(p)) for p in (made / "kb", tmp_path / "new"))
    assert old != new
    assert rows_in(tmp_path / "new") == rows_in(made / "kb", read_only=True)
    with elanus.connect(tmp_path / "new") as db:
        collection = db.collection("papers")
        collection.insert(papers(1, first=900))
        collection.flush()
        assert collection.count() == 79 + 1
    assert is_clean(tmp_path / "new")


def test_second_backup_copies_only_new_files(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("papers", paper_schema())
        collection.insert(papers(40))
        collection.flush()
        first = db.backup(tmp_path / "b")
        before = files_in(tmp_path / "b")
        collection.delete([3])
        collection.insert(papers(10, first=100))
        collection.flush()
        second = db.backup(tmp_path / "b")
    new = files_in(tmp_path / "b") - before
    (segment,) = {p.split("/")[3] for p in new if "/seg/" in p}
    (folder,) = (tmp_path / "b" / "c").iterdir()
    shared = {p for p in new if p.startswith("c/")}
    assert {p.removeprefix(f"c/{folder.name}/seg/{segment}/") for p in shared if "/seg/" in p} == (
        SEGMENT_FILES
    )
    assert len([p for p in shared if "/idx/" in p]) == 2
    assert len([p for p in shared if "/del/" in p]) == 1
    own = f"backups/{2:020d}"
    assert new - shared == {
        f"{own}.man",
        f"{own}/c/{folder.name}/manifest/{3:020d}.man",
        f"{own}/c/{folder.name}/wal/0000-{3:020d}.wal",
    }
    assert (first.number, first.reused_bytes) == (1, 0)
    assert second.number == 2
    assert second.reused_bytes > 0
    assert second.copied_bytes == sum((tmp_path / "b" / p).stat().st_size for p in new) - (
        (tmp_path / "b" / f"{own}.man").stat().st_size
    )


def test_each_backup_restores_its_own_moment(tmp_path):
    states = []
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("papers", paper_schema())
        for step in range(3):
            collection.upsert(papers(10, first=5 * step, seed=step))
            if step == 1:
                collection.flush()
                db.create_collection("notes", paper_schema())
            db.backup(tmp_path / "b")
            states.append({r["id"]: r["title"] for r in collection.query(output=["id", "title"])})
    for number, state in enumerate(states, start=1):
        elanus.restore(tmp_path / "b", tmp_path / str(number), number)
        assert rows_in(tmp_path / str(number)) == state
        with elanus.connect(tmp_path / str(number)) as db:
            assert db.list_collections() == (["papers"] if number == 1 else ["notes", "papers"])


def test_backup_during_writes_is_an_acknowledged_prefix(tmp_path):
    """Each batch is ten rows; acknowledged ones are there, and none is there in part."""
    acknowledged = 0
    stop = threading.Event()

    def write(collection):
        nonlocal acknowledged
        batch = 0
        while not stop.is_set():
            collection.insert(papers(10, first=10 * batch))
            if batch % 7 == 6:
                collection.flush()
            batch += 1
            acknowledged = batch
            if batch % 20 == 0:
                collection.compact()

    bounds = []
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("papers", paper_schema())
        writer = threading.Thread(target=write, args=(collection,))
        writer.start()
        try:
            for _ in range(8):
                before = acknowledged
                db.backup(tmp_path / "b")
                bounds.append((before, acknowledged + 1))
        finally:
            stop.set()
            writer.join()
    for number, (low, high) in enumerate(bounds, start=1):
        elanus.restore(tmp_path / "b", tmp_path / f"r{number}", number)
        found = sorted(rows_in(tmp_path / f"r{number}"))
        assert found == list(range(len(found)))
        assert len(found) % 10 == 0
        assert low <= len(found) // 10 <= high


def test_empty_database_is_backed_up(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        assert db.backup(tmp_path / "backups").number == 1
    elanus.restore(tmp_path / "backups", tmp_path / "restored")
    with elanus.connect(tmp_path / "restored", read_only=True) as db:
        assert db.list_collections() == []


def test_memory_database_is_saved(tmp_path):
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("papers", paper_schema())
        collection.insert(papers(12))
        collection.flush()
        collection.delete([4])
        db.backup(tmp_path / "b")
        expected = {r["id"]: r["title"] for r in collection.query(output=["id", "title"])}
    elanus.restore(tmp_path / "b", tmp_path / "new")
    assert rows_in(tmp_path / "new") == expected


def test_keep_deletes_old_backups_and_what_only_they_need(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("papers", paper_schema())
        collection.insert(papers(10))
        collection.flush()
        db.backup(tmp_path / "b")
        collection.upsert(papers(10, seed=1))
        collection.flush()
        collection.compact()
        db.backup(tmp_path / "b")
        result = db.backup(tmp_path / "b", keep=1)
    assert result.deleted == (1, 2)
    target = LocalDirectory(tmp_path / "b", read_only=True)
    assert list_backups(target) == [3]
    named = {file.stored for file in load_backup(target).files}
    assert files_in(tmp_path / "b") == named | {f"backups/{3:020d}.man", "BACKUPS", "LOCK"}
    elanus.restore(tmp_path / "b", tmp_path / "new")
    assert len(rows_in(tmp_path / "new")) == 10


def test_keep_deletes_from_folders_that_stay(tmp_path):
    make_papers(tmp_path / "kb")
    backups = tmp_path / "b"
    with elanus.connect(tmp_path / "kb") as db:
        db.backup(backups)
        (tombstones,) = backups.glob("c/*/del/*")
        keys = next(backups.glob("c/*/seg/*/pk.idx")).relative_to(backups)
        db.collection("papers").delete([22])
        db.collection("papers").flush()
    damage(tmp_path / "kb" / keys, "deleted")
    assert repair(tmp_path / "kb").is_complete
    # A backup that was killed, and one that was deleted by a process that was.
    (backups / "backups" / f"{2:020d}" / "c").mkdir(parents=True)
    (backups / "backups" / f"{2:020d}" / "c" / "half").write_text("half")
    (backups / "backups" / f"{1:020d}.man.tmp").write_text("half")
    with elanus.connect(tmp_path / "kb", read_only=True) as db:
        db.backup(backups, keep=1)
    target = LocalDirectory(backups, read_only=True)
    named = {file.stored for file in load_backup(target).files}
    # The one that stays has another file of a name that an older backup took.
    assert any(name.rpartition("/")[2].startswith("pk.idx.") for name in named)
    assert files_in(backups) == named | {f"backups/{2:020d}.man", "BACKUPS", "LOCK"}
    assert not tombstones.exists()
    assert tombstones.parent.exists()
    assert not [p for p in backups.rglob("*") if p.is_dir() and not any(p.iterdir())]
    assert [v.findings for v in verify_backups(target)] == [()]
    elanus.restore(backups, tmp_path / "new")
    assert rows_in(tmp_path / "new") == rows_in(tmp_path / "kb", read_only=True)


def test_keep_deletes_nothing_when_a_record_that_stays_is_damaged(tmp_path):
    make_papers(tmp_path / "kb")
    with elanus.connect(tmp_path / "kb", read_only=True) as db:
        db.backup(tmp_path / "b")
        db.backup(tmp_path / "b")
        damage(tmp_path / "b" / "backups" / f"{2:020d}.man")
        before = files_in(tmp_path / "b")
        with pytest.raises(CorruptionError, match="other backups there: 1"):
            db.backup(tmp_path / "b", keep=2)
    assert before <= files_in(tmp_path / "b")


# --- what is refused --------------------------------------------------------------------------


def test_places_that_are_refused(made, tmp_path):
    kb = copy_of(made / "kb", tmp_path / "kb")
    make_papers(tmp_path / "other")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with elanus.connect(kb, read_only=True) as db:
        for place, message in [
            (kb, "lies inside the database"),
            (kb / "b", "lies inside the database"),
            (tmp_path, "lies inside"),
            (tmp_path / "other", "is a database itself"),
            (tmp_path / "full", "not empty and holds no backups .found 'letter.txt'"),
        ]:
            with pytest.raises(InvalidArgumentError, match=message):
                db.backup(place)
    with elanus.connect(tmp_path / "other", read_only=True) as db:
        backups = copy_of(made / "backups", tmp_path / "backups")
        with pytest.raises(InvalidArgumentError, match="holds backups of database"):
            db.backup(backups)
    assert files_in(tmp_path / "full") == {"letter.txt"}


def test_restore_is_refused_over_anything(made, tmp_path):
    backups = made / "backups"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    for place, message in [
        (made / "kb", "is a database already"),
        (tmp_path / "full", "is not empty .found 'letter.txt'"),
        (backups / "x", "lies inside"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            elanus.restore(backups, place)
    with pytest.raises(NotFoundError, match="holds no backup 7; there are 1"):
        elanus.restore(backups, tmp_path / "new", 7)
    with pytest.raises(NotFoundError, match="holds no backups"):
        elanus.restore(tmp_path / "none", tmp_path / "new")
    assert files_in(tmp_path / "full") == {"letter.txt"}


def test_two_backups_into_one_folder_at_once_are_refused(made, tmp_path):
    backups = copy_of(made / "backups", tmp_path / "backups")
    lock = LocalDirectory(backups).try_lock("LOCK", b"1")
    assert lock is not None
    with (
        elanus.connect(made / "kb", read_only=True) as db,
        pytest.raises(DatabaseLockedError, match="another backup into this folder is running"),
    ):
        db.backup(backups)
    lock.release()


# --- damage -----------------------------------------------------------------------------------


def test_damaged_source_is_named_and_good_copies_stay(tmp_path):
    make_papers(tmp_path / "kb")
    with elanus.connect(tmp_path / "kb") as db:
        db.backup(tmp_path / "b")
        db.collection("papers").insert(papers(5, first=500))
        db.collection("papers").flush()
    before = files_in(tmp_path / "b")
    newest = max((tmp_path / "kb").glob("c/*/seg/*/001-title.col"), key=lambda p: p.stat().st_mtime)
    damage(newest)
    with (
        elanus.connect(tmp_path / "kb", read_only=True) as db,
        pytest.raises(CorruptionError) as caught,
    ):
        db.backup(tmp_path / "b")
    assert caught.value.path == str(newest.relative_to(tmp_path / "kb"))
    assert list_backups(LocalDirectory(tmp_path / "b")) == [1]
    assert before <= files_in(tmp_path / "b")
    assert not any(v.findings for v in verify_backups(LocalDirectory(tmp_path / "b")))
    # Also one that an earlier backup has, and had better be restored from there.
    damage(newest)
    older = sorted(p for p in tmp_path.glob("kb/c/*/seg/*/001-title.col") if p != newest)[0]
    damage(older, "head")
    with (
        elanus.connect(tmp_path / "kb", read_only=True) as db,
        pytest.raises(CorruptionError) as caught,
    ):
        db.backup(tmp_path / "b")
    assert caught.value.path == str(older.relative_to(tmp_path / "kb"))


@pytest.mark.parametrize("pattern", ["c/*/idx/*/bm25/*", "c/*/seg/*/pk.idx"])
@pytest.mark.parametrize("kind", ["middle", "deleted"])
def test_damaged_derivable_file_is_left_out(made, tmp_path, pattern, kind):
    kb = copy_of(made / "kb", tmp_path / "kb")
    file = sorted(kb.glob(pattern))[0]
    damage(file, kind)
    with elanus.connect(kb, read_only=True) as db:
        result = db.backup(tmp_path / "b")
    assert result.left_out == (str(file.relative_to(kb)),)
    elanus.restore(tmp_path / "b", tmp_path / "new")
    assert rows_in(tmp_path / "new") == rows_in(made / "kb", read_only=True)


def stored_files(folder: Path) -> list[str]:
    record = load_backup(LocalDirectory(folder, read_only=True))
    return [file.stored for file in record.files] + [f"backups/{1:020d}.man", "BACKUPS"]


def kinds(paths: list[str]) -> list[str]:
    """Return one file of each kind."""
    chosen = {
        p.rpartition("/")[2].rpartition("-")[2] if "/seg/" in p else _kind(p): p for p in paths
    }
    return sorted(chosen.values())


def _kind(path: str) -> str:
    parts = path.split("/")
    return parts[-3] + parts[-2] if len(parts) > 2 else path


@pytest.mark.parametrize("kind", CHANGES)
def test_every_kind_of_damage_in_a_backup_is_found(made, kind):
    names = kinds(stored_files(made / "backups"))
    assert len(names) >= 14
    for name in names:
        backups = in_memory(made / "backups")
        damage_in(backups, name, kind)
        database = MemoryDirectory()
        with pytest.raises((CorruptionError, NotFoundError)) as caught:
            restore_backup(backups, database)
        if isinstance(caught.value, CorruptionError):
            assert name in str(caught.value)
        else:
            assert kind == "deleted"
            assert name in ("BACKUPS", f"backups/{1:020d}.man")
        assert set(database.list_names("")) <= {"LOCK"}
        if name not in ("BACKUPS", f"backups/{1:020d}.man"):
            (found,) = verify_backups(backups)
            assert [name in finding for finding in found.findings] == [True], name


def test_next_backup_mends_a_damaged_copy(made, tmp_path):
    backups = copy_of(made / "backups", tmp_path / "b")
    damaged = sorted(backups.glob("c/*/seg/*/001-title.col"))[0]
    damage(damaged, "head")
    with elanus.connect(made / "kb", read_only=True) as db:
        db.backup(backups)
    assert [len(v.findings) for v in verify_backups(LocalDirectory(backups))] == [0, 0]


def test_other_file_of_the_same_name_is_kept_beside(made, tmp_path):
    """A repair writes pk.idx again under its name; older backups keep theirs."""
    kb = copy_of(made / "kb", tmp_path / "kb")
    backups = copy_of(made / "backups", tmp_path / "b")
    damage(sorted(kb.glob("c/*/seg/*/pk.idx"))[0], "deleted")
    assert repair(kb).is_complete
    with elanus.connect(kb, read_only=True) as db:
        db.backup(backups)
    assert len(list(backups.glob("c/*/seg/*/pk.idx.*"))) == 1
    assert [len(v.findings) for v in verify_backups(LocalDirectory(backups))] == [0, 0]


def test_interrupted_restore_is_refused_and_starts_again(made, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    (new / RESTORE_MARKER).write_text("")
    (new / "c").mkdir()
    (new / "c" / "half").write_text("half")
    (new / "FORMAT.0a.tmp").write_text("half")
    with pytest.raises(StorageError, match="a restore into this folder did not finish"):
        elanus.connect(new)
    elanus.restore(made / "backups", new)
    assert is_clean(new)
    assert {p.name for p in new.iterdir()} == {"FORMAT", "LOCK", "catalog", "c"}


def test_folder_that_somebody_fills_before_the_lock_is_taken(made):
    class Overtaken(MemoryDirectory):
        """Has a letter in it when the lock is taken."""

        def try_lock(self, path, holder):
            self.write_new("letter.txt", [b"mine"])
            return super().try_lock(path, holder)

    place = Overtaken()
    with pytest.raises(InvalidArgumentError, match=r"is not empty \(found 'letter.txt'\)"):
        restore_backup(in_memory(made / "backups"), place)
    assert bytes(place.read("letter.txt")) == b"mine"


def test_log_is_copied_to_the_last_acknowledged_write(made, tmp_path):
    """Bytes behind it are of a write that nobody was promised."""
    kb = copy_of(made / "kb", tmp_path / "kb")
    log = one(kb, "c/*/wal/*.wal")
    one(kb, "c/*/PUB").unlink()
    with log.open("ab") as file:
        file.write(b"torn")
    with elanus.connect(kb, read_only=True) as db:
        db.backup(tmp_path / "b")
    record = load_backup(LocalDirectory(tmp_path / "b"))
    (copied,) = [file for file in record.files if file.path.endswith(".wal")]
    assert copied.size == log.stat().st_size - len("torn")
