"""What an index may be: types, parameters and names, also of searches, are those of Milvus."""

from __future__ import annotations

import itertools

import numpy as np
import pymilvus
import pytest
from pymilvus import DataType

NAME = "papers"
SCALARS = {
    "flag": (DataType.BOOL, {}),
    "real": (DataType.DOUBLE, {}),
    "text": (DataType.VARCHAR, {"max_length": 9}),
    "meta": (DataType.JSON, {}),
    "reals": (DataType.ARRAY, {"element_type": DataType.FLOAT, "max_capacity": 4}),
    "place": (DataType.GEOMETRY, {}),
}
VECTORS = {
    "v": DataType.FLOAT_VECTOR,
    "half": DataType.FLOAT16_VECTOR,
    "bits": DataType.BINARY_VECTOR,
    "bytes": DataType.INT8_VECTOR,
}


@pytest.fixture(scope="module")
def made(uri):
    """A client, and a collection without indexes."""
    client = pymilvus.MilvusClient(uri)
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    for name, kind in VECTORS.items():
        schema.add_field(name, kind, dim=128)
    for name, (kind, options) in SCALARS.items():
        schema.add_field(name, kind, **options)
    client.create_collection(NAME, schema=schema)
    yield client
    client.drop_collection(NAME)
    client.close()


def _create(client, field, kind, metric="", index_name="", **params):
    made = client.prepare_index_params()
    options = {"metric_type": metric} if metric else {}
    if index_name:
        options["index_name"] = index_name
    made.add_index(field, index_type=kind, params=params, **options)
    client.create_index(NAME, made)


def _clear(client):
    for name in client.list_indexes(NAME):
        client.drop_index(NAME, name)


def _refused(act, text, code=1100):
    with pytest.raises(pymilvus.MilvusException) as raised:
        act()
    assert text in raised.value.message
    assert raised.value.code == code


def _range(name, value, least, most):
    return f"Out of range in json: param '{name}' ({value}) should be in range [{least}, {most}]"


_SUBQUANTIZERS = (
    "The dimension of the vector (dim) should be a multiple of the number of subquantizers (m)."
)
_REFINED = "optional types are [sq6, sq8, fp16, bf16, fp32, flat]"
BUILDS = [
    ("HNSW", {"M": 2049}, _range("M", 2049, 2, 2048)),
    ("HNSW", {"M": 16.0}, "wrong data type in json, key: 'M', value: '16.0': invalid parameter"),
    ("HNSW", {"M": True}, "invalid integer value, key: 'M', value: 'True': invalid parameter"),
    ("HNSW", {"M": [16]}, "invalid integer value, key: 'M', value: '[16]': invalid parameter"),
    ("HNSW_SQ", {"efConstruction": -1}, _range("efConstruction", -1, 1, 2147483647)),
    ("HNSW_SQ", {"sq_type": "FP32"}, "invalid scalar quantizer type: invalid parameter"),
    ("HNSW_SQ", {"refine_type": "INT8"}, "invalid refine type : INT8, optional types are [sq4u, "),
    ("HNSW_PQ", {"m": 7}, _SUBQUANTIZERS),
    ("HNSW_PQ", {"nbits": 25}, _range("nbits", 25, 1, 24)),
    ("HNSW_PQ", {"refine": "test"}, "should be a boolean: invalid parameter"),
    ("HNSW_PRQ", {"nrq": 17}, _range("nrq", 17, 1, 16)),
    ("IVF_FLAT", {"nlist": 65537}, _range("nlist", 65537, 1, 65536)),
    ("IVF_SQ8", {"nlist": 0}, _range("nlist", 0, 1, 65536)),
    ("SCANN", {"nlist": -1}, _range("nlist", -1, 1, 65536)),
    ("IVF_PQ", {"m": 256}, _SUBQUANTIZERS),
    ("IVF_RABITQ", {"refine": 1}, "param 'refine' (\"1\") should be a boolean"),
    ("IVF_RABITQ", {"refine_type": "PQ"}, f"invalid refine type : PQ, {_REFINED}"),
    ("INVERTED", {}, "data type FloatVector can't build with this index INVERTED"),
    ("BIN_FLAT", {}, "data type FloatVector can't build with this index BIN_FLAT"),
    ("SPARSE_WAND", {}, "data type FloatVector can't build with this index SPARSE_WAND"),
]


@pytest.mark.parametrize(("kind", "params", "text"), BUILDS)
def test_builds_that_are_refused(made, kind, params, text):
    _refused(lambda: _create(made, "v", kind, "L2", **params), text)
    assert made.list_indexes(NAME) == []


