from pathlib import Path

import pytest

from tools.checks.pages import bases_for, broken_link, looks_like_path, unlisted_pages
from tools.checks.sources import CORE, ROOT


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("LICENSE", None),
        ("tools", None),
        ("https://example.org/nothing", None),
        ("mailto:somebody@example.org", None),
        ("CONTRIBUTING.md#set-up", None),
        ("CONTRIBUTING.md#no-such-part", "no heading makes this anchor"),
        ("nothing.md", "nothing.md does not exist"),
        ("../..", "leaves the repository"),
    ],
)
def test_a_link_is_broken_when_its_file_or_heading_is_missing(
    target: str, problem: str | None
) -> None:
    found = broken_link(ROOT / "README.md", target)
    assert (found or "").endswith(problem or "")
    assert (found is None) == (problem is None)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ("core/src/elanus/types.py", True),
        ("query/", True),
        ("plan.py", True),
        ("native/distance/*.cpp", True),
        ("Collection.search()", False),
        ("elanus.errors", False),
        ("make check", False),
        ("Bitset", False),
    ],
)
def test_only_files_and_folders_look_like_paths(span: str, expected: bool) -> None:
    assert looks_like_path(span) is expected


def test_a_heading_that_names_a_folder_is_where_its_paths_start() -> None:
    assert CORE / "schema" in bases_for("`schema/`: What is a collection?")
    assert Path(ROOT) in bases_for("Anything else")


def test_pages_that_no_index_names_are_told() -> None:
    index, records = ROOT / "docs" / "README.md", ROOT / "docs" / "decisions" / "README.md"
    listed, record = ROOT / "docs" / "file-format.md", records.parent / "0022-expiry.md"
    assert unlisted_pages(index, [index, records, listed, record, ROOT / "SECURITY.md"]) == []
    assert unlisted_pages(index, [index, record]) == [
        "docs/README.md: docs/decisions/0022-expiry.md is not listed"
    ]
