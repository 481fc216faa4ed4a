"""What a person sees of ``elanus import`` and ``elanus export``."""

import json
import re

import pytest

import elanus
from elanus.cli.main import main, with_flags


@pytest.fixture
def folder(tmp_path):
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2),
        ]
    )
    with elanus.connect(tmp_path / "kb") as db:
        db.create_collection("papers", schema).insert([{"id": 7, "dense": [7, 7]}])
    return tmp_path / "kb"


@pytest.fixture
def file(tmp_path):
    rows = [{"key": i, "dense": [i, 1], "note": "x"} for i in range(20)]
    rows[3] = {"key": "three", "dense": [3, 1]}
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


COLUMNS = ["--column", "key=id", "--column", "note="]


def shown(capsys):
    return re.sub(r"[\d.]+ s \([\d,]+ rows/s\)", "TIME", capsys.readouterr().out)


def test_import_and_export(folder, file, tmp_path, capsys):
    command = ["import", str(folder), "papers", str(file), *COLUMNS, "--on-conflict", "skip"]
    assert main([*command, "--max-errors", "1"]) == 0
    assert shown(capsys).splitlines() == [
        "papers: 18 rows in TIME",
        "  1 row skipped: the primary key is taken",
        f"  1 row left out, see {file}.errors.jsonl",
        f"    {file}, line 4: field 'id': expected INT64, got str 'three'",
    ]
    target = tmp_path / "out.csv"
    command = ["export", str(folder), "papers", str(target), "--filter", "id > 17"]
    assert main([*command, "--output", "id"]) == 0
    assert re.sub(r"[\d.]+ s", "TIME", capsys.readouterr().out) == (
        f"{target}: 2 rows, 9 bytes in TIME\n"
    )
    assert target.read_text() == "id\n18\n19\n"
    assert main(command) == 1
    assert capsys.readouterr().err == (
        f"elanus: {target} exists already; choose another name, or pass --overwrite to replace it\n"
    )
    assert main(["export", str(folder), "papers", str(tmp_path), "--overwrite"]) == 1
    assert capsys.readouterr().err == f"elanus: {tmp_path} is a folder; name a file in it\n"
    assert main([*command, "--overwrite", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("pass overwrite=True to replace it", "pass --overwrite to replace it"),
        ("with max_errors=... (they", "with --max-errors (they"),
        ("on_conflict='replace' lets", "--on-conflict replace lets"),
        ("pass format= one of csv", "pass --format one of csv"),
        ("it with columns={'its name': 'meta'}", "it with --column 'its name=meta'"),
        ("open it with read_only=True", "open it with read_only=True"),
        ("a filter: year==3 or year == 4", "a filter: year==3 or year == 4"),
    ],
)
def test_messages_name_flags_of_the_command(said, shown):
    options = dict.fromkeys(("overwrite", "max_errors", "on_conflict", "format", "year"))
    assert with_flags(said, options) == shown


def test_import_that_stops(folder, file, capsys):
    assert main(["import", str(folder), "papers", str(file), *COLUMNS]) == 1
    error = capsys.readouterr().err
    assert f"{file}, line 4: field 'id': expected INT64" in error
    assert "Nothing was imported" in error


@pytest.mark.parametrize(
    ("place", "collection", "column", "message"),
    [
        ("nowhere", "papers", [], "no elanus database"),
        ("kb", "paper", [], "has no collection 'paper' (it has: papers)"),
        ("kb", "papers", ["--column", "key"], "--column: expected NAME=FIELD"),
    ],
)
def test_wrong_arguments(folder, file, tmp_path, capsys, place, collection, column, message):
    command = ["import", str(tmp_path / place), collection, str(file), *column]
    assert main(command) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
