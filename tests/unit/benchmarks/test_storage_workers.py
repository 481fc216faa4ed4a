"""A worker process writes, opens and shrinks a store, and answers with figures."""

import sys

import numpy as np
import pytest

from benchmarks import report
from benchmarks.macro.bundle import write_bundle
from benchmarks.macro.worker_process import WorkerFailedError, WorkerProcess

ROWS = 40
VECTORS = np.random.default_rng(0).standard_normal((ROWS, 8)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


@pytest.fixture
def start(tmp_path):
    bundle = tmp_path / "bundle"
    texts = [f"passage number {n}" for n in range(ROWS)]
    columns = (texts, ["manual"] * ROWS, [n % 7 for n in range(ROWS)])
    write_bundle(bundle, columns, VECTORS, ["number 3"], VECTORS[3:4])

    def worker(store):
        return WorkerProcess(
            sys.executable,
            store,
            bundle,
            core=None,
            log=tmp_path / "log",
            module="benchmarks.macro.storage_worker",
        )

    return worker


@pytest.mark.parametrize("store", ["elanus", "sqlite"])
def test_every_acknowledged_row_is_counted(start, tmp_path, store):
    sizes = {"batch_rows": 3, "max_rows": 31, "budget_s": 60}
    with start(store) as worker:
        for number, form in enumerate(worker.call("describe")["forms"]):
            folder = str(tmp_path / str(number))
            run = worker.call("insert", folder=folder, form=form, threads=4, **sizes)
            assert (run["rows"], len(run["ns"])) == (31, 11)


@pytest.mark.parametrize("store", ["elanus", "sqlite"])
def test_loaded_rows_are_found_and_deleted_ones_give_space_back(start, tmp_path, store):
    folder = str(tmp_path / "database")
    with start(store) as worker:
        kinds = worker.call("describe")["kinds"]
        worker.call("load", folder=folder, form="bm25", copies=3)
    for kind in kinds:
        with start(store) as worker:
            times = worker.call(
                "first_answer", folder=folder, kind=kind, number=3, spawned_ns=worker.spawned_ns
            )
        assert times["process_s"] > times["first_answer_s"] > times["open_s"] >= 0
    with start(store) as worker:
        doomed = [n for n in range(3 * ROWS) if n % 10]
        shrunk = worker.call("shrink", folder=folder, doomed=doomed)
    assert shrunk["rows"] == 12
    assert shrunk["optimized_bytes"] < shrunk["before_bytes"]


def test_a_question_that_finds_nothing_is_an_error(start, tmp_path):
    folder = str(tmp_path / "database")
    with start("sqlite") as worker:
        worker.call("load", folder=folder, form="rows")
        with pytest.raises(WorkerFailedError, match="get: nothing was found"):
            worker.call("first_answer", folder=folder, kind="get", number=ROWS, spawned_ns=0)


def test_inserts_are_a_table_for_each_number_of_threads():
    call = {"p50_ms": 1.0, "p99_ms": 2.5}
    row = {"system": "elanus", "form": "columns", "batch": 1, "threads": 1}
    failed = {"system": "sqlite", "form": "rows", "batch": 1, "threads": 1, "error": "locked"}
    result = {
        "rows": 1000,
        "budget_s": 3.0,
        "rounds": 3,
        "missing": {},
        "systems": {"elanus": {"acknowledged": "synced"}},
        "inserts": [{**row, "rows_per_s": 1234.5, "call": call}, failed],
        "syncs": [
            {"system": "elanus", "form": "columns", "threads": 1, "syncs_per_commit": 1.0},
            {"system": "elanus", "form": "columns", "threads": 32, "syncs_per_commit": 0.05},
        ],
    }
    parts = report.RENDERERS["storage_inserts"](result)
    assert parts[1].splitlines() == [
        "| 1 thread, rows/s | batch 1 | p50, ms | p99, ms |",
        "| --- | --: | --: | --: |",
        "| elanus, columns | 1,234 | 1.00 | 2.50 |",
        "| SQLite, rows | failed: locked | - | - |",
    ]
    assert parts[2].splitlines()[2:] == ["| elanus, columns | 1.00 | 0.05 | synced |"]
