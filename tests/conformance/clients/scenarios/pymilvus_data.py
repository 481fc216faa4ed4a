"""Every data type that the client knows, and every way to write."""

from __future__ import annotations

import numpy as np
import pytest
from pymilvus import DataType, MilvusException

RNG = np.random.default_rng(5)


def made(client, name, *fields, metric="L2", dynamic=False, **options):
    """Make a collection of a key, a vector of 2 and further fields."""
    schema = client.create_schema(enable_dynamic_field=dynamic, **options)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    for field_name, kind, more in fields:
        schema.add_field(field_name, kind, **more)
    wanted = client.prepare_index_params()
    wanted.add_index("vector", metric_type=metric)
    client.create_collection(name, schema=schema, index_params=wanted)
    return name


SCALARS = {
    "bool": (DataType.BOOL, {}, [True, False]),
    "int8": (DataType.INT8, {}, [-128, 127]),
    "int16": (DataType.INT16, {}, [-32768, 32767]),
    "int32": (DataType.INT32, {}, [-(2**31), 2**31 - 1]),
    "int64": (DataType.INT64, {}, [-(2**63), 2**63 - 1]),
    "float": (DataType.FLOAT, {}, [0.5, -1.25]),
    "double": (DataType.DOUBLE, {}, [0.1, -1e300]),
    "varchar": (DataType.VARCHAR, {"max_length": 40}, ["", "Grüße, 世界 🦊"]),
    "json": (DataType.JSON, {}, [{"a": [1, {"b": None}], "c": "x"}, {}]),
    "bools": (
        DataType.ARRAY, {"element_type": DataType.BOOL, "max_capacity": 4}, [[True, False], []],
    ),
    "int8s": (
        DataType.ARRAY, {"element_type": DataType.INT8, "max_capacity": 4}, [[-128, 127], []],
    ),
    "int64s": (
        DataType.ARRAY, {"element_type": DataType.INT64, "max_capacity": 4}, [[2**62], [1, 2, 3]],
    ),
    "floats": (
        DataType.ARRAY, {"element_type": DataType.FLOAT, "max_capacity": 4}, [[0.5, 1.5], []],
    ),
    "doubles": (
        DataType.ARRAY, {"element_type": DataType.DOUBLE, "max_capacity": 4}, [[0.1], [0.2, 0.3]],
    ),
    "texts": (
        DataType.ARRAY,
        {"element_type": DataType.VARCHAR, "max_capacity": 4, "max_length": 9},
        [["a", "é"], []],
    ),
}  # fmt: skip


@pytest.mark.parametrize("is_nullable", [False, True])
def test_every_scalar_comes_back(client, version, is_nullable):
    fields = [
        (name, kind, {**more, "nullable": is_nullable}) for name, (kind, more, _) in SCALARS.items()
    ]
    # Under a name of its own: pymilvus 2.5 remembers the schema of a dropped collection.
    own = made(client, f"scalars_{is_nullable}", *fields)
    rows = [
        {"id": i, "vector": [i, 1], **{name: values[i] for name, (_, _, values) in SCALARS.items()}}
        for i in range(2)
    ]
    if is_nullable:
        rows.append({"id": 2, "vector": [2, 1], **dict.fromkeys(SCALARS)})
        rows.append({"id": 3, "vector": [3, 1]})
    assert client.insert(own, rows)["insert_count"] == len(rows)
    wanted = [{"id": row["id"], **{n: row.get(n) for n in SCALARS}} for row in rows]
    names = ["id", *SCALARS]
    queried = client.query(own, filter="id >= 0", output_fields=names)
    assert [dict(row) for row in queried] == wanted
    got = client.get(own, [row["id"] for row in rows], output_fields=names)
    assert [dict(row) for row in got] == wanted
    (hits,) = client.search(own, [[0, 1]], limit=4, output_fields=names)
    if version < (2, 6):
        # It does not look whether an array of a hit is null.
        lists = [name for name, (kind, _, _) in SCALARS.items() if kind == DataType.ARRAY]
        wanted = [{n: [] if v is None and n in lists else v for n, v in r.items()} for r in wanted]
    assert [dict(hit["entity"]) for hit in hits] == wanted


def test_values_left_out_take_their_default(client):
    made(
        client,
        "defaults",
        ("count", DataType.INT64, {"default_value": 7}),
        ("score", DataType.FLOAT, {"default_value": 0.5}),
        ("word", DataType.VARCHAR, {"max_length": 9, "default_value": "none"}),
        ("flag", DataType.BOOL, {"default_value": True, "nullable": True}),
    )
    client.insert(
        "defaults",
        [
            {"id": 1, "vector": [1, 0]},
            {"id": 2, "vector": [1, 0], "count": 1, "word": "w", "flag": False, "score": 1.5},
        ],
    )
    found = client.query("defaults", filter="id > 0", output_fields=["count", "score", "word"])
    assert [dict(row) for row in found] == [
        {"id": 1, "count": 7, "score": 0.5, "word": "none"},
        {"id": 2, "count": 1, "score": 1.5, "word": "w"},
    ]


