"""What is read when a database is opened and first searched, and what damage does then."""

import logging
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import elanus
from elanus.errors import CorruptionError
from elanus.kernels.file_map import wait_until_unmapped

pytest.importorskip("hnswlib", reason="hnswlib is not installed")

DIM, NUM_ROWS = 64, 2_000  # 256 bytes a row: 8 blocks of vectors
BLOCK_BYTES = 64 * 1024
ROWS = np.random.default_rng(0).normal(size=(NUM_ROWS, DIM)).astype(np.float32)
TEXTS = [f"{n:05d} " + "x" * 94 for n in range(NUM_ROWS)]  # 100 bytes a row
FAR_ROW = 1_400
FAR_BLOCK = (64 + FAR_ROW * 256) // BLOCK_BYTES * BLOCK_BYTES
in_far_block = np.abs(np.arange(NUM_ROWS) * 256 + 64 - FAR_BLOCK - 32_768) <= 33_024
ROWS[in_far_block & (ROWS @ ROWS[0] > 0)] *= -1


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database of one segment with a graph."""
    path = tmp_path_factory.mktemp("template")
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=DIM, metric="COSINE"),
        ]
    )
    with elanus.connect(path) as db:
        made = db.create_collection("c", schema)
        made.create_index("v", "HNSW", {"M": 8})
        made.insert({"id": np.arange(NUM_ROWS), "text": TEXTS, "v": ROWS})
        made.compact()
        made.flush()
        made.wait_indexed()
    return path


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    """Return a copy of the database for one test."""
    shutil.copytree(template, tmp_path / "db")
    return tmp_path / "db"


def only(path: Path, pattern: str) -> Path:
    (found,) = path.glob(pattern)
    return found


def flip(file: Path, position: int) -> None:
    raw = bytearray(file.read_bytes())
    raw[position] ^= 1
    file.chmod(0o644)
    file.write_bytes(raw)


def damage_vector(path: Path, row: int) -> str:
    """Flip a bit of a vector; return the path that errors name."""
    file = only(path, "c/*/seg/*/*-v.vec")
    flip(file, 64 + row * DIM * 4 + 5)
    return str(file.relative_to(path))


def ids(hits: object) -> list[int]:
    return [hit.id for hit in hits]  # type: ignore[attr-defined]


@pytest.mark.parametrize("read_only", [True, False])
def test_first_search_scans_and_later_ones_walk_the_graph(path: Path, read_only: bool) -> None:
    with elanus.connect(path, read_only=read_only) as db:
        found = db.collection("c").search(ROWS[5], limit=3, ef=50)
        assert found.is_exact
        assert found[0].id == 5
        db.collection("c").wait_indexed()
        again = db.collection("c").search(ROWS[5], limit=3, ef=50)
        assert not again.is_exact
        assert "graph ef=50" in str(again.explanation)
        assert [(h.id, h.score) for h in again] == [(h.id, h.score) for h in found]


def test_waiting_loads_the_graph_without_a_search(path: Path) -> None:
    with elanus.connect(path, read_only=True) as db:
        db.collection("c").wait_indexed()
        assert not db.collection("c").search(ROWS[5], limit=3, ef=50).is_exact


def test_loaded_graph_gives_its_file_back(path: Path) -> None:
    file = only(path, "c/*/idx/*/v/*")

    def is_mapped() -> bool:
        wait_until_unmapped()
        return file.name in Path("/proc/self/maps").read_text()

    with elanus.connect(path, read_only=True) as db:
        assert db.collection("c").count() == NUM_ROWS
        assert is_mapped()
        db.collection("c").wait_indexed()
        assert not is_mapped()
        assert not db.collection("c").search(ROWS[5], limit=3, ef=50).is_exact


def test_opening_for_writing_keeps_a_graph_that_nobody_loaded(path: Path) -> None:
    file = only(path, "c/*/idx/*/v/*")
    with elanus.connect(path) as db:
        collection = db.collection("c")
        collection.wait_indexed()
        assert [s.indexes for s in collection.stats().segments if s.rows] == [{"v": "HNSW"}]
    assert only(path, "c/*/idx/*/v/*") == file


@pytest.mark.parametrize("row", [0, FAR_ROW])
def test_scan_finds_a_flipped_bit(path: Path, row: int) -> None:
    name = damage_vector(path, row)
    with elanus.connect(path, read_only=True) as db:
        for _ in range(2):
            with pytest.raises(CorruptionError) as caught:
                db.collection("c").search(ROWS[5], limit=3)
            assert caught.value.path == name
            assert caught.value.offset == (64 + row * 256) // BLOCK_BYTES * BLOCK_BYTES


def test_graph_finds_a_flipped_bit_in_the_rows_it_returns(path: Path) -> None:
    name = damage_vector(path, FAR_ROW)
    with elanus.connect(path, read_only=True) as db:
        collection = db.collection("c")
        collection.wait_indexed()
        with pytest.raises(CorruptionError) as caught:
            collection.search(ROWS[FAR_ROW], limit=1, ef=50)
        assert (caught.value.path, caught.value.offset) == (name, FAR_BLOCK)
        # No row of that block is near this one.
        assert ids(collection.search(ROWS[0], limit=1, ef=50)) == [0]


def test_reading_a_vector_back_verifies_it(path: Path) -> None:
    name = damage_vector(path, FAR_ROW)
    with elanus.connect(path, read_only=True) as db:
        collection = db.collection("c")
        (entity,) = collection.get([0], output=["v"])
        np.testing.assert_array_equal(np.float32(entity["v"]), ROWS[0])
        with pytest.raises(CorruptionError) as caught:
            collection.get([FAR_ROW], output=["v"])
        assert (caught.value.path, caught.value.offset) == (name, FAR_BLOCK)


def test_reading_a_text_back_verifies_it(path: Path) -> None:
    file = only(path, "c/*/seg/*/*-text.col")
    start = file.read_bytes().index(TEXTS[0].encode())
    flip(file, start + FAR_ROW * 100 + 50)
    with elanus.connect(path, read_only=True) as db:
        collection = db.collection("c")
        assert collection.get([3], output=["text"]) == [{"id": 3, "text": TEXTS[3]}]
        with pytest.raises(CorruptionError) as caught:
            collection.get([FAR_ROW], output=["text"])
        assert caught.value.path == str(file.relative_to(path))
        assert caught.value.offset == (start + FAR_ROW * 100) // BLOCK_BYTES * BLOCK_BYTES
        with pytest.raises(CorruptionError):
            collection.query(filter='text like "%x"', limit=1)


def test_damaged_graph_is_built_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = only(path, "c/*/idx/*/v/*")
    flip(file, file.stat().st_size // 2)
    with elanus.connect(path) as db, caplog.at_level(logging.WARNING):
        collection = db.collection("c")
        assert ids(collection.search(ROWS[5], limit=1)) == [5]
        collection.wait_indexed()
        collection.wait_indexed()  # the first may have waited for the damaged one only
        assert not collection.search(ROWS[5], limit=3, ef=50).is_exact
    assert any(file.name in record.getMessage() for record in caplog.records)
    assert only(path, "c/*/idx/*/v/*") != file


def test_reader_keeps_what_it_opened_when_files_are_deleted(path: Path) -> None:
    with elanus.connect(path, read_only=True) as db:
        collection = db.collection("c")
        assert collection.count() == NUM_ROWS  # open, and nothing read yet
        for file in [*path.glob("c/*/seg/*/*"), *path.glob("c/*/idx/*/*/*")]:
            file.unlink()
        collection.wait_indexed()
        found = collection.search(ROWS[7], limit=1, ef=50, output=["*"])
        assert not found.is_exact
        assert found[0].id == 7
        assert found[0].entity["text"] == TEXTS[7]


def test_forked_child_searches_while_the_parent_loads(path: Path) -> None:
    with elanus.connect(path, read_only=True) as db:
        collection = db.collection("c")
        collection.search(ROWS[5], limit=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                collection.wait_indexed()
                found = collection.search(ROWS[5], limit=1, ef=50)
                os._exit(0 if found[0].id == 5 and not found.is_exact else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("end", ["", "db.close()", "raise SystemExit(0)"])
def test_process_may_end_while_a_graph_is_loaded(path: Path, end: str) -> None:
    program = f"""
import sys, elanus
db = elanus.connect(sys.argv[1])
print(db.collection("c").search([1.0] * {DIM}, limit=1)[0].id)
{end}
"""
    for _ in range(3):
        ran = subprocess.run(
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.strip().isdigit()