def test_builds_at_the_bounds(made):
    for kind, params in (
        ("HNSW", {"M": "16", "efConstruction": None, "unknown": "nothing"}),
        ("HNSW_SQ", {"M": 2048, "sq_type": "BF16", "refine": True, "refine_type": "Fp16"}),
        ("HNSW_PRQ", {"m": 128, "nbits": 10, "nrq": 16}),
        ("IVF_FLAT", {"nlist": 65_536}),
        ("IVF_PQ", {"nlist": 8, "m": 32, "nbits": 10}),
        ("DISKANN", {"search_list_size": -1, "max_degree": True}),
    ):
        _create(made, "v", kind, "L2", **params)
        found = made.describe_index(NAME, "v")
        assert found["index_type"] == kind
        given = {name: str(value) for name, value in params.items() if value is not None}
        assert {name: found[name] for name in given} == given
        _clear(made)


TYPES = [
    ("id", "BITMAP", "create bitmap index on primary key not supported"),
    ("real", "BITMAP", "bitmap index are only supported on bool, int, string and array field"),
    ("reals", "BITMAP", "bitmap index are only supported on bool, int, string for array field"),
    ("flag", "STL_SORT", "STL_SORT are only supported on numeric, varchar or timestamptz field"),
    ("real", "TRIE", "TRIE are only supported on varchar field"),
    ("flag", "NGRAM", "ngram index can only be created on VARCHAR or JSON field"),
    ("text", "RTREE", "RTREE index can only be built on geometry field"),
    ("place", "INVERTED", "INVERTED are not supported on Geometry field"),
    ("real", "HNSW", "index HNSW only supports vector data type"),
    ("real", "XX", "invalid index type: XX"),
    ("bits", "IVF_FLAT", "data type BinaryVector can't build with this index IVF_FLAT"),
    ("bytes", "DISKANN", "data type Int8Vector can't build with this index DISKANN"),
]


@pytest.mark.parametrize(("field", "kind", "text"), TYPES)
def test_types_that_do_not_fit_their_field(made, field, kind, text):
    metric = "" if field in SCALARS or field == "id" else "L2"
    _refused(lambda: _create(made, field, kind, metric), text)


GRAMS = "min_gram or max_gram value for Ngram index, min_gram: 5, max_gram: 3"
PATHS = [
    ("INVERTED", {}, 1101, "json index must specify cast type"),
    ("INVERTED", {"json_cast_type": "ARRAY_INT64"}, 1100, "json_cast_type ARRAY_INT64 is not"),
    (
        "INVERTED",
        {"json_cast_type": "VARCHAR", "json_cast_function": "STRING_TO_DOUBLE"},
        1100,
        "json_cast_function STRING_TO_DOUBLE is not supported for json_cast_type VARCHAR",
    ),
    ("NGRAM", {"json_cast_type": "VARCHAR", "max_gram": 3}, 1101, "both min_gram and max_gram"),
    ("NGRAM", {"json_cast_type": "double"}, 1100, "only supports VARCHAR cast type, got: DOUBLE"),
    ("NGRAM", {"json_cast_type": "varchar", "min_gram": 5, "max_gram": 3}, 1100, GRAMS),
]


@pytest.mark.parametrize(("kind", "params", "code", "text"), PATHS)
def test_paths_that_are_refused(made, kind, params, code, text):
    def act():
        _create(made, "meta", kind, json_path="meta['a']", **params)

    _refused(act, text, code)


