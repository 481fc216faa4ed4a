"""CSV and JSON lines: positions, lines, and what cannot be read."""

import gzip
import json

import pytest

import elanus
from elanus.errors import CorruptionError, EntityError, InvalidArgumentError
from elanus.schema.converters import MISSING
from elanus.transfer.chunks import Position
from elanus.transfer.csv_table import CsvFormat
from elanus.transfer.files import expand_paths, format_of
from elanus.transfer.formats import open_source
from elanus.transfer.jsonl import JsonlFormat
from elanus.transfer.values import PlainValues, TextCells

CSV = 'id,text\r\n1,"two\nlines"\r\n\r\n2,"say ""hi"""\r\n3,\r\n4,"ü, ""\r\n"\r\n5,end'
CSV_ROWS = [("1", "two\nlines", 2), ("2", 'say "hi"', 5), ("3", "", 6), ("4", 'ü, "\r\n', 7)]
CSV_ROWS.append(("5", "end", 9))


def csv_rows(chunks):
    found = []
    for chunk in chunks:
        cells = [chunk.columns[name].cells for name in ("id", "text")]
        found += list(zip(*cells, chunk.lines.tolist(), strict=True))
    return found


@pytest.mark.parametrize("batch_rows", [1, 2, 100])
@pytest.mark.parametrize("compressed", [False, True])
def test_csv_goes_on_from_every_position(tmp_path, batch_rows, compressed):
    path = tmp_path / ("in.csv.gz" if compressed else "in.csv")
    raw = b"\xef\xbb\xbf" + CSV.encode()
    path.write_bytes(gzip.compress(raw) if compressed else raw)
    chunks = list(CsvFormat().chunks(path, Position(), batch_rows))
    assert csv_rows(chunks) == CSV_ROWS
    assert [row for chunk in chunks for row in chunk.rows.tolist()] == [0, 1, 2, 3, 4]
    done = 0
    for chunk in chunks:
        done += len(chunk)
        position = Position.from_json(json.loads(json.dumps(chunk.after.to_json())))
        assert position.row == done
        assert csv_rows(CsvFormat().chunks(path, position, batch_rows)) == CSV_ROWS[done:]


@pytest.mark.parametrize("batch_rows", [1, 2, 100])
@pytest.mark.parametrize("compressed", [False, True])
def test_json_lines_go_on_from_every_position(tmp_path, batch_rows, compressed):
    path = tmp_path / ("in.jsonl.gz" if compressed else "in.jsonl")
    lines = ['\ufeff{"id": 0}', "", '{"id": 1, "t": "ü"}\r', "  ", '{"id": 2}', '{"id": 3}']
    raw = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(raw) if compressed else raw)
    expected = [(0, 1), (1, 3), (2, 5), (3, 6)]

    def read(start):
        found = []
        for chunk in JsonlFormat().chunks(path, start, batch_rows):
            ids = [entity["id"] for entity in chunk.entities]
            assert chunk.rows.tolist() == ids
            found.append((list(zip(ids, chunk.lines.tolist(), strict=True)), chunk.after))
        return found

    done = 0
    for rows, after in read(Position()):
        assert rows == expected[done : done + len(rows)]
        done += len(rows)
        rest = [row for later, _ in read(after) for row in later]
        assert rest == expected[done:]
    assert done == 4


