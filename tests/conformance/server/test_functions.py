"""Functions of collections that are there, through Milvus' own client and over REST."""

import pymilvus
import pytest
from pymilvus import DataType, Function, FunctionType

from elanus.plugins import get_embedder
from support.embedding_services import EMBEDDING_SERVICES
from support.model_server import KEY, OWN_DIM, model_server
from support.rest_client import RestClient

pytest.importorskip("elanus_embeddings")

# Milvus 3 has other calls for these; programs that were written before still use them.
pytestmark = pytest.mark.filterwarnings("ignore:.*is unsupported by Milvus 3.0")

NAME = "texts"
MODEL = get_embedder("hash", dim=16)
TEXTS = ["a cat on a mat", "a dog in fog", "foxes and boxes"]


@pytest.fixture(scope="module", autouse=True)
def _key():
    # Before the server starts, which may be several processes.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUNCTION_KEY", KEY)
        yield


@pytest.fixture
def texts(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=64, enable_analyzer=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=16)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", metric_type="COSINE")
    client.create_collection(NAME, schema=schema, index_params=indexes, consistency_level="Strong")
    client.insert(
        NAME, [{"id": 0, "text": TEXTS[0], "vector": MODEL.embed_documents(TEXTS[:1])[0]}]
    )
    return client


def embedding(name="embed", **params):
    return Function(
        name=name,
        function_type=FunctionType.TEXTEMBEDDING,
        input_field_names=["text"],
        output_field_names=["vector"],
        params={"provider": "hash", "dim": 16, **params},
    )


def bm25(output="words"):
    return Function(
        name="bm25",
        function_type=FunctionType.BM25,
        input_field_names=["text"],
        output_field_names=[output],
    )


def functions(client):
    return [f["name"] for f in client.describe_collection(NAME)["functions"]]


def test_model_is_added_altered_and_dropped(texts):
    texts.add_collection_function(NAME, embedding())
    assert functions(texts) == ["embed"]
    (described,) = texts.describe_collection(NAME)["functions"]
    assert described["output_field_names"] == ["vector"]
    assert described["params"]["provider"] == "hash"
    fields = {f["name"]: f for f in texts.describe_collection(NAME)["fields"]}
    assert fields["vector"]["is_function_output"] is True
    texts.insert(NAME, [{"id": 1, "text": TEXTS[1]}])
    found = texts.search(NAME, [TEXTS[1]], anns_field="vector", limit=2)
    assert [hit["id"] for hit in found[0]] == [1, 0]
    assert found[0][0]["distance"] == pytest.approx(1.0, abs=1e-5)
    texts.alter_collection_function(NAME, "embed", embedding())
    assert functions(texts) == ["embed"]
    texts.drop_collection_function(NAME, "embed")
    assert functions(texts) == []
    with pytest.raises(pymilvus.MilvusException, match="cannot drop the last vector field: vector"):
        texts.drop_collection_field(NAME, "vector")
    with pytest.raises(pymilvus.MilvusException, match="vector"):
        texts.insert(NAME, [{"id": 2, "text": TEXTS[2]}])
    rows = texts.query(NAME, filter="id >= 0", output_fields=["vector"])
    assert [row["id"] for row in rows] == [0, 1]
    assert rows[1]["vector"] == pytest.approx(MODEL.embed_documents(TEXTS[1:2])[0].tolist())


