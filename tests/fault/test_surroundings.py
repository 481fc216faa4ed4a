"""Clocks that jump, strange files, media that cannot be written: nothing of it loses a row."""

import random
import shutil
import subprocess

import pytest

import elanus
from elanus.engine import context
from elanus.errors import StateError, StorageError
from support.builders import paper_schema, papers
from support.small_disk import small_disk


def titles(collection):
    return {row["id"]: row["title"] for row in collection.query(output=["title"])}


def test_clock_that_jumps_keeps_the_order_of_writes(tmp_path, monkeypatch):
    """Sequence numbers hold a time, and yet the later write counts."""
    rng = random.Random(5)
    now = 1_800_000_000.0
    expected = {}
    following = None
    for life in range(8):
        now += rng.choice((-1, 1)) * rng.choice((0.001, 3600, 10 * 365 * 86_400))
        monkeypatch.setattr(context.time, "time", lambda at=now: at)
        with elanus.connect(tmp_path / "kb") as db:
            if not db.has_collection("papers"):
                db.create_collection("papers", paper_schema())
                following = elanus.connect(tmp_path / "kb", read_only=True)
            collection = db.collection("papers")
            assert titles(collection) == expected
            last = -1
            for step in range(6):
                now += rng.choice((-1, 1)) * rng.choice((0.0, 1.0, 86_400))
                monkeypatch.setattr(context.time, "time", lambda at=now: at)
                rows = papers(4, first=rng.randrange(6), seed=10 * life + step)
                collection.upsert(rows)
                expected.update({row["id"]: row["title"] for row in rows})
                if step % 3 == 1:
                    gone = rng.randrange(9)
                    collection.delete([gone])
                    expected.pop(gone, None)
                if step % 4 == 3:
                    collection.flush()
                assert collection.last_seq > last
                last = collection.last_seq
                assert titles(following.collection("papers")) == expected
            collection.compact()
            assert titles(collection) == expected
    following.close()


def test_strange_files_are_left_alone(tmp_path):
    folder = tmp_path / "kb"
    with elanus.connect(folder) as db:
        collection = db.create_collection("papers", paper_schema())
        collection.insert(papers(5))
        collection.flush()
        collection.insert(papers(5, first=5))
    strange = {}
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        if place.name.endswith(".tmp") or "seg/" in str(place.relative_to(folder)):
            continue
        for name in ("README", ".nfs0001", "00000000000000000009.man.bak", "x.wal", "notes.txt"):
            strange[place / name] = name.encode()
            (place / name).write_bytes(name.encode())
    mine = folder / "c" / "my own folder"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    strange[mine / "thesis.txt"] = b"years of work"
    for _ in range(2):
        with elanus.connect(folder) as db:
            collection = db.collection("papers")
            assert sorted(titles(collection)) == list(range(10))
            collection.upsert(papers(2, seed=1))
            collection.flush()
            collection.compact()
        with elanus.connect(folder, read_only=True) as db:
            assert sorted(titles(db.collection("papers"))) == list(range(10))
    for path, content in strange.items():
        if path.parent.is_dir():  # the folder of a merged segment goes with all in it
            assert path.read_bytes() == content


def test_medium_that_cannot_be_written_is_read(tmp_path):
    with small_disk(tmp_path / "disk", 16) as disk:
        with elanus.connect(disk / "kb") as db:
            collection = db.create_collection("papers", paper_schema())
            collection.insert(papers(20))
            collection.flush()
            collection.insert(papers(5, first=20))
        shutil.copytree(disk / "kb", tmp_path / "copy")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with elanus.connect(disk / "kb", read_only=True) as db:
            assert sorted(titles(db.collection("papers"))) == list(range(25))
            with pytest.raises(StateError, match="read_only"):
                db.collection("papers").insert(papers(1, first=99))
        with pytest.raises(StorageError, match="read_only=True"):
            elanus.connect(disk / "kb")
    with elanus.connect(tmp_path / "copy") as db:
        assert sorted(titles(db.collection("papers"))) == list(range(25))
