"""What a person sees of ``elanus inspect`` and ``elanus check``."""

import re

import pytest

import elanus
from elanus.cli.main import main
from support.builders import paper_schema, papers


@pytest.fixture
def folder(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("papers", paper_schema())
        collection.insert(papers(30))
        collection.flush()
        collection.delete([1, 2])
    return tmp_path / "kb"


def test_inspect_shows_fields_and_segments(folder, capsys):
    assert main(["inspect", str(folder)]) == 0
    shown = re.sub(r"[\d.]+ (B|kB)", "SIZE", capsys.readouterr().out)
    shown = re.sub(r"segment [0-9a-f]{8}", "segment NAME", shown)
    assert shown.splitlines() == [
        f"{folder}: 1 collections",
        "",
        "papers: 28 entities, SIZE on disk, SIZE in memory",
        "  id                   INT64, primary key",
        "  title                VARCHAR",
        "  year                 INT16",
        "  meta                 JSON, nullable",
        "  dense                FLOAT_VECTOR, dim 4, COSINE",
        "  sparse               SPARSE_FLOAT_VECTOR, IP",
        "  bm25                 SPARSE_FLOAT_VECTOR, BM25, of title",
        "  segment NAME     30 rows, 2 deleted, SIZE",
        "  memtable 2           0 rows, SIZE",
    ]


def test_check_of_a_whole_database(folder, capsys):
    assert main(["check", str(folder)]) == 0
    assert capsys.readouterr().out == "papers: ok, 1 segments and 1 logs read\n"


@pytest.mark.parametrize(
    ("pattern", "status", "cure"),
    [
        ("seg/*/*title.col", 1, "rows are lost"),
        ("idx/*/bm25/*", 0, "derived again at the next opening"),
    ],
)
def test_check_names_damage(folder, capsys, pattern, status, cure):
    (file,) = folder.glob(f"c/*/{pattern}")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    assert main(["check", str(folder)]) == status
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("papers: damaged")
    assert str(file.relative_to(folder)) in shown[1]
    assert shown[1].endswith(f"({cure})")


def test_missing_database_is_one_sentence(tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("elanus: no elanus database in")
