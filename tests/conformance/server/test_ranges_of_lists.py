"""Of inverted lists a range, and an iterator in the end, miss nothing, however few are visited."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pymilvus import Collection, DataType, connections


@pytest.fixture
def lists(client):
    """Return the vectors of a collection of inverted lists."""
    vectors = np.random.default_rng(6).random((3000, 8)).astype(np.float32)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=8)
    indexes = client.prepare_index_params()
    indexes.add_index("dense", index_type="IVF_FLAT", metric_type="L2", params={"nlist": 128})
    client.create_collection("lists", schema=schema)
    client.insert("lists", [{"id": i, "dense": vector} for i, vector in enumerate(vectors)])
    client.flush("lists")
    client.create_index("lists", indexes)
    client.load_collection("lists")
    return vectors


def test_lists_are_all_read_for_a_range(client, lists):
    query = np.random.default_rng(7).random(8).astype(np.float32)
    distances = ((lists - query) ** 2).sum(axis=1)
    for near, far in ((0.0, 0.5), (0.0, 1.0), (0.5, 0.7), (0.7, 0.9)):
        inside = np.flatnonzero((distances >= near) & (distances < far))
        assert len(inside) > 20
        for probes in (1, 10):
            params = {"nprobe": probes, "radius": far, "range_filter": near}
            (found,) = client.search("lists", [query], limit=3000, search_params={"params": params})
            assert sorted(hit["id"] for hit in found) == inside.tolist()


@pytest.mark.filterwarnings("ignore")
def test_iterators_go_through_all_lists(client, uri, lists):
    query = np.random.default_rng(8).random(8).astype(np.float32)
    distances = ((lists - query) ** 2).sum(axis=1)
    connections.connect("lists", uri=uri)
    try:
        old = Collection("lists", using="lists")
        for probes, radius, batch in (
            (1, None, 500),
            (10, None, 200),
            (1, 1.0, 500),
            (10, 1.0, 90),
        ):
            given = {"nprobe": probes} if radius is None else {"nprobe": probes, "radius": radius}
            asked = {"metric_type": "L2", "params": given}
            inside = np.flatnonzero(distances < (radius or np.inf)).tolist()
            found = drained(old.search_iterator([query], "dense", asked, batch))
            assert sorted(hit.id for hit in found) == inside
            newer = client.search_iterator(
                "lists", [query], batch, anns_field="dense", search_params=asked
            )
            assert sorted(hit["id"] for hit in drained(newer)) == inside
    finally:
        connections.disconnect("lists")


def drained(iterator: Any) -> list[Any]:
    found: list[Any] = []
    while batch := iterator.next():
        found += batch
    iterator.close()
    return found
