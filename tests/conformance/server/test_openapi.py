"""The document of the RESTful API describes what there is, and nothing in it breaks the server."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from elanus_server import serve_local
from elanus_server.rest.all_routes import ROUTES
from elanus_server.rest.openapi import document
from elanus_server.service.all_calls import METHODS
from elanus_server.service.registry import OWN_METHODS
from support.rest_client import RestClient, send

PREFIX = "/v2/vectordb/"


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with serve_local(":memory:") as address:
        rest = RestClient(address)
        rest.data("collections/create", collectionName="c", dimension=2)
        rest.data("entities/insert", collectionName="c", data=[{"id": 1, "vector": [1, 2]}])
        yield address


def test_the_document_has_every_route_and_its_parameters(uri: str) -> None:
    found = json.loads(send(f"{uri}/openapi.json")[1])
    assert found == document()
    assert found["paths"].keys() == {PREFIX + path for path in ROUTES}
    for path, route in ROUTES.items():
        operation = found["paths"][PREFIX + path]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        assert body["properties"].keys() == {one.name for one in route.parameters}
        assert body.get("required", []) == [one.name for one in route.parameters if one.required]
        is_answered = not operation["description"].startswith("Not supported")
        assert is_answered == (route.call in {**METHODS, **OWN_METHODS})
    numbers = [item["post"]["operationId"] for item in found["paths"].values()]
    assert len(set(numbers)) == len(numbers)


def test_what_most_begin_with_comes_first() -> None:
    groups = dict.fromkeys(path.split("/")[3] for path in document()["paths"])
    assert [*groups][:4] == ["collections", "entities", "indexes", "partitions"]


def test_wrong_paths_and_methods_are_told(uri: str) -> None:
    def told(path: str, body: bytes | None) -> tuple[int, str]:
        status, raw = send(f"{uri}{path}", body, Content_Type="application/json")
        return status, json.loads(raw)["message"]

    lists = "/docs lists the routes"
    assert told("/v1/x", b"{}") == (404, f"there is nothing at /v1/x; {lists}, /ui/ is for people")
    path = f"{PREFIX}collections/list"
    assert told(path, None) == (405, f"{path} takes POST; {lists}")
    assert told(f"{PREFIX}x", b"{}") == (404, f"there is nothing at {PREFIX}x; {lists}")


def test_the_page_needs_nothing_from_elsewhere(uri: str) -> None:
    status, raw = send(f"{uri}/docs")
    assert status == 200
    assert b"openapi.json" in raw
    assert b"//" not in raw.replace(b"<!doctype", b"")


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["c", "id", "vector", "default", "_default", "id > 0", "Int64", "IP", "*"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "params",
                    "fields",
                    "fieldName",
                    "dataType",
                    "name",
                    "type",
                    "data",
                    "functions",
                    "strategy",
                    "radius",
                    "ef",
                    "nprobe",
                    "group_by_field",
                    "dim",
                    "annsField",
                    "id",
                ]
            )
            | st.text(max_size=4),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
_OF_KIND: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(["c", "id", "vector", "", "x", "id > 0", "Strong"]),
    "integer": st.integers(-1, 20),
    "object": st.dictionaries(st.text(max_size=6), _VALUES, max_size=3),
    "strings": st.lists(st.sampled_from(["*", "id", "vector", "_default", "x"]), max_size=2),
    "boolean": st.booleans(),
}


@st.composite
def _requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    route = ROUTES[draw(st.sampled_from(sorted(ROUTES.keys() - {"collections/drop"})))]
    body: dict[str, Any] = {}
    for one in route.parameters:
        if one.name == "collectionName" and draw(st.integers(0, 9)):
            body[one.name] = "c"
        elif one.required or draw(st.booleans()):
            likely = _OF_KIND.get(one.kind, _VALUES)
            body[one.name] = draw(likely if draw(st.integers(0, 3)) else _VALUES)
    return route.path, body


@settings(
    max_examples=int(os.environ.get("REST_EXAMPLES", "120")),
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(asked=_requests())
def _nothing_breaks(uri: str, log: pytest.LogCaptureFixture, asked: tuple[str, Any]) -> None:
    path, body = asked
    raw = json.dumps(body).encode()
    status, told = send(f"{uri}{PREFIX}{path}", raw, Content_Type="application/json")
    assert status == 200, (path, body, told)
    assert not log.records, (path, body, told, log.text[-2000:])


def test_no_body_breaks_the_server(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    """Unforeseen errors are logged, whatever the client is told."""
    with caplog.at_level(logging.ERROR, "elanus_server"):
        _nothing_breaks(uri, caplog)


@pytest.mark.slow
def test_schemathesis_finds_no_error_of_the_server(uri: str) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    loaded = schemathesis.openapi.from_url(f"{uri}/openapi.json")

    for result in loaded.get_all_operations():
        operation = result.ok()

        @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(checks=(schemathesis.checks.not_a_server_error,))

        ask()
