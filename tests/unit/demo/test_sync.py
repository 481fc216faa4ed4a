"""What a run does with files that are new, changed, gone, closed, broken or half stored."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from elanus_demo.corpus import Listing, Skipped, list_folder
from elanus_demo.embedding import load_embedder
from elanus_demo.store import PassageStore, open_store
from elanus_demo.sync import SyncReport, sync
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


def run(folder: Path, store: PassageStore) -> SyncReport:
    return replace(sync(list_folder(folder), store, SilentProgress()), elapsed_s=0.0)


def report(**counts: int) -> SyncReport:
    names = ("new", "changed", "repaired", "removed", "unchanged", "empty", "num_embedded")
    return SyncReport(**{name: counts.get(name, 0) for name in names}, skipped=(), elapsed_s=0.0)


def texts(store: PassageStore) -> dict[str, int]:
    return {file: len(state.rows) for file, state in store.files().items()}


def test_first_run_stores_all_and_second_run_nothing(folder: Path, store: PassageStore) -> None:
    assert run(folder, store) == report(new=2, num_embedded=3)
    assert texts(store) == {"a.md": 2, "b.md": 1}
    assert run(folder, store) == report(unchanged=2)


def test_changed_file_is_replaced_and_its_same_passages_keep_their_vectors(
    folder: Path, store: PassageStore
) -> None:
    run(folder, store)
    (folder / "a.md").write_text("# Keys\n\nRotate it twice.\n\n# Copies\n\nCopy the folder.\n")
    assert run(folder, store) == report(changed=1, unchanged=1, num_embedded=1)
    found = store.search("copy folder rotate twice key", limit=9).passages
    assert {passage.text for passage in found} == {
        "Rotate it twice.",
        "Copy the folder.",
        "Plain words.",
    }
    assert run(folder, store) == report(unchanged=2)


def test_file_that_only_moved_its_words_gets_new_offsets(folder: Path, store: PassageStore) -> None:
    run(folder, store)
    (folder / "b.md").write_text("\n\nPlain words.\n")
    assert run(folder, store) == report(changed=1, unchanged=1, num_embedded=0)
    [passage] = [p for p in store.search("plain words", limit=9).passages if p.file == "b.md"]
    assert (passage.start, passage.end) == (2, 14)


def test_vanished_file_is_removed(folder: Path, store: PassageStore) -> None:
    run(folder, store)
    (folder / "b.md").unlink()
    assert run(folder, store) == report(removed=1, unchanged=1)
    assert texts(store) == {"a.md": 2}


def test_renamed_file_is_new_and_removed(folder: Path, store: PassageStore) -> None:
    run(folder, store)
    (folder / "b.md").rename(folder / "c.md")
    assert run(folder, store) == report(new=1, removed=1, unchanged=1, num_embedded=1)
    assert texts(store) == {"a.md": 2, "c.md": 1}


def test_file_that_became_unreadable_is_named_and_removed(
    folder: Path, store: PassageStore
) -> None:
    run(folder, store)
    (folder / "b.md").write_bytes(b"\xff\xfe\x00")
    (folder / "c.pdf").write_bytes(b"%PDF-broken")
    result = run(folder, store)
    assert (result.removed, result.unchanged, result.new) == (1, 1, 0)
    assert [skipped.key for skipped in result.skipped] == ["b.md", "c.pdf"]
    assert texts(store) == {"a.md": 2}


def test_file_that_cannot_be_opened_keeps_its_passages(folder: Path, store: PassageStore) -> None:
    run(folder, store)
    listing = list_folder(folder)
    # As after a change of permissions, which do not bind the superuser.
    closed = [replace(file, path=folder) for file in listing.files if file.key == "b.md"]
    others = [file for file in listing.files if file.key != "b.md"]
    result = sync(replace(listing, files=(*others, *closed)), store, SilentProgress())
    assert (result.removed, result.unchanged) == (0, 1)
    assert result.skipped == (Skipped("b.md", "Is a directory"),)
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
    assert sync(closed, store, SilentProgress()).removed == 0
    assert texts(store) == {"a.md": 2, "b.md": 1, "sub/c.md": 1}


def test_file_without_text_is_counted(folder: Path, store: PassageStore) -> None:
    (folder / "empty.md").write_text("\n")
    assert run(folder, store) == report(new=2, empty=1, num_embedded=3)
    assert run(folder, store) == report(unchanged=2, empty=1)


def test_interrupted_file_is_completed_without_embedding_twice(
    tmp_path: Path, folder: Path
) -> None:
    sections = "".join(f"# Head {number}\n\nWords {number}.\n\n" for number in range(200))
    (folder / "long.md").write_text(sections)
    embedder = load_embedder("hash")
    with (
        open_store(tmp_path / "other", embedder, reset=False) as store,
        pytest.raises(KeyboardInterrupt),
    ):
        sync(list_folder(folder), store, SilentProgress(stop_after=1))
    with open_store(tmp_path / "other", embedder, reset=False) as store:
        # One batch of 128: three passages of the short files, 125 of the long one.
        assert texts(store) == {"a.md": 2, "b.md": 1, "long.md": 125}
        assert run(folder, store) == report(repaired=1, unchanged=2, num_embedded=75)
        assert texts(store) == {"a.md": 2, "b.md": 1, "long.md": 200}
        assert run(folder, store) == report(unchanged=3)


def test_interrupted_replacement_leaves_no_old_passage_in_the_end(
    folder: Path, store: PassageStore
) -> None:
    def long(word: str) -> str:
        return "".join(f"# Head {number}\n\n{word} {number}.\n\n" for number in range(200))

    (folder / "long.md").write_text(long("Old"))
    run(folder, store)
    (folder / "long.md").write_text(long("New"))
    with pytest.raises(KeyboardInterrupt):
        sync(list_folder(folder), store, SilentProgress(stop_after=1))
    # Until the new passages are all there, the old ones still answer.
    assert texts(store)["long.md"] == 200 + 128
    assert run(folder, store) == report(changed=1, unchanged=2, num_embedded=72)
    assert texts(store)["long.md"] == 200
    assert run(folder, store) == report(unchanged=3)


def test_summary_is_one_line() -> None:
    assert report(new=3, changed=1, removed=2, unchanged=812).summary == (
        "3 new, 1 changed, 2 removed, 812 unchanged"
    )
    full = replace(report(new=1200, repaired=1, empty=4), skipped=(Skipped("x", "why"),))
    assert full.summary == (
        "1,200 new, 0 changed, 1 completed after an interrupted run, 0 removed, 0 unchanged, "
        "4 without text, 1 skipped"
    )
