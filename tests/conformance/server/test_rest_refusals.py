"""What the RESTful API does not take, and how it says so."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from elanus_server import Settings, serve_local
from elanus_server.rest.all_routes import ROUTES
from elanus_server.service.all_calls import METHODS
from elanus_server.service.registry import OWN_METHODS
from elanus_server.wire import SERVICE
from support.rest_client import RestClient, send
from support.running_server import Running

JSON = "application/json"


@pytest.fixture(scope="module")
def rest() -> Iterator[RestClient]:
    with serve_local(":memory:") as uri:
        made = RestClient(uri)
        fields = [
            {"fieldName": "id", "dataType": "Int64", "isPrimary": True},
            {"fieldName": "n", "dataType": "Int8"},
            {"fieldName": "v", "dataType": "FloatVector", "elementTypeParams": {"dim": 2}},
            {"fieldName": "s", "dataType": "SparseFloatVector"},
            {"fieldName": "b", "dataType": "BinaryVector", "elementTypeParams": {"dim": 8}},
        ]
        index = [{"fieldName": name} for name in ("v", "s", "b")]
        made.data(
            "collections/create", collectionName="c", schema={"fields": fields}, indexParams=index
        )
        made.data(
            "entities/insert",
            collectionName="c",
            data=[{"id": 1, "n": 1, "v": [1, 0], "s": {"1": 1}, "b": [1]}],
        )
        yield made


def _raw(rest: RestClient, raw: bytes, path: str = "collections/list", **headers: str) -> Any:
    headers = {"Content_Type": JSON, **headers}
    status, told = send(f"{rest.uri}/v2/vectordb/{path}", raw, **headers)
    return status, json.loads(told)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"dbName": NaN}',
        b'{"dbName": "\xff"}',
        b'{"dbName": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"dbName": ' + b"1" * 10_000 + b"}",
        b'{"dbName": 5}',
        b'{"dbName": ["x"]}',
    ],
)
def test_a_body_that_is_no_object_of_json(rest: RestClient, raw: bytes) -> None:
    status, told = _raw(rest, raw)
    assert (status, told["code"]) == (200, 1801)
    assert told["message"].startswith("can only accept json format request, error: ")


def test_a_body_of_another_type_than_json(rest: RestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; b=x"):
        assert _raw(rest, b"{}", Content_Type=kind)[1]["code"] == 1801
    for kind in (JSON, "application/json; charset=utf-8", "APPLICATION/JSON"):
        assert _raw(rest, b"{}", Content_Type=kind)[1]["code"] == 0


def test_a_long_body_is_refused() -> None:
    settings = Settings(":memory:", port=0, metrics_port=None, max_message_bytes=10_000)
    with Running(settings) as running:
        url = f"http://127.0.0.1:{running.ports.rest}/v2/vectordb/collections/list"
        for size, wanted in ((9_000, 200), (10_001, 413)):
            status, told = send(url, b" " * (size - 2) + b"{}", Content_Type=JSON)
            assert status == wanted
        assert json.loads(told) == {
            "code": 1102,
            "message": "request body larger than 10000 bytes",
        }


def test_paths_and_methods_that_there_are_not(rest: RestClient) -> None:
    status, told = _raw(rest, b"{}", "collections/nothing")
    assert (status, told["code"]) == (404, 404)
    assert "/v2/vectordb/collections/nothing" in told["message"]
    status, raw = send(f"{rest.uri}/v2/vectordb/collections/list")
    assert (status, json.loads(raw)["code"]) == (405, 405)
    assert send(f"{rest.uri}/elsewhere", b"{}")[0] == 404


def test_what_is_missing_is_named(rest: RestClient) -> None:
    for path, found in ROUTES.items():
        required = [one.name for one in found.parameters if one.required]
        if required:
            code, message = rest.refusal(path)
            assert (code, message) == (
                1802,
                f"missing required parameters, error: '{required[0]}' is required",
            )
    assert rest.refusal("collections/describe", collectionName="")[0] == 1802
    assert rest.refusal("entities/insert", collectionName="c", data=[])[0] == 1802
    assert rest.refusal("entities/search", collectionName="c")[0] == 1802


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "x"}, "value must be an integer in range"),
        ({"id": True}, "value must be an integer in range"),
        ({"id": 2**63}, "value must be an integer in range"),
        ({"id": "9" * 5_000}, "value must be an integer in range"),
        ({"n": 128}, "value must be an integer in range [-128, 127]"),
        ({"n": None}, "field n is not nullable"),
        ({"v": [1]}, "dimension: 2, but length of []float: 1"),
        ({"v": [1, None]}, "expected an array of numbers"),
        ({"v": "AAAA"}, "expected an array of numbers"),
        ({"v": [1, 1e39]}, "out of the range of FLOAT_VECTOR"),
        ({"s": {"x": 1}}, "sparse index 'x'"),
        ({"s": {"4294967295": 1}}, "sparse index"),
        ({"s": {"1": "a"}}, "sparse weight 'a'"),
        ({"s": {"indices": [1], "values": []}}, "1 indices, but 0 values"),
        ({"s": [1]}, "expected {"),
        ({"b": "!"}, "expected base64"),
        ({"b": [1, 2]}, "bytesLen: 1, but length of []byte: 2"),
        ({"b": [256]}, "expected base64 or a list of bytes"),
        ({"more": 1}, "has pass more field without dynamic schema"),
    ],
)
def test_rows_that_do_not_fit(rest: RestClient, row: dict[str, Any], said: str) -> None:
    fit = {"id": 1, "n": 1, "v": [1, 0], "s": {"1": 1}, "b": [1]}
    code, message = rest.refusal("entities/insert", collectionName="c", data=[fit, {**fit, **row}])
    assert code == 1804
    assert message.startswith("fail to deal the insert data, error: row 1: ")
    assert said in message
    assert rest.data("collections/get_stats", collectionName="c") == {"rowCount": 1}


def test_a_row_without_a_field(rest: RestClient) -> None:
    code, message = rest.refusal("entities/insert", collectionName="c", data=[{"id": 5}])
    assert (code, message.partition("error: ")[2]) == (1804, "row 0: field n is required")


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        ("collections/describe", {"collectionName": "no"}, 100, "collection not found"),
        ("collections/get_load_state", {"collectionName": "no"}, 100, "collection not found"),
        ("entities/insert", {"collectionName": "no", "data": [{}]}, 100, "collection not found"),
        ("entities/get", {"collectionName": "c", "id": "x"}, 1806, "check the primary key"),
        ("entities/search", {"collectionName": "c", "ids": ["x"]}, 1100, "expected INT64, got 'x'"),
        ("entities/search", {"collectionName": "c"}, 1802, "either 'ids' (for primary key"),
        ("entities/get", {"collectionName": "c", "id": [1.5]}, 1806, "check the primary key"),
        ("entities/query", {"collectionName": "c", "filter": "id >"}, 1100, "cannot parse"),
        ("entities/query", {"collectionName": "c", "limit": -1}, 1100, "limit"),
        ("entities/query", {"collectionName": "c", "limit": 2**31}, 1801, "limit: expected"),
        ("entities/query", {"collectionName": "c", "limit": "5"}, 1801, "limit: expected"),
        ("entities/query", {"collectionName": "c", "consistencyLevel": "x"}, 1100, "Bounded"),
        (
            "entities/query",
            {"collectionName": "c", "partitionNames": ["p"]},
            1100,
            "name p not found",
        ),
        ("entities/delete", {"collectionName": "c"}, 1802, "'filter' is required"),
        ("entities/search", {"collectionName": "c", "data": [[1, 2]]}, 1100, "anns_field"),
        (
            "entities/search",
            {"collectionName": "c", "data": [[1]], "annsField": "v"},
            1801,
            "dimension: 2, but length of []float: 1",
        ),
        (
            "entities/search",
            {"collectionName": "c", "data": [[1, 2]], "ids": [1], "annsField": "v"},
            1100,
            "mutually exclusive",
        ),
        (
            "entities/search",
            {
                "collectionName": "c",
                "data": [[1, 2]],
                "annsField": "v",
                "searchParams": {"ef": 1, "params": {"ef": 2}},
            },
            1100,
            "ambiguous parameter: ef",
        ),
        ("entities/hybrid_search", {"collectionName": "c", "search": [{}]}, 1802, "search.data"),
        ("collections/create", {"collectionName": "d"}, 1100, "dimension is required"),
        ("collections/create", {"collectionName": "1", "dimension": 2}, 1100, "first character"),
        (
            "collections/create",
            {"collectionName": "d", "dimension": 2, "vectorFieldType": "Int8Vector"},
            1100,
            "vectorFieldType can only be",
        ),
        (
            "collections/create",
            {"collectionName": "d", "dimension": 2, "vectorFieldType": "SparseFloatVector"},
            1100,
            "dimension should not be specified",
        ),
        (
            "collections/create",
            {
                "collectionName": "d",
                "dimension": 2,
                "properties": {"ttl.seconds": 1},
                "params": {"ttlSeconds": 1},
            },
            1100,
            "TTL is specified multiple times",
        ),
        (
            "collections/create",
            {
                "collectionName": "d",
                "dimension": 2,
                "consistencyLevel": "Strong",
                "params": {"consistencyLevel": "Bounded"},
            },
            1100,
            "conflicts with params.consistencyLevel",
        ),
        (
            "collections/create",
            {"collectionName": "d", "schema": {"fields": [{"fieldName": "x", "dataType": "int"}]}},
            1100,
            "data type int is invalid(case sensitive)",
        ),
        ("indexes/describe", {"collectionName": "c", "indexName": "x"}, 700, "index not found"),
        ("aliases/describe", {"aliasName": "x"}, 1600, "alias not found"),
        ("jobs/import/describe", {"jobId": "x"}, 1100, "jobId"),
    ],
)
def test_errors_have_the_numbers_and_texts_of_milvus(
    rest: RestClient, path: str, body: dict[str, Any], code: int, said: str
) -> None:
    found = rest.refusal(path, **body)
    assert found[0] == code, found
    assert said in found[1]


def test_a_call_that_is_not_answered_says_so(
    rest: RestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rest.data("databases/list") == ["default"]
    known = METHODS["ListDatabases"]
    monkeypatch.delitem(METHODS, "ListDatabases")
    assert rest.refusal("databases/list") == (
        10,
        "ListDatabases is not supported: service unimplemented",
    )
    monkeypatch.setitem(METHODS, "ListDatabases", known)
    assert rest.data("databases/list") == ["default"]


def test_every_route_asks_for_a_call_of_the_protocol() -> None:
    # Milvus answers these by calls between its own parts.
    inner = {"CommitImport", "AbortImport", "GetSegmentsInfo", "GetQuotaMetrics"}
    unknown = {one.call for one in ROUTES.values()} - set(SERVICE.methods_by_name) - inner
    unknown -= set(OWN_METHODS)
    assert unknown == set()
    assert len(ROUTES) == 122


def test_a_request_that_takes_too_long_is_told(
    rest: RestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading
    from dataclasses import replace

    held = threading.Event()
    known = METHODS["ListDatabases"]

    def slow(call: Any, request: Any) -> Any:
        held.wait(20)
        return known.answer(call, request)

    monkeypatch.setitem(METHODS, "ListDatabases", replace(known, answer=slow))
    status, told = _raw(rest, b"{}", "databases/list", Request_Timeout="1")
    held.set()
    assert (status, told) == (408, {"code": 10001, "message": "request timeout"})


def test_what_nobody_foresaw_is_logged_and_told_in_short(
    rest: RestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dataclasses import replace

    def broken(call: Any, request: Any) -> Any:
        raise ZeroDivisionError("oh")

    known = METHODS["ListDatabases"]
    monkeypatch.setitem(METHODS, "ListDatabases", replace(known, answer=broken))
    with caplog.at_level(logging.ERROR):
        assert rest.refusal("databases/list") == (65535, "ListDatabases: ZeroDivisionError: oh")
    assert "ListDatabases failed" in caplog.text
