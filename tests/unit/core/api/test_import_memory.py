"""The memory that an import or an export takes does not grow with the file."""

import tracemalloc

import numpy as np
import pytest

import elanus
from elanus.engine.background.upkeep import Upkeep
from elanus.engine.writing import bulk_load
from elanus.transfer import arrow_files, numpy_files

DIM = 64
ROWS = 1_500
SEGMENT_ROWS = 500
BATCH_ROWS = 100


def schema():
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=DIM),
        ]
    )


def columns(count):
    return {
        "id": np.arange(count),
        "text": [f"text {i}" for i in range(count)],
        "dense": np.random.default_rng(1).normal(size=(count, DIM)).astype(np.float32),
    }


def peak_of(act):
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "suffix",
    [
        "npz",
        "parquet",
        "arrow",
        pytest.param("jsonl", marks=pytest.mark.slow),
        pytest.param("csv.gz", marks=pytest.mark.slow),
    ],
)
def test_six_times_the_file_takes_no_more_memory(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(bulk_load, "SEGMENT_ROWS", SEGMENT_ROWS)
    monkeypatch.setattr(arrow_files, "ROW_GROUP_BYTES", 1 << 17)
    monkeypatch.setattr(numpy_files, "_COPY_ROWS", 250)
    monkeypatch.setattr(numpy_files, "_COPY_BYTES", 1 << 15)
    # Merges in the background are not what is measured.
    monkeypatch.setattr(Upkeep, "after_load", lambda self: None)
    written, read = [], []
    with elanus.connect(tmp_path / "kb") as db:
        # The first round also pays for what is loaded once.
        for number, count in enumerate((ROWS, ROWS, 6 * ROWS)):
            given = db.create_collection(f"given{number}", schema())
            given.import_data(columns(count))
            given.compact()
            file = tmp_path / f"{number}.{suffix}"
            written.append(peak_of(lambda c=given, f=file: c.export_data(f, batch_rows=BATCH_ROWS)))
            made = db.create_collection(f"made{number}", schema())
            read.append(peak_of(lambda c=made, f=file: c.import_data(f, batch_rows=BATCH_ROWS)))
            assert made.count() == count
    # What grows is what is known about each segment.
    more = 5 * ROWS * DIM * 4
    assert read[2] - read[1] < more / 4
    assert written[2] - written[1] < more / 4