def test_service_is_told_what_an_altered_function_says(client):
    """The steps of ``function_edit.py`` among the examples of pymilvus."""
    with model_server(EMBEDDING_SERVICES["openai"]) as served:
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("document", DataType.VARCHAR, max_length=9000)
        schema.add_field("dense", DataType.FLOAT_VECTOR, dim=OWN_DIM)
        params = {"provider": "openai", "model_name": "m", "base_url": served.url}
        function = Function(
            name="openai",
            function_type=FunctionType.TEXTEMBEDDING,
            input_field_names=["document"],
            output_field_names="dense",
            params={**params, "key_env": "FUNCTION_KEY"},
        )
        schema.add_function(function)
        indexes = client.prepare_index_params()
        indexes.add_index("dense", index_type="AUTOINDEX", metric_type="IP")
        client.create_collection(NAME, schema=schema, index_params=indexes)
        client.insert(NAME, [{"id": 0, "document": TEXTS[0]}])
        assert "user" not in served.seen[-1].body
        function.params["user"] = "user123"
        client.alter_collection_function(NAME, "openai", function)
        (described,) = client.describe_collection(NAME)["functions"]
        assert described["params"] == function.params
        client.insert(NAME, [{"id": 1, "document": TEXTS[1]}])
        assert served.seen[-1].body["user"] == "user123"
        client.drop_collection_function(NAME, "openai")
        assert functions(client) == []
        function.params["user"] = "1234"
        client.add_collection_function(NAME, function)
        (described,) = client.describe_collection(NAME)["functions"]
        assert described["params"] == function.params
        client.insert(NAME, [{"id": 2, "document": TEXTS[2]}])
        assert served.seen[-1].body["user"] == "1234"
        (found,) = client.search(NAME, [TEXTS[2]], anns_field="dense", limit=3)
        assert [found[0]["id"], len(found)] == [2, 3]


