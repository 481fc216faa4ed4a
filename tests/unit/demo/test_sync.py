"""What a run does with files that are new, changed, gone, closed, broken or half stored."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from elanus.sync import SyncReport
from elanus_demo.corpus import Listing, Skipped, list_folder
from elanus_demo.embedding import load_embedder
from elanus_demo.passages import Document
from elanus_demo.store import PassageStore, open_store
from elanus_demo.sync import skipped, summary, sync
from support.silent_progress import SilentProgress


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PassageStore]:
    with open_store(tmp_path / "db", load_embedder("hash"), reset=False) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "docs"
    path.mkdir()
    (path / "a.md").write_text("# Keys\n\nRotate the key.\n\n# Copies\n\nCopy the folder.\n")
    (path / "b.md").write_text("Plain words.\n")
    return path


def run(folder: Path, store: PassageStore) -> dict[str, int]:
    return counts(sync(list_folder(folder), store, SilentProgress()))


def counts(report: SyncReport) -> dict[str, int]:
    """Return the counts that are not 0."""
    names = ("added", "changed", "unchanged", "deleted", "empty", "failed")
    found = {name: len(getattr(report, name)) for name in names}
    found["embedded"] = report.embedded
    return {name: count for name, count in found.items() if count}


def texts(store: PassageStore) -> dict[str, int]:
    found = store.search("words keys copies rotate copy folder plain deep", limit=999).passages
    files = [passage.file for passage in found]
    assert store.count() == len(files)
    assert list(store.passages_by_file()) == sorted(set(files))
    return {file: files.count(file) for file in files}


def test_first_run_stores_all_and_second_run_nothing(folder: Path, store: PassageStore) -> None:
    assert run(folder, store) == {"added": 2, "embedded": 3}
    assert texts(store) == {"a.md": 2, "b.md": 1}
    assert run(folder, store) == {"unchanged": 2}


def test_changed_file_is_replaced_and_its_same_passages_keep_their_vectors(
    folder: Path, store: PassageStore
) -> None:
    run(folder, store)
    (folder / "a.md").write_text("# Keys\n\nRotate it twice.\n\n# Copies\n\nCopy the folder.\n")
    assert run(folder, store) == {"changed": 1, "unchanged": 1, "embedded": 1}
    found = store.search("copy folder rotate twice key", limit=9).passages
    assert {passage.text for passage in found} == {
        "Rotate it twice.",
        "Copy the folder.",
        "Plain words.",
    }
    assert run(folder, store) == {"unchanged": 2}


def test_file_that_only_moved_its_words_gets_new_offsets(folder: Path, store: PassageStore) -> None:
    run(folder, store)
    (folder / "b.md").write_text("\n\nPlain words.\n")
    assert run(folder, store) == {"changed": 1, "unchanged": 1}
    [passage] = [p for p in store.search("plain words", limit=9).passages if p.file == "b.md"]
    assert (passage.start, passage.end) == (2, 14)


def test_vanished_file_is_removed(folder: Path, store: PassageStore) -> None:
    run(folder, store)
    (folder / "b.md").unlink()
    assert run(folder, store) == {"deleted": 1, "unchanged": 1}
    assert texts(store) == {"a.md": 2}


def test_renamed_file_is_new_and_removed(folder: Path, store: PassageStore) -> None:
    run(folder, store)
    (folder / "b.md").rename(folder / "c.md")
    assert run(folder, store) == {"added": 1, "deleted": 1, "unchanged": 1, "embedded": 1}
    assert texts(store) == {"a.md": 2, "c.md": 1}


def test_file_that_became_unreadable_is_named_and_keeps_its_passages(
    folder: Path, store: PassageStore
) -> None:
    run(folder, store)
    (folder / "b.md").write_bytes(b"\xff\xfe\x00")
    (folder / "c.pdf").write_bytes(b"%PDF-broken")
    result = sync(list_folder(folder), store, SilentProgress())
    assert counts(result) == {"unchanged": 1, "failed": 2}
    assert [file.key for file in skipped(result)] == ["b.md", "c.pdf"]
    assert texts(store) == {"a.md": 2, "b.md": 1}


def test_file_that_cannot_be_opened_keeps_its_passages(folder: Path, store: PassageStore) -> None:
    run(folder, store)
    listing = list_folder(folder)
    # As after a change of permissions, which do not bind the superuser.
    closed = [replace(file, path=folder) for file in listing.files if file.key == "b.md"]
    others = [file for file in listing.files if file.key != "b.md"]
    result = sync(replace(listing, files=(*others, *closed)), store, SilentProgress())
    assert counts(result) == {"unchanged": 1, "failed": 1}
    assert skipped(result) == (Skipped("b.md", "Is a directory"),)
    assert texts(store) == {"a.md": 2, "b.md": 1}


def test_files_below_a_closed_folder_keep_their_passages(folder: Path, store: PassageStore) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "c.md").write_text("Deep words.\n")
    run(folder, store)
    listing = list_folder(folder)
    closed = Listing(
        listing.name,
        listing.title,
        tuple(file for file in listing.files if not file.key.startswith("sub/")),
        (Skipped("sub", "Permission denied"),),
    )
    result = sync(closed, store, SilentProgress())
    assert (result.deleted, len(result.failed)) == ([], 2)
    assert texts(store) == {"a.md": 2, "b.md": 1, "sub/c.md": 1}


def test_file_without_text_is_counted(folder: Path, store: PassageStore) -> None:
    (folder / "empty.md").write_text("\n")
    assert run(folder, store) == {"added": 2, "empty": 1, "embedded": 3}
    assert run(folder, store) == {"unchanged": 2, "empty": 1}


def test_interrupted_run_leaves_what_was_there_and_is_not_paid_twice(
    tmp_path: Path, folder: Path
) -> None:
    embedder = load_embedder("hash")
    with open_store(tmp_path / "other", embedder, reset=False) as store:
        run(folder, store)
        sections = "".join(f"# Head {number}\n\nWords {number}.\n\n" for number in range(700))
        (folder / "long.md").write_text(sections)
        (folder / "short.md").write_text("# Last\n\nWords of it.\n")
        with pytest.raises(KeyboardInterrupt):
            sync(list_folder(folder), store, SilentProgress(stop_after=6))
        assert texts(store) == {"a.md": 2, "b.md": 1}
        assert (tmp_path / "other.vectors").is_file()
        assert run(folder, store) == {"added": 2, "unchanged": 2, "embedded": 701}
        assert store.count() == 704
        assert not (tmp_path / "other.vectors").exists()


def test_file_that_was_not_touched_is_not_read(folder: Path, store: PassageStore) -> None:
    for file in folder.iterdir():
        os.utime(file, (1_000_000_000, 1_000_000_000))
    run(folder, store)
    listing = list_folder(folder)

    def read(_content: bytes) -> Document:
        raise AssertionError

    files = tuple(replace(file, read=read) for file in listing.files)
    result = sync(replace(listing, files=files), store, SilentProgress())
    assert (counts(result), result.read) == ({"unchanged": 2}, 0)


def test_summary_is_one_line() -> None:
    report = SyncReport("s", added=["a"] * 1200, deleted=["b"])
    assert summary(report) == "1,200 new, 0 changed, 1 removed, 0 unchanged"
    report = SyncReport("s", unchanged=["a"], empty=["b"], failed={"c": "why"})
    assert summary(report) == (
        "0 new, 0 changed, 0 removed, 1 unchanged, 1 without text, 1 skipped"
    )
