"""Arrays of structs through Milvus' client and the RESTful API: nulls, parts, single elements."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pymilvus import (
    AnnSearchRequest,
    DataType,
    MilvusClient,
    MilvusException,
    RRFRanker,
    SearchAggregation,
    TopHits,
)
from pymilvus.client.embedding_list import EmbeddingList

from support.rest_client import RestClient

RNG = np.random.default_rng(3)


def _vector(dim: int = 2) -> list[float]:
    return [float(x) for x in (RNG.integers(-64, 64, dim) / 32).astype(np.float32)]


def _struct(client: MilvusClient) -> Any:
    made = client.create_struct_field_schema()
    made.add_field("page", DataType.INT32)
    made.add_field("text", DataType.VARCHAR, max_length=20)
    made.add_field("part", DataType.FLOAT_VECTOR, dim=2)
    return made


def _index(client: MilvusClient, name: str, *fields: tuple[str, str]) -> None:
    params = client.prepare_index_params()
    for field, metric in fields:
        params.add_index(field, index_type="AUTOINDEX", metric_type=metric)
    # Nobody waits for an index here: without it a search looks at every row.
    client.create_index(name, params, sync=False)


def _chunks(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"page": first + k, "text": f"t{first + k}", "part": _vector()} for k in range(count)]


def _books(client: MilvusClient, *, dynamic: bool = False) -> list[dict[str, Any]]:
    """Make a collection with lists of several lengths, also of none, and return its rows."""
    schema = client.create_schema(enable_dynamic_field=dynamic)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("kind", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field(
        "chunks",
        DataType.ARRAY,
        element_type=DataType.STRUCT,
        struct_schema=_struct(client),
        max_capacity=9,
    )
    client.create_collection("books", schema=schema)
    _index(client, "books", ("vector", "L2"), ("chunks[part]", "COSINE"))
    rows = [
        {"id": i, "kind": i % 3, "vector": _vector(), "chunks": _chunks((i * 5) % 7, i % 4)}
        for i in range(20)
    ]
    client.insert("books", rows)
    client.load_collection("books")
    return rows


@pytest.fixture
def rest(uri: str) -> RestClient:
    return RestClient(uri)


# --- null rows --------------------------------------------------------------------------------


@pytest.fixture
def added(client: MilvusClient) -> dict[int, Any]:
    """A collection whose array was added when it had rows: what each row has in it."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    client.create_collection("added", schema=schema)
    _index(client, "added", ("vector", "L2"))
    client.insert("added", [{"id": i, "vector": [i, 0.0]} for i in (1, 2)])
    client.add_collection_struct_field(
        "added", field_name="st", struct_schema=_struct(client), max_capacity=9, nullable=True
    )
    _index(client, "added", ("st[part]", "COSINE"))
    kept = {1: None, 2: None, 3: _chunks(2), 4: [], 5: None, 6: _chunks(3)}
    client.insert("added", [{"id": i, "vector": [i, 0.0], "st": kept[i]} for i in (3, 4, 5, 6)])
    client.load_collection("added")
    return kept


