from dataclasses import replace
from pathlib import Path

import pytest

from tools.bootstrap.stamp import (
    FILE_NAME,
    Stamp,
    Work,
    read_stamp,
    remove_stamp,
    work_left,
    write_stamp,
)

NOW = Stamp(python="p", environment="e", native="n")


@pytest.mark.parametrize(
    ("stamp", "usable", "work"),
    [
        (NOW, True, Work.NOTHING),
        (replace(NOW, native="older"), True, Work.BUILD),
        (replace(NOW, native="", environment="older"), True, Work.INSTALL),
        (replace(NOW, environment="older"), True, Work.INSTALL),
        (replace(NOW, python="other"), True, Work.CREATE),
        (NOW, False, Work.CREATE),
        (None, True, Work.INSTALL),
        (None, False, Work.CREATE),
    ],
)
def test_work_left_is_the_most_that_any_difference_asks_for(
    stamp: Stamp | None, usable: bool, work: Work
) -> None:
    assert work_left(stamp, NOW, usable=usable) is work


def test_a_written_stamp_is_read_back(tmp_path: Path) -> None:
    write_stamp(tmp_path, NOW)
    assert read_stamp(tmp_path) == NOW
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_a_removed_stamp_is_gone_and_removing_it_twice_is_fine(tmp_path: Path) -> None:
    write_stamp(tmp_path, NOW)
    remove_stamp(tmp_path)
    remove_stamp(tmp_path)
    assert read_stamp(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"python": "p"}', '{"python": 1, "more": 2}'])
def test_a_stamp_that_cannot_be_read_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    assert read_stamp(tmp_path) is None
