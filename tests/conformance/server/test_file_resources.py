"""Files that analyzers use, through Milvus' own client and over REST."""

import pymilvus
import pytest
from pymilvus import DataType, Function, FunctionType

from elanus_server import serve_local
from support.rest_client import RestClient

NAME = "stopped"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "stop.txt").write_text("the\n\nof \n")
    (folder / "synonyms.txt").write_text("car, automobile\n")
    (folder / "words.txt").write_text("dampf\nschiff\n")
    return folder


@pytest.fixture(scope="module")
def uri(folder, files):
    with serve_local(str(folder), import_folder=str(files)) as address:
        yield address


@pytest.fixture
def resources(client):
    yield client
    for name in client.list_collections():
        client.drop_collection(name)
    for resource in client.list_file_resources():
        client.remove_file_resource(resource.name)


def remote(name):
    return {"type": "remote", "resource_name": name, "file_name": "any.txt"}


def listed(client):
    return [(resource.name, resource.path) for resource in client.list_file_resources()]


def test_resources_are_added_listed_and_removed(resources):
    resources.add_file_resource("stop", "stop.txt")
    resources.add_file_resource("stop", "stop.txt")
    resources.add_file_resource("more", "synonyms.txt")
    assert listed(resources) == [("more", "synonyms.txt"), ("stop", "stop.txt")]
    for path, text in [
        ("none.txt", "path not exist"),
        ("../x", "path not exist"),
        ("", "not exist"),
    ]:
        with pytest.raises(pymilvus.MilvusException, match=text):
            resources.add_file_resource("new", path)
    with pytest.raises(pymilvus.MilvusException, match="already exists") as raised:
        resources.add_file_resource("stop", "words.txt")
    assert raised.value.code == 65535
    resources.remove_file_resource("more")
    resources.remove_file_resource("more")
    assert listed(resources) == [("stop", "stop.txt")]


def test_analyzers_read_the_files(resources):
    resources.add_file_resource("stop", "stop.txt")
    resources.add_file_resource("synonyms", "synonyms.txt")
    resources.add_file_resource("words", "words.txt")
    for kind, text, tokens in [
        (
            {"type": "stop", "stop_words": ["a"], "stop_words_file": remote("stop")},
            "a house of the lord",
            ["house", "lord"],
        ),
        ({"type": "synonym", "synonyms_file": remote("synonyms")}, "car", ["car", "automobile"]),
        (
            {"type": "decompounder", "word_list_file": remote("words")},
            "dampfschiff",
            ["dampf", "schiff"],
        ),
    ]:
        params = {"tokenizer": "standard", "filter": ["lowercase", kind]}
        found = resources.run_analyzer(text, params)
        assert sorted(found.tokens) == sorted(tokens)
    for given, text in [
        (remote("x"), "file resource x not found"),
        ({"type": "local", "path": "stop.txt"}, "got the type 'local'"),
        ("stop.txt", "expected an object"),
    ]:
        params = {"tokenizer": "standard", "filter": [{"type": "stop", "stop_words_file": given}]}
        with pytest.raises(pymilvus.MilvusException, match=text):
            resources.run_analyzer("a", params)


def test_collection_keeps_what_the_file_said(resources, files):
    (files / "own.txt").write_text("fox\n")
    resources.add_file_resource("own", "own.txt")
    params = {
        "tokenizer": "standard",
        "filter": ["lowercase", {"type": "stop", "stop_words_file": remote("own")}],
    }
    schema = resources.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field(
        "text", DataType.VARCHAR, max_length=64, enable_analyzer=True, analyzer_params=params
    )
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(Function("bm25", FunctionType.BM25, ["text"], ["words"]))
    indexes = resources.prepare_index_params()
    indexes.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    resources.create_collection(
        NAME, schema=schema, index_params=indexes, consistency_level="Strong"
    )
    (files / "own.txt").write_text("dog\n")
    resources.insert(NAME, [{"id": 1, "text": "fox and dog"}])
    assert [len(resources.search(NAME, [w], limit=1)[0]) for w in ("fox", "dog")] == [0, 1]
    fields = {field["name"]: field for field in resources.describe_collection(NAME)["fields"]}
    assert "own" in str(fields["text"]["params"])
    with pytest.raises(pymilvus.MilvusException, match="is still in use"):
        resources.remove_file_resource("own")
    resources.drop_collection(NAME)
    resources.remove_file_resource("own")


def test_resources_over_rest(resources, uri):
    rest = RestClient(uri)
    assert rest.post("file_resources/add", name="stop", path="stop.txt") == {"code": 0, "data": {}}
    assert rest.data("file_resources/list") == [{"name": "stop", "path": "stop.txt"}]
    rest.data("file_resources/remove", name="stop")
    assert rest.data("file_resources/list") == []
