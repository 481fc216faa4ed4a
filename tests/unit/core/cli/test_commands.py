"""What a person sees of ``elanus inspect`` and ``elanus check``."""

import json
import os
import re
import subprocess
import sys

import pytest

import elanus
from elanus.cli import inspect
from elanus.cli.main import main
from support.builders import paper_schema, papers
from support.stored_files import damage, one

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def folder(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("papers", paper_schema())
        collection.insert(papers(30))
        collection.flush()
        collection.delete([1, 2])
    return tmp_path / "kb"


def shown(capsys, folder):
    """Return what was printed, without what differs from run to run."""
    text = capsys.readouterr().out.replace(str(folder), "PATH")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(rf"{TIME}(\.\d+)?", "TIME", text)
    text = re.sub(r"process .*", "process ...", text)
    text = re.sub(r"\b[0-9a-f]{8}\b", "NAME", text)
    text = re.sub(r"[\d.]+ (B|kB)\b", "SIZE", text)
    text = re.sub(r"\d{18}", "SEQ", text)
    return [re.sub(r"  +", "  ", line) for line in text.splitlines()]


def test_reader_that_has_seen_enough_is_no_error(folder):
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from elanus.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", str(folder)],
        check=False,
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_ctrl_c_is_no_stack_trace(folder, capsys, monkeypatch):
    def interrupted(arguments, out):
        raise KeyboardInterrupt

    monkeypatch.setattr(inspect, "run", interrupted)
    assert main(["inspect", str(folder)]) == 130
    assert capsys.readouterr().err == "elanus: ended by Ctrl-C\n"


def test_database_that_is_written_is_left_alone(folder, capsys):
    with elanus.connect(folder):
        assert main(["repair", str(folder)]) == 1
    said = capsys.readouterr().err
    assert said.endswith("Only one process writes at a time: end the other one first\n")


def test_inspect_shows_fields_segments_and_logs(folder, capsys):
    assert main(["inspect", str(folder)]) == 0
    assert shown(capsys, folder) == [
        "PATH: 1 collection",
        "  database  UUID",
        "  catalog  version 1",
        "  last writer  process ...",
        "",
        "papers: 28 entities, SIZE on disk",
        "  id  INT64, primary key",
        "  title  VARCHAR",
        "  year  INT16",
        "  meta  JSON, nullable",
        "  dense  FLOAT_VECTOR, dim 4, COSINE",
        "  sparse  SPARSE_FLOAT_VECTOR, IP",
        "  bm25  SPARSE_FLOAT_VECTOR, BM25, of title",
        "",
        "  segment  rows  deleted  size  written (UTC)  indexes",
        "  NAME  30  0  SIZE  TIME  to TIME  BM25 on bm25, SPARSE on sparse",
        "",
        "  log  records  rows  size  written (UTC)",
        "  2  1  2  SIZE  TIME  to TIME",
        "  1 file kept for older states: SIZE",
    ]


def test_inspect_lists_manifests_and_records(folder, capsys):
    assert main(["inspect", str(folder), "papers", "--manifests", "--log"]) == 0
    lines = shown(capsys, folder)
    assert lines[lines.index("  1 file kept for older states: SIZE") + 1 :] == [
        "",
        "  manifest  last write (UTC)  segments  rows  change",
        "  1  TIME  0  0",
        "  2  TIME  1  30  1 segment with 30 rows added, logs up to 1 flushed",
        "",
        "  log 2: SIZE",
        "  offset  record  seq  time (UTC)  rows  size",
        "  64  delete  SEQ  TIME  2  SIZE",
    ]


def test_inspect_lists_files(folder, capsys):
    assert main(["inspect", str(folder), "--files"]) == 0
    lines = shown(capsys, folder)
    assert "  seg/UUID/001-title.col  SIZE  current  field title" in lines
    assert "  idx/UUID/bm25/UUID  SIZE  current  index BM25 of bm25" in lines
    assert len([line for line in lines if "  current" in line or "  older" in line]) == 14


def test_inspect_as_json(folder, capsys):
    assert main(["inspect", str(folder), "--json"]) == 0
    (collection,) = json.loads(capsys.readouterr().out)["collections"]
    (segment,) = collection["segments"]
    assert (segment["rows"], segment["deleted"]) == (30, 0)
    assert [(log["number"], len(log["records"])) for log in collection["logs"]] == [(2, 1)]
    assert {file["need"] for file in collection["files"]} == {"current", "older"}


def test_inspect_of_an_unknown_collection(folder, capsys):
    assert main(["inspect", str(folder), "poems"]) == 1
    assert capsys.readouterr().err == "elanus: no collection 'poems'; there are: papers\n"


@pytest.mark.parametrize("pattern", ["c/*/manifest/*2.man", "FORMAT", "catalog/*.man"])
def test_inspect_goes_on_where_something_is_damaged(folder, capsys, pattern):
    damage(one(folder, pattern))
    assert main(["inspect", str(folder)]) == 1
    lines = shown(capsys, folder)
    assert any(line.startswith("  DAMAGE  ") for line in lines)
    assert any(line.startswith("papers: ") for line in lines)


def test_check_of_a_whole_database(folder, capsys):
    assert main(["check", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "database: ok, 1 catalog read",
        "papers: ok, 2 manifests, 1 segment with 30 rows, 1 log with 1 record read",
        "Every byte is what was written.",
    ]


def test_check_names_lost_rows_and_the_cure(folder, capsys):
    file = one(folder, "c/*/seg/*/001-title.col")
    damage(file)
    assert main(["check", str(folder)]) == 1
    path = file.relative_to(folder)
    assert capsys.readouterr().out.splitlines() == [
        "database: ok, 1 catalog read",
        "papers: damaged, 2 manifests, 1 segment with 30 rows, 1 log with 1 record read",
        f"  DAMAGE    {path}: damaged at byte 0: 1 of 1 blocks do not verify",
        "            rows 0 to 29 of 30 (primary keys 0 .. 29) lose field 'title'; none of them is "
        "deleted",
        "            cure: elanus repair --salvage, or restore a backup",
        f"Damaged in 1 place, of which 1 cannot be derived from other files. Restore a backup, or "
        f"see what can be kept: elanus repair {folder} --salvage --dry-run",
    ]


def test_check_of_a_derivable_file(folder, capsys):
    file = one(folder, "c/*/idx/*/bm25/*")
    damage(file)
    assert main(["check", str(folder)]) == 1
    assert capsys.readouterr().out.splitlines()[2:] == [
        f"  rebuild   {file.relative_to(folder)}: damaged at byte 0: the checksum of a block does "
        f"not match",
        "            no row is lost: it is built again from the rows",
        "            cure: elanus repair",
        f"Damaged in 1 place; no row is lost. Close the database and run: elanus repair {folder}",
    ]


def test_check_as_json(folder, capsys):
    damage(one(folder, "c/*/seg/*/001-title.col"))
    assert main(["check", str(folder), "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["whole"] is False
    assert [part["whole"] for part in content["parts"]] == [True, False]
    (finding,) = content["parts"][1]["findings"]
    assert (finding["severity"], finding["offset"]) == ("damage", 0)


def test_missing_database_is_one_sentence(tmp_path, capsys):
    for command in ("inspect", "check", "repair"):
        assert main([command, str(tmp_path / "none")]) == 1
        assert capsys.readouterr().err.startswith("elanus: no elanus database in")
