"""Fields that are added while entities are there, as Milvus' client sees them."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from pymilvus import DataType, MilvusException

RNG = np.random.default_rng(6)
KINDS = {
    DataType.FLOAT_VECTOR: np.float32,
    DataType.FLOAT16_VECTOR: np.float16,
    DataType.BFLOAT16_VECTOR: ml_dtypes.bfloat16,
    DataType.INT8_VECTOR: np.int8,
    DataType.BINARY_VECTOR: np.uint8,
}
METRICS = ("COSINE", "IP", "L2")


def filled(client, name):
    """20 entities with a vector of 8 numbers."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=8)
    params = client.prepare_index_params()
    params.add_index("vector", index_type="HNSW", metric_type="COSINE")
    client.create_collection(name, schema=schema, index_params=params)
    client.insert(name, [{"id": pk, "vector": RNG.random(8).tolist()} for pk in range(20)])


@pytest.mark.parametrize(
    ("kind", "metric"),
    [
        *((k, m) for k in KINDS if k is not DataType.BINARY_VECTOR for m in METRICS),
        *((DataType.BINARY_VECTOR, metric) for metric in ("HAMMING", "JACCARD")),
    ],
)
def test_a_vector_field_is_added_indexed_and_loaded(client, kind, metric):
    filled(client, "grown")
    client.flush("grown")
    client.add_collection_field("grown", "new", kind, dim=8, nullable=True)
    is_binary = kind is DataType.BINARY_VECTOR
    params = client.prepare_index_params()
    params.add_index("new", index_type="BIN_FLAT" if is_binary else "HNSW", metric_type=metric)
    client.create_index("grown", params)
    value = np.ones(1 if is_binary else 8, dtype=KINDS[kind])
    one = value.tolist() if kind is DataType.FLOAT_VECTOR else value
    one = value.tobytes() if is_binary else one

    def check(expected):
        client.load_collection("grown")
        client.refresh_load("grown")
        (hits,) = client.search("grown", [one], anns_field="new", limit=5)
        assert [hit["id"] for hit in hits] == expected
        (row,) = client.get("grown", [3], output_fields=["new"])
        assert row["new"] is None

    check([])
    client.insert("grown", [{"id": 100, "vector": [1.0] * 8, "new": one}])
    client.flush("grown")
    check([100])
    client.compact("grown")
    client.release_collection("grown")
    check([100])


def test_a_clustering_key_is_added_where_there_is_none(client):
    filled(client, "grown")
    key = {"nullable": True, "is_clustering_key": True}
    client.add_collection_field("grown", "rank", DataType.INT64, **key)
    client.insert("grown", [{"id": 100, "vector": [1.0] * 8, "rank": 5}])
    described = client.describe_collection("grown")["fields"]
    assert [f["name"] for f in described if f.get("is_clustering_key")] == ["rank"]
    with pytest.raises(
        MilvusException, match="already has another clustering key field"
    ) as refused:
        client.add_collection_field("grown", "second", DataType.INT64, **key)
    assert refused.value.code == 1100
    assert client.describe_collection("grown")["fields"] == described
    client.flush("grown")
    client.compact("grown", is_clustering=True)
    assert client.query("grown", filter="rank == 5", output_fields=["id"]) == [{"id": 100}]


_ANALYZED = {"max_length": 9, "enable_analyzer": True}
_BY_NOBODY = {"by_field": "nobody", "analyzers": {"default": {"type": "standard"}}}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (DataType.VARCHAR, {}),
        (DataType.VARCHAR, {"max_length": 65_536}),
        (DataType.VARCHAR, {**_ANALYZED, "analyzer_params": {"type": "x"}}),
        (DataType.VARCHAR, {**_ANALYZED, "multi_analyzer_params": _BY_NOBODY}),
        (DataType.ARRAY, {"max_capacity": 3}),
        (DataType.ARRAY, {"max_capacity": 3, "element_type": DataType.VARCHAR}),
        (DataType.ARRAY, {"max_capacity": 3, "element_type": DataType.JSON}),
        (DataType.ARRAY, {"max_capacity": 4097, "element_type": DataType.INT64}),
        (DataType.ARRAY, {"max_capacity": 3, "element_type": DataType.INT64, "default_value": 5}),
        (DataType.FLOAT_VECTOR, {}),
        (DataType.FLOAT_VECTOR, {"dim": 32_769}),
        (DataType.FLOAT_VECTOR, {"dim": 4, "default_value": "x"}),
        (DataType.BINARY_VECTOR, {"dim": 7}),
        (DataType.TIMESTAMPTZ, {"default_value": "yesterday"}),
        (DataType.STRUCT, {}),
    ],
)
def test_what_a_new_collection_cannot_have_is_not_added_either(client, kind, options):
    filled(client, "grown")
    before = client.describe_collection("grown")
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=8)
    schema.add_field("new", kind, nullable=True, **options)
    with pytest.raises(MilvusException) as made:
        client.create_collection("made", schema=schema)
    with pytest.raises(MilvusException) as added:
        client.add_collection_field("grown", "new", kind, nullable=True, **options)
    assert (added.value.code, added.value.message) == (made.value.code, made.value.message)
    assert client.describe_collection("grown") == before
    assert client.list_collections() == ["grown"]