def test_undeclared_fields(client):
    made(client, "loose", dynamic=True)
    rows = [
        {"id": 1, "vector": [1, 0], "color": "red", "deep": {"a": [1, "x"]}},
        {"id": 2, "vector": [2, 0], "size": 3.5},
        {"id": 3, "vector": [3, 0]},
    ]
    client.insert("loose", rows)
    found = client.query("loose", filter="id > 0", output_fields=["*"])
    assert [dict(row) for row in found] == rows
    for expression, name in [('color == "red"', "color"), ('deep["a"][0] == 1', "deep")]:
        found = client.query("loose", filter=expression, output_fields=[name])
        assert [dict(row) for row in found] == [{"id": 1, name: rows[0][name]}]
    (hits,) = client.search("loose", [[2, 0]], limit=1, output_fields=["size", "color"])
    assert hits[0]["entity"]["size"] == 3.5
    assert "color" not in hits[0]["entity"]


DENSE = {
    "float16": (DataType.FLOAT16_VECTOR, np.float16, "L2"),
    "bfloat16": (DataType.BFLOAT16_VECTOR, "bfloat16", "IP"),
    "int8": (getattr(DataType, "INT8_VECTOR", None), np.int8, "COSINE"),
}


@pytest.mark.parametrize("name", DENSE)
def test_small_vectors(client, name):
    kind, dtype, metric = DENSE[name]
    if kind is None:
        pytest.skip("this version of pymilvus knows no INT8_VECTOR")
    dtype = np.dtype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("small", kind, dim=4)
    wanted = client.prepare_index_params()
    wanted.add_index("small", index_type="HNSW", metric_type=metric)
    own = f"small_{name}"
    client.create_collection(own, schema=schema, index_params=wanted)
    values = (RNG.normal(size=(20, 4)) * 20).astype(dtype)
    client.insert(own, [{"id": i, "small": value} for i, value in enumerate(values)])
    found = client.query(own, ids=[3], output_fields=["small"])[0]["small"]
    assert b"".join(found) == values[3].tobytes()
    (hits,) = client.search(own, [values[3]], limit=4)
    exact = values.astype(np.float64)
    query = exact[3]
    scores = {
        "L2": ((exact - query) ** 2).sum(axis=1),
        "IP": exact @ query,
        "COSINE": exact @ query / np.linalg.norm(exact, axis=1) / np.linalg.norm(query),
    }[metric]
    best = np.argsort(scores if metric == "L2" else -scores, kind="stable")[:4]
    assert [hit["id"] for hit in hits] == best.tolist()
    assert [hit["distance"] for hit in hits] == pytest.approx(scores[best], rel=1e-4)


@pytest.mark.parametrize("metric", ["HAMMING", "JACCARD"])
def test_bits(client, metric):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("bits", DataType.BINARY_VECTOR, dim=16)
    wanted = client.prepare_index_params()
    wanted.add_index("bits", index_type="BIN_IVF_FLAT", metric_type=metric, params={"nlist": 4})
    client.create_collection("bits", schema=schema, index_params=wanted)
    values = [b"\x0f\x00", b"\x0f\x01", b"\xf0\xff", b"\x07\x00"]
    client.insert("bits", [{"id": i, "bits": value} for i, value in enumerate(values)])
    (hits,) = client.search("bits", [b"\x0f\x00"], limit=4)
    distances = {
        "HAMMING": [(0, 0), (1, 1), (3, 1), (2, 16)],
        # Bits in both over bits in any: 4/4, 4/5, 3/4, 0/16.
        "JACCARD": [(0, 0), (1, 0.2), (3, 0.25), (2, 1)],
    }[metric]
    assert [(hit["id"], pytest.approx(hit["distance"])) for hit in hits] == distances
    assert b"".join(client.get("bits", 2, ["bits"])[0]["bits"]) == values[2]
    client.drop_collection("bits")


