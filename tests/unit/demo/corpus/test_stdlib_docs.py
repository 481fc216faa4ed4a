"""The public modules of a library, and of the one that runs."""

from pathlib import Path

import pytest

from elanus_demo.corpus import CorpusError, list_stdlib


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('"""Words."""\n')


def test_only_public_modules_by_import_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        "json/__init__.py",
        "json/decoder.py",
        "json/_speed.py",
        "_private.py",
        "__future__.py",
        "test/test_json.py",
        "unittest/test/case.py",
        "site-packages/other.py",
        "idlelib/idle.py",
        "config-3.11/python-config.py",
        "abc.py",
    )
    listing = list_stdlib(tmp_path)
    assert [file.key for file in listing.files] == ["abc", "json", "json.decoder"]


def test_private_twin_speaks_for_the_public_module(tmp_path: Path) -> None:
    write(tmp_path, "datetime.py", "_pydatetime.py", "_collections_abc.py")
    listing = list_stdlib(tmp_path)
    assert [file.key for file in listing.files] == [
        "collections.abc",
        "datetime",
        "datetime (datetime)",
    ]
    document = listing.files[1].read(b'class date:\n    """A day."""\n')
    assert document.sections[0].context == "module datetime, class date"


def test_running_python_documents_itself() -> None:
    listing = list_stdlib()
    keys = {file.key for file in listing.files}
    assert {"datetime", "subprocess", "collections", "http.server", "asyncio.tasks"} <= keys
    assert len(listing.example_questions) == 3


def test_part_of_the_library_has_its_own_name() -> None:
    part = list_stdlib(modules=frozenset({"json"}))
    assert {file.key.partition(".")[0] for file in part.files} == {"json"}
    assert part.name != list_stdlib().name


def test_library_without_sources_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no Python sources"):
        list_stdlib(tmp_path)
