"""Mistakes in writes of arrays and parts of entities, told in Milvus' words."""

from __future__ import annotations

import pymilvus
import pytest
from pymilvus import DataType

NAME = "lists"
APPEND = pymilvus.FieldOp.array_append()
CAPACITY = (
    ": invalid parameter[expected=valid length array][actual=array length exceeds max capacity]"
)


def _row(**values):
    return {"id": 1, "v": [1.0, 2.0], "t": "x", **values}


@pytest.fixture(scope="module")
def made(uri):
    client = pymilvus.MilvusClient(uri)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("t", DataType.VARCHAR, max_length=8)
    schema.add_field("n", DataType.INT64, nullable=True)
    shared = {"max_capacity": 3, "nullable": True}
    schema.add_field("a", DataType.ARRAY, element_type=DataType.INT64, **shared)
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_length=4, **shared)
    struct = client.create_struct_field_schema()
    struct.add_field("page", DataType.INT64)
    shared["struct_schema"] = struct
    schema.add_field("parts", DataType.ARRAY, element_type=DataType.STRUCT, **shared)
    index = client.prepare_index_params()
    index.add_index("v", metric_type="L2")
    client.create_collection(NAME, schema=schema, index_params=index)
    client.insert(NAME, [_row(a=[1, 2])])
    yield client
    client.drop_collection(NAME)
    client.close()


def _insert(**values):
    return lambda client: client.insert(NAME, [_row(**values)])


def _appended(*names, **values):
    ops = dict.fromkeys(names, APPEND)
    return lambda client: client.upsert(NAME, [{"id": 1, **values}], field_ops=ops)


MISTAKES = {
    "too many elements": (
        _insert(a=[1, 2, 3, 4]),
        "the length (4) of 0th array exceeds max capacity (3)" + CAPACITY,
    ),
    "too many structs": (
        _insert(parts=[{"page": page} for page in range(4)]),
        "the length (4) of 0th array exceeds max capacity (3)" + CAPACITY,
    ),
    "too long an element": (
        _insert(tags=["a", "bcdef"]),
        'length of Array array field "tags" exceeds max length, row number: 0, array index: 1, '
        "length: 5, max length: 4",
    ),
    "too many with those that are there": (
        _appended("a", a=[3, 4]),
        "array length 4 exceeds max_capacity 3",
    ),
    "appended to a text": (
        _appended("t", t="b"),
        'op ARRAY_APPEND requires Array field, but field "t" is VarChar',
    ),
    "appended to the key": (
        _appended("id", a=[3]),
        'field "id" is the primary key and cannot carry a partial-update op',
    ),
    "nothing to append": (
        _appended("a", n=3),
        'partial-update op targets field "a" not present in fields_data',
    ),
    "appended to what is no field": (
        _appended("other", a=[3]),
        'field "other" not found in collection schema',
    ),
    "one of two at fault": (
        _appended("a", "t", a=[3], t="b"),
        'op ARRAY_APPEND requires Array field, but field "t" is VarChar',
    ),
    "part of a new entity": (
        lambda client: client.upsert(NAME, [{"id": 7, "n": 3}], partial_update=True),
        "fieldSchema(v) has no corresponding fieldData pass in",
    ),
    "name of a partition": (
        lambda client: client.insert(NAME, [_row()], partition_name="(mn)"),
        "Invalid partition name: (mn). Partition name can only contain numbers",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_milvus_words_and_change_nothing(made, mistake):
    do, text = MISTAKES[mistake]
    with pytest.raises(pymilvus.MilvusException) as told:
        do(made)
    assert (told.value.code, told.value.message[: len(text)]) == (1100, text)
    kept = made.query(NAME, filter="id >= 0", output_fields=["a", "t"])
    assert list(kept) == [{"id": 1, "a": [1, 2], "t": "x"}]
