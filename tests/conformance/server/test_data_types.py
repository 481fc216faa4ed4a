"""Every type of value goes through Milvus' client and comes back as it went."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from pymilvus import (
    AnnSearchRequest,
    DataType,
    Function,
    FunctionType,
    MilvusException,
    RRFRanker,
)

RNG = np.random.default_rng(7)

SCALARS: dict[str, tuple[DataType, dict[str, Any], list[Any]]] = {
    "bool": (DataType.BOOL, {}, [True, False, None]),
    "int8": (DataType.INT8, {}, [-128, 127, None]),
    "int16": (DataType.INT16, {}, [-(2**15), 2**15 - 1, None]),
    "int32": (DataType.INT32, {}, [-(2**31), 2**31 - 1, None]),
    "int64": (DataType.INT64, {}, [-(2**63), 2**63 - 1, None]),
    "float": (DataType.FLOAT, {}, [0.5, -1.25, None]),
    "double": (DataType.DOUBLE, {}, [1 / 3, 1e300, None]),
    "varchar": (DataType.VARCHAR, {"max_length": 40}, ["", "日本 \"'\\ text", None]),
    "json": (DataType.JSON, {}, [{"a": [1, None, {"b": "ü"}]}, [1, "x"], None]),
    "array": (
        DataType.ARRAY,
        {"element_type": DataType.INT64, "max_capacity": 5},
        [[1, 2], [], None],
    ),
    "texts": (
        DataType.ARRAY,
        {"element_type": DataType.VARCHAR, "max_capacity": 5, "max_length": 9},
        [["a", ""], [], None],
    ),
    "flags": (
        DataType.ARRAY,
        {"element_type": DataType.BOOL, "max_capacity": 5},
        [[True, False], [], None],
    ),
    "doubles": (
        DataType.ARRAY,
        {"element_type": DataType.DOUBLE, "max_capacity": 5},
        [[0.1, 2.5], [], None],
    ),
    "moment": (
        DataType.TIMESTAMPTZ,
        {},
        ["2024-02-29T12:00:00Z", "1969-12-31T23:59:59.5Z", None],
    ),
    "place": (DataType.GEOMETRY, {}, ["POINT (1 2)", "LINESTRING (0 0, 1 1)", None]),
}


@pytest.mark.parametrize("name", SCALARS)
def test_scalars_and_nulls_come_back(client, embedded, name):
    dtype, options, values = SCALARS[name]
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("value", dtype, nullable=True, **options)
    params = client.prepare_index_params()
    params.add_index("vector", metric_type="L2")
    client.create_collection("scalars", schema=schema, index_params=params)
    rows = [{"id": i, "vector": [i, 0.0], "value": value} for i, value in enumerate(values)]
    assert client.insert("scalars", rows)["ids"] == [0, 1, 2]
    stored = embedded.collection("scalars").get([0, 1, 2], ["value"])
    kept = [row["value"] for row in stored]
    assert kept[2] is None
    if name not in ("moment", "place"):
        assert kept == values
    got = client.query("scalars", filter="id >= 0", output_fields=["value"])
    assert [row["value"] for row in got] == values
    found = client.search("scalars", [[1.0, 0.0]], limit=3, output_fields=["value"])[0]
    assert {hit["id"]: hit["entity"]["value"] for hit in found} == dict(enumerate(values))
    if name == "moment":
        for wrong in ("0000-01-01T00:00:00Z", "2025-02-29 00:00:00", "2025-01-01T00:00:00+24:00"):
            told = re.escape(f"got invalid timestamptz string '{wrong}': invalid timezone name")
            with pytest.raises(MilvusException, match=told) as caught:
                client.insert("scalars", [{"id": 9, "vector": [1, 0], "value": wrong}])
            assert caught.value.code == 1100
    nulls = client.query("scalars", filter="value is null", output_fields=["id"])
    assert [row["id"] for row in nulls] == [2]


def _joined_moments(client: Any, asked: dict[str, Any]) -> Any:
    """Return the hits of a hybrid search, whose ranker carries what it asks of moments."""

    class Ranker(RRFRanker):
        def dict(self) -> dict[str, Any]:
            given = {name: asked[name] for name in ("timezone", "time_fields")}
            return super().dict() | given

    leg = AnnSearchRequest([[0.0, 0.0]], "vector", {}, 2)
    return client.hybrid_search("moments", [leg], Ranker(), limit=2, output_fields=["at"])[0]


def test_parts_of_moments_come_in_their_place(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("at", DataType.TIMESTAMPTZ, nullable=True)
    params = client.prepare_index_params()
    params.add_index("vector", metric_type="L2")
    client.create_collection("moments", schema=schema, index_params=params)
    texts = ["2024-12-31T16:00:07.25Z", None]
    client.insert("moments", [{"id": i, "vector": [i, 0], "at": t} for i, t in enumerate(texts)])
    asked = {"output_fields": ["at"], "timezone": "Asia/Shanghai"}
    got = client.query("moments", filter="id >= 0", **asked)
    assert [row["at"] for row in got] == ["2025-01-01T00:00:07.25+08:00", None]
    (last,) = client.query("moments", filter="id >= 0", output_fields=["max(at)"])
    assert last == {"max(at)": "2024-12-31T16:00:07.25Z"}
    asked["time_fields"] = "year, month, Day hour,minute,second,microsecond"
    got = client.query("moments", filter="id >= 0", **asked)
    assert [row["at"] for row in got] == [[2025, 1, 1, 0, 0, 7, 250_000], None]
    asked["time_fields"] = "hour"
    hits = client.search("moments", [[0.0, 0.0]], **asked)[0]
    assert [hit["entity"]["at"] for hit in hits] == [[0], None]
    assert [hit["entity"]["at"] for hit in _joined_moments(client, asked)] == [[0], None]
    asked["time_fields"] = "week"
    for ask in (
        lambda: client.query("moments", filter="id >= 0", **asked),
        lambda: client.search("moments", [[0.0, 0.0]], **asked),
        lambda: _joined_moments(client, asked),
    ):
        with pytest.raises(MilvusException, match="unsupported field for extraction: week") as told:
            ask()
        assert told.value.code == 1100


VECTORS = {
    "float": (DataType.FLOAT_VECTOR, np.float32, "L2"),
    "float16": (DataType.FLOAT16_VECTOR, np.float16, "L2"),
    "bfloat16": (DataType.BFLOAT16_VECTOR, "bfloat16", "COSINE"),
    "int8": (DataType.INT8_VECTOR, np.int8, "IP"),
}


@pytest.mark.parametrize("is_nullable", [False, True])
@pytest.mark.parametrize("name", VECTORS)
def test_dense_vectors_come_back_and_are_found(client, embedded, name, is_nullable):
    dtype, kind, metric = VECTORS[name]
    kind = np.dtype(pytest.importorskip("ml_dtypes").bfloat16 if kind == "bfloat16" else kind)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", dtype, dim=6, nullable=is_nullable)
    params = client.prepare_index_params()
    params.add_index("vector", index_type="FLAT", metric_type=metric)
    client.create_collection("dense", schema=schema, index_params=params)
    values = list((RNG.normal(size=(20, 6)) * 20).astype(kind))
    given: list[Any] = [None if is_nullable and i % 3 == 1 else v for i, v in enumerate(values)]
    sent = [v.tolist() if v is not None and name == "float" else v for v in given]
    client.insert("dense", [{"id": i, "vector": v} for i, v in enumerate(sent)])
    got = client.query("dense", filter="id >= 0", output_fields=["vector"])
    for row, value in zip(got, given, strict=True):
        if value is None:
            assert row["vector"] is None
        elif name == "float":
            assert row["vector"] == value.tolist()
        else:
            assert row["vector"] == [value.tobytes()]
    found = client.search("dense", [sent[3]], limit=5, output_fields=["vector"])[0]
    own = embedded.collection("dense").search(values[3].astype(np.float32), "vector", 5)
    assert [hit["id"] for hit in found] == own.ids
    assert [hit["distance"] for hit in found] == pytest.approx([hit.score for hit in own])
    if name == "float":
        assert [hit["entity"]["vector"] for hit in found] == [given[i].tolist() for i in own.ids]


def test_binary_vectors_come_back_and_are_found(client, embedded):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("bits", DataType.BINARY_VECTOR, dim=16)
    params = client.prepare_index_params()
    params.add_index("bits", index_type="BIN_FLAT", metric_type="JACCARD")
    client.create_collection("bits", schema=schema, index_params=params)
    values = [bytes(RNG.integers(0, 256, 2, dtype=np.uint8)) for _ in range(10)]
    client.insert("bits", [{"id": i, "bits": v} for i, v in enumerate(values)])
    got = client.query("bits", filter="id >= 0", output_fields=["bits"])
    assert [row["bits"] for row in got] == [[value] for value in values]
    found = client.search("bits", [values[4]], limit=4)[0]
    own = embedded.collection("bits").search(values[4], "bits", 4)
    assert [hit["id"] for hit in found] == own.ids
    assert [hit["distance"] for hit in found] == pytest.approx([hit.score for hit in own])


def test_sparse_vectors_and_texts_are_found(client, embedded):
    schema = client.create_schema()
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=9)
    schema.add_field("text", DataType.VARCHAR, max_length=99, enable_analyzer=True)
    schema.add_field("weights", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(
        Function(
            name="words_of_text",
            function_type=FunctionType.BM25,
            input_field_names=["text"],
            output_field_names=["words"],
        )
    )
    params = client.prepare_index_params()
    params.add_index("weights", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    params.add_index(
        "words",
        index_type="SPARSE_INVERTED_INDEX",
        metric_type="BM25",
        params={"bm25_k1": 1.5, "bm25_b": 0.5},
    )
    client.create_collection("texts", schema=schema, index_params=params)
    rows = [
        {"id": "a", "text": "the quick fox", "weights": {1: 0.5, 4_000_000_000: 1.0}},
        {"id": "b", "text": "a lazy dog", "weights": {}},
        {"id": "c", "text": "fox and fox and dog", "weights": {1: 2.0}},
    ]
    client.insert("texts", rows)
    got = client.query("texts", filter='id >= "a"', output_fields=["weights"])
    assert [row["weights"] for row in got] == [row["weights"] for row in rows]
    by_weights = client.search("texts", [{1: 1.0}], anns_field="weights", limit=3)[0]
    assert [(hit["id"], hit["distance"]) for hit in by_weights] == [("c", 2.0), ("a", 0.5)]
    by_words = client.search("texts", ["fox"], anns_field="words", limit=3, output_fields=["text"])[
        0
    ]
    source = embedded.collection("texts").schema.field("words").source
    assert (source.k1, source.b) == (1.5, 0.5)
    own = embedded.collection("texts").search("fox", "words", 3)
    assert [hit["id"] for hit in by_words] == own.ids == ["c", "a"]
    assert [hit["distance"] for hit in by_words] == pytest.approx([hit.score for hit in own])
    assert by_words[0]["entity"]["text"] == "fox and fox and dog"
    with pytest.raises(Exception, match="not allowed to retrieve raw data of field words"):
        client.query("texts", filter='id == "a"', output_fields=["words"])


def test_structs_come_back_and_lists_of_vectors_are_found(client, embedded):
    from pymilvus.client.embedding_list import EmbeddingList

    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    struct = client.create_struct_field_schema()
    struct.add_field("text", DataType.VARCHAR, max_length=50)
    struct.add_field("page", DataType.INT32)
    struct.add_field("part", DataType.FLOAT_VECTOR, dim=3)
    schema.add_field(
        "chunks",
        DataType.ARRAY,
        element_type=DataType.STRUCT,
        struct_schema=struct,
        max_capacity=5,
    )
    params = client.prepare_index_params()
    params.add_index("vector", metric_type="L2")
    params.add_index("chunks[part]", index_type="HNSW", metric_type="MAX_SIM_IP")
    client.create_collection("structs", schema=schema, index_params=params)
    rows = [
        {
            "id": i,
            "vector": [i, 1],
            "chunks": [
                {"text": f"{i}-{k}", "page": k, "part": RNG.random(3).astype(np.float32).tolist()}
                for k in range(i % 4)
            ],
        }
        for i in range(9)
    ]
    client.insert("structs", rows)
    got = client.query("structs", filter="id >= 0", output_fields=["chunks"])
    assert [row["chunks"] for row in got] == [row["chunks"] for row in rows]
    query = RNG.random((2, 3)).astype(np.float32)
    listed = EmbeddingList()
    listed.add_batch(query)
    found = client.search("structs", [listed], anns_field="chunks[part]", limit=4)[0]
    own = embedded.collection("structs").search(query, "chunks[part]", 4)
    assert [hit["id"] for hit in found] == own.ids
    assert [hit["distance"] for hit in found] == pytest.approx([hit.score for hit in own])


def test_undeclared_fields_come_back(client):
    client.create_collection("dynamic", 2, enable_dynamic_field=True)
    rows = [
        {"id": 1, "vector": [1, 0], "color": "red", "deep": {"a": [1]}},
        {"id": 2, "vector": [0, 1], "size": 3},
        {"id": 3, "vector": [1, 1]},
    ]
    client.insert("dynamic", rows)
    got = client.query("dynamic", filter="id > 0", output_fields=["*"])
    assert [{k: v for k, v in row.items() if k != "vector"} for row in got] == [
        {"id": 1, "color": "red", "deep": {"a": [1]}},
        {"id": 2, "size": 3},
        {"id": 3},
    ]
    one = client.query("dynamic", filter='color == "red"', output_fields=["color"])
    assert [dict(row) for row in one] == [{"id": 1, "color": "red"}]
    path = client.query("dynamic", filter='$meta["size"] == 3', output_fields=["size", "color"])
    assert [dict(row) for row in path] == [{"id": 2, "size": 3}]


def test_defaults_fill_what_is_left_out(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True, auto_id=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("count", DataType.INT64, default_value=7)
    schema.add_field("name", DataType.VARCHAR, max_length=9, default_value="none")
    params = client.prepare_index_params()
    params.add_index("vector", metric_type="L2")
    client.create_collection("defaults", schema=schema, index_params=params)
    answer = client.insert("defaults", [{"vector": [1, 2]}, {"vector": [1, 2], "count": 1}])
    assert len(set(answer["ids"])) == 2
    got = client.query("defaults", filter="count > 0", output_fields=["count", "name"])
    assert [(row["count"], row["name"]) for row in got] == [(7, "none"), (1, "none")]
    described = {f["name"]: f for f in client.describe_collection("defaults")["fields"]}
    assert described["count"]["default_value"].long_data == 7
    assert described["id"]["auto_id"] is True
