"""Analyzers of others through a server, by both of its protocols."""

from collections.abc import Iterator

import pytest
from pymilvus import DataType, Function, FunctionType, MilvusClient, MilvusException

import elanus
from elanus.errors import AnalyzerNotFoundError
from elanus_server import Settings
from support.plugin_package import install_analyzers
from support.running_server import Running

CODES = {"type": "acme-codes"}
HOUSE = {"tokenizer": {"type": "acme-words", "pattern": "[a-z]+"}, "filter": ["acme-turn"]}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    install_analyzers(folder)
    settings = Settings(
        path=":memory:", host="127.0.0.1", port=0, rest_port="shared", metrics_port=None
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        with Running(settings) as running:
            yield f"http://127.0.0.1:{running.ports.grpc}"


def test_elanus_as_client(url: str) -> None:
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer=CODES),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )
    with elanus.connect(url) as db:
        parts = db.create_collection("parts", schema)
        parts.insert([{"id": 1, "text": "Part AB-12"}, {"id": 2, "text": "Part CD-3"}])
        found = parts.search("CD-3", highlight=elanus.Highlighter(num_of_fragments=None))
        assert found.ids == [2]
        assert found[0].highlights == {"text": ["Part <em>CD-3</em>"]}
        assert parts.run_analyzer("Part CD-3", "text") == ["cd-3", "cd3"]
        unknown = elanus.Schema(
            [
                *schema.fields[:1],
                elanus.Field("text", elanus.VARCHAR, analyzer="acme-code"),
                schema.fields[2],
            ]
        )
        with pytest.raises(AnalyzerNotFoundError, match="did you mean 'acme-codes'") as caught:
            db.create_collection("others", unknown)
        assert caught.value.name == "acme-code"


def test_pymilvus_as_client(url: str) -> None:
    client = MilvusClient(url)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field(
        "text",
        DataType.VARCHAR,
        max_length=100,
        enable_analyzer=True,
        enable_match=True,
        analyzer_params=HOUSE,
    )
    schema.add_field("bm25", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(Function("f", FunctionType.BM25, ["text"], ["bm25"]))
    index = client.prepare_index_params()
    index.add_index("bm25", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    client.create_collection("words", schema=schema, index_params=index)
    client.insert("words", [{"id": 1, "text": "red house 7"}, {"id": 2, "text": "blue hill"}])
    hits = client.search("words", ["house"], anns_field="bm25", limit=5, consistency_level="Strong")
    assert [hit["id"] for hit in hits[0]] == [1]
    rows = client.query("words", "text_match(text, 'hill')", consistency_level="Strong")
    assert [row["id"] for row in rows] == [2]
    assert list(client.run_analyzer("red house 7", HOUSE).tokens) == ["der", "esuoh"]
    with pytest.raises(MilvusException, match="no plug-in of that name"):
        client.run_analyzer("red", {"tokenizer": "acme-wards"})
    client.close()
