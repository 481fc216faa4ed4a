"""Which versions of a framework are the oldest that an adapter supports?"""

from pathlib import Path
from typing import Any

import pytest

from tools import versions

LINES = """
[project]
name = "langchain-elanus"
dependencies = ["elanus>=0.1", "langchain-core>=1.0,<2", "numpy>=2.0"]

[project.optional-dependencies]
test = ["langchain-tests >= 1.1.2"{more}]
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = tmp_path / "integrations" / "langchain"
    folder.mkdir(parents=True)
    monkeypatch.setattr(versions, "ROOT", tmp_path)
    return lambda more: (folder / "pyproject.toml").write_text(LINES.format(more=more))


def test_lowest_are_the_lower_bounds_and_what_stands_beside(write: Any) -> None:
    write("")
    lowest = versions.requirements("langchain", "lowest")
    beside = list(versions.FRAMEWORKS["langchain"].beside)
    assert lowest == ["langchain-core==1.0", "langchain-tests==1.1.2", *beside]


def test_newest_are_what_the_adapter_allows(write: Any) -> None:
    write("")
    newest = versions.requirements("langchain", "newest")
    assert newest == ["langchain-core>=1.0,<2", "langchain-tests >= 1.1.2"]


def test_a_requirement_without_a_lower_bound_is_named(write: Any) -> None:
    write(', "langchain-classic<2"')
    with pytest.raises(ValueError, match=r"no lower bound in 'langchain-classic<2'"):
        versions.requirements("langchain", "lowest")
