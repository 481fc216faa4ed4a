"""Each kind of damage to each kind of file is found, named, and said what it means."""

import re
from dataclasses import replace

import numpy as np
import pytest

import elanus
from elanus.engine.live import DELETE_FRAME, UPSERT_FRAME
from elanus.errors import NotFoundError
from elanus.storage import log_check
from elanus.storage.block_file import write_block_file
from elanus.storage.findings import Severity
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.manifest import FileEntry
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.pk_index import PkIndex
from elanus.storage.segment_check import SegmentCheck
from elanus.storage.segment_writer import write_segment
from elanus.storage.verification import verify_database
from support.builders import paper_schema, papers
from support.storage_batches import SCHEMA, all_kinds_batch
from support.stored_files import (
    CHANGES,
    copy_of,
    damage,
    damage_in,
    first_path,
    in_memory,
    make_papers,
    one,
)


@pytest.fixture(scope="module")
def kb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check") / "kb"
    make_papers(folder)
    return folder


def findings(folder):
    parts = verify_database(LocalDirectory(folder, read_only=True))
    return [finding for part in parts for finding in part.findings]


def first(kb, pattern):
    return sorted(kb.glob(pattern))[0]


def test_frame_types_are_those_of_the_engine():
    assert (log_check.UPSERT_FRAME, log_check.DELETE_FRAME) == (UPSERT_FRAME, DELETE_FRAME)


def test_whole_database(kb):
    database, collection = verify_database(LocalDirectory(kb, read_only=True))
    assert (database.collection, database.manifests, database.findings) == ("", 1, ())
    assert collection.findings == ()
    assert (collection.segments, collection.rows) == (2, 75)
    assert (collection.logs, collection.records, collection.torn_bytes) == (1, 3, 0)


def test_no_database(tmp_path):
    with pytest.raises(NotFoundError, match="no elanus database in"):
        list(verify_database(LocalDirectory(tmp_path)))


