"""Files that pymilvus' own bulk writer made (``milvus/generate.py``) are imported whole."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.errors import CorruptionError, EntityError, InvalidArgumentError, NotFoundError

FILES = Path(__file__).parent / "milvus"
DIM = 4


def _schema(*, dynamic: bool = True) -> Schema:
    return Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("flag", DataType.BOOL, nullable=True),
            Field("tiny", DataType.INT8),
            Field("small", DataType.INT16),
            Field("medium", DataType.INT32),
            Field("large", DataType.INT64, nullable=True),
            Field("ratio", DataType.FLOAT),
            Field("exact", DataType.DOUBLE, nullable=True),
            Field("title", DataType.VARCHAR, nullable=True),
            Field("notes", DataType.JSON, nullable=True),
            Field("float_vector", DataType.FLOAT_VECTOR, dim=DIM),
            Field("float16_vector", DataType.FLOAT16_VECTOR, dim=DIM),
            Field("bfloat16_vector", DataType.BFLOAT16_VECTOR, dim=DIM),
            Field("int8_vector", DataType.INT8_VECTOR, dim=DIM),
            Field("binary_vector", DataType.BINARY_VECTOR, dim=16),
            Field("sparse", DataType.SPARSE_FLOAT_VECTOR),
            Field("years", DataType.ARRAY, element_type=DataType.INT32, nullable=True),
            Field("words", DataType.ARRAY, element_type=DataType.VARCHAR),
        ],
        dynamic=dynamic,
    )


def _import(tmp_path: Path, schema: Schema, source: Any, **options: Any) -> list[dict[str, Any]]:
    with elanus.connect(tmp_path / "db") as database:
        collection = database.create_collection("c", schema)
        collection.import_data(source, **options)
        names = ["*", "undeclared", "count"] if schema.dynamic else ["*"]
        rows = collection.query("id >= 0", output=names, limit=100)
        return [_plain(row) for row in rows]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    made = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in row.items()
        if name != "$meta"
    }
    if "sparse" in made:
        made["sparse"] = {str(index): weight for index, weight in made["sparse"].items()}
    return made


def _expected() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FILES / "expected.json").read_text())
    return rows


@pytest.mark.parametrize("name", ["parquet", "json", "jsonl", "csv"])
def test_every_type_of_each_format(tmp_path: Path, name: str) -> None:
    options = {"null_cell": ""} if name == "csv" else {}
    assert _import(tmp_path, _schema(), FILES / name, **options) == _expected()


def test_numpy_folders(tmp_path: Path) -> None:
    schema = _schema()
    schema = Schema(
        [f for f in schema.fields if f.name not in ("sparse", "years", "words")], dynamic=True
    )
    expected = []
    for row in _expected():
        place = row["id"] - 100
        for name in ("sparse", "years", "words"):
            del row[name]
        # pymilvus writes no nulls into these files.
        if place == 1:
            row |= {"flag": False, "large": 2**53 + 1, "exact": 1 / 3}
            row |= {"title": 'Zeile 1, "näher"\nzwei'}
            row |= {"notes": {"row": 1, "tags": ["a", None], "text": "ü"}}
        expected.append(row)
    assert _import(tmp_path, schema, FILES / "numpy") == expected
    assert _import(tmp_path / "one", schema, FILES / "numpy" / "2") == expected[2:]


@pytest.mark.parametrize("name", ["parquet", "json", "jsonl", "csv"])
def test_arrays_of_structs(tmp_path: Path, name: str) -> None:
    scalars = [
        Field("page", DataType.INT16),
        Field("score", DataType.DOUBLE),
        Field("text", DataType.VARCHAR),
    ]
    vectors = [f for f in _schema().fields if f.dtype.is_dense_vector]
    struct = Field("chunks", DataType.ARRAY, element_type="STRUCT", struct=[*scalars, *vectors])
    rows = _import(tmp_path, Schema([_schema().fields[0], struct]), FILES / f"{name}-structs")
    numbers = [row["float_vector"] for row in _expected()]
    expected = [
        {
            "id": 100 + row,
            "chunks": [
                {
                    "page": 10 * row + place,
                    "score": place / 3,
                    "text": f"Stück {row}.{place}",
                    **dict.fromkeys(
                        ("float_vector", "float16_vector", "bfloat16_vector"), numbers[row + place]
                    ),
                    "int8_vector": [row + place - 2 + i for i in range(DIM)],
                    "binary_vector": [row + place, 255 - row - place],
                }
                for place in range(count)
            ],
        }
        for row, count in enumerate((2, 0, 1))
    ]
    assert json.loads(json.dumps(rows, default=np.ndarray.tolist)) == expected


def test_numpy_files_with_nulls(tmp_path: Path) -> None:
    names = ("flag", "large", "exact", "title", "notes")
    fields = [f for f in _schema().fields if f.name in ("id", *names)]
    expected = [{name: row[name] for name in ("id", *names)} for row in _expected()]
    assert _import(tmp_path, Schema(fields), FILES / "numpy-nulls") == expected


def test_empty_cells_are_texts_unless_they_are_named_as_nulls(tmp_path: Path) -> None:
    rows = _import(tmp_path, _schema(), FILES / "csv")
    assert [row["title"] for row in rows][1] == ""
    assert [row["large"] for row in rows][1] is None


def test_other_delimiters(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id;title\n1;NA\n2;a,b\n")
    schema = Schema([f for f in _schema().fields if f.name in ("id", "title")])
    rows = _import(tmp_path, schema, tmp_path / "rows.csv", delimiter=";", null_cell="NA")
    assert rows == [{"id": 1, "title": None}, {"id": 2, "title": "a,b"}]


def test_chunks_are_read_by_number(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "uuid"
    folder.mkdir(parents=True)
    for chunk in range(1, 12):
        (folder / f"{chunk}.json").write_text(
            json.dumps({"rows": [{"id": 1, "title": str(chunk)}]})
        )
    schema = Schema([f for f in _schema().fields if f.name in ("id", "title")])
    # The last one counts: chunk 11, although "9.json" is the last of the names.
    rows = _import(tmp_path, schema, tmp_path / "out", on_conflict="replace")
    assert rows == [{"id": 1, "title": "11"}]


def test_errors_name_file_and_row(tmp_path: Path) -> None:
    shutil.copytree(FILES / "json", tmp_path / "json")
    broken = json.loads((FILES / "json" / "1.json").read_text())
    broken["rows"][1]["float_vector"] = [1.0]
    (tmp_path / "json" / "1.json").write_text(json.dumps(broken))
    with pytest.raises(EntityError, match=r"1\.json, row 1: field 'float_vector': expected dim 4"):
        _import(tmp_path, _schema(), tmp_path / "json")
    rows = _import(tmp_path / "again", _schema(), tmp_path / "json", max_errors=1)
    assert [row["id"] for row in rows] == [100, 102]
    # The file of errors stands in the folder, and is no input of the next import.
    assert (tmp_path / "json" / "1.json.errors.jsonl").exists()
    rows = _import(tmp_path / "third", _schema(), tmp_path / "json", max_errors=1)
    assert [row["id"] for row in rows] == [100, 102]


def test_rows_of_json_that_are_no_objects_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[{"id": 1}, 7, {"id": 2}]')
    schema = Schema([_schema().fields[0]])
    with pytest.raises(EntityError, match=r"row 1: expected a JSON object, got int"):
        _import(tmp_path, schema, tmp_path / "rows.json")
    rows = _import(tmp_path / "again", schema, tmp_path / "rows.json", max_errors=1)
    assert [row["id"] for row in rows] == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": 1}\n{"id": 2}', "expected a list of objects"),
        ('[{"id": 1}, {"id": 2', "row 1 cannot be read as JSON"),
        ('[{"id": 1}, {"id" 2}, {"id": 3}]' + " " * 200, "row 1 cannot be read as JSON"),
        ('[{"id": 1}', "the file is cut"),
        ("", "expected a list of objects"),
    ],
)
def test_broken_json(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(CorruptionError, match=message):
        _import(tmp_path, Schema([_schema().fields[0]]), tmp_path / "rows.json")


def test_json_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elanus.transfer.json_rows.BLOCK_BYTES", 16)
    rows = [{"id": row, "title": "ü€😀" * row, "notes": [row] * row} for row in range(40)]
    (tmp_path / "rows.json").write_bytes(
        b"\xef\xbb\xbf" + json.dumps({"rows": rows}, ensure_ascii=False).encode()
    )
    names = ("id", "title", "notes")
    schema = Schema([f for f in _schema().fields if f.name in names])
    assert _import(tmp_path, schema, tmp_path / "rows.json", batch_rows=3) == rows


def test_json_is_resumed_at_its_position(tmp_path: Path) -> None:
    from elanus.transfer.chunks import Position
    from elanus.transfer.json_rows import JsonFormat

    path = tmp_path / "rows.json"
    rows = [{"id": row, "title": "ü" * row} for row in range(10)]
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1))
    chunks = list(JsonFormat().chunks(path, Position(), 4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    (again, _) = JsonFormat().chunks(path, chunks[0].after, 4)
    assert again.entities == rows[4:8]
    assert again.rows.tolist() == [4, 5, 6, 7]
    assert again.after == chunks[1].after


def test_exported_json_is_imported_again(tmp_path: Path) -> None:
    with elanus.connect(tmp_path / "db") as database:
        collection = database.create_collection("c", _schema())
        collection.import_data(FILES / "parquet")
        collection.export_data(tmp_path / "rows.json")
        collection.export_data(tmp_path / "none.json", filter="id < 0")
    assert json.loads((tmp_path / "none.json").read_text()) == {"rows": []}
    assert _import(tmp_path / "again", _schema(), tmp_path / "rows.json") == _expected()


def test_folders_of_other_files_are_refused(tmp_path: Path) -> None:
    schema = Schema([_schema().fields[0]])
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="holds no files to import"):
        _import(tmp_path, schema, tmp_path / "empty")
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "notes.docx").write_text("")
    with pytest.raises(InvalidArgumentError, match=r"notes\.docx: the format cannot be told"):
        _import(tmp_path / "2", schema, tmp_path / "mixed")


class _Harmful:
    def __reduce__(self) -> Any:
        return (print, ("harm",))


@pytest.mark.parametrize("value", [_Harmful(), np.array([1]), {1: 2}])
def test_pickles_of_anything_but_scalars_are_refused(
    tmp_path: Path, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "1"
    folder.mkdir()
    header = io.BytesIO()
    array = np.empty(1, dtype=object)
    np.lib.format.write_array(header, array)
    raw = header.getvalue()
    (folder / "id.npy").write_bytes(raw[: raw.index(b"\n") + 1] + pickle.dumps(value))
    with pytest.raises((CorruptionError, InvalidArgumentError), match="pickled objects"):
        _import(tmp_path, Schema([_schema().fields[0]]), folder)
    assert "harm" not in capsys.readouterr().out
