"""A worker process measures a system and answers with figures."""

import sys

import numpy as np
import pytest

from benchmarks.macro.bundle import read_batches, read_queries, write_bundle
from benchmarks.macro.worker_process import WorkerFailedError, WorkerProcess

TEXTS = ["rotate a key", "parse a date", "run a process", "count the words"]
VECTORS = np.eye(4, 8, dtype=np.float32)


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bundle"
    columns = (TEXTS, ["manual"] * 4, [0, 1, 2, 3])
    write_bundle(folder, columns, VECTORS, ["date", "key"], VECTORS[[1, 0]])
    return folder


def test_bundle_comes_back_in_batches(bundle):
    batches = list(read_batches(bundle, 3))
    assert [rows.ids for rows in batches] == [[0, 1, 2], [3]]
    assert [text for rows in batches for text in rows.texts] == TEXTS
    assert [bucket for rows in batches for bucket in rows.buckets] == [0, 1, 2, 3]
    np.testing.assert_array_equal(np.concatenate([rows.vectors for rows in batches]), VECTORS)
    texts, vectors = read_queries(bundle)
    assert texts == ["date", "key"]
    np.testing.assert_array_equal(vectors, VECTORS[[1, 0]])


def test_worker_loads_reopens_and_searches(bundle, tmp_path):
    folder, log = tmp_path / "database", tmp_path / "log"
    with WorkerProcess(sys.executable, "elanus", bundle, core=None, log=log) as worker:
        assert worker.call("describe")["kinds"] == ["dense", "bm25", "hybrid"]
        load = worker.call("load", folder=str(folder), batch_rows=3)
    assert len(load["batch_s"]) == 2
    assert list(load["steps_s"]) == ["flush", "wait_indexed", "compact"]
    assert (tmp_path / "database-segments").is_dir()
    with WorkerProcess(sys.executable, "elanus", bundle, core=0, log=log) as worker:
        opened = worker.call("open", folder=str(folder), spawned_ns=worker.spawned_ns)
        found = {
            kind: worker.call("search", case=case, queries=[0, 1], effort={}, budget_s=60)
            for kind, case in {
                "dense": {"kind": "dense", "below": None, "source": None, "with_text": True},
                "filtered": {"kind": "dense", "below": 1, "source": None, "with_text": False},
                "of a source": {
                    "kind": "dense",
                    "below": None,
                    "source": "manual",
                    "with_text": False,
                },
                "bm25": {"kind": "bm25", "below": None, "source": None, "with_text": False},
            }.items()
        }
    assert opened["first_answer_s"] >= opened["open_s"] > 0
    assert [ids[0] for ids in found["dense"]["ids"]] == [1, 0]
    assert found["filtered"]["ids"] == [[0], [0]]
    assert [ids[0] for ids in found["of a source"]["ids"]] == [1, 0]
    assert found["bm25"]["ids"] == [[1], [0]]
    assert all(len(answer["ns"]) == 2 for answer in found.values())


def test_failure_of_a_system_is_reported_and_the_worker_goes_on(bundle, tmp_path):
    log = tmp_path / "log"
    case = {"kind": "bm25", "below": None, "source": None, "with_text": False}
    with WorkerProcess(sys.executable, "elanus", bundle, core=None, log=log) as worker:
        with pytest.raises(WorkerFailedError, match="elanus search: AttributeError"):
            worker.call("search", case=case, queries=[0], effort={}, budget_s=1)
        assert worker.call("memory")["steady_bytes"] > 0
