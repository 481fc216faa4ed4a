"""Every type of value through the RESTful API."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient

import elanus
from support.rest_client import RestClient, send
from support.running_server import shared_server


@pytest.fixture(scope="module")
def uri(folder: Path) -> Iterator[str]:
    """One collection has every type of vector."""
    with shared_server(str(folder), max_vector_fields=7) as address:
        yield address


@pytest.fixture
def rest(uri: str, client: MilvusClient) -> RestClient:
    return RestClient(uri)


def _typed_fields() -> list[dict[str, Any]]:
    def field(name: str, kind: str, **more: Any) -> dict[str, Any]:
        return {"fieldName": name, "dataType": kind, **more}

    text = {"max_length": 100}
    few = {"max_capacity": 5}
    return [
        field("id", "Int64", isPrimary=True),
        field("flag", "Bool", nullable=True),
        field("i8", "Int8", nullable=True),
        field("i16", "Int16", nullable=True),
        field("i32", "Int32", defaultValue=7),
        field("i64", "Int64", nullable=True),
        field("f32", "Float", nullable=True),
        field("f64", "Double", nullable=True),
        field("text", "VarChar", elementTypeParams=text, nullable=True),
        field("json", "JSON", nullable=True),
        field("at", "Timestamptz", nullable=True),
        field("place", "Geometry", nullable=True),
        field("longs", "Array", elementDataType="Int64", elementTypeParams=few, nullable=True),
        field("words", "Array", elementDataType="VarChar", elementTypeParams={**text, **few}),
        field("dense", "FloatVector", elementTypeParams={"dim": 2}),
        field("half", "Float16Vector", elementTypeParams={"dim": 2}),
        field("brain", "BFloat16Vector", elementTypeParams={"dim": 2}),
        field("small", "Int8Vector", elementTypeParams={"dim": 2}),
        field("bits", "BinaryVector", elementTypeParams={"dim": 16}),
        field("sparse", "SparseFloatVector"),
        {
            "fieldName": "parts",
            "dataType": "ArrayOfStruct",
            "elementTypeParams": few,
            "fields": [
                field("n", "Int32"),
                field("v", "FloatVector", elementTypeParams={"dim": 2}),
            ],
        },
    ]


FULL = {
    "id": 1,
    "flag": True,
    "i8": -128,
    "i16": 32767,
    "i32": -5,
    "i64": "9223372036854775807",
    "f32": 0.1,
    "f64": 1e300,
    "text": "ü 🌍",
    "json": {"a": [1, None, "x"]},
    "at": "2024-02-29T23:59:59Z",
    "place": "POINT (1 2)",
    "longs": [1, "-9223372036854775808"],
    "words": ["a", ""],
    "dense": [0.5, 0.25],
    "half": [0.5, -2],
    "brain": [1, 2],
    "small": [-128, 127],
    "bits": base64.b64encode(b"\x01\xff").decode(),
    "sparse": {"1": 0.5, "70000": 0.1},
    "parts": [{"n": 1, "v": [1, 2]}, {"n": 2, "v": [3, 4]}],
    "other": {"deep": [True]},
}
EMPTY = {
    "id": 2,
    "words": [],
    "dense": [1, 1],
    "small": [0, 1],
    "bits": [0, 255],
    "half": base64.b64encode(np.array([1, 2], "<f2").tobytes()).decode(),
    "brain": base64.b64encode(b"\x80\x3f\x00\x40").decode(),
    "sparse": {"indices": [3], "values": [1.5]},
    "parts": [],
    "f32": "NaN",
    "f64": "-Infinity",
}


def test_values_are_neither_rounded_nor_rewritten(rest: RestClient) -> None:
    fields = [
        {"fieldName": "id", "dataType": "Int64", "isPrimary": True},
        {"fieldName": "big", "dataType": "Int64"},
        {"fieldName": "s", "dataType": "VarChar", "elementTypeParams": {"max_length": 20}},
        {"fieldName": "b", "dataType": "Bool"},
        {"fieldName": "j", "dataType": "JSON", "nullable": True},
        {"fieldName": "v", "dataType": "FloatVector", "elementTypeParams": {"dim": 2}},
    ]
    index = [{"fieldName": "v", "metricType": "L2", "indexName": "v"}]
    rest.data(
        "collections/create", collectionName="exact", schema={"fields": fields}, indexParams=index
    )
    given = [
        ("9007199254740993.0", "1e300", "1", '"12"'),
        ("-9007199254740993.00", "1.50", '"true"', '"{}"'),
        ("1e3", "7", "0", "[1.50, 18446744073709551615]"),
        ("9007199254740993", '"x"', "false", "null"),
    ]
    rows = ",".join(
        f'{{"id": {pk}, "big": {big}, "s": {s}, "b": {b}, "j": {j}, "v": [1, 2]}}'
        for pk, (big, s, b, j) in enumerate(given)
    )
    url = f"{rest.uri}/v2/vectordb/entities/insert"
    raw = f'{{"collectionName": "exact", "data": [{rows}]}}'.encode()
    _, told = send(url, raw, Content_Type="application/json")
    assert json.loads(told)["code"] == 0, told
    found = rest.data("entities/query", collectionName="exact", filter="id >= 0")
    assert [tuple(row[name] for name in ("big", "s", "b", "j")) for row in found] == [
        (9007199254740993, "1e300", True, "12"),
        (-9007199254740993, "1.50", True, "{}"),
        (1000, "7", False, "[1.5,18446744073709551615]"),
        (9007199254740993, "x", False, None),
    ]


def test_every_type_of_value_goes_in_and_comes_back(
    rest: RestClient, client: MilvusClient, embedded: elanus.Database
) -> None:
    vectors = ("dense", "half", "brain", "small", "bits", "sparse")
    rest.data(
        "collections/create",
        collectionName="typed",
        schema={"fields": _typed_fields(), "enableDynamicField": True},
    )
    assert rest.data("entities/insert", collectionName="typed", data=[FULL, EMPTY]) == {
        "insertCount": 2,
        "insertIds": [1, 2],
    }
    # What is stored, by the library, which is another way out.
    collection = embedded.collection("typed")
    one, two = collection.query("id > 0", ["*"])
    assert (one["i64"], one["longs"]) == (2**63 - 1, [1, -(2**63)])
    assert (one["json"], one["other"]) == ({"a": [1, None, "x"]}, {"deep": [True]})
    assert one["sparse"] == {1: 0.5, 70000: float(np.float32(0.1))}
    assert two["sparse"] == {3: 1.5}
    assert np.asarray(two["half"]).tolist() == [1.0, 2.0]
    assert [part["n"] for part in one["parts"]] == [1, 2]
    assert two["i32"] == 7
    assert all(two[name] is None for name in ("flag", "i8", "text", "json", "at", "longs"))
    # And by REST: what is read can be written again, and is the same.
    for name in [*vectors, "parts[v]"]:
        metric = {"parts[v]": "MAX_SIM_COSINE"}.get(name, "")
        told = rest.post(
            "indexes/create",
            collectionName="typed",
            indexParams=[{"fieldName": name, "indexName": "", "metricType": metric}],
        )
        assert told["code"] == 0, (name, told)
    rest.data("collections/load", collectionName="typed")
    asked = {"collectionName": "typed", "filter": "id > 0", "outputFields": ["*"]}
    first = rest.data("entities/query", **asked)
    shown = first[0]
    assert shown["bits"] == FULL["bits"]
    assert shown["half"] == base64.b64encode(np.array([0.5, -2], "<f2").tobytes()).decode()
    assert shown["small"] == base64.b64encode(bytes([128, 127])).decode()
    assert json.loads(shown["json"]) == FULL["json"]
    assert (shown["dense"], shown["f32"], shown["f64"]) == ([0.5, 0.25], 0.1, 1e300)
    assert (first[1]["f32"], first[1]["f64"]) == ("NaN", "-Infinity")
    assert shown["sparse"] == FULL["sparse"]
    assert shown["parts"] == [{"n": 1, "v": [1.0, 2.0]}, {"n": 2, "v": [3.0, 4.0]}]
    rest.data("entities/upsert", collectionName="typed", data=first)
    assert rest.data("entities/query", **asked) == first
    # Each kind of vector finds its own row.
    for name, query in (
        ("dense", [0.5, 0.25]),
        ("half", shown["half"]),
        ("brain", [1, 2]),
        ("small", [-128, 127]),
        ("bits", FULL["bits"]),
        ("sparse", {"1": 1}),
    ):
        found = rest.data(
            "entities/search", collectionName="typed", annsField=name, data=[query], limit=1
        )
        assert [hit["id"] for hit in found] == [1], name


def test_a_type_of_the_client_is_one_of_rest(rest: RestClient, client: MilvusClient) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("m", DataType.FLOAT_VECTOR, dim=2, nullable=True)
    client.create_collection("made", schema=schema)
    rows = [{"id": 1, "v": [1, 0], "m": None}, {"id": 2, "v": [0, 1], "m": [3, 4]}]
    rest.data("entities/insert", collectionName="made", data=rows)
    index = client.prepare_index_params()
    index.add_index("v", index_type="AUTOINDEX", metric_type="L2")
    index.add_index("m", index_type="AUTOINDEX", metric_type="L2")
    client.create_index("made", index)
    client.load_collection("made")
    found = rest.data("entities/query", collectionName="made", filter="id > 0")
    assert found == [
        {"id": 1, "v": [1.0, 0.0], "m": None},
        {"id": 2, "v": [0.0, 1.0], "m": [3.0, 4.0]},
    ]


def test_parts_of_moments_come_by_the_parameters_of_a_search(rest: RestClient) -> None:
    fields = [
        {"fieldName": "id", "dataType": "Int64", "isPrimary": True},
        {"fieldName": "at", "dataType": "Timestamptz", "nullable": True},
        {"fieldName": "v", "dataType": "FloatVector", "elementTypeParams": {"dim": 2}},
    ]
    index = [{"fieldName": "v", "metricType": "L2", "indexType": "AUTOINDEX"}]
    where = {"collectionName": "times"}
    rest.post("collections/create", **where, schema={"fields": fields}, indexParams=index)
    rows = [{"id": 1, "at": "2024-12-31T16:00:07Z", "v": [0, 0]}, {"id": 2, "v": [1, 0]}]
    rest.post("entities/insert", **where, data=rows)

    def found(**params: Any) -> list[Any]:
        given = where | {"data": [[0, 0]], "outputFields": ["at"], "searchParams": params}
        return [hit["at"] for hit in rest.post("entities/search", **given)["data"]]

    assert found(timezone="Asia/Shanghai") == ["2025-01-01T00:00:07+08:00", None]
    parts = {"timezone": "Asia/Shanghai", "time_fields": "year,second"}
    assert [at and [int(part) for part in at] for at in found(**parts)] == [[2025, 7], None]