def test_sparse_vectors(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("weights", DataType.SPARSE_FLOAT_VECTOR)
    wanted = client.prepare_index_params()
    wanted.add_index("weights", index_type="SPARSE_WAND", metric_type="IP")
    client.create_collection("sparse", schema=schema, index_params=wanted)
    rows = [
        {"id": 1, "weights": {1: 0.5, 4_000_000_000: 1.0}},
        {"id": 2, "weights": {7: 2.0}},
        {"id": 3, "weights": {1: 2.0, 7: 0.25}},
    ]
    client.insert("sparse", rows)
    found = client.query("sparse", filter="id > 0", output_fields=["weights"])
    assert [dict(row) for row in found] == rows
    (hits,) = client.search("sparse", [{1: 1.0, 7: 1.0}], limit=3)
    assert [(hit["id"], hit["distance"]) for hit in hits] == [(3, 2.25), (2, 2.0), (1, 0.5)]


def test_moments_and_places(client, version):
    if not hasattr(DataType, "TIMESTAMPTZ"):
        pytest.skip("this version of pymilvus knows no TIMESTAMPTZ and no GEOMETRY")
    made(
        client,
        "where",
        ("at", DataType.TIMESTAMPTZ, {"nullable": True}),
        ("place", DataType.GEOMETRY, {"nullable": True}),
    )
    rows = [
        {"id": 1, "vector": [1, 0], "at": "2024-02-29T12:00:00Z", "place": "POINT (1 2)"},
        {"id": 2, "vector": [2, 0], "at": "2025-01-01T00:00:00+08:00", "place": "POINT (9 9)"},
        {"id": 3, "vector": [3, 0], "at": None, "place": None},
    ]
    client.insert("where", rows)
    found = client.query("where", filter="id > 0", output_fields=["at", "place"])
    assert [row["at"] for row in found] == [
        "2024-02-29T12:00:00Z", "2024-12-31T16:00:00Z", None,
    ]  # fmt: skip
    assert [row["place"] for row in found] == ["POINT (1 2)", "POINT (9 9)", None]
    for expression, ids in [
        ("at > ISO '2024-06-01T00:00:00Z'", [2]),
        ("at + INTERVAL 'P1Y' < ISO '2025-06-01T00:00:00Z'", [1]),
        ("ST_WITHIN(place, 'POLYGON ((0 0, 5 0, 5 5, 0 5, 0 0))')", [1]),
        ("at is null", [3]),
    ]:
        found = client.query("where", filter=expression, output_fields=["id"])
        assert [row["id"] for row in found] == ids


def max_sim(queries, chunks):
    """Return the sum of the best cosine of each query; the queries have length 1."""
    parts = [np.array(chunk["part"]) / np.linalg.norm(chunk["part"]) for chunk in chunks]
    return sum(max(np.dot(query, part) for part in parts) for query in queries)


def test_structs_and_lists_of_vectors(client, version):
    if not hasattr(client, "create_struct_field_schema"):
        pytest.skip("this version of pymilvus knows no structs")
    from pymilvus.client.embedding_list import EmbeddingList

    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    struct = client.create_struct_field_schema()
    struct.add_field("text", DataType.VARCHAR, max_length=50)
    struct.add_field("page", DataType.INT64)
    struct.add_field("part", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field(
        "chunks", DataType.ARRAY,
        element_type=DataType.STRUCT, struct_schema=struct, max_capacity=5,
    )  # fmt: skip
    wanted = client.prepare_index_params()
    wanted.add_index("vector", metric_type="L2")
    wanted.add_index(
        "chunks[part]", index_name="parts", index_type="HNSW", metric_type="MAX_SIM_COSINE"
    )
    client.create_collection("structs", schema=schema, index_params=wanted)
    rows = [
        {
            "id": i,
            "vector": [i, 1],
            "chunks": [
                {"text": f"{i}-{k}", "page": k, "part": [float(i + 1), float(k)]} for k in range(i)
            ],
        }
        for i in range(4)
    ]
    client.insert("structs", rows)
    found = client.query("structs", filter="id >= 0", output_fields=["chunks"])
    assert [row["chunks"] for row in found] == [row["chunks"] for row in rows]
    query = EmbeddingList()
    query.add([1.0, 0.0])
    query.add([0.0, 1.0])
    (hits,) = client.search("structs", [query], anns_field="chunks[part]", limit=3)
    best = {row["id"]: max_sim([[1, 0], [0, 1]], row["chunks"]) for row in rows[1:]}
    order = sorted(best, key=lambda key: -best[key])
    assert [(hit["id"], hit["distance"]) for hit in hits] == [
        (key, pytest.approx(best[key], rel=1e-5)) for key in order
    ]
    field = client.describe_collection("structs")
    assert any(f["name"] == "chunks" for f in field["fields"] + field.get("struct_fields", []))


def test_upserts_whole_and_in_part(client, version):
    made(
        client,
        "changed",
        ("word", DataType.VARCHAR, {"max_length": 9, "nullable": True}),
        ("count", DataType.INT64, {"nullable": True}),
        dynamic=True,
    )
    client.insert("changed", [{"id": i, "vector": [i, 1], "word": "a", "x": i} for i in range(3)])
    answer = client.upsert("changed", [{"id": 1, "vector": [9, 9], "word": "b"}])
    assert answer["upsert_count"] == 1
    assert client.get("changed", 1, ["*"])[0] == {
        "id": 1, "vector": [9, 9], "word": "b", "count": None,
    }  # fmt: skip
    client.upsert("changed", {"id": 7, "vector": [7, 7], "count": 7})
    assert client.get_collection_stats("changed")["row_count"] == 4
    if version < (2, 6):
        return
    client.upsert("changed", [{"id": 2, "count": 5}, {"id": 0, "count": 6}], partial_update=True)
    found = client.query("changed", ids=[0, 2], output_fields=["*"])
    assert [dict(row) for row in found] == [
        {"id": 0, "vector": [0, 1], "word": "a", "count": 6, "x": 0},
        {"id": 2, "vector": [2, 1], "word": "a", "count": 5, "x": 2},
    ]


def test_upserts_of_elements(client, version):
    if version < (3, 0):
        pytest.skip("this version of pymilvus knows no operations on arrays")
    from pymilvus import FieldOp

    texts = {"element_type": DataType.VARCHAR, "max_capacity": 9, "max_length": 9}
    made(client, "lists", ("tags", DataType.ARRAY, texts), ("n", DataType.INT64, {}))
    client.insert("lists", [{"id": 1, "vector": [1, 1], "tags": ["a", "b"], "n": 1}])
    for op, given, wanted in [
        (FieldOp.array_append(), ["c", "a"], ["a", "b", "c", "a"]),
        (FieldOp.array_remove(), ["a"], ["b", "c"]),
        (FieldOp.replace(), ["z"], ["z"]),
        ("array_append", ["y"], ["z", "y"]),
    ]:
        row = {"id": 1, "tags": given, "n": 2}
        client.upsert("lists", [row], partial_update=True, field_ops={"tags": op})
        assert client.get("lists", 1, ["tags", "n"])[0] == {"id": 1, "tags": wanted, "n": 2}


def test_vectors_that_may_be_missing(client, version):
    if version < (3, 0):
        pytest.skip("this version of pymilvus knows no nullable vectors")
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("more", DataType.FLOAT_VECTOR, dim=2, nullable=True)
    wanted = client.prepare_index_params()
    wanted.add_index("more", index_type="HNSW", metric_type="L2")
    client.create_collection("holes", schema=schema, index_params=wanted)
    rows = [{"id": i, "more": None if i % 2 else [i, 0]} for i in range(6)]
    client.insert("holes", rows)
    found = client.query("holes", filter="id >= 0", output_fields=["more"])
    assert [row["more"] for row in found] == [row["more"] for row in rows]
    (hits,) = client.search("holes", [[4, 0]], anns_field="more", limit=6, output_fields=["more"])
    assert [(hit["id"], hit["distance"]) for hit in hits] == [(4, 0), (2, 4), (0, 16)]
    assert [hit["entity"]["more"] for hit in hits] == [[4, 0], [2, 0], [0, 0]]


def test_deletes(client):
    made(client, "gone", ("n", DataType.INT64, {}), dynamic=True)
    client.insert(
        "gone", [{"id": i, "vector": [i, 1], "n": i % 4, "tag": f"t{i % 2}"} for i in range(40)]
    )
    assert client.delete("gone", ids=[0, 1])["delete_count"] == 2
    assert client.delete("gone", ids=2)["delete_count"] == 1
    assert client.delete("gone", filter="n == 3")["delete_count"] == 10
    assert client.delete("gone", filter='tag == {t} and id < 10', filter_params={"t": "t0"})[
        "delete_count"
    ] == len([i for i in range(10) if i % 2 == 0 and i not in (0, 2)])  # fmt: skip
    left = [
        i for i in range(40)
        if i not in (0, 1, 2) and i % 4 != 3 and not (i % 2 == 0 and i < 10)
    ]  # fmt: skip
    assert [r["id"] for r in client.query("gone", filter="id >= 0", output_fields=["id"])] == left
    (hits,) = client.search("gone", [[0, 1]], limit=50)
    assert [hit["id"] for hit in hits] == left
    with pytest.raises(MilvusException):
        client.delete("gone", filter="nonsense >")


def test_wrong_rows_change_nothing(client):
    made(client, "strict", ("word", DataType.VARCHAR, {"max_length": 3}))
    good = {"id": 1, "vector": [1, 0], "word": "abc"}
    for wrong, text in [
        ({"vector": [1, 0, 0]}, "dim"),
        ({"word": "abcd"}, "length"),
        ({"word": 5}, "word"),
        ({"more": 1}, "more"),
    ]:
        with pytest.raises(Exception, match=text):
            client.insert("strict", [good, {**good, "id": 2, **wrong}])
    with pytest.raises(Exception, match="word"):
        client.insert("strict", [{"id": 1, "vector": [1, 0]}])
    assert client.query("strict", output_fields=["count(*)"]) == [{"count(*)": 0}]
