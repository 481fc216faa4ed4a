"""Searches by keys, rankers and limits as Milvus has them, by its own client."""

from __future__ import annotations

from typing import Any

import pytest
from pymilvus import (
    AnnSearchRequest,
    DataType,
    Function,
    FunctionScore,
    FunctionType,
    MilvusException,
)

SPARSE = {0: {1: 1.0, 2: 0.5}, 1: {1: 0.2}, 2: None, 3: {2: 2.0}, 4: None}


@pytest.fixture
def sparse(client):
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR, nullable=True)
    index = client.prepare_index_params()
    index.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection("sparse", schema=schema, index_params=index)
    client.insert("sparse", [{"id": pk, "words": vector} for pk, vector in SPARSE.items()])
    return "sparse"


def refused(call: Any, text: str) -> None:
    with pytest.raises(MilvusException) as raised:
        call()
    assert raised.value.code == 1100
    assert text in raised.value.message


# --- by keys ----------------------------------------------------------------------------------


def test_an_entity_without_a_vector_finds_nothing_and_the_others_what_they_do(client, sparse):
    def ids(keys: list[int]) -> list[list[int]]:
        found = client.search(sparse, ids=keys, anns_field="words", limit=5)
        return [[hit["id"] for hit in hits] for hits in found]

    # 0: 1.25 with itself, 1.0 with 3, 0.2 with 1; 3: 4.0 with itself, 1.0 with 0.
    assert ids([0, 2]) == [[0, 3, 1], []]
    assert ids([2, 3, 4, 0]) == [[], [3, 0], [], [0, 3, 1]]
    assert ids([2, 4]) == [[], []]
    assert ids([4]) == [[]]


def test_keys_that_are_not_there_or_come_twice_are_refused(client, sparse):
    for keys, text in (([0, 99], "no entity has the primary key 99"), ([0, 1, 0], "duplicate ids")):
        refused(
            lambda keys=keys: client.search(sparse, ids=keys, anns_field="words", limit=5), text
        )
