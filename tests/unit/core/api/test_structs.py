"""Arrays of structs: what comes in goes out, through every path and every question about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus import ARRAY, DataType, Field, Schema
from elanus.api.repair import repair
from elanus.errors import EntityError, FilterError, InvalidArgumentError, SchemaError
from elanus.filter import element, field

STRUCT = [
    Field("page", DataType.INT16),
    Field("lang", DataType.VARCHAR),
    Field("good", DataType.BOOL),
    Field("weight", DataType.DOUBLE),
    Field("vector", DataType.FLOAT_VECTOR, dim=2, metric="MAX_SIM_IP"),
    Field("bits", DataType.BINARY_VECTOR, dim=8),
    Field("half", DataType.BFLOAT16_VECTOR, dim=2),
]


def _schema(*, nullable: bool = False) -> Schema:
    return Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field(
                "chunks",
                ARRAY,
                element_type="STRUCT",
                struct=STRUCT,
                max_capacity=8,
                nullable=nullable,
            ),
            Field("title", DataType.VARCHAR),
        ]
    )


def _element(row: int, place: int) -> dict[str, Any]:
    return {
        "page": 10 * row + place,
        "lang": ("en", "de", 'ü,"\n')[(row + place) % 3],
        "good": (row + place) % 2 == 0,
        "weight": row / 3 + place,
        "vector": [float(row), float(place)],
        "bits": [row % 256],
        "half": [row / 2, -1.0],
    }


def _rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": i, "chunks": [_element(i, place) for place in range(i % 4)], "title": f"t{i}"}
        for i in range(first, first + count)
    ]


def _plain(rows: list[dict[str, Any]]) -> Any:
    return json.loads(json.dumps(rows, default=np.ndarray.tolist))


def _stored(collection: Any) -> Any:
    return _plain(collection.query("id >= 0", output=["*"], limit=10_000))


def test_structs_come_back_through_every_state(tmp_path: Path) -> None:
    with elanus.connect(tmp_path / "db") as database:
        collection = database.create_collection("c", _schema())
        collection.insert(_rows(10))
        assert _stored(collection) == _plain(_rows(10))
        collection.flush()
        collection.insert(_rows(10, first=10))
        collection.delete([3, 12])
        expected = [row for row in _plain(_rows(20)) if row["id"] not in (3, 12)]
        assert _stored(collection) == expected
        # A crash: what is only in the log is read again.
    with elanus.connect(tmp_path / "db") as database:
        collection = database.collection("c")
        assert _stored(collection) == expected
        collection.flush()
        collection.compact()
        assert _stored(collection) == expected
        database.backup(tmp_path / "backup")
    elanus.restore(tmp_path / "backup", tmp_path / "again")
    with elanus.connect(tmp_path / "again", read_only=True) as database:
        assert _stored(database.collection("c")) == expected
        assert database.collection("c").schema == _schema()


def test_columns_of_a_struct_are_one_of_the_forms(tmp_path: Path) -> None:
    rows = _rows(8)
    given = [
        {
            **row,
            "chunks": {
                part.name: [one[part.name] for one in row["chunks"]]
                if part.name != "vector"
                else np.array([one["vector"] for one in row["chunks"]]).reshape(-1, 2)
                for part in STRUCT
            },
        }
        for row in rows
    ]
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", _schema())
        collection.insert(given[:3])
        collection.insert([given[3], rows[4]])
        collection.insert({name: [row[name] for row in given[5:]] for name in rows[0]})
        assert _stored(collection) == _plain(rows)


def test_parts_are_returned_by_name(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", _schema())
        collection.insert(_rows(3))
        (row,) = collection.get([2], output=["chunks[lang]", "chunks[page]"])
        wanted = [{"page": 20, "lang": 'ü,"\n'}, {"page": 21, "lang": "en"}]
        assert row == {"id": 2, "chunks": wanted}
        # Without a choice: everything but vectors.
        (row,) = collection.get([1])
        assert row["chunks"] == [{"page": 10, "lang": "de", "good": False, "weight": 1 / 3}]
        (row,) = collection.get([1], output=["chunks"])
        assert row["chunks"][0].keys() == {part.name for part in STRUCT}
        with pytest.raises(InvalidArgumentError, match=r"no field 'chunks\[pag\]'"):
            collection.get([1], output=["chunks[pag]"])


def test_search_by_parts(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", _schema())
        rows = _rows(20)
        collection.insert(rows)
        # Query vectors of (1, 0) and (0, 1): the largest first number plus the largest second.
        sums = {row["id"]: row["id"] + row["id"] % 4 - 1 for row in rows if row["id"] % 4}
        best = sorted(sums, key=lambda pk: (-sums[pk], pk))[:4]
        found = collection.search([[1, 0], [0, 1]], field="chunks[vector]", limit=4)
        assert [(hit.id, hit.score, hit.offset) for hit in found] == [
            (pk, sums[pk], None) for pk in best
        ]
        again = collection.search(field="chunks[vector]", limit=3, ids=7)
        given = collection.search(
            [one["vector"] for one in rows[7]["chunks"]], field="chunks[vector]", limit=3
        )
        assert [(hit.id, hit.score) for hit in again] == [(hit.id, hit.score) for hit in given]
        with pytest.raises(InvalidArgumentError, match="entity 4 has nothing"):
            collection.search(field="chunks[vector]", ids=[7, 4])
        with pytest.raises(InvalidArgumentError, match="are searched one by one"):
            collection.search(field="chunks[bits]", ids=7)
        found = collection.search([[0b10]], field="chunks[bits]", limit=2)
        assert [[(hit.id, hit.score, hit.offset) for hit in one] for one in found] == [
            [(2, 0, 0), (3, 1, 0)]
        ]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("element_filter(chunks, $[page] > 111)", lambda c: any(e["page"] > 111 for e in c)),
        (
            "match_any(chunks, $[page] > 30 and $[lang] == 'en')",
            lambda c: any(e["page"] > 30 and e["lang"] == "en" for e in c),
        ),
        ("match_all(chunks, $[good])", lambda c: all(e["good"] for e in c)),
        (
            "match_least(chunks, not $[good] or $[weight] >= 2, threshold=2)",
            lambda c: sum(not e["good"] or e["weight"] >= 2 for e in c) >= 2,
        ),
        (
            "match_exact(chunks, $[lang] in ['en', 'de'], threshold=1)",
            lambda c: sum(e["lang"] in ("en", "de") for e in c) == 1,
        ),
        ("match_most(chunks, $[lang] like 'e%', threshold=0)", lambda c: not any(
            e["lang"].startswith("e") for e in c)),
        ("match_any(chunks, $[page] % 10 == $[weight])", lambda c: any(
            e["page"] % 10 == e["weight"] for e in c)),
        ("array_length(chunks) == 3", lambda c: len(c) == 3),
        ("array_length(chunks[vector]) == 3", lambda c: len(c) == 3),
        ("is_empty(chunks)", lambda c: not c),
        ("chunks is null", lambda c: False),
        ("array_contains(chunks[lang], 'de')", lambda c: any(e["lang"] == "de" for e in c)),
        ("chunks[page][1] > 50", lambda c: len(c) > 1 and c[1]["page"] > 50),
        ("chunks[1][page] > 50", lambda c: len(c) > 1 and c[1]["page"] > 50),
        ("match_any(chunks[page], $ == 71)", lambda c: any(e["page"] == 71 for e in c)),
    ],
)  # fmt: skip
def test_filters_on_elements(tmp_path: Path, text: str, holds: Any) -> None:
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", _schema())
        rows = _rows(24)
        collection.insert(rows[:15])
        collection.flush()
        collection.insert(rows[15:])
        expected = [row["id"] for row in rows if holds(row["chunks"])]
        assert [row["id"] for row in collection.query(text, output=["id"])] == expected
        tree = elanus.filter.parse(text)
        assert elanus.filter.parse(elanus.filter.to_text(tree)) == tree


@pytest.mark.parametrize("flushed", [False, True])
def test_why_not_shows_the_elements_that_fail(tmp_path: Path, flushed: bool) -> None:
    with elanus.connect(tmp_path / "db") as database:
        collection = database.create_collection("c", _schema(nullable=True))
        collection.insert([*_rows(3), {"id": 3, "chunks": None, "title": "t"}])
        if flushed:
            collection.flush()
        query, some = [1.0, 0.0], "match_any(chunks, $[page] > 90)"
        told = collection.why_not(2, [query], "chunks[vector]", filter=some)
        assert told.cause == "filter"
        page = {"page": 20, "lang": _element(2, 0)["lang"]}
        assert told.legs[0].failed[0].startswith(f"{some} (chunks is [{page}"[:-1])
        told = collection.why_not(3, [query], "chunks[vector]", filter="chunks is not null")
        assert told.legs[0].failed == ("chunks is not null (chunks is None)",)


def test_filters_built_in_python(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", _schema())
        collection.insert(_rows(6))
        is_good = element()["good"] == True  # noqa: E712
        condition = field("chunks").match_any((element()["page"] > 30) & is_good)
        assert [row["id"] for row in collection.query(condition, output=["id"])] == [3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("match_any(chunks, $ == 1)", r"'\$' is no value of an element of field 'chunks'"),
        ("match_any(chunks, $[pag] == 1)", r"'\$\[pag\]' is no value.*did you mean 'page'"),
        ("match_any(chunks, $[vector] == 1)", r"'\$\[vector\]' is no value"),
        ("chunks == [1]", r"field 'chunks' \(ARRAY of STRUCT\) cannot be compared"),
        ("array_contains(chunks, 1)", "takes an array, got field 'chunks'"),
        ("match_any(chunks[vector], $ == 1)", "takes an array, got field"),
        ("match_any(chunks[page], $[page] == 1)", r"is a single value, so '\$' has no keys"),
        ("chunks[pag] is null", r"no field 'chunks\[pag\]'"),
    ],
)
def test_filters_that_ask_for_what_is_not_there(tmp_path: Path, text: str, message: str) -> None:
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", _schema())
        with pytest.raises(FilterError, match=message):
            collection.query(text)


def test_null_structs(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", _schema(nullable=True))
        rows = [*_rows(3), {"id": 10, "chunks": None, "title": "x"}, {"id": 11, "title": "y"}]
        collection.insert(rows)
        collection.flush()
        expected = _plain([*rows[:4], {**rows[4], "chunks": None}])
        assert _plain([dict(sorted(row.items())) for row in _stored(collection)]) == expected
        assert collection.count("chunks is null") == 2
        assert collection.count("not match_any(chunks, $[page] > 10)") == 2  # rows 0 and 1
        assert len(collection.search([[1, 0]], field="chunks[vector]", limit=9)) == 2


def test_a_struct_that_is_added_later(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as database:
        plain = Schema([f for f in _schema().fields if f.name != "chunks"])
        collection = database.create_collection("c", plain)
        collection.insert([{"id": 100, "title": "old"}])
        collection.add_field(_schema(nullable=True).field("chunks"))
        collection.insert(_rows(4))
        found = {row["id"]: row["chunks"] for row in collection.query(output=["chunks"])}
        assert found[100] is None
        assert found[1][0]["page"] == 10
        collection.compact()
        assert [hit.id for hit in collection.search([[0, 1]], field="chunks[vector]")] == [3, 2, 1]
        collection.drop_field("chunks")
        assert collection.get([1], output=["*"]) == [{"id": 1, "title": "t1"}]


def test_parts_of_entities_are_replaced_and_appended_to(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", _schema())
        rows = _rows(3)
        collection.insert(rows)
        collection.upsert([{"id": 1, "title": "new"}], partial=True)
        collection.upsert([{"id": 2, "chunks": [_element(7, 7)]}], partial=True)
        rows[1]["title"], rows[2]["chunks"] = "new", [_element(7, 7)]
        assert _stored(collection) == _plain(rows)
        collection.upsert(
            [{"id": 2, "chunks": [_element(8, 8)]}], partial=True, array_ops={"chunks": "append"}
        )
        rows[2]["chunks"].append(_element(8, 8))
        assert _stored(collection) == _plain(rows)
        with pytest.raises(InvalidArgumentError, match="cannot be removed by value"):
            collection.upsert(
                [{"id": 2, "chunks": []}], partial=True, array_ops={"chunks": "remove"}
            )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"expected a list of structs \(not nullable\), got None \(row 1\)"),
        ("x", r"expected a list of dicts, or a dict of columns, got str 'x' \(row 1\)"),
        ([1], r"expected a list of dicts, got one of int 1 \(row 1\)"),
        ([{"page": 1}], r"an element has no 'lang' \(row 1\)"),
        ([{**_element(1, 1), "pages": 1}], r"no field 'pages'; did you mean 'page'\? \(row 1\)"),
        ([{**_element(1, 1), "page": 2**20}], r"chunks\[page\].*\(row 1, element 0\)"),
        ([{**_element(1, 1), "vector": [1.0]}], r"chunks\[vector\].*dim 2.*\(row 1, element 0\)"),
        ([{**_element(1, 1), "lang": None}], r"chunks\[lang\].*None.*\(row 1\)"),
        ([_element(1, 1)] * 9, r"9 elements exceed max_capacity=8 \(row 1\)"),
        ({**{p.name: [] for p in STRUCT}, "page": [1]}, r"'page' has 1 elements, 'lang' has 0"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit(tmp_path: Path, value: Any, message: str) -> None:
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", _schema())
        good, other = _rows(2, first=1)
        with pytest.raises(EntityError, match=message):
            collection.insert([good, {**other, "chunks": value}])
        assert collection.count() == 0


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "ARRAY needs element_type="),
        ([Field("a", DataType.JSON)], "expected a scalar type but JSON, or dense vectors"),
        ([Field("a", DataType.INT8, nullable=True)], "cannot have nullable"),
        ([Field("a", DataType.INT8), Field("a", DataType.INT8)], "used twice: a"),
        (["a"], "struct holds Field objects, got str"),
    ],
)
def test_structs_that_cannot_be_declared(parts: list[Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Field("chunks", ARRAY, element_type="STRUCT", struct=parts)
    with pytest.raises(SchemaError, match="a STRUCT is only an element"):
        Field("chunks", "STRUCT")


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet", "arrow", "npz"])
def test_exports_are_imported_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    schema = _schema(nullable=True)
    rows = [*_rows(9), {"id": 50, "chunks": None, "title": "none"}]
    with elanus.connect(tmp_path / "db") as database:
        collection = database.create_collection("c", schema)
        collection.insert(rows)
        collection.flush()
        collection.delete([0])
        collection.export_data(path)
        again = database.create_collection("again", schema)
        again.import_data(path)
        assert _stored(again) == _plain(rows[1:])
        narrow = tmp_path / "narrow.parquet"
        collection.export_data(narrow, output=["id", "chunks[page]"])
        table = collection.to_arrow(output=["id", "chunks[page]"])
        assert table.to_pylist()[0] == {"id": 1, "chunks": [{"page": 10}]}


def test_damaged_vectors_cost_their_rows_only(tmp_path: Path) -> None:
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field(
                "chunks",
                ARRAY,
                element_type="STRUCT",
                struct=[
                    Field("page", DataType.INT32),
                    Field("vector", DataType.FLOAT_VECTOR, dim=256),
                ],
            ),
        ]
    )
    rng = np.random.default_rng(0)
    rows = [
        {"id": i, "chunks": {"page": np.arange(3), "vector": rng.random((3, 256), np.float32)}}
        for i in range(400)
    ]
    with elanus.connect(tmp_path) as database:
        collection = database.create_collection("c", schema)
        collection.insert(rows)
        collection.flush()
    (file,) = tmp_path.glob("**/*chunks.vector*")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    repair(tmp_path, salvage=True)
    with elanus.connect(tmp_path) as database:
        found = database.collection("c").query("id >= 0", output=["*"], limit=1000)
    # A block of 64 KiB holds 64 vectors, so about 22 rows.
    assert 370 <= len(found) < 400
    for row in found:
        assert [one["page"] for one in row["chunks"]] == [0, 1, 2]
        vectors = np.array([one["vector"] for one in row["chunks"]], dtype=np.float32)
        assert np.array_equal(vectors, rows[row["id"]]["chunks"]["vector"])
