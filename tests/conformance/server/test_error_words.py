"""Common mistakes of users of Milvus, and what they are told: number and text are Milvus' own.

Programs compare parts of the texts: where 3.0 only says the same in other words, those of 2.6 stay.
"""

from __future__ import annotations

import pymilvus
import pytest
from pymilvus import AnnSearchRequest, DataType, RRFRanker, WeightedRanker

NAME, UNLOADED = "words", "unloaded"
VECTOR = [1.0, 2.0, 3.0, 4.0]
INVALID = ": invalid parameter"


def _schema(client, *more, dim=4):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=dim)
    for name, dtype, options in more:
        schema.add_field(name, dtype, **options)
    return schema


FIELDS = (
    ("t", DataType.VARCHAR, {"max_length": 8}),
    ("a", DataType.ARRAY, {"element_type": DataType.INT64, "max_capacity": 3, "nullable": True}),
    ("n", DataType.INT64, {"nullable": True}),
    ("small", DataType.INT8, {"nullable": True}),
)


@pytest.fixture(scope="module")
def made(uri):
    client = pymilvus.MilvusClient(uri)
    for name in (NAME, UNLOADED):
        client.create_collection(name, schema=_schema(client, *FIELDS))
    client.create_index(NAME, _index(client))
    client.load_collection(NAME)
    client.insert(NAME, [_row()])
    client.create_alias(NAME, "other_name")
    yield client
    client.drop_alias("other_name")
    for name in (NAME, UNLOADED):
        client.drop_collection(name)
    client.close()


def _row(**values):
    return {"id": 1, "v": VECTOR, "t": "x", **values}


def _index(client, field="v", kind="HNSW", metric="L2", **params):
    made = client.prepare_index_params()
    options = {"metric_type": metric} if metric else {}
    made.add_index(field, index_type=kind, params=params, **options)
    return made


def _insert(**values):
    return lambda c: c.insert(NAME, [_row(**values)])


def _search(data=None, limit=1, **options):
    return lambda c: c.search(NAME, [VECTOR] if data is None else data, limit=limit, **options)


def _query(filter, **options):
    return lambda c: c.query(NAME, filter=filter, **options)


def _create(*more, name="fresh", **options):
    return lambda c: c.create_collection(name, schema=_schema(c, *more, **options))


def _create_index(*args, **params):
    return lambda c: c.create_index(UNLOADED, _index(c, *args, **params))


def _array(**options):
    return ("a", DataType.ARRAY, {"element_type": DataType.INT64, **options})