DERIVABLE = {"c/*/idx/*/bm25/*": "index", "c/*/seg/*/pk.idx": "pk", "FORMAT": "database"}
DAMAGED = {
    "c/*/seg/*/001-title.col": "lose field 'title'",
    "c/*/seg/*/004-dense.vec": "lose field 'dense'",
    "c/*/seg/*/000-id.col": "lose field 'id'",
    "c/*/seg/*/rows.col": "no row is lost",
    "c/*/del/*.roar": "which 7 of 40 rows are deleted is not known",
    "c/*/manifest/*3.man": "what the collection consists of now cannot be read",
    "catalog/*.man": "the list of collections",
    "c/*/wal/*.wal": "",
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("pattern", [*DERIVABLE, *DAMAGED])
def test_damage_is_named_with_what_it_means(kb, pattern, kind):
    directory = in_memory(kb)
    file = first_path(directory, pattern)
    damage_in(directory, file, kind)
    parts = list(verify_database(directory))
    (found,) = [f for part in parts for f in part.findings if f.severity is not Severity.HARMLESS]
    assert found.path in (file, "catalog")
    assert found.message.startswith(found.path)
    expected = Severity.DERIVABLE if pattern in DERIVABLE else Severity.DAMAGE
    assert found.severity is expected
    assert found.cure.startswith("elanus repair")
    assert ("--salvage" in found.cure) is (expected is Severity.DAMAGE)
    assert DAMAGED.get(pattern, "") in found.meaning


def test_rows_and_keys_of_a_damaged_block_are_named(tmp_path):
    rows = 30_000
    with elanus.connect(tmp_path / "kb") as db:
        schema = elanus.Schema(
            [
                elanus.Field("id", elanus.INT64, primary=True),
                elanus.Field("value", elanus.INT64),
            ]
        )
        collection = db.create_collection("numbers", schema)
        collection.insert([{"id": 10 * n, "value": n} for n in range(rows)])
        collection.flush()
        collection.delete([90_000])
        collection.flush()
    file = one(tmp_path / "kb", "c/*/seg/*/001-value.col")
    raw = bytearray(file.read_bytes())
    raw[70_000] ^= 1
    file.write_bytes(raw)
    (found,) = findings(tmp_path / "kb")
    # The block holds bytes 65536 to 131071 of the file, and value n lies at 64 + 8 n.
    low, high = (65_536 - 64) // 8, (131_072 - 64) // 8 - 1
    assert found.offset == 65_536
    assert found.meaning == (
        f"rows {low:,} to {high:,} of 30,000 (primary keys {10 * low} .. {10 * high}) lose field "
        f"'value'; {high - low:,} of them are not deleted"
    )


def test_log_damage_names_bytes_sequence_numbers_and_what_is_behind(kb, tmp_path):
    copy = copy_of(kb, tmp_path / "kb")
    log = one(copy, "c/*/wal/*.wal")
    raw = bytearray(log.read_bytes())
    raw[200] ^= 1
    log.write_bytes(raw)
    (found,) = findings(copy)
    assert found.offset == 64
    assert re.search(r"damaged at byte 64: [\d,]+ bytes in 1 range do not verify", found.message)
    assert re.search(r"\(sequence numbers before \d+\)", found.meaning)
    assert found.meaning.endswith("2 records with 7 rows behind the damage verify")


def test_missing_segment_folder_is_one_finding(kb, tmp_path):
    copy = copy_of(kb, tmp_path / "kb")
    segment = first(copy, "c/*/seg/*")
    rows = 40 if segment.name in str(first(copy, "c/*/del/*")) else 35
    for file in segment.iterdir():
        file.unlink()
    segment.rmdir()
    (found,) = findings(copy)
    assert found.path == str(segment.relative_to(copy))
    assert found.meaning == f"all {rows} rows are lost"


def test_leftovers_are_listed_and_harmless(kb, tmp_path):
    copy = copy_of(kb, tmp_path / "kb")
    (collection,) = (copy / "c").iterdir()
    (collection / "del" / f"{collection.name}-{9:020d}.roar").write_bytes(b"12345")
    (collection / "seg" / "half.tmp").mkdir()
    (collection / "seg" / "half.tmp" / "000-id.col").write_bytes(b"123")
    (copy / "catalog" / "x.tmp").write_bytes(b"1")
    (copy / "c" / "00000000-0000-0000-0000-000000000000").mkdir()
    found = findings(copy)
    assert {f.severity for f in found} == {Severity.HARMLESS}
    assert sorted((f.path.removeprefix(f"c/{collection.name}/"), f.size_bytes) for f in found) == [
        ("c/00000000-0000-0000-0000-000000000000", 0),
        ("catalog/x.tmp", 1),
        (f"del/{collection.name}-{9:020d}.roar", 5),
        ("seg/half.tmp/000-id.col", 3),
    ]


def test_damage_that_only_a_snapshot_reads_says_so(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("papers", paper_schema())
        collection.insert(papers(20))
        collection.flush()
        db.snapshot("monday")
        (old,) = (tmp_path / "kb").glob("c/*/seg/*")
        collection.upsert(papers(20, seed=1))
        collection.flush()
        collection.compact()
    assert findings(tmp_path / "kb") == []
    damage(old / "001-title.col")
    (found,) = findings(tmp_path / "kb")
    assert found.meaning.startswith("only of snapshot 'monday', not of the current state")
    assert found.cure == "drop snapshot 'monday'"


def test_pk_index_that_disagrees_with_its_column_is_found():
    """Every checksum is right, but the rows of two keys are exchanged."""
    directory = MemoryDirectory()
    batch = all_kinds_batch(20)
    info = write_segment(
        directory, "c/x", schema=SCHEMA, batch=batch, seqs=np.arange(1, 21, dtype=np.int64)
    )
    index = PkIndex.build(batch.columns["id"])
    rows = index.rows.copy()
    rows[[3, 4]] = rows[[4, 3]]
    path = f"c/x/seg/{info.uuid}/pk.idx"
    directory.delete(path)
    header = {"segment": str(info.uuid), "field": "id"}
    written = write_block_file(
        directory, path, kind="pk", header=header, sections={"keys": index.keys, "rows": rows}
    )
    info = replace(info, files={**info.files, "pk.idx": FileEntry(written.size, written.crc)})
    (found,) = SegmentCheck(directory, "c/x", "papers", SCHEMA, info).findings()
    assert found.message == f"{path}: does not agree with the column of primary keys"
    assert found.severity is Severity.DERIVABLE


def test_what_a_writer_is_writing_is_not_left_over(tmp_path):
    make_papers(tmp_path / "kb")
    (folder,) = (tmp_path / "kb").glob("c/*/seg")
    half = [tmp_path / "kb" / "catalog" / "x.tmp", folder / "x.tmp"]
    with elanus.connect(tmp_path / "kb"):
        for file in half:
            file.write_text("half")
        assert findings(tmp_path / "kb") == []
    assert [f.severity for f in findings(tmp_path / "kb")] == [Severity.HARMLESS] * 2


def test_check_beside_a_writer_finds_nothing(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("papers", paper_schema())
        for step in range(4):
            collection.upsert(papers(30, seed=step))
            collection.flush()
            collection.delete([step])
            assert findings(tmp_path / "kb") == []
        collection.compact()
        collection.insert(papers(3, first=100))
        assert findings(tmp_path / "kb") == []
