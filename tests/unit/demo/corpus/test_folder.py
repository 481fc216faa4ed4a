"""A folder with everything a folder may hold."""

import os
from pathlib import Path

import pytest

from elanus_demo.corpus import CorpusError, Skipped, list_folder


def test_files_are_listed_by_relative_path_and_others_counted(tmp_path: Path) -> None:
    for name in ("b.md", "sub/a.TXT", "sub/deep/c.html", "picture.png", ".hidden.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    for left_out in (".git/x.md", "node_modules/y.md", "__pycache__/z.py"):
        (tmp_path / left_out).parent.mkdir()
        (tmp_path / left_out).write_text("text")
    listing = list_folder(tmp_path)
    assert [file.key for file in listing.files] == ["b.md", "sub/a.TXT", "sub/deep/c.html"]
    assert [file.path for file in listing.files] == [tmp_path / f.key for f in listing.files]
    assert listing.num_other == 1
    assert listing.skipped == ()


def test_link_loops_end_and_broken_links_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")
    (tmp_path / "self.md").symlink_to(tmp_path / "self.md")
    listing = list_folder(tmp_path)
    assert [file.key for file in listing.files] == ["a.md"]
    assert [skipped.key for skipped in listing.skipped] == ["gone.md", "self.md"]
    assert listing.skipped[0].reason == "broken link"
    assert listing.skipped[1].reason == os.strerror(40)


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    os.mkfifo(tmp_path / "pipe.md")
    assert list_folder(tmp_path).skipped == (Skipped("pipe.md", "not a regular file"),)


def test_too_large_file_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(65 * 2**20)
    assert list_folder(tmp_path).skipped == (Skipped("huge.txt", "larger than 64 MiB"),)


def test_single_file_is_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text("text")
    (tmp_path / "two.md").write_text("text")
    assert [file.key for file in list_folder(tmp_path / "one.md").files] == ["one.md"]


def test_folders_of_one_name_have_different_stores(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "my docs").mkdir(parents=True)
        (tmp_path / parent / "my docs" / "x.md").write_text("text")
    first = list_folder(tmp_path / "a" / "my docs").name
    second = list_folder(tmp_path / "b" / "my docs").name
    assert first != second
    assert first.startswith("my-docs-")
    assert list_folder(tmp_path / "a" / "my docs").name == first


def test_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="nowhere: no such folder"):
        list_folder(tmp_path / "nowhere")


def test_folder_with_nothing_to_read_says_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"")
    (tmp_path / "gone.md").symlink_to("nowhere")
    with pytest.raises(CorpusError) as caught:
        list_folder(tmp_path)
    assert str(caught.value).splitlines() == [
        f"{tmp_path}: nothing to read; expected files named .htm, .html, .markdown, .md, .pdf, "
        ".py, .pyi, .rst, .text, .txt, .xhtml",
        "  gone.md: broken link",
        "  files of other types: 1",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_closed_folder_is_listed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        assert list_folder(tmp_path).skipped == (Skipped("closed", os.strerror(13)),)
    finally:
        closed.chmod(0o700)