def test_paths_of_json_and_their_names(made):
    row = {"id": 1, "text": "x", "real": 0.5, "flag": True, "reals": [], "place": "POINT (1 2)"}
    row |= {name: np.ones(128, np.float32).tolist() for name in ("v",)}
    row |= {"half": np.ones(128, np.float16), "bytes": np.ones(128, np.int8), "bits": b"x" * 16}
    row |= {"meta": {"a": {"b": 7}, "c": [{"d": "word"}]}, "extra": {"a": 9}}
    made.insert(NAME, [row])
    for path, cast, expected in (
        ("meta['a']['b']", "DOUBLE", "meta/a/b"),
        ('meta["c"][0]["d"]', "varchar", "meta/c/0/d"),
        ("meta['a']", "JSON", "meta/a"),
        ("meta", "JSON", "meta"),
    ):
        _create(made, "meta", "INVERTED", json_path=path, json_cast_type=cast)
        assert made.describe_index(NAME, expected)["json_path"] == path
    _create(made, "extra", "INVERTED", json_path="extra['a']", json_cast_type="DOUBLE")
    assert made.describe_index(NAME, "$meta/extra/a")["field_name"] == "extra"
    grams = {"json_cast_type": "VARCHAR", "min_gram": 2, "max_gram": 10**9}
    _create(made, "meta", "NGRAM", json_path="meta['n']", **grams)
    again = {"json_path": "meta['a']['b']", "json_cast_type": "DOUBLE"}
    _create(made, "meta", "INVERTED", **again)
    told = "creating multiple indexes on same field is not supported"
    _refused(lambda: _create(made, "meta", "INVERTED", index_name="other", **again), told)
    _create(made, "v", "FLAT", "L2")
    for name in ("half", "bits", "bytes"):
        _create(made, name, "AUTOINDEX")
    made.load_collection(NAME)
    for expression in ("meta['a']['b'] == 7", "meta['c'][0]['d'] == 'word'", "extra['a'] > 8"):
        assert [r["id"] for r in made.query(NAME, filter=expression)] == [1], expression
    made.release_collection(NAME)
    _clear(made)
    assert made.list_indexes(NAME) == []


def test_names_of_indexes(made):
    for name in ("1nDex", "$in4t", "12 s", "(中文)", "a" * 256):
        _refused(
            lambda n=name: _create(made, "v", "HNSW", "L2", index_name=n), "Invalid index name"
        )
    _create(made, "v", "HNSW", "L2", index_name="_1ndeX")
    _create(made, "v", "HNSW", "L2")  # the one that is there
    distinct = "CreateIndex failed: at most one distinct index is allowed per field"
    several = "CreateIndex failed: creating multiple indexes on same field is not supported"
    _refused(lambda: _create(made, "v", "IVF_FLAT", "L2"), distinct)
    _refused(lambda: _create(made, "v", "HNSW", "L2", index_name="other"), several)
    _refused(lambda: _create(made, "text", "INVERTED", index_name="_1ndeX"), distinct)
    assert made.list_indexes(NAME) == ["_1ndeX"]
    _clear(made)


