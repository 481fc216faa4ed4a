"""MinHash functions, MINHASH_LSH and MHJACCARD through Milvus' own client and over REST."""

import numpy as np
import pytest
from pymilvus import DataType, Function, FunctionType, MilvusException

from support.rest_client import RestClient

NAME = "passages"
TEXTS = [
    "information retrieval is a field of study that helps users find relevant information",
    "information retrieval is a field of research that helps users find relevant information",
    "cats and dogs do not like each other very much, and birds like neither of them",
]


def schema_of(client, **params):
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=900, enable_analyzer=True)
    schema.add_field("signature", DataType.BINARY_VECTOR, dim=8192)
    schema.add_function(
        Function(
            name="minhash",
            function_type=FunctionType.MINHASH,
            input_field_names=["text"],
            output_field_names=["signature"],
            params=params,
        )
    )
    return schema


def indexed(client, field="signature", kind="MINHASH_LSH", **params):
    indexes = client.prepare_index_params()
    indexes.add_index(field, index_type=kind, metric_type="MHJACCARD", params=params)
    return indexes


@pytest.fixture
def passages(client):
    schema = schema_of(client, num_hashes=256, shingle_size=2, token_level="word")
    asked = {"mh_lsh_band": 64, "mh_element_bit_width": 32, "with_raw_data": True}
    client.create_collection(NAME, schema=schema, index_params=indexed(client, **asked))
    client.insert(NAME, [{"id": i, "text": text} for i, text in enumerate(TEXTS)])
    return client


def hits(client, query, **options):
    (found,) = client.search(NAME, [query], anns_field="signature", **options)
    return [(hit["id"], hit["distance"]) for hit in found]


def test_texts_find_their_near_duplicates(passages):
    params = {"mh_search_with_jaccard": True, "refine_k": 3}
    asked = {"search_params": {"metric_type": "MHJACCARD", "params": params}, "limit": 3}
    found = hits(passages, TEXTS[0], **asked)
    assert [key for key, _ in found] == [0, 1, 2]
    # Two shingles of eleven differ on each side: 9 in common of 13. Larger is nearer.
    assert found[0][1] == 1.0
    assert found[1][1] == pytest.approx(9 / 13, abs=0.12)
    assert found[2][1] == 0.0
    assert hits(passages, TEXTS[0], limit=3) == found
    near = {"search_params": {"params": {"radius": 0.5}}, "limit": 3}
    assert hits(passages, TEXTS[0], **near) == found[:2]
    assert hits(passages, TEXTS[0], filter="id > 0", limit=1) == found[1:2]


def test_what_was_asked_for_is_described(passages):
    (function,) = passages.describe_collection(NAME)["functions"]
    assert function["type"] == FunctionType.MINHASH
    assert function["params"] == {"num_hashes": "256", "shingle_size": "2", "token_level": "word"}
    (name,) = passages.list_indexes(NAME)
    shown = passages.describe_index(NAME, name)
    assert (shown["index_type"], shown["metric_type"]) == ("MINHASH_LSH", "MHJACCARD")
    assert (shown["mh_lsh_band"], shown["mh_element_bit_width"]) == ("64", "32")
    assert shown["with_raw_data"] == "True"


def test_signatures_are_read_and_not_given(passages):
    (row,) = passages.query(NAME, ids=[0], output_fields=["signature"])
    raw = row["signature"][0]
    assert len(raw) == 1024
    assert hits(passages, raw, limit=1) == [(0, 1.0)]
    with pytest.raises(MilvusException):
        passages.insert(NAME, [{"id": 9, "text": "x", "signature": raw}])
    passages.upsert(NAME, [{"id": 0, "text": TEXTS[2]}])
    assert {key for key, score in hits(passages, TEXTS[2], limit=3) if score == 1.0} == {0, 2}


def test_signatures_of_ones_own(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("signature", DataType.BINARY_VECTOR, dim=16 * 64)
    asked = {"mh_element_bit_width": 64, "mh_lsh_band": 8}
    client.create_collection(NAME, schema=schema, index_params=indexed(client, **asked))
    values = np.random.default_rng(0).integers(0, 1 << 62, (50, 16)).astype(">u8")
    values[7, :12] = values[3, :12]
    client.insert(NAME, [{"id": i, "signature": v.tobytes()} for i, v in enumerate(values)])
    assert hits(client, values[3].tobytes(), limit=2) == [(3, 1.0), (7, 0.75)]
    shown = client.describe_index(NAME, client.list_indexes(NAME)[0])
    assert shown["metric_type"] == "MHJACCARD"


def test_scan_takes_the_metric_too_and_elements_of_eight_bits(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("signature", DataType.BINARY_VECTOR, dim=32)
    client.create_collection(NAME, schema=schema, index_params=indexed(client, kind="BIN_FLAT"))
    client.insert(NAME, [{"id": 1, "signature": b"abcd"}, {"id": 2, "signature": b"abxx"}])
    assert hits(client, b"abcd", limit=2) == [(1, 1.0), (2, 0.5)]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"mh_element_bit_width": 64}, "must be 32 for the output of a MinHash function"),
        ({"mh_element_bit_width": 24}, "must be 8, 16, 32 or 64"),
        ({"mh_lsh_band": 0}, r"mh_lsh_band must be in \[1, 256\]"),
        ({"mh_lsh_band": 257}, r"mh_lsh_band must be in \[1, 256\]"),
    ],
)
def test_parameters_of_the_index_are_checked(client, params, message):
    client.create_collection(NAME, schema=schema_of(client))
    with pytest.raises(MilvusException, match=message):
        client.create_index(NAME, indexed(client, **params))


def test_parameters_of_the_function_are_checked(client):
    for params in ({"num_hashes": 128}, {"token_level": "line"}, {"nonsense": 1}):
        with pytest.raises(MilvusException):
            client.create_collection(NAME, schema=schema_of(client, **params))
    # Names and words may be in any case.
    client.create_collection(NAME, schema=schema_of(client, Num_Hashes=256, token_level="CHAR"))


def test_other_metrics_are_refused(client):
    client.create_collection(NAME, schema=schema_of(client))
    for metric in ("HAMMING", "JACCARD"):
        indexes = client.prepare_index_params()
        indexes.add_index("signature", index_type="MINHASH_LSH", metric_type=metric)
        with pytest.raises(MilvusException, match="does not support metric type"):
            client.create_index(NAME, indexes)


def test_over_rest(passages, uri):
    rest = RestClient(uri)
    asked = {"collectionName": NAME, "data": [TEXTS[0]], "annsField": "signature", "limit": 2}
    answer = rest.data("entities/search", **asked)
    assert [(hit["id"], hit["distance"]) for hit in answer] == hits(passages, TEXTS[0], limit=2)
    shown = rest.data("collections/describe", collectionName=NAME)
    assert shown["functions"][0]["type"] == 4
    (index,) = rest.data("indexes/describe", collectionName=NAME, indexName="signature")
    assert (index["indexType"], index["metricType"]) == ("MINHASH_LSH", "MHJACCARD")
