"""Arrays of structs as clients of several kinds send them: what says which rows are null."""

import pytest

import elanus
from elanus import ARRAY, STRUCT, Field, Schema
from elanus_server.codec.columns import decode_columns
from elanus_server.codec.entities import encode_column
from elanus_server.failures import MilvusError

CHUNKS = Field(
    "chunks",
    ARRAY,
    element_type=STRUCT,
    nullable=True,
    struct=[
        Field("page", elanus.INT32),
        Field("vector", elanus.FLOAT_VECTOR, dim=2, metric="L2"),
    ],
)
SCHEMA = Schema([Field("id", elanus.INT64, primary=True), CHUNKS])
ROWS = [
    [None, [{"page": 1, "vector": [1.0, 2.0]}], None, []],
    [[{"page": 3, "vector": [0.0, 2.0]}, {"page": 4, "vector": [5.0, 2.0]}], None],
    [None, None],
    [[], [{"page": 3, "vector": [0.0, 2.0]}]],
]


def read(message, rows):
    found = decode_columns([message], SCHEMA, len(rows))["chunks"]
    return [
        row
        and [{"page": int(one["page"]), "vector": [float(x) for x in one["vector"]]} for one in row]
        for row in found
    ]


def without_null_rows(message):
    """Leave nulls out of a column, as pymilvus does."""
    valid = list(message.valid_data)
    page, vector = message.struct_arrays.fields
    for lists in (page.scalars.array_data.data, vector.vectors.vector_array.data):
        for place in reversed(range(len(valid))):
            if not valid[place]:
                del lists[place]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("told_by", ["whole", "parts", "both"])
def test_null_rows(rows, is_packed, told_by):
    message = encode_column(CHUNKS, rows)
    if is_packed:
        without_null_rows(message)
    if told_by == "whole":
        for part in message.struct_arrays.fields:
            del part.valid_data[:]
    if told_by == "parts":
        del message.valid_data[:]
    assert read(message, rows) == rows


def test_parts_that_disagree_are_refused():
    message = encode_column(CHUNKS, ROWS[0])
    message.struct_arrays.fields[0].valid_data[0] = True
    with pytest.raises(MilvusError, match="row 0 has lists of different lengths"):
        read(message, ROWS[0])
    message = encode_column(CHUNKS, ROWS[3])
    del message.struct_arrays.fields[1].vectors.vector_array.data[1]
    with pytest.raises(MilvusError, match="fields differ in their number of rows"):
        read(message, ROWS[3])