def test_inverted_lists_of_half_precision(client):
    """They are a graph here, of whose parameters `nprobe` is none: what is near is found."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    kinds = {"half": DataType.FLOAT16_VECTOR, "brain": DataType.BFLOAT16_VECTOR}
    for name, kind in kinds.items():
        schema.add_field(name, kind, dim=16)
    client.create_collection("halves", schema=schema)
    drawn = np.random.default_rng(7).normal(size=(3_000, 16)).astype(np.float16)
    # Of the other type, the upper half of a 4-byte float.
    brain = (drawn.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    values = {"half": drawn, "brain": brain}
    client.insert(
        "halves",
        [{"id": i, "half": drawn[i], "brain": brain[i].tobytes()} for i in range(len(drawn))],
    )
    client.flush("halves")
    types = {"half": "IVF_SQ8", "brain": "IVF_FLAT"}
    index = client.prepare_index_params()
    for name, kind in types.items():
        index.add_index(name, index_type=kind, metric_type="L2", params={"nlist": 64})
    client.create_index("halves", index)
    client.load_collection("halves")
    for name, kind in types.items():
        assert client.describe_index("halves", name)["index_type"] == kind
        queries = [value.tobytes() if name == "brain" else value for value in values[name][:50]]
        found = client.search(
            "halves", queries, anns_field=name, limit=1, search_params={"params": {"nprobe": 1}}
        )
        assert sum(hits[0]["id"] == place for place, hits in enumerate(found)) >= 49


SPARSE = [
    (
        "SPARSE_WAND",
        {"drop_ratio_build": 1.5},
        "param 'drop_ratio_build' (1.5) should be in range [0",
    ),
    (
        "SPARSE_INVERTED_INDEX",
        {"inverted_index_algo": "X"},
        "sparse inverted index algo X not found",
    ),
    ("HNSW", {}, "data type SparseFloatVector can't build with this index HNSW"),
]


def test_sparse_vectors(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("s", DataType.SPARSE_FLOAT_VECTOR)
    client.create_collection("sparse", schema=schema)

    def create(kind, params):
        index = client.prepare_index_params()
        index.add_index("s", index_type=kind, metric_type="IP", params=params)
        client.create_index("sparse", index)

    for kind, params, text in SPARSE:
        _refused(lambda k=kind, p=params: create(k, p), text)
    create("SPARSE_INVERTED_INDEX", {"drop_ratio_build": 0.2, "inverted_index_algo": "SINDI"})
    client.load_collection("sparse")
    client.insert("sparse", [{"id": 1, "s": {1: 0.5}}])
    for share, text in ((1, "(1) should be in range [0.000000, 1.000000)"), (True, "a number")):
        options = {"search_params": {"params": {"drop_ratio_search": share}}}
        _refused(lambda o=options: client.search("sparse", [{1: 1.0}], **o), text)


def _conflict(name, shown, wanted):
    return f"Type conflict in json: param '{name}' ({shown}) should be {wanted}"


SEARCHES = {
    "HNSW": [
        ({"ef": 1}, "ef(1) should be larger than k(10)"),
        ({"ef": -1}, _range("ef", -1, 1, 2147483647)),
        ({"ef": 32.0}, _conflict("ef", "32.0", "integer")),
        ({"ef": True}, _conflict("ef", "true", "integer")),
        ({"ef": None}, _conflict("ef", "null", "integer")),
        ({"ef": [32]}, _conflict("ef", "[32]", "integer")),
        ({"ef": "32"}, ""),
        ({"nprobe": 0}, ""),
    ],
    "HNSW_PQ": [
        ({"ef": 1}, ""),
        ({"refine_k": 0}, "Out of range in json"),
        ({"refine_k": True}, _conflict("refine_k", "true", "a number")),
        ({"refine_k": "2.5"}, ""),
        ({"refine_k": ""}, "invalid float value"),
    ],
    "IVF_FLAT": [
        ({"nprobe": 65537}, _range("nprobe", 65537, 1, 65536)),
        ({"nprobe": 32.0}, _conflict("nprobe", "32.0", "integer")),
        ({"nprobe": "32"}, ""),
        ({"ef": 1}, ""),
    ],
    "IVF_RABITQ": [
        ({"rbq_bits_query": 9}, _range("rbq_bits_query", 9, 0, 8)),
        (
            {"refine_k": 0.5},
            "param 'refine_k' (0.5) should be in range [1.000000, 3402823466385288",
        ),
        ({"nprobe": 129}, ""),
    ],
    "SCANN": [
        ({"reorder_k": 9}, "reorder_k(9) should be larger than k(10)"),
        ({"reorder_k": 20, "nprobe": 8}, ""),
    ],
    "DISKANN": [
        ({"search_list_size": 1}, "search_list_size(1) should be larger than k(10)"),
        ({"search_list": 100, "beam_width_ratio": -0.1}, ""),
    ],
}


def test_parameters_of_searches(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    client.create_collection("asked", schema=schema)
    client.insert("asked", [{"id": i, "v": [i, 0, 0, 0]} for i in range(20)])
    for kind, asked in SEARCHES.items():
        index = client.prepare_index_params()
        index.add_index("v", index_type=kind, metric_type="L2")
        client.create_index("asked", index)
        client.load_collection("asked")
        for params, text in asked:
            options = {"limit": 10, "search_params": {"params": params}}
            if text:
                with pytest.raises(pymilvus.MilvusException) as raised:
                    client.search("asked", [[0, 0, 0, 0]], **options)
                assert text in raised.value.message, (kind, params)
            else:
                (hits,) = client.search("asked", [[0, 0, 0, 0]], **options)
                assert [hit["id"] for hit in itertools.islice(hits, 3)] == [0, 1, 2], (kind, params)
        client.release_collection("asked")
        client.drop_index("asked", "v")


def test_groups_are_found_however_narrow_a_search_is(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("source", DataType.VARCHAR, max_length=10)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    client.create_collection("narrow", schema=schema)
    rows = [{"id": i, "source": f"s{i // 4 % 50}", "v": [i, 0]} for i in range(400)]
    client.insert("narrow", rows)
    for kind, params in (("DISKANN", {"search_list": 30}), ("HNSW", {"ef": 10})):
        index = client.prepare_index_params()
        index.add_index("v", index_type=kind, metric_type="L2")
        client.create_index("narrow", index)
        client.load_collection("narrow")
        found = client.search(
            "narrow",
            [[0.0, 0.0]],
            anns_field="v",
            limit=50,
            search_params={"params": params},
            group_by_field="source",
            group_size=2,
            strict_group_size=True,
        )[0]
        assert [hit["id"] for hit in found] == [4 * i + k for i in range(50) for k in (0, 1)]
        client.release_collection("narrow")
        client.drop_index("narrow", "v")