def test_lines_that_cannot_be_read_are_faults_of_their_own(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(b'id,text\n1,a\n2\n3,"x"y\n4,\xff\n5,b\n')
    (chunk,) = CsvFormat().chunks(path, Position(), 100)
    assert chunk.rows.tolist() == [0, 4]
    assert [(f.row, f.line) for f in chunk.faults] == [(1, 3), (2, 4), (3, 5)]
    assert chunk.faults[0].message == "expected 2 cells as in the header, got 1"
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"id": 1}\n[1]\n{"id": \n\xff\n{"id": 2}\n')
    (chunk,) = JsonlFormat().chunks(path, Position(), 100)
    assert chunk.rows.tolist() == [0, 4]
    assert chunk.faults[0].message == "expected a JSON object, got list"
    assert [f.message[:8] for f in chunk.faults[1:]] == ["not JSON"] * 2


def test_long_cell(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,text\n1," + "x" * 300_000 + "\n")
    (chunk,) = CsvFormat().chunks(path, Position(), 100)
    assert len(chunk.columns["text"].cells[0]) == 300_000


@pytest.mark.parametrize(
    ("text", "message"), [("", "the file is empty"), ("a,b,a\n", "column 'a' is there twice")]
)
def test_header_at_fault(tmp_path, text, message):
    path = tmp_path / "in.csv"
    path.write_text(text)
    with pytest.raises(InvalidArgumentError, match=message):
        list(CsvFormat().chunks(path, Position(), 100))


def test_cut_gzip_is_named(tmp_path):
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": 1}\n' * 5000)[:-20])
    schema = elanus.Schema([elanus.Field("id", elanus.INT64, primary=True)])
    reader = open_source(path, schema, None).reader
    with pytest.raises(CorruptionError, match=r"in\.jsonl\.gz: the compressed file is cut"):
        list(reader.chunks(Position(), 100))


@pytest.mark.parametrize(
    ("name", "chosen", "expected"),
    [
        ("a.JSONL", None, "jsonl"),
        ("a.ndjson.gz", None, "jsonl"),
        ("a.tsv.gz", None, "tsv"),
        ("a.pq", None, "parquet"),
        ("a.data", "CSV", "csv"),
    ],
)
def test_format_by_name(name, chosen, expected):
    assert format_of(name, chosen) == expected


@pytest.mark.parametrize(
    ("name", "chosen", "message"),
    [
        ("a.txt", None, "cannot be told from the name"),
        ("a.csv", "excel", "'excel' is not known"),
        ("a.parquet.gz", None, "not compressed with gzip"),
    ],
)
def test_format_that_is_not_known(name, chosen, message):
    with pytest.raises(InvalidArgumentError, match=message):
        format_of(name, chosen)


def test_folder_stands_for_its_files_by_number(tmp_path):
    for name in ("10.csv", "9.csv", ".hidden", "9.csv.errors.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "11").mkdir()
    (tmp_path / "11" / "id.npy").touch()
    assert [path.name for path in expand_paths(tmp_path)] == ["9.csv", "10.csv", "11"]


@pytest.mark.parametrize(
    ("dtype", "cells", "expected"),
    [
        ("BOOL", ["true", "F", "1", ""], [True, False, True, None]),
        ("INT64", ["-9223372036854775808", " 7 ", r"\N"], [-(2**63), 7, None]),
        ("DOUBLE", ["nan", "-inf", "1e308", "", "0.1"], [None, float("-inf"), 1e308, None, 0.1]),
        ("VARCHAR", ["", r"\N", "x"], ["", None, "x"]),
        ("JSON", ['{"a": 1}', "", '"t"'], ['{"a":1}', None, '"t"']),
    ],
)
def test_cells_are_typed_by_the_schema(dtype, cells, expected):
    field = elanus.Field("f", dtype, nullable=True)
    found = TextCells(cells).column(field).to_pylist()
    assert [None if v != v else v for v in found] == expected


@pytest.mark.parametrize("cell", ["1.5", "1_000", "x", "9223372036854775808"])
def test_cell_that_is_no_integer(cell):
    with pytest.raises(EntityError) as caught:
        TextCells(["1", cell]).column(elanus.Field("f", elanus.INT64))
    assert caught.value.row == 1


@pytest.mark.parametrize("cell", ["1,5", "2024_01", "x"])
def test_cell_that_is_no_number(cell):
    with pytest.raises(EntityError) as caught:
        TextCells(["1.5", cell]).column(elanus.Field("f", elanus.DOUBLE))
    assert caught.value.row == 1


@pytest.mark.parametrize(
    "value",
    [
        {3: 0.5, 7: 1.0},
        '{"7": 1.0, "3": 0.5}',
        {"indices": [7, 3], "values": [1.0, 0.5]},
        [{"index": 3, "value": 0.5}, {"value": 1.0, "index": 7}],
        [[7, 1.0], [3, 0.5]],
    ],
)
def test_forms_of_sparse_vectors(value):
    field = elanus.Field("s", elanus.SPARSE_FLOAT_VECTOR)
    assert PlainValues([value]).column(field).to_pylist() == [{3: 0.5, 7: 1.0}]


def test_missing_value_is_not_text():
    assert PlainValues([MISSING, 1]).pylist() == [None, 1]