WINDOW = "invalid max query result window, "
MISTAKES = {
    # --- entities
    "dimension": (
        _insert(v=[1, 2, 3]),
        1100,
        "the dim (3) of field data(v) is not equal to schema dim (4)"
        ": invalid parameter[expected=4][actual=3]",
    ),
    "null": (
        _insert(t=None),
        1100,
        "the num_rows (0) of field (t) is not equal to passed num_rows (1)"
        ": invalid parameter[expected=1][actual=0]",
    ),
    "too long": (
        lambda c: c.insert(NAME, [_row(), _row(t="äöü456")]),
        1100,
        "length of varchar field t exceeds max length, row number: 1, length: 9, max length: 8"
        + INVALID,
    ),
    "too many elements": (
        _insert(a=[1, 2, 3, 4]),
        1100,
        "the length (4) of 0th array exceeds max capacity (3): invalid parameter"
        "[expected=valid length array][actual=array length exceeds max capacity]",
    ),
    "too large a number": (
        _insert(small=300),
        1100,
        "the 0th element (300) out of range: [-128, 127]: invalid parameter"
        "[expected=integer doesn't overflow][actual=out of range]",
    ),
    "NaN in a vector": (
        _insert(v=[float("nan"), 1, 2, 3]),
        1100,
        "value 'NaN' is not a number or infinity" + INVALID,
    ),
    "infinity in a vector": (
        _insert(v=[1, 2, float("inf"), 4]),
        1100,
        "value '+Inf' is not a number or infinity" + INVALID,
    ),
    **{
        f"{what} by a name that none has": (
            ask,
            1100,
            f"Invalid {kind}: 12-s. the first character of a {kind} must be",
        )
        for what, kind, ask in (
            ("search", "collection name", lambda c: c.search("12-s", [VECTOR])),
            ("insert", "collection name", lambda c: c.insert("12-s", [_row()])),
            ("has", "collection name", lambda c: c.has_collection("12-s")),
            ("drop", "collection name", lambda c: c.drop_collection("12-s")),
            ("describe", "collection name", lambda c: c.describe_collection("12-s")),
            ("alter alias", "collection alias", lambda c: c.alter_alias(NAME, "12-s")),
            ("drop alias", "collection alias", lambda c: c.drop_alias("12-s")),
        )
    },
    "a key twice in an upsert": (
        lambda c: c.upsert(NAME, [_row(), _row()]),
        1100,
        "duplicate primary keys are not allowed in the same batch" + INVALID,
    ),
    "upsert too long": (
        lambda c: c.upsert(NAME, [_row(t="123456789")]),
        1100,
        "length of varchar field t exceeds max length, row number: 0, length: 9, max length: 8",
    ),
    "partition of an insert": (
        lambda c: c.insert(NAME, [_row()], partition_name="p"),
        200,
        "partition not found[partition=p]",
    ),
    "partition of a query": (
        lambda c: c.query(NAME, filter="id > 0", partition_names=["p"]),
        1100,
        "partition name p not found" + INVALID,
    ),
    "collection of an insert": (
        lambda c: c.insert("none", [_row()]),
        100,
        "collection not found[database=default][collection=none]",
    ),
    # --- searches
    "width of a query": (
        _search([[1.0, 2.0]]),
        1100,
        "vector dimension mismatch, expected vector size(byte) 16, actual 8" + INVALID,
    ),
    "released": (
        lambda c: c.search(UNLOADED, [VECTOR]),
        101,
        "collection not loaded[collection=unloaded]",
    ),
    "loaded without an index": (
        lambda c: c.load_collection(UNLOADED),
        700,
        "there is no vector index on field: [v], please create index firstly: index not found"
        "[collection=unloaded]",
    ),
    "field of a search": (
        _search(anns_field="none"),
        1100,
        "failed to get field schema by name: fieldName(none) not found" + INVALID,
    ),
    "output": (_search(output_fields=["none"]), 1100, "field none not exist" + INVALID),
    "metric of a search": (
        _search(search_params={"metric_type": "IP"}),
        1100,
        "metric type not match: invalid [expected=L2][actual=IP]",
    ),
    "too many hits": (
        _search(limit=20_000),
        1100,
        "topk [20000] is invalid, it should be in range [1, 16384], but got 20000" + INVALID,
    ),
    "too far": (
        _search(limit=10, offset=16_380),
        1100,
        "offset+topk [16390] is invalid, it should be in range [1, 16384], but got 16390",
    ),
    "before the first": (
        _search(offset=-1),
        1100,
        "offset [-1] is invalid, it should be in range [1, 16384], but got -1" + INVALID,
    ),
    "too many queries": (
        _search([VECTOR] * 16_385),
        1100,
        "nq [16385] is invalid, nq (number of search vector per search request) should be in "
        "range [1, 16384], but got 16385" + INVALID,
    ),
    "too small ef": (
        _search(limit=100, search_params={"params": {"ef": 10}}),
        1100,
        "ef(10) should be larger than k(100)" + INVALID,
    ),
    "groups of no field": (
        _search(group_by_field="none"),
        1700,
        "groupBy field not found in schema: field not found[field=none]",
    ),
    "partition of a search": (
        _search(partition_names=["p"]),
        1100,
        "partition name p not found" + INVALID,
    ),
    "page of a hybrid search": (
        lambda c: c.hybrid_search(
            NAME, [AnnSearchRequest([VECTOR], "v", {}, 1)], RRFRanker(), 16_385
        ),
        1100,
        WINDOW + "(offset+limit) should be in range [1, 16384], but got 16385" + INVALID,
    ),
    "queries of a hybrid search": (
        lambda c: c.hybrid_search(
            NAME,
            [AnnSearchRequest([VECTOR] * n, "v", {}, 1) for n in (1, 2)],
            RRFRanker(),
            1,
        ),
        1100,
        "sub search request nq should be the same: invalid parameter[expected=1][actual=2]",
    ),
    "weights": (
        lambda c: c.hybrid_search(
            NAME, [AnnSearchRequest([VECTOR], "v", {}, 1)], WeightedRanker(0.1, 0.2), 1
        ),
        1100,
        "the length of weights param mismatch with ann search requests"
        ": invalid parameter[expected=1][actual=2]",
    ),
    # --- filters
    "broken filter": (
        _query("id >> 3 ="),
        1100,
        "failed to create query plan: cannot parse expression: id >> 3 =, error: ",
    ),
    "field of a filter": (
        _query("none > 3"),
        1100,
        "failed to create query plan: cannot parse expression: none > 3, error: field none not "
        "exist",
    ),
    "delete by a field": (
        lambda c: c.delete(NAME, filter="none == 3"),
        1100,
        "cannot parse expression: none == 3, error: field none not exist",
    ),
    "no bound": (_query(""), 1100, "empty expression should be used with limit" + INVALID),
    "too many rows": (
        _query("id > 0", limit=20_000),
        1100,
        WINDOW + "(offset+limit) should be in range [1, 16384], but got 20000" + INVALID,
    ),
    "rows before the first": (
        _query("id > 0", limit=1, offset=-1),
        1100,
        WINDOW + "offset [-1] is invalid, should be gte than 0" + INVALID,
    ),
    # --- collections
    "another of this name": (
        lambda c: c.create_collection(NAME, dimension=8),
        1100,
        "create duplicate collection with different parameters, collection: words" + INVALID,
    ),
    "name with a digit first": (
        _create(name="1a"),
        1100,
        "Invalid collection name: 1a. the first character of a collection name must be an "
        "underscore or letter" + INVALID,
    ),
    "too long a name": (
        _create(name="a" * 256),
        1100,
        "the length of a collection name must be less than 255 characters" + INVALID,
    ),
    "name with a hyphen": (
        _create(name="a-b"),
        1100,
        "collection name can only contain numbers, letters and underscores" + INVALID,
    ),
    "name of an alias": (
        _create(name="other_name"),
        1601,
        "collection name [other_name] conflicts with an existing alias",
    ),
    "no dimension": (
        _create(dim=0),
        1100,
        "invalid dimension: 0. should be in range 2 ~ 32768" + INVALID,
    ),
    "too many dimensions": (
        _create(dim=40_000),
        1100,
        "invalid dimension: 40000 of field v. float vector dimension should be in range 2 ~ 32768",
    ),
    "dimension in bits": (
        _create(("bits", DataType.BINARY_VECTOR, {"dim": 9})),
        1100,
        "invalid dimension: 9 of field bits. binary vector dimension should be multiple of 8. ",
    ),
    "field twice": (
        _create(("v", DataType.FLOAT_VECTOR, {"dim": 4})),
        1100,
        "duplicated field name v found" + INVALID,
    ),
    "field with a hyphen": (
        _create(("a-b", DataType.INT64, {})),
        1701,
        "Invalid field name: a-b. Field name can only contain numbers, letters, and underscores."
        ": field name invalid[field=a-b]",
    ),
    "no length": (
        _create(("t", DataType.VARCHAR, {})),
        1101,
        "type param(max_length) should be specified for the field(t)",
    ),
    "too great a length": (
        _create(("t", DataType.VARCHAR, {"max_length": 70_000})),
        1100,
        "the maximum length specified for the field(t) should be in (0, 65535], but got 70000 "
        "instead" + INVALID,
    ),
    "too great a capacity": (
        _create(_array(max_capacity=5_000)),
        1100,
        "the maximum capacity specified for a Array should be in (0, 4096]" + INVALID,
    ),
    "altered length": (
        lambda c: c.alter_collection_field(NAME, "t", {"max_length": 70_000}),
        1100,
        "70000 exceeds the maximum allowed value 65535",
    ),
    "altered field": (
        lambda c: c.alter_collection_field(NAME, "none", {"max_length": 9}),
        1700,
        "field not found[field=none]",
    ),
    "added without null": (
        lambda c: c.add_collection_field(NAME, "more", DataType.INT64),
        1100,
        "added field must be nullable, please check it, field name = more" + INVALID,
    ),
    "added twice": (
        lambda c: c.add_collection_field(NAME, "n", DataType.INT64, nullable=True),
        1100,
        "duplicate field name: n" + INVALID,
    ),
    "described": (
        lambda c: c.describe_collection("none"),
        100,
        "collection not found[database=default][collection=none]",
    ),
    # --- indexes
    "type of index": (_create_index("v", "XX"), 1100, "invalid index type: XX" + INVALID),
    "metric of an index": (
        _create_index("v", "HNSW", "XX"),
        1100,
        "float vector index does not support metric type: XX" + INVALID,
    ),
    "no metric": (
        _create_index("v", "HNSW", ""),
        1100,
        "metric type not set for vector index" + INVALID,
    ),
    "M": (
        _create_index(M=1, efConstruction=10),
        1100,
        "Out of range in json: param 'M' (1) should be in range [2, 2048]" + INVALID,
    ),
    "nlist": (
        _create_index("v", "IVF_FLAT", nlist=0),
        1100,
        "Out of range in json: param 'nlist' (0) should be in range [1, 65536]" + INVALID,
    ),
    "field of an index": (
        _create_index("none"),
        1100,
        "cannot create index on non-exist field: none" + INVALID,
    ),
    "bitmap of keys": (
        _create_index("id", "BITMAP", ""),
        1100,
        "create bitmap index on primary key not supported" + INVALID,
    ),
    "second index": (
        lambda c: c.create_index(NAME, _index(c, "v", "FLAT")),
        1100,
        "CreateIndex failed: at most one distinct index is allowed per field" + INVALID,
    ),
    "dropped while loaded": (
        lambda c: c.drop_index(NAME, "v"),
        1100,
        "vector index cannot be dropped on loaded collection" + INVALID,
    ),
    # --- aliases, partitions, databases
    "alias taken": (
        lambda c: c.create_alias(UNLOADED, "other_name"),
        1602,
        "other_name is alias to another collection: words: alias already exist"
        "[database=default][alias=other_name]",
    ),
    "alias of a collection's name": (
        lambda c: c.create_alias(NAME, UNLOADED),
        1601,
        "alias and collection name conflict[database=default][alias=unloaded]",
    ),
    "alias altered to a collection's name": (
        lambda c: c.alter_alias(NAME, UNLOADED),
        1601,
        "alias and collection name conflict[database=default][alias=unloaded]",
    ),
    "alias of no name of a collection": (
        lambda c: c.create_alias("1-z", "new_name"),
        1100,
        "Invalid collection name: 1-z. the first character",
    ),
    "no alias": (
        lambda c: c.describe_alias("none"),
        1600,
        "alias not found[database=default][alias=none]",
    ),
    "dropped by its alias": (
        lambda c: c.drop_collection("other_name"),
        1100,
        "cannot drop the collection via alias = other_name" + INVALID,
    ),
    "name of a partition": (
        lambda c: c.create_partition(NAME, "a b"),
        1100,
        "Invalid partition name: a b. Partition name can only contain numbers, letters and "
        "underscores." + INVALID,
    ),
    "default partition": (
        lambda c: c.drop_partition(NAME, "_default"),
        1100,
        "default partition cannot be deleted" + INVALID,
    ),
    "name of a database": (
        lambda c: c.create_database("1-"),
        802,
        "the first character of a database name must be an underscore or letter"
        ": invalid database name[database=1-]",
    ),
    "no database": (
        lambda c: c.describe_database("none"),
        800,
        "database not found[database=none]",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_milvus_words(made, mistake):
    act, code, text = MISTAKES[mistake]
    with pytest.raises(pymilvus.MilvusException) as raised:
        act(made)
    assert raised.value.code == code
    assert text in raised.value.message
    assert not made.has_collection("fresh")


def test_partitions_are_called_after_days(made):
    """Milvus takes a digit first, and hyphens."""
    made.create_partition(NAME, "2024-05-01")
    made.insert(NAME, [_row(id=7)], partition_name="2024-05-01")
    found = made.query(NAME, filter="id > 0", partition_names=["2024-05-01"])
    assert [row["id"] for row in found] == [7]
    made.release_partitions(NAME, ["2024-05-01"])
    made.drop_partition(NAME, "2024-05-01")
    assert made.list_partitions(NAME) == ["_default"]