@pytest.mark.parametrize("nulls", [(), (0,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_null_rows_go_where_they_were_put(client, embedded, added, nulls):
    rows = [None if place in nulls else _chunks(place) for place in range(3)]
    client.insert(
        "added", [{"id": 10 + i, "vector": [i, 0.0], "st": r} for i, r in enumerate(rows)]
    )
    stored = embedded.collection("added").get([10, 11, 12], ["st[page]"])
    assert [row["st"] for row in stored] == [
        row and [{"page": one["page"]} for one in row] for row in rows
    ]
    got = client.query("added", filter="id >= 10", output_fields=["st"])
    assert [row["st"] for row in got] == rows


@pytest.mark.parametrize("keys", [[1, 2], [3, 6], [1, 3, 4], [1, 2, 3, 4, 5, 6], [2, 6]])
@pytest.mark.parametrize("output", [["st"], ["*"]])
def test_null_rows_are_read(client, added, output, keys):
    got = client.query("added", filter=f"id in {keys}", output_fields=output)
    assert [(row["id"], row["st"]) for row in got] == [(key, added[key]) for key in keys]
    assert client.get("added", keys, output_fields=output)[0]["st"] == added[keys[0]]


def test_null_rows_are_found(client, added):
    found = client.search("added", [[0.0, 0.0], [7.0, 0.0]], limit=6, output_fields=["st"])
    for hits in found:
        assert {hit["id"]: hit["entity"]["st"] for hit in hits} == added
    pages = client.search_iterator("added", [[0.0, 0.0]], batch_size=2, output_fields=["st"])
    read: dict[int, Any] = {}
    while batch := pages.next():
        read.update({hit["id"]: hit["entity"]["st"] for hit in batch})
    pages.close()
    assert read == added


def test_null_rows_are_read_of_a_part(client, added):
    got = client.query("added", filter="id > 0", output_fields=["st[part]", "st[page]"])
    assert {row["id"]: row["st"] for row in got} == {
        key: rows and [{"page": one["page"], "part": one["part"]} for one in rows]
        for key, rows in added.items()
    }
    only = client.query("added", filter="id > 0", output_fields=["st[part]"])
    assert [row["st"] for row in only][:3] == [None, None, [{"part": c["part"]} for c in added[3]]]


def test_null_rows_over_rest(client, rest, added):
    got = rest.data("entities/query", collectionName="added", filter="id > 0", outputFields=["st"])
    assert {int(row["id"]): row["st"] for row in got} == added
    got = rest.data(
        "entities/search", collectionName="added", annsField="vector", data=[[0, 0]], limit=6,
        outputFields=["st[text]"],
    )  # fmt: skip
    assert {int(row["id"]): row["st"] for row in got} == {
        key: rows and [{"text": one["text"]} for one in rows] for key, rows in added.items()
    }


def test_parts_of_entities_change(client, added):
    client.upsert("added", [{"id": 1, "vector": [9.0, 9.0]}], partial_update=True)
    client.upsert("added", [{"id": 6, "vector": [9.0, 8.0]}], partial_update=True)
    more = _chunks(2, 5)
    client.upsert("added", [{"id": 2, "st": more}], partial_update=True)
    client.upsert("added", [{"id": 3, "st": None}], partial_update=True)
    got = client.query("added", filter="id > 0", output_fields=["vector", "st"])
    assert {row["id"]: row["st"] for row in got} == {**added, 2: more, 3: None}
    assert [row["vector"] for row in got if row["id"] in (1, 2, 6)] == [[9, 9], [2, 0], [9, 8]]


# --- parts of structs -------------------------------------------------------------------------


def _with(rows: list[dict[str, Any]], *parts: str) -> dict[int, Any]:
    return {row["id"]: [{p: one[p] for p in parts} for one in row["chunks"]] for row in rows}


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("parts", [("page",), ("text", "page"), ("part",), ("part", "text")])
def test_parts_come_back(client, parts, dynamic):
    rows = _books(client, dynamic=dynamic)
    wanted, output = _with(rows, *parts), [f"chunks[{part}]" for part in parts]
    got = client.query("books", filter="id >= 0", output_fields=output)
    assert {row["id"]: row["chunks"] for row in got} == wanted
    assert set(got[0]) == {"id", "chunks"}
    got = client.get("books", [3, 1], output_fields=output)
    assert {row["id"]: row["chunks"] for row in got} == {i: wanted[i] for i in (1, 3)}
    found = client.search("books", [[0.0, 0.0]], anns_field="vector", limit=9, output_fields=output)
    assert all(hit["entity"] == {"chunks": wanted[hit["id"]]} for hit in found[0])
    legs = [
        AnnSearchRequest([[0.0, 1.0]], "vector", {}, limit=5),
        AnnSearchRequest([[0.5, 1.0]], "chunks[part]", {}, limit=5),
    ]
    joined = client.hybrid_search("books", legs, RRFRanker(), limit=5, output_fields=output)[0]
    assert joined
    assert all(hit["entity"]["chunks"] == wanted[hit["id"]] for hit in joined)
    pages = client.query_iterator("books", batch_size=6, filter="id >= 0", output_fields=output)
    read: dict[int, Any] = {}
    while batch := pages.next():
        read.update({row["id"]: row["chunks"] for row in batch})
    pages.close()
    assert read == wanted


def test_a_part_beside_the_whole(client):
    rows = _books(client)
    for output in (["chunks[page]", "chunks"], ["*", "chunks[page]"]):
        got = client.query("books", filter="id >= 0", output_fields=output)
        assert [row["chunks"] for row in got] == [row["chunks"] for row in rows]


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", ["chunks[other]", "chunks[page", "chunks[]", "chunks[page][0]"])
def test_a_part_that_is_not_there_is_refused(client, name, dynamic):
    _books(client, dynamic=dynamic)
    with pytest.raises(MilvusException, match="not exist") as caught:
        client.query("books", filter="id >= 0", output_fields=[name])
    assert caught.value.code == 1100


@pytest.mark.parametrize("parts", [("page",), ("page", "part")])
def test_parts_in_the_hits_of_buckets(client, parts):
    wanted = _with(_books(client), *parts)
    asked = SearchAggregation(["kind"], 3, top_hits=TopHits(2))
    output = [f"chunks[{part}]" for part in parts]
    found = client.search(
        "books", [[0.5, 1.0]], anns_field="vector", search_aggregation=asked, output_fields=output
    )
    hits = [hit for bucket in found.agg_buckets[0] for hit in bucket.hits]
    assert len(hits) == 6
    for hit in hits:
        assert json.loads(hit.fields["chunks"]) == wanted[hit.pk]


def test_parts_over_rest(client, rest):
    rows = _books(client)
    wanted = _with(rows, "page")
    got = rest.data(
        "entities/query", collectionName="books", filter="id >= 0", outputFields=["chunks[page]"]
    )
    assert {int(row["id"]): row["chunks"] for row in got} == wanted
    got = rest.data("entities/get", collectionName="books", id=[2], outputFields=["chunks[page]"])
    assert got[0]["chunks"] == wanted[2]


def test_a_search_by_what_entities_hold(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field(
        "chunks",
        DataType.ARRAY,
        element_type=DataType.STRUCT,
        struct_schema=_struct(client),
        max_capacity=9,
    )
    client.create_collection("listed", schema=schema)
    _index(client, "listed", ("chunks[part]", "MAX_SIM_IP"))
    rows = [{"id": i, "chunks": _chunks(i)} for i in range(6)]
    client.insert("listed", rows)
    client.load_collection("listed")
    found = client.search("listed", ids=[2, 5], anns_field="chunks[part]", limit=5)
    for key, hits in zip((2, 5), found, strict=True):
        listed = EmbeddingList()
        listed.add_batch([one["part"] for one in rows[key]["chunks"]])
        own = client.search("listed", [listed], anns_field="chunks[part]", limit=5)[0]
        assert [(h["id"], h["distance"]) for h in hits] == [(h["id"], h["distance"]) for h in own]
    empty, hits = client.search("listed", ids=[0, 2], anns_field="chunks[part]", limit=5)
    assert (len(empty), hits[0]["id"]) == (0, found[0][0]["id"])


def test_a_search_of_elements_by_what_entities_hold_is_refused(client):
    _books(client)
    with pytest.raises(MilvusException, match="several vectors in chunks") as caught:
        client.search("books", ids=[2], anns_field="chunks[part]", limit=5)
    assert caught.value.code == 1100


# --- single elements --------------------------------------------------------------------------


def _elements(rows: list[dict[str, Any]], passes: Any, meets: Any) -> list[tuple[int, int]]:
    """Return key and place of the elements that meet a condition, in plain Python."""
    return [
        (row["id"], place)
        for row in rows
        if passes(row)
        for place, one in enumerate(row["chunks"])
        if meets(one)
    ]


FILTERS = {
    "element_filter(chunks, $[page] >= 2)": (lambda r: True, lambda c: c["page"] >= 2),
    'kind == 1 and element_filter(chunks, $[page] < 3 && $[text] != "t1")': (
        lambda r: r["kind"] == 1,
        lambda c: c["page"] < 3 and c["text"] != "t1",
    ),
    "id > 3 and (kind != 0 and ELEMENT_FILTER(chunks, $[page] in [1, 4]))": (
        lambda r: r["id"] > 3 and r["kind"] != 0,
        lambda c: c["page"] in (1, 4),
    ),
    "element_filter(chunks, $[page] > 99)": (lambda r: True, lambda c: False),
}


@pytest.mark.parametrize("text", FILTERS)
def test_elements_are_rows_of_their_own(client, text):
    rows = _books(client)
    wanted = _elements(rows, *FILTERS[text])
    kept = {row["id"]: row for row in rows}
    for output in (["chunks[page]"], ["kind"], ["*"]):
        got = client.query("books", filter=text, output_fields=output)
        assert [(row["id"], row["offset"]) for row in got] == wanted
        for row in got:
            whole = kept[row["id"]]
            if "chunks" in row:
                assert (
                    row["chunks"][row["offset"]]["page"] == (whole["chunks"][row["offset"]]["page"])
                )
            assert row.get("kind", whole["kind"]) == whole["kind"]
    for limit, offset in ((1, 0), (3, 0), (4, 2), (50, 7), (2, 90)):
        got = client.query("books", filter=text, limit=limit, offset=offset)
        found = [(row["id"], row["offset"]) for row in got]
        assert found == wanted[offset : offset + limit]


@pytest.mark.parametrize("text", FILTERS)
def test_elements_page_by_page(client, text):
    rows = _books(client)
    for size in (1, 3, 7, 1000):
        pages = client.query_iterator("books", batch_size=size, filter=text, output_fields=["id"])
        read = []
        while batch := pages.next():
            assert len(batch) <= size
            assert len(read) <= 99, "the pages begin anew"
            read += [(row["id"], row["offset"]) for row in batch]
        pages.close()
        assert read == _elements(rows, *FILTERS[text])


def test_elements_page_by_page_under_keys_that_are_texts(client):
    schema = client.create_schema()
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=9)
    schema.add_field(
        "chunks",
        DataType.ARRAY,
        element_type=DataType.STRUCT,
        struct_schema=_struct(client),
        max_capacity=9,
    )
    client.create_collection("named", schema=schema)
    _index(client, "named", ("chunks[part]", "COSINE"))
    client.insert("named", [{"key": key, "chunks": _chunks(5)} for key in ("ü b", "a", "z")])
    client.load_collection("named")
    text = "element_filter(chunks, $[page] != 2)"
    pages = client.query_iterator("named", batch_size=3, filter=text, output_fields=["key"])
    read = []
    while batch := pages.next():
        read += [(row["key"], row["offset"]) for row in batch]
    pages.close()
    assert read == [(key, place) for key in ("a", "z", "ü b") for place in (0, 1, 3, 4)]


@pytest.mark.parametrize(
    "text",
    [
        "MATCH_ANY(chunks, $[page] >= 2)",
        "kind == 1 or element_filter(chunks, $[page] >= 2)",
        "not element_filter(chunks, $[page] >= 2)",
    ],
)
def test_other_conditions_choose_entities(client, text):
    _books(client)
    got = client.query("books", filter=text, output_fields=["id"])
    assert got
    assert all("offset" not in row for row in got)
    assert len({row["id"] for row in got}) == len(got)


def test_elements_of_a_plain_array(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("scores", DataType.ARRAY, element_type=DataType.INT64, max_capacity=9)
    client.create_collection("lists", schema=schema)
    _index(client, "lists", ("v", "COSINE"))
    scores = [[95, 80], [40], [100, 100, 100], [], [60, 60]]
    client.insert("lists", [{"id": i, "v": [1, 0], "scores": own} for i, own in enumerate(scores)])
    client.load_collection("lists")
    got = client.query("lists", filter="element_filter(scores, $ > 90)", output_fields=["id"])
    assert [(row["id"], row["offset"]) for row in got] == [(0, 0), (2, 0), (2, 1), (2, 2)]


def test_elements_in_another_order(client):
    rows = _books(client)
    text = "element_filter(chunks, $[page] >= 2)"
    wanted = _elements(sorted(rows, key=lambda r: (-r["kind"], r["id"])), *FILTERS[text])
    got = client.query("books", filter=text, limit=11, order_by_fields=[
        {"field": "kind", "order": "desc"}
    ])  # fmt: skip
    assert [(row["id"], row["offset"]) for row in got] == wanted[:11]


def test_elements_over_rest(client, rest):
    rows = _books(client)
    text = "element_filter(chunks, $[page] >= 2)"
    got = rest.data(
        "entities/query", collectionName="books", filter=text, outputFields=["kind"], limit=9
    )
    assert [(int(row["id"]), row["offset"]) for row in got] == _elements(rows, *FILTERS[text])[:9]
    assert all(int(row["kind"]) == int(row["id"]) % 3 for row in got)
    own = client.search("books", [[0.5, 1.0]], anns_field="chunks[part]", limit=6)[0]
    got = rest.data(
        "entities/search", collectionName="books", annsField="chunks[part]", data=[[0.5, 1.0]],
        limit=6,
    )  # fmt: skip
    assert [(int(row["id"]), row["offset"]) for row in got] == [
        (hit["id"], hit["offset"]) for hit in own
    ]
