"""Imports in the background: Milvus' bulk writer, its REST helpers and its own calls."""

import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pymilvus
import pytest
from pymilvus import DataType

import elanus
from elanus_server import serve_local
from elanus_server.service.jobs import Jobs
from support.rest_client import RestClient
from support.waiting import until

NAME = "rows"
WRITTEN = Path(__file__).parents[2] / "format" / "milvus"
"""What Milvus' bulk writer wrote, with the rows that it is."""
ROWS = [
    {"id": n, "title": f"title {n}", "vector": [float(n), 1.0, 0.5, 0.25], "extra": n % 3}
    for n in range(20)
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def uri(folder, files):
    with serve_local(str(folder), import_folder=str(files), max_vector_fields=10) as address:
        yield address


def make_schema():
    schema = pymilvus.MilvusClient.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("title", DataType.VARCHAR, max_length=64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    return schema


@pytest.fixture
def rows(client):
    indexes = client.prepare_index_params()
    indexes.add_index("vector", metric_type="L2")
    client.create_collection(
        NAME, schema=make_schema(), index_params=indexes, consistency_level="Strong"
    )
    return client


def bulk_import(uri, collection, **members):
    """Ask as pymilvus' ``bulk_import`` does, whose package needs clients of clouds."""
    empty = dict.fromkeys(("objectUrls", "dataPaths"))
    empty |= dict.fromkeys(("dbName", "partitionName", "objectUrl", "clusterId", "token"), "")
    body = {"collectionName": collection, **empty, "options": {}, **members}
    return RestClient(uri).data("jobs/import/create", **body)["jobId"]


def progress(uri, job):
    return RestClient(uri).data("jobs/import/describe", jobId=job, clusterId="", projectId="")


def contents(client):
    found = client.query(NAME, filter="id >= 0", output_fields=["title", "vector", "extra"])
    return sorted(found, key=lambda row: row["id"])


def ended(uri, job):
    return until(lambda: progress(uri, job), lambda told: told["state"] in ("Completed", "Failed"))


def writer_schema(*, numpy):
    schema = pymilvus.MilvusClient.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    for name, dtype in [
        ("flag", DataType.BOOL),
        ("large", DataType.INT64),
        ("exact", DataType.DOUBLE),
        ("notes", DataType.JSON),
    ]:
        schema.add_field(name, dtype, nullable=True)
    schema.add_field("title", DataType.VARCHAR, max_length=32, nullable=True)
    schema.add_field("tiny", DataType.INT8)
    schema.add_field("small", DataType.INT16)
    schema.add_field("medium", DataType.INT32)
    schema.add_field("ratio", DataType.FLOAT)
    schema.add_field("float_vector", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("float16_vector", DataType.FLOAT16_VECTOR, dim=4)
    schema.add_field("bfloat16_vector", DataType.BFLOAT16_VECTOR, dim=4)
    schema.add_field("int8_vector", DataType.INT8_VECTOR, dim=4)
    schema.add_field("binary_vector", DataType.BINARY_VECTOR, dim=16)
    if not numpy:
        schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
        for name, element in (("years", DataType.INT32), ("words", DataType.VARCHAR)):
            schema.add_field(
                name,
                DataType.ARRAY,
                element_type=element,
                max_capacity=8,
                max_length=32,
                nullable=name == "years",
            )
    return schema


@pytest.mark.parametrize("kind", ["parquet", "json", "csv", "numpy"])
def test_files_of_the_bulk_writer(client, uri, files, kind):
    shutil.copytree(WRITTEN / kind, files / kind)
    schema = writer_schema(numpy=kind == "numpy")
    client.create_collection(NAME, schema=schema, consistency_level="Strong")
    for field in ("float_vector", "float16_vector", "bfloat16_vector", "int8_vector"):
        client.create_index(NAME, one_index(client, field, "L2"))
    client.create_index(NAME, one_index(client, "binary_vector", "HAMMING"))
    if kind != "numpy":
        client.create_index(NAME, one_index(client, "sparse", "IP"))
    client.load_collection(NAME)
    groups = [
        [os.path.relpath(f, files) for f in sorted(one.iterdir())]
        if one.is_dir()
        # One file is a group of its own.
        else [os.path.relpath(one, files)]
        for one in sorted((files / kind).iterdir())
    ]
    job = bulk_import(uri, NAME, files=groups)
    done = ended(uri, job)
    assert (done["state"], done["progress"], done["importedRows"]) == ("Completed", 100, 3)
    assert done["collectionName"] == NAME
    expected = json.loads((WRITTEN / "expected.json").read_text())
    names = ["tiny", "medium", "ratio", "float_vector", "undeclared", "count"]
    names += [] if kind == "numpy" else ["title", "notes", "large", "words"]
    found = client.query(NAME, filter="id >= 0", output_fields=names)
    assert sorted(found, key=lambda row: row["id"]) == [
        {name: row[name] for name in ["id", *names]} for row in expected
    ]


def one_index(client, field, metric):
    indexes = client.prepare_index_params()
    indexes.add_index(field, metric_type=metric)
    return indexes


def test_calls_of_the_protocol(rows, files):
    (files / "all.json").write_text(json.dumps(ROWS))
    rows.create_partition(NAME, "early")
    handler = rows._get_connection()
    task = handler.do_bulk_insert(NAME, "early", ["all.json"])
    state = until(
        lambda: handler.get_bulk_insert_state(task),
        lambda s: s.state_name in ("Completed", "Failed"),
    )
    assert (state.state_name, state.row_count, state.progress) == ("Completed", 20, 100)
    assert (state.collection_name, state.partition_name) == (NAME, "early")
    assert len(rows.query(NAME, filter="id >= 0", partition_names=["early"])) == 20
    assert rows.query(NAME, filter="id >= 0", partition_names=["_default"]) == []
    listed = handler.list_bulk_insert_tasks(1, NAME)
    assert [one.task_id for one in listed] == [task]
    assert len(handler.list_bulk_insert_tasks(0, "")) >= 1


def test_rows_replace_those_with_the_same_key(rows, uri, files):
    (files / "again.json").write_text(json.dumps([{**ROWS[3], "title": "new"}]))
    rows.insert(NAME, ROWS)
    job = bulk_import(uri, NAME, files=[["again.json"]])
    assert ended(uri, job)["importedRows"] == 1
    assert [row["title"] for row in contents(rows)][2:5] == ["title 2", "new", "title 4"]


def test_options_of_csv_files(rows, uri, files):
    (files / "odd.csv").write_text('id;title;vector\n1;"NONE";"[1, 2, 3, 4]"\n')
    job = bulk_import(uri, NAME, files=[["odd.csv"]], options={"sep": ";", "nullkey": "-"})
    assert ended(uri, job)["state"] == "Completed"
    assert rows.get(NAME, ids=[1], output_fields=["title"]) == [{"id": 1, "title": "NONE"}]


def test_empty_cell_of_csv_files_is_null_where_that_may_be(client, uri, files):
    schema = make_schema()
    schema.add_field("note", DataType.VARCHAR, max_length=8, nullable=True)
    client.create_collection(NAME, schema=schema, consistency_level="Strong")
    client.create_index(NAME, one_index(client, "vector", "L2"))
    client.load_collection(NAME)
    (files / "empty.csv").write_text('id,title,note,vector\n1,"","","[1, 2, 3, 4]"\n')
    job = bulk_import(uri, NAME, files=[["empty.csv"]])
    assert ended(uri, job)["state"] == "Completed", progress(uri, job)
    found = client.get(NAME, ids=[1], output_fields=["title", "note"])
    assert found == [{"id": 1, "title": "", "note": None}]


def test_import_that_fails_says_why_and_changes_nothing(rows, uri, files):
    bad = [ROWS[0], {**ROWS[1], "vector": [1.0]}]
    (files / "bad.json").write_text(json.dumps(bad))
    job = bulk_import(uri, NAME, files=[["bad.json"]])
    done = ended(uri, job)
    assert (done["state"], done["importedRows"]) == ("Failed", 0)
    assert "vector" in done["reason"]
    assert "expected" in done["reason"]
    assert contents(rows) == []
    asked = {"collectionName": NAME, "pageSize": 10, "currentPage": 1}
    listed = RestClient(uri).data("jobs/import/list", **asked)["records"]
    assert listed[0]["jobId"] == job
    assert listed[0]["state"] == "Failed"


def test_files_elsewhere_are_not_there(rows, uri, files, tmp_path):
    rest = RestClient(uri)
    (files / "here.json").write_text(json.dumps(ROWS[:1]))
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(ROWS))
    (files / "link.json").symlink_to(secret)
    (files / "linked").mkdir()
    (files / "linked" / "x.json").symlink_to(secret)
    (files / "up").symlink_to(tmp_path, target_is_directory=True)
    outside = os.path.relpath(secret, files)
    absent = ["nothing.json", str(secret), outside, "link.json", "up/secret.json", "*.json", "a\0b"]
    for name in absent:
        code, reason = rest.refusal("jobs/import/create", collectionName=NAME, files=[[name]])
        assert (code, reason) == (
            1001,
            f"import: file resource path not exist: {name!r} below the import folder",
        )
    code, reason = rest.refusal("jobs/import/create", collectionName=NAME, files=[["linked"]])
    assert "links out of the import folder" in reason
    assert rest.data("jobs/import/create", collectionName=NAME, files=[[str(files / "here.json")]])


REFUSALS = [
    ({"files": [["x.txt"]]}, 2100, "unexpected file type"),
    ({"files": [["n/id.npy"]]}, 2100, "title.npy is not among the files"),
    ({"files": [["x.json"]], "partitionName": "nowhere"}, 200, "partition not found"),
    ({"files": [["x.json"]], "options": {"backup": "true"}}, 2100, "backups of Milvus"),
    ({"files": [["x.json"]] * 1025}, 2100, "should not exceed 1024"),
    ({"files": [["x.json"]], "collectionName": "nowhere"}, 100, "collection not found"),
]


@pytest.mark.parametrize(("asked", "code", "text"), REFUSALS)
def test_refusals(rows, uri, files, asked, code, text):
    (files / "x.txt").write_text("x")
    (files / "x.json").write_text("[]")
    (files / "n").mkdir(exist_ok=True)
    np.save(files / "n" / "id.npy", np.arange(3))
    np.save(files / "n" / "title.npy", np.array(["a", "b", "c"]))
    found = RestClient(uri).refusal("jobs/import/create", **{"collectionName": NAME, **asked})
    assert found[0] == code
    assert text in found[1]


def test_job_that_is_not_there(client, uri):
    code, reason = RestClient(uri).refusal("jobs/import/describe", jobId="7")
    assert (code, reason) == (2100, "import job does not exist, jobID=7: importing data failed")


def test_server_without_a_folder_reads_no_files(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with serve_local(":memory:") as uri:
        client = pymilvus.MilvusClient(uri)
        client.create_collection("c", dimension=4)
        told = RestClient(uri).refusal(
            "jobs/import/create", collectionName="c", files=[[str(tmp_path / "x.json")]]
        )
        assert told[0] == 1001
        assert "without --import-folder" in told[1]
        client.close()


def test_import_goes_on_after_a_restart(tmp_path, monkeypatch):
    """A server that ends before a job began or ended leaves it to the next one."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "rows.json").write_text(json.dumps(ROWS))
    folder = str(tmp_path / "kb")
    with serve_local(folder, import_folder=str(files)) as uri:
        client = pymilvus.MilvusClient(uri)
        client.create_collection(NAME, schema=make_schema())
        with monkeypatch.context() as patched:
            # As if the power went between taking the job and doing it.
            patched.setattr(Jobs, "_run", lambda self, job, work: None)
            job = bulk_import(uri, NAME, files=[["rows.json"]])
            assert progress(uri, job)["state"] == "Pending"
            client.close()
    with serve_local(folder, import_folder=str(files)) as uri:
        assert ended(uri, job)["importedRows"] == 20
        client = pymilvus.MilvusClient(uri)
        assert client.get_collection_stats(NAME) == {"row_count": 20}
        client.close()


def test_import_under_way_goes_on_after_a_restart(tmp_path, monkeypatch):
    """A server that is stopped ends its imports, and nothing of them is seen until they go on."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "rows.json").write_text(json.dumps(ROWS))
    folder, begun, tell = str(tmp_path / "kb"), threading.Event(), Jobs._tell

    def waits_for_the_end(jobs, number, **told):
        if "progress" in told:
            begun.set()
            until(lambda: jobs._stopping, bool)
        tell(jobs, number, **told)

    with serve_local(folder, import_folder=str(files)) as uri:
        client = pymilvus.MilvusClient(uri)
        client.create_collection(NAME, schema=make_schema())
        client.close()
        monkeypatch.setattr(Jobs, "_tell", waits_for_the_end)
        job = bulk_import(uri, NAME, files=[["rows.json"]])
        assert begun.wait(60)
        assert progress(uri, job)["state"] == "Importing"
    monkeypatch.setattr(Jobs, "_tell", tell)
    with elanus.connect(folder, read_only=True) as database:
        assert database.collection(NAME).count() == 0
    with serve_local(folder, import_folder=str(files)) as uri:
        assert ended(uri, job)["importedRows"] == 20


def test_import_that_ended_unnoticed_is_not_done_twice(tmp_path, monkeypatch):
    """Rows with keys that the server makes would be there twice."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "rows.json").write_text(json.dumps([{"vector": [n, 1]} for n in range(20)]))
    folder = str(tmp_path / "kb")
    with serve_local(folder, import_folder=str(files)) as uri:
        rest = RestClient(uri)
        rest.data("collections/create", collectionName="c", dimension=2, autoID=True)
        with monkeypatch.context() as patched:
            # As if the power went between the commit and the note of it.
            patched.setattr(Jobs, "_end", lambda self, number, **told: None)
            job = bulk_import(uri, "c", files=[["rows.json"]])
            until(lambda: rest.data("collections/get_stats", collectionName="c"), _has_rows)
        shown = rest.data("collections/describe", collectionName="c")["properties"]
        assert not any("import" in one["key"] for one in shown)
    with serve_local(folder, import_folder=str(files)) as uri:
        assert ended(uri, job)["importedRows"] == 20
        assert RestClient(uri).data("collections/get_stats", collectionName="c")["rowCount"] == 20
        again = bulk_import(uri, "c", files=[["rows.json"]])
        assert ended(uri, again)["importedRows"] == 20
        assert RestClient(uri).data("collections/get_stats", collectionName="c")["rowCount"] == 40


def _has_rows(told):
    return told["rowCount"] == 20