def test_bm25_comes_and_goes_with_its_field(texts):
    def add(output):
        indexes = texts.prepare_index_params()
        indexes.add_index(output, index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        field = pymilvus.FieldSchema(output, DataType.SPARSE_FLOAT_VECTOR)
        texts.add_function_field(NAME, field, bm25(output), indexes)

    add("words")
    with pytest.raises(pymilvus.MilvusException, match="function name already exists: bm25"):
        add("more")
    texts.insert(NAME, [{"id": 2, "text": TEXTS[2], "vector": [0.5] * 16}])
    found = texts.search(NAME, ["boxes"], anns_field="words", limit=3)
    assert [hit["id"] for hit in found[0]] == [2]
    assert [hit["id"] for hit in texts.search(NAME, ["cat"], anns_field="words", limit=3)[0]] == [0]
    kept = "BM25 function must be dropped with its output field in drop_function_field interface: "
    with pytest.raises(pymilvus.MilvusException, match=f"{kept}bm25"):
        texts.drop_collection_function(NAME, "bm25")
    with pytest.raises(pymilvus.MilvusException, match="not support alter BM25 function"):
        texts.alter_collection_function(NAME, "bm25", bm25())
    with pytest.raises(pymilvus.MilvusException, match="by function bm25 as input"):
        texts.drop_collection_field(NAME, "text")
    with pytest.raises(pymilvus.MilvusException, match="by function bm25 as output, drop function"):
        texts.drop_collection_field(NAME, "words")
    texts.drop_function_field(NAME, "bm25")
    assert functions(texts) == []
    assert "words" not in [f["name"] for f in texts.describe_collection(NAME)["fields"]]


def minhash(output="shingles"):
    return Function(
        name="minhash",
        function_type=FunctionType.MINHASH,
        input_field_names=["text"],
        output_field_names=[output],
        params={"num_hashes": 64, "shingle_size": 2},
    )


def test_minhash_signs_what_is_there_and_goes_with_its_field(texts):
    texts.insert(NAME, [{"id": 2, "text": TEXTS[2], "vector": [0.5] * 16}])
    indexes = texts.prepare_index_params()
    indexes.add_index("shingles", index_type="MINHASH_LSH", metric_type="MHJACCARD")
    field = pymilvus.FieldSchema("shingles", DataType.BINARY_VECTOR, dim=64 * 32)
    texts.add_function_field(NAME, field, minhash(), indexes)
    assert functions(texts) == ["minhash"]
    texts.insert(NAME, [{"id": 1, "text": TEXTS[1], "vector": [0.25] * 16}])
    asked = {"params": {"mh_search_with_jaccard": True, "refine_k": 10}}
    for number, text in enumerate(TEXTS):
        found = texts.search(NAME, [text], "", 1, anns_field="shingles", search_params=asked)
        assert [(hit["id"], hit["distance"]) for hit in found[0]] == [(number, 1.0)]
    kept = "MinHash function must be dropped with its output field in drop_function_field interface"
    with pytest.raises(pymilvus.MilvusException, match=kept):
        texts.drop_collection_function(NAME, "minhash")
    texts.drop_function_field(NAME, "minhash")
    assert functions(texts) == []
    assert "shingles" not in [f["name"] for f in texts.describe_collection(NAME)["fields"]]
    assert "shingles" not in texts.list_indexes(NAME)


REFUSALS = [
    ("add_collection_function", (bm25(),), "not support adding BM25 function"),
    ("alter_collection_function", ("none", embedding("none")), "function not found: none"),
    ("drop_collection_function", ("none",), "function not found: none"),
    ("add_collection_function", (embedding(),), "function name already exists: embed"),
    ("add_collection_function", (embedding("more"),), "output of another function"),
    ("alter_collection_function", ("embed", embedding("more")), "name not match"),
    ("alter_collection_function", ("embed", embedding(provider="nothing")), "nothing"),
    ("drop_function_field", ("none",), "function not found: none"),
    ("drop_function_field", ("embed",), "only BM25 and MinHash functions support dropping"),
    ("drop_collection_field", ("none",), "field not found: none"),
    ("drop_collection_field", ("id",), "cannot drop primary key field: id"),
    ("drop_collection_field", ("vector",), "by function embed as output, drop function first"),
]


@pytest.mark.parametrize(("method", "arguments", "text"), REFUSALS)
def test_refusals(texts, method, arguments, text):
    texts.add_collection_function(NAME, embedding())
    before = texts.describe_collection(NAME)
    with pytest.raises(pymilvus.MilvusException, match=text):
        getattr(texts, method)(NAME, *arguments)
    assert texts.describe_collection(NAME) == before


def test_functions_over_rest(texts, uri):
    rest = RestClient(uri)
    made = {
        "name": "embed",
        "type": "TextEmbedding",
        "inputFieldNames": ["text"],
        "outputFieldNames": ["vector"],
        "params": {"provider": "hash", "dim": 16},
    }
    rest.data("collections/add_function", collectionName=NAME, function=made)
    assert functions(texts) == ["embed"]
    rest.data(
        "collections/alter_function", collectionName=NAME, functionName="embed", function=made
    )
    rest.data("collections/drop_function", collectionName=NAME, functionName="embed")
    assert functions(texts) == []


@pytest.mark.parametrize(
    ("kind", "field", "params", "metric"),
    [
        ("BM25", {"dataType": "SparseFloatVector"}, {}, "BM25"),
        (
            "MinHash",
            {"dataType": "BinaryVector", "elementTypeParams": {"dim": 2048}},
            {"num_hashes": 64, "shingle_size": 2},
            "MHJACCARD",
        ),
    ],
)
def test_a_field_of_a_function_has_an_index_also_if_none_is_named(
    texts, uri, kind, field, params, metric
):
    rest = RestClient(uri)
    made = {
        "name": "f",
        "type": kind,
        "inputFieldNames": ["text"],
        "outputFieldNames": ["made"],
        "params": params,
    }
    output = {"fieldName": "made", **field}
    asked = {"collectionName": NAME, "function": made, "outputField": output}
    rest.data("collections/add_function_field", **asked)
    assert texts.describe_index(NAME, "made")["metric_type"] == metric
    texts.insert(NAME, [{"id": 7, "text": TEXTS[2], "vector": [0.5] * 16}])
    (found,) = texts.search(NAME, [TEXTS[2]], anns_field="made", limit=1)
    assert [hit["id"] for hit in found] == [7]
