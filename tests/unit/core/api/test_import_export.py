"""What is exported is what was stored, and what is imported is what the source holds."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import elanus
from elanus.engine.background.upkeep import Upkeep
from elanus.errors import (
    AlreadyExistsError,
    EntityError,
    EntityExistsError,
    InvalidArgumentError,
    NotFoundError,
    ReadOnlyError,
)
from support.every_type import content, every_type_rows, every_type_schema

FILES = ["jsonl", "jsonl.gz", "csv", "csv.gz", "tsv", "parquet", "arrow", "feather", "arrows"]


@pytest.fixture
def db(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        yield database


@pytest.fixture
def stored(db):
    """Rows in two segments and a memtable, some of them deleted."""
    made = db.create_collection("stored", every_type_schema())
    made.insert(every_type_rows(40))
    made.flush()
    made.insert(every_type_rows(20, first=40))
    made.delete([3, -4])
    made.flush()
    made.insert(every_type_rows(5, first=60))
    return made


@pytest.fixture
def fresh(db):
    return db.create_collection("fresh", every_type_schema())


def simple_schema(**options):
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True, **options),
            elanus.Field("name", elanus.VARCHAR, nullable=True),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2),
        ]
    )


@pytest.fixture
def simple(db):
    return db.create_collection("simple", simple_schema())


def simple_rows(count, *, name="n"):
    return [{"id": i, "name": f"{name}{i}", "dense": [i, 1]} for i in range(count)]


def write_lines(path, rows):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("batch_rows", [7, None])
def test_file_brings_everything_back(stored, fresh, tmp_path, suffix, batch_rows):
    file = tmp_path / f"all.{suffix}"
    written = stored.export_data(file, batch_rows=batch_rows)
    assert (written.rows, written.size_bytes) == (63, file.stat().st_size)
    read = fresh.import_data(file, batch_rows=batch_rows)
    assert (read.rows, read.skipped, read.failed, read.errors) == (63, 0, 0, ())
    assert content(fresh) == content(stored)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_texts_come_back_whatever_they_hold(db, simple, tmp_path, suffix):
    texts = ["", " ", "\r", "\n", "\r\n", "a\rb", "a\n\rb", ",", "\t", '"', '"a"', 'a""', "\ufeffa"]
    texts += ["\u2028", "\x00", "\x85", "NULL", "null", "nan", "'", "\\", "#", "=1+1", None]
    rows = [{"id": i, "name": text, "dense": [i, 1.0]} for i, text in enumerate(texts)]
    simple.insert(rows)
    simple.export_data(tmp_path / f"texts.{suffix}")
    again = db.create_collection("again", simple_schema())
    again.import_data(tmp_path / f"texts.{suffix}")
    assert again.query(output=["id", "name", "dense"]) == rows


@pytest.mark.parametrize("form", [*FILES, "to_arrow", "to_arrow_reader", "to_polars", "to_pandas"])
def test_entities_without_vectors_come_back_without(db, tmp_path, form):
    kinds = ["FLOAT", "FLOAT16", "BFLOAT16", "INT8", "BINARY"]
    fields = [elanus.Field("id", elanus.INT64, primary=True)]
    fields += [elanus.Field(k.lower(), f"{k}_VECTOR", dim=8, nullable=True) for k in kinds]
    fields.append(elanus.Field("sparse", elanus.SPARSE_FLOAT_VECTOR, nullable=True))
    made = db.create_collection("vectors", elanus.Schema(fields))
    ones = {kind.lower(): [1] * 8 for kind in kinds} | {"binary": b"a", "sparse": {3: 1.0}}
    made.insert([{"id": 0}, {"id": 1, **ones}, {"id": 2}, {"id": 3, "sparse": {}}])
    again = db.create_collection("again", elanus.Schema(fields))
    if form in FILES:
        made.export_data(tmp_path / f"all.{form}")
        again.import_data(tmp_path / f"all.{form}")
    else:
        again.import_data(getattr(made, form)())
    assert content(again) == content(made)
    assert "0.0" not in content(made)[0]


@pytest.mark.parametrize("suffix", ["npz", "jsonl", "parquet"])
def test_rows_without_nulls_pass_through_every_format(db, fresh, tmp_path, suffix):
    whole = db.create_collection("whole", every_type_schema())
    whole.insert(every_type_rows(30, nulls=False))
    whole.export_data(tmp_path / f"all.{suffix}", batch_rows=4)
    fresh.import_data(tmp_path / f"all.{suffix}", batch_rows=9)
    assert content(fresh) == content(whole)


@pytest.mark.parametrize("kind", ["to_arrow", "to_arrow_reader", "to_polars"])
def test_table_in_memory_brings_everything_back(stored, fresh, kind):
    assert fresh.import_data(getattr(stored, kind)(), batch_rows=11).rows == 63
    assert content(fresh) == content(stored)


def test_pandas_brings_everything_back_but_nan_beside_nulls(stored, fresh):
    frame = stored.to_pandas()
    assert fresh.import_data(frame, batch_rows=11).rows == 63
    expected = {
        pk: text.replace("'double': nan", "'double': None") for pk, text in content(stored).items()
    }
    assert content(fresh) == expected


def test_record_batch_and_objects_that_export_arrow(stored, db):
    table = stored.to_arrow()
    batch = table.combine_chunks().to_batches()[0]

    class Exporter:
        def __arrow_c_stream__(self, requested_schema=None):
            return table.__arrow_c_stream__(requested_schema)

    for number, source in enumerate((batch, Exporter())):
        made = db.create_collection(f"made{number}", every_type_schema())
        made.import_data(source)
        assert content(made) == content(stored)


def test_searches_find_imported_rows(stored, fresh, tmp_path):
    stored.export_data(tmp_path / "all.parquet")
    fresh.import_data(tmp_path / "all.parquet")
    for query, field in (([1, 1, 1], "dense"), ("wörld", "bm25"), ({2**32 - 2: 1.0}, "sparse")):
        expected = [(h.id, h.score) for h in stored.search(query, field, limit=9)]
        assert len(expected) == 9 or field == "bm25"
        assert [(h.id, h.score) for h in fresh.search(query, field, limit=9)] == expected


def test_export_takes_filter_output_and_the_past(stored, tmp_path):
    file = tmp_path / "some.jsonl"
    written = stored.export_data(file, filter="id > 50", output=["id", "text"])
    found = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert written.rows == len(found) == 7
    assert sorted(found, key=lambda row: row["id"]) == stored.query("id > 50", output=["text"])
    table = stored.to_arrow(filter="id == {key}", params={"key": 51}, output=["id", "big"])
    assert table.to_pylist() == [{"id": 51, "big": -(2**63)}]


def test_arrow_columns_are_views(stored):
    stored.compact()
    table = stored.to_arrow(output=["dense", "text"])
    again = stored.to_arrow(output=["dense", "text"])
    for name in ("dense", "text"):
        first, second = (t.column(name).chunk(0).buffers()[-1].address for t in (table, again))
        assert first == second


def test_export_never_shows_half_a_file(stored, tmp_path):
    file = tmp_path / "all.npz"
    with pytest.raises(InvalidArgumentError, match=r"'flag' holds nulls.*export as jsonl, parquet"):
        stored.export_data(file)
    assert [p.name for p in tmp_path.iterdir()] == ["kb"]
    file.write_bytes(b"mine")
    with pytest.raises(AlreadyExistsError, match="overwrite=True"):
        stored.export_data(file, output=["id"])
    assert file.read_bytes() == b"mine"
    assert stored.export_data(file, output=["id"], overwrite=True).rows == 63
    assert sorted(np.load(file)["id"].tolist()) == sorted(content(stored))


def test_what_a_format_cannot_hold_is_named(db, tmp_path):
    made = db.create_collection("made", simple_schema())
    made.insert([{"id": 1, "name": r"\N", "dense": [1, 2]}])
    with pytest.raises(InvalidArgumentError, match=r"'name' holds the text .*null in CSV"):
        made.export_data(tmp_path / "x.csv")
    made.upsert([{"id": 1, "name": "ends\0", "dense": [1, 2]}])
    with pytest.raises(InvalidArgumentError, match=r"'name' holds text that ends with a zero"):
        made.export_data(tmp_path / "x.npz")
    with pytest.raises(InvalidArgumentError, match=r"one field, the export has 3"):
        made.export_data(tmp_path / "x.npy")
    made.export_data(tmp_path / "x.npy", output=["dense"])
    assert np.load(tmp_path / "x.npy").tolist() == [[1, 2]]


def test_columns_of_arrays(simple):
    vectors = np.arange(20, dtype=np.float64).reshape(10, 2)
    columns = {"id": np.arange(10), "name": [f"n{i}" for i in range(10)], "dense": vectors}
    assert simple.import_data(columns, batch_rows=3).rows == 10
    expected = [{"id": i, "name": f"n{i}", "dense": [2.0 * i, 2.0 * i + 1]} for i in range(10)]
    assert simple.query(output=["*"]) == expected


def test_generator_of_dicts(simple):
    assert simple.import_data((row for row in simple_rows(25)), batch_rows=4).rows == 25
    assert simple.count() == 25


def test_vector_file_beside_automatic_keys(db, tmp_path):
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True, auto_id=True),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2),
        ]
    )
    made = db.create_collection("made", schema)
    np.save(tmp_path / "vectors.npy", np.eye(2, dtype=np.float32))
    made.import_data(tmp_path / "vectors.npy")
    made.insert([{"dense": [5, 5]}])
    assert made.query(output=["*"]) == [
        {"id": 1, "dense": [1, 0]},
        {"id": 2, "dense": [0, 1]},
        {"id": 3, "dense": [5, 5]},
    ]


def test_keys_of_the_source_replace_automatic_ones(db, tmp_path):
    made = db.create_collection("made", simple_schema(auto_id=True))
    rows = [{**row, "id": row["id"] + 7} for row in simple_rows(2)]
    with pytest.raises(EntityError, match=r"made by the engine.*on_conflict='replace'"):
        made.import_data(rows)
    made.import_data(rows, on_conflict="replace")
    made.import_data(rows, columns={"id": None})
    assert [row["id"] for row in made.query()] == [7, 8, 9, 10]


def test_automatic_texts_follow_the_keys_that_an_import_brings(db):
    fields = [elanus.Field("id", elanus.VARCHAR, primary=True, auto_id=True)]
    fields.append(elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2))
    made = db.create_collection("made", elanus.Schema(fields))
    # A number that Python refuses to read, and one beyond any counter: both are texts alone.
    given = ["7", "doc", "9" * 5000, "9" * 25]
    made.import_data([{"id": key, "dense": [1, 2]} for key in given], on_conflict="replace")
    assert made.insert([{"dense": [1, 2]}]) == ["8"]
    assert {row["id"] for row in made.query()} == {*given, "8"}


def test_columns_are_renamed_and_left_out(simple, tmp_path):
    rows = [{"key": 1, "dense": [1, 2], "other": 5}]
    file = write_lines(tmp_path / "in.jsonl", rows)
    simple.import_data(file, columns={"key": "id", "other": None})
    frame = pd.DataFrame([{"key": 2, "title": "t", "dense": [1, 2], "other": 5}])
    simple.import_data(frame, columns={"key": "id", "title": "name", "other": None})
    assert simple.query(output=["id", "name"]) == [{"id": 1, "name": None}, {"id": 2, "name": "t"}]


@pytest.mark.parametrize(
    ("frame", "columns", "message"),
    [
        ({"id": [1]}, {}, "no column for field 'dense'.*columns="),
        ({"id": [1], "dense": [[1, 2]], "nam": ["x"]}, {}, r"column 'nam'.*did you mean 'name'"),
        ({"id": [1], "dense": [[1, 2]]}, {"idd": "id"}, "no column 'idd'; did you mean 'id'"),
        ({"id": [1], "dense": [[1, 2]]}, {"id": "key"}, "'key', but there is no such field"),
        ({"id": ["a"], "dense": [[1, 2]]}, {}, "expected INT64, got Arrow's"),
        ({"id": [1], "dense": [[1, 2, 3]]}, {}, "row 0: field 'dense': expected dim 2, got 3"),
    ],
)
def test_columns_that_do_not_fit_are_named(simple, frame, columns, message):
    with pytest.raises(InvalidArgumentError, match=message):
        simple.import_data(pl.DataFrame(frame), columns=columns)
    assert simple.count() == 0


def test_undeclared_columns_go_to_the_dynamic_field(db):
    schema = elanus.Schema(simple_schema().fields, dynamic=True)
    made = db.create_collection("made", schema)
    frame = pd.DataFrame({"id": [1, 2], "dense": [[1, 2]] * 2, "lang": ["en", None], "n": [1, 2]})
    made.import_data(frame)
    assert made.query(output=["$meta"]) == [{"id": 1, "lang": "en", "n": 1}, {"id": 2, "n": 2}]


def test_first_row_at_fault_stops_the_import(simple, tmp_path):
    rows = [*simple_rows(5), '{"id": 5,', {"id": 6, "dense": [1, "x"]}]
    file = write_lines(tmp_path / "in.jsonl", rows)
    with pytest.raises(EntityError) as caught:
        simple.import_data(file)
    assert str(caught.value).startswith(f"{file}, line 6: not JSON: ")
    assert "Nothing was imported: correct it" in str(caught.value)
    assert simple.count() == 0


def test_rows_at_fault_are_collected(simple, tmp_path):
    bad = {3: {"id": 3, "dense": [1]}, 11: '{"id"', 12: {"id": 12, "nam": 1, "dense": [1, 2]}}
    rows = [bad.get(row["id"], row) for row in simple_rows(40)]
    rows[20:20] = [""]  # an empty line is no row
    rows[30] = {"id": 29, "name": 7, "dense": [1, 2]}
    file = write_lines(tmp_path / "in.jsonl", rows)
    result = simple.import_data(file, max_errors=4, batch_rows=16)
    assert (result.rows, result.failed) == (36, 4)
    assert result.errors_file == f"{file}.errors.jsonl"
    with open(result.errors_file, encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    assert sorted((f["row"], f["line"], f["field"]) for f in found) == [
        (3, 4, "dense"),
        (11, 12, None),
        (12, 13, "nam"),
        (29, 31, "name"),
    ]
    by_row = {f["row"]: f for f in found}
    assert by_row[3]["message"] == "field 'dense': expected dim 2, got 1"
    assert by_row[3]["entity"] == bad[3]
    assert by_row[11]["entity"] == '{"id"'
    assert {f["source"] for f in found} == {str(file)}
    expected = set(range(40)) - {3, 11, 12, 29}
    assert {row["id"] for row in simple.query()} == expected


def test_more_errors_than_allowed(simple, tmp_path):
    rows = [{"id": i, "dense": [i]} for i in range(5)]
    file = write_lines(tmp_path / "in.jsonl", rows)
    errors = tmp_path / "bad.jsonl"
    with pytest.raises(EntityError, match=r"5 rows cannot be stored, more than max_errors=3"):
        simple.import_data(file, max_errors=3, errors_file=errors)
    assert len(errors.read_text().splitlines()) == 5
    assert simple.count() == 0


@pytest.mark.parametrize("batch_rows", [2, 100])
def test_key_twice_in_the_source(simple, batch_rows):
    rows = [*simple_rows(6), {"id": 2, "name": "again", "dense": [9, 9]}, *simple_rows(1, name="z")]
    with pytest.raises(EntityExistsError, match=r"rows, row 6: primary key 2 is there twice"):
        simple.import_data(rows, batch_rows=batch_rows)
    skipped = simple.import_data(rows, on_conflict="skip", batch_rows=batch_rows)
    assert (skipped.rows, skipped.skipped) == (6, 2)
    assert [row["name"] for row in simple.query()] == ["n0", "n1", "n2", "n3", "n4", "n5"]
    simple.delete("id >= 0")
    replaced = simple.import_data(rows, on_conflict="replace", batch_rows=batch_rows)
    assert (replaced.rows, replaced.skipped) == (6, 0)
    assert [row["name"] for row in simple.query()] == ["z0", "n1", "again", "n3", "n4", "n5"]


@pytest.mark.parametrize("flushed", [True, False])
def test_key_that_the_collection_has(simple, flushed):
    simple.insert(simple_rows(3, name="old"))
    if flushed:
        simple.flush()
    with pytest.raises(EntityExistsError, match="primary key 0 exists already in the collection"):
        simple.import_data(simple_rows(5))
    assert simple.count() == 3
    counted = simple.import_data(simple_rows(5), max_errors=3)
    assert (counted.rows, counted.failed) == (2, 3)
    skipped = simple.import_data(simple_rows(6), on_conflict="skip")
    assert (skipped.rows, skipped.skipped) == (1, 5)
    names = [row["name"] for row in simple.query()]
    assert names == ["old0", "old1", "old2", "n3", "n4", "n5"]
    assert simple.import_data(simple_rows(2, name="new"), on_conflict="replace").rows == 2
    assert [row["name"] for row in simple.query(limit=3)] == ["new0", "new1", "old2"]
    assert simple.count() == 6


def test_defaults_and_nulls_of_missing_columns(db):
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("year", elanus.INT16, default=1999),
            elanus.Field("name", elanus.VARCHAR, nullable=True),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2),
        ]
    )
    made = db.create_collection("made", schema)
    made.import_data(pa.table({"id": [1], "dense": [[1.0, 2.0]]}))
    made.import_data(pa.table({"id": [2, 3], "year": [None, 5], "dense": [[1.0, 2.0]] * 2}))
    assert made.query() == [
        {"id": 1, "year": 1999, "name": None},
        {"id": 2, "year": 1999, "name": None},
        {"id": 3, "year": 5, "name": None},
    ]


def test_several_files_and_patterns(simple, tmp_path):
    rows = simple_rows(9)
    for part in range(3):
        write_lines(tmp_path / f"part{part}.jsonl", rows[part::3])
    assert simple.import_data(str(tmp_path / "part*.jsonl")).rows == 9
    assert simple.import_data([tmp_path / "part1.jsonl"], on_conflict="skip").skipped == 3
    with pytest.raises(NotFoundError, match="no file"):
        simple.import_data(tmp_path / "nothing.jsonl")
    with pytest.raises(InvalidArgumentError, match="format="):
        simple.import_data(write_lines(tmp_path / "rows.data", rows))
    with pytest.raises(InvalidArgumentError, match="on_conflict: expected one of"):
        simple.import_data(rows, on_conflict="ignore")


def test_empty_source_imports_nothing(simple, tmp_path):
    (tmp_path / "empty.jsonl").touch()
    assert simple.import_data(tmp_path / "empty.jsonl").rows == 0
    assert simple.import_data([]).rows == 0
    assert simple.count() == 0


def test_reading_only_refuses(tmp_path, db, simple):
    simple.insert(simple_rows(3))
    with elanus.connect(tmp_path / "kb", read_only=True) as reader:
        found = reader.collection("simple")
        with pytest.raises(ReadOnlyError):
            found.import_data(simple_rows(1))
        assert found.export_data(tmp_path / "x.jsonl").rows == 3


def test_process_that_reads_sees_all_rows_at_once(tmp_path, db, simple):
    simple.insert(simple_rows(2, name="old"))
    with elanus.connect(tmp_path / "kb", read_only=True) as reader:
        found = reader.collection("simple")

        def source():
            for row in simple_rows(30):
                assert found.count() == 2
                yield row

        simple.import_data(source(), on_conflict="replace", batch_rows=5)
        assert [row["name"] for row in found.query()] == [f"n{i}" for i in range(30)]


def test_memory_limit_makes_smaller_segments(tmp_path, monkeypatch):
    monkeypatch.setattr(Upkeep, "after_load", lambda self: None)  # which would merge them
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=128),
        ]
    )
    columns = {"id": np.arange(16_000), "dense": np.ones((16_000, 128), dtype=np.float32)}
    sizes = {}
    for limit in (None, "16MB"):
        with elanus.connect(tmp_path / f"kb{limit}", memory_limit=limit) as limited:
            made = limited.create_collection("made", schema)
            made.import_data(columns, batch_rows=1_000)
            sizes[limit] = [s.rows for s in made.stats().segments if s.rows]
    assert sizes[None] == [16_000]
    assert sum(sizes["16MB"]) == 16_000
    assert max(sizes["16MB"]) <= 3_000


def test_function_is_told_how_far_an_import_is_and_may_end_it(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f'{{"id": {n}, "n": {n}}}\n' for n in range(10)))
    schema = elanus.Schema(
        [elanus.Field("id", elanus.INT64, primary=True), elanus.Field("n", elanus.INT64)]
    )
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("rows", schema)
        told = []
        collection.import_data(
            file, batch_rows=4, progress=lambda rows, share: told.append((rows, share))
        )
        assert [rows for rows, _ in told] == [4, 8, 10]
        assert told[-1][1] == 1.0
        assert told == sorted(told)

        def ends(rows, share):
            raise InterruptedError

        other = db.create_collection("other", schema)
        with pytest.raises(InterruptedError):
            other.import_data(file, batch_rows=4, progress=ends)
        assert other.count() == 0
        assert other.import_data(file, batch_rows=4).rows == 10


def test_properties_are_set_with_the_rows_or_not_at_all(tmp_path):
    schema = elanus.Schema([elanus.Field("id", elanus.INT64, primary=True)])
    with elanus.connect(tmp_path / "kb") as db:
        made = db.create_collection("c", schema, properties={"kept": 1})
        made.import_data({"id": [1, 2]}, properties=lambda count: {"mine": count})
        assert (made.count(), made.properties) == (2, {"kept": 1, "mine": 2})
        for key, wrong, error in (
            (7, {"collection.ttl.seconds": 9}, InvalidArgumentError),
            (7, {"mine": object()}, InvalidArgumentError),
            (1, {"mine": 0}, EntityExistsError),
        ):
            with pytest.raises(error):
                made.import_data({"id": [key]}, properties=lambda count, wrong=wrong: wrong)
        made.import_data({"id": [8]}, properties=lambda count: {"mine": None, "other": count})
    with elanus.connect(tmp_path / "kb") as db:
        assert [row["id"] for row in db.collection("c").query()] == [1, 2, 8]
        assert db.collection("c").properties == {"kept": 1, "other": 1}
