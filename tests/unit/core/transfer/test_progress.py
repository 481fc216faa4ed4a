"""What a person sees while rows come in, and what the file of errors holds."""

import io
import json
import sys

import numpy as np
import pytest

from elanus.transfer import progress
from elanus.transfer.chunks import Extent, RowFault
from elanus.transfer.fault_log import FaultLog
from elanus.transfer.progress import Lines, Silence, open_progress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_come_every_few_seconds(clock):
    out = io.StringIO()
    lines = Lines("import x", Extent(4_000), done_rows=1_000, stream=out)
    for _ in range(6):
        clock[0] += 2
        lines.advance(500, 0)
    lines.close()
    lines.close()
    assert out.getvalue().splitlines() == [
        "import x: 2,500 rows of 4,000, 250 rows/s",
        "import x: 4,000 rows of 4,000, 250 rows/s",
        "import x: 4,000 rows of 4,000, 250 rows/s",
    ]


def test_lines_of_a_file_of_unknown_rows_show_a_share(clock):
    out = io.StringIO()
    lines = Lines("import x", Extent(None, 1_000), stream=out)
    clock[0] = 4
    lines.advance(8, 250)
    lines.close()
    assert out.getvalue() == "import x: 8 rows (25%), 2 rows/s\n"


def test_bar_or_lines_or_nothing(monkeypatch, capsys):
    bar = open_progress(True, "import x", Extent(10))
    bar.advance(10, 0)
    bar.close()
    assert "import x: 100%" in capsys.readouterr().err
    assert isinstance(open_progress(None, "import x", Extent(10)), Silence)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert isinstance(open_progress(None, "import x", Extent(10)), Lines)
    assert isinstance(open_progress(False, "import x", Extent(10)), Silence)


def fault(row, entity=None):
    return RowFault("in.csv", row, row + 2, "f", "wrong", entity)


def lines_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_faults_that_came_after_the_last_segment_are_cut(tmp_path):
    path = tmp_path / "bad.jsonl"
    log = FaultLog(path)
    assert not path.exists()
    log.add([fault(0)])
    size = log.sync()
    log.add([fault(1)])
    log.close()
    assert [line["row"] for line in lines_of(path)] == [0, 1]
    log = FaultLog(path, count=1, size=size)
    log.add([fault(5, {"v": np.arange(2), "o": object, "n": float("nan"), "t": "\udc80"})])
    log.close()
    first, second = lines_of(path)
    assert first == {
        "source": "in.csv",
        "row": 0,
        "line": 2,
        "field": "f",
        "message": "wrong",
        "entity": None,
    }
    assert second["entity"]["v"] == [0, 1]
    assert second["entity"]["o"] == "<class 'object'>"
    assert (log.count, log.path) == (2, path)
